/* A private folder in memory for what Open MPI keeps while it runs: session
 * files and the segments that ranks share. Everything of an attempt is in
 * this one folder, so that whatever a SIGKILL leaves there goes with it. */
#ifndef EBM_DAEMON_LAUNCH_SCRATCH_H
#define EBM_DAEMON_LAUNCH_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Its path: short, and always the same for a home and a fence. Creates
 * nothing. */
void scratch_path(const char *state, uint64_t fence, char *path, size_t size);

/* Mode 0700 and ours. One that is there from before is emptied; somebody
 * else's is EBM_EEXIST. */
enum ebm_status scratch_make(const char *path, struct ebm_error *err);

/* With all that is in it; fine if it is not there. Never follows a link, and
 * never touches a folder of another user. */
void scratch_remove(const char *path);

#endif
