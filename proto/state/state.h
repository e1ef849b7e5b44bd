/* States of a job and their transitions: one table for the three programs.
 *
 *   queued ──schedule──► starting ──up──► running ──finish──► succeeded
 *
 * An event applied to a state looks its row up here; a missing row means the
 * event is refused in that state. */
#ifndef EBM_STATE_STATE_H
#define EBM_STATE_STATE_H

#include <stdbool.h>
#include <stddef.h>

enum job_state {
    JOB_QUEUED,
    JOB_HELD,
    JOB_STARTING,
    JOB_RUNNING,
    JOB_PAUSING,
    JOB_PAUSED,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_DIVERGED,
    JOB_UNKNOWN, /* workers out of sight; never a reason to kill */
    JOB_STATE_COUNT
};

enum job_event {
    JOB_EV_HOLD,     /* user: keep it in the queue */
    JOB_EV_RELEASE,  /* user: let it go */
    JOB_EV_SCHEDULE, /* slots found, an attempt is being launched */
    JOB_EV_UP,       /* the workers reported */
    JOB_EV_LOST,     /* no heartbeat for a lease, processes not seen to end */
    JOB_EV_STOP,     /* a stop was asked of a live attempt (pause, cancel, kill, rollback) */
    JOB_EV_REQUEUE,  /* a new attempt is planned (restart, resume, rollback) */
    JOB_EV_PAUSED,   /* the attempt ended with intent pause, or by a full disk */
    JOB_EV_SUCCEEDED,
    JOB_EV_FAILED,
    JOB_EV_CANCELLED,
    JOB_EV_DIVERGED,
    JOB_EVENT_COUNT
};

const char *job_state_name(enum job_state s); /* "queued" ... */
const char *job_event_name(enum job_event e);
/* JOB_STATE_COUNT when the name is none. */
enum job_state job_state_from_name(const char *name);

/* The next state, or JOB_STATE_COUNT when the event is refused. */
enum job_state job_state_next(enum job_state s, enum job_event e);

bool job_state_is_live(enum job_state s);  /* an attempt may have processes */
bool job_state_is_final(enum job_state s); /* succeeded failed cancelled diverged */

#endif
