/* How an attempt ended and what becomes of its job: decided here, from the
 * intent on record, what the worker reported and how mpirun ended. A pure
 * function; the exit code alone never decides. */
#ifndef EBM_DAEMON_OUTCOME_H
#define EBM_DAEMON_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "launch/launch.h"
#include "spec/spec.h"
#include "state/state.h"
#include "store/store.h"

/* Where the next attempt starts, for a job that goes on. */
enum outcome_next {
    NEXT_NONE,
    NEXT_NEWEST,  /* from the newest checkpoint that is not poisoned, else from scratch */
    NEXT_PLANNED, /* as the plan on record says (a rollback) */
    NEXT_RECOVER  /* a rollback by ebmd itself: divergence */
};

struct outcome_case {
    enum store_intent intent;
    const char *intent_reason; /* what the job's reason says of the intent: "disk full: ..." */
    enum ebm_status launch;    /* EBM_OK: it was launched */
    const char *launch_reason;
    const char *reported; /* of Finished, "" = never */
    const char *reported_reason;
    const struct launch_end *end; /* known = false: its shepherd was killed */
    bool forced;                  /* ebmd made it stop, since it did not by itself */
    const char *warning;          /* of the detector, that stood at its end; NULL: none */
    enum spec_on_divergence on_divergence;
    uint32_t rollbacks_used, max_rollbacks;
    uint32_t restarts_used, max_restarts;
};

struct outcome {
    enum job_event event;
    /* succeeded failed crashed paused cancelled killed rolled-back diverged */
    const char *attempt_outcome;
    char attempt_reason[STORE_REASON_MAX];
    char job_reason[STORE_REASON_MAX];
    enum outcome_next next;
    bool uses_restart;   /* counts against max_restarts */
    bool uses_rollback;  /* counts against max_rollbacks */
    bool bad_checkpoint; /* the one that it started from cannot be used */
    uint32_t delay_ms;   /* back-off: 0, 1 s, 2 s, 4 s ... 30 s */
};

void outcome_decide(const struct outcome_case *c, struct outcome *out);

/* Whether this reason of a paused job tells that it has diverged. */
bool outcome_says_diverged(const char *job_reason);

/* The same of a warning that stood when it paused. */
bool outcome_says_warned(const char *job_reason);

/* Whether a worker may report this word. */
bool outcome_is_word(const char *reported);

#endif
