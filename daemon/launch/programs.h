/* Finding the programs of a launch, with a sentence when one is missing. */
#ifndef EBM_DAEMON_LAUNCH_PROGRAMS_H
#define EBM_DAEMON_LAUNCH_PROGRAMS_H

#include "base/err.h"
#include "home/home.h"

struct programs {
    char mpirun[HOME_PATH_MAX]; /* EBM_MPIRUN, or from PATH */
    char shepherd[HOME_PATH_MAX];
    char worker[HOME_PATH_MAX]; /* EBM_WORKER_PROGRAM, or beside ebmd */
};

/* All of them, absolute and executable; EBM_ENOTFOUND says where was looked
 * and what to do. */
enum ebm_status programs_find(struct programs *p, struct ebm_error *err);

#endif
