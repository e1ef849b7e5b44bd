/* mpirun and all that descends from it: started, stopped on demand, and
 * watched until none of them is left. */
#ifndef EBM_DAEMON_SHEPHERD_HERD_H
#define EBM_DAEMON_SHEPHERD_HERD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "launch/plan.h"

enum herd_phase {
    HERD_RUNNING,
    HERD_STOPPING, /* mpirun was asked to end */
    HERD_DRAINING, /* mpirun has ended; what it left behind may end by itself */
    HERD_KILLING
};

struct herd {
    const struct plan *plan; /* borrowed */
    int output;              /* descriptor of output.log, borrowed */
    int signals;             /* signalfd, owned */
    pid_t mpirun;
    bool ended;      /* mpirun was reaped: wait_status counts */
    int wait_status; /* as of waitpid(2) */
    bool stop;       /* a stop was asked for */
    bool kill;       /* and no wait for anything */
    enum herd_phase phase;
    int64_t deadline_ms; /* of the phase, clock_mono_ms */
};

/* Becomes the subreaper of all descendants and takes the signals. Before
 * anything that may be stopped. */
enum ebm_status herd_init(struct herd *h, const struct plan *plan, int output,
                          struct ebm_error *err);
/* mpirun in a process group of its own, which the kernel kills when the
 * shepherd dies. That it could not be run shows as exit status 127. */
enum ebm_status herd_start(struct herd *h, struct ebm_error *err);
/* Returns when no descendant is left; SIGTERM and SIGINT stop them: SIGTERM
 * to mpirun's group, SIGKILL to all after 5 s. SIGUSR1: SIGKILL at once. */
void herd_run(struct herd *h);

#endif
