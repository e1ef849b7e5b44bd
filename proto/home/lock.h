/* One ebmd a home: state/ebmd.lock, held for life, with the pid in it. The
 * lock goes with the process, however it ends. */
#ifndef EBM_HOME_LOCK_H
#define EBM_HOME_LOCK_H

#include <sys/types.h>

#include "base/err.h"
#include "home/home.h"

/* EBM_EEXIST names the ebmd that has it, after a third of a second in which it
 * did not let go. *fd is to be kept open. */
enum ebm_status lock_take(const struct home *home, int *fd, struct ebm_error *err);

/* The pid of the ebmd that holds it; 0 when nobody does. Takes nothing. */
pid_t lock_holder(const struct home *home);

#endif
