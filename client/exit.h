/* Exit codes of ebmctl, and what leads to them. */
#ifndef EBM_CLIENT_EXIT_H
#define EBM_CLIENT_EXIT_H

#include "base/err.h"
#include "state/state.h"

enum {
    CODE_OK = 0,
    CODE_REFUSED = 1, /* or the job failed */
    CODE_USAGE = 2,   /* or the spec is invalid */
    CODE_DIVERGED = 3,
    CODE_AUTH = 4,
    CODE_NOTFOUND = 5,
    CODE_UNREACHABLE = 6,
    CODE_TIMEOUT = 124
};

int exit_of_status(enum ebm_status status);

/* For a job that ended in this state; 0 for a state that is not final. */
int exit_of_state(enum job_state state);

/* The code of several jobs: a failure outweighs a divergence, and that a
 * success. */
int exit_worse(int a, int b);

#endif
