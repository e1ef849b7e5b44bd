/* The jobs that are watched, as ebmd told of them last. */
#ifndef EBM_CLIENT_WATCH_JOBS_H
#define EBM_CLIENT_WATCH_JOBS_H

#include "state/state.h"
#include "watch/watch_rows.h"
#include "wire/wire.h"

enum { WATCH_WORD = 24, WATCH_NAME = 72, WATCH_TEXT = 400 };

/* What was said of a job in a line of text last; see watch_plain. */
struct watch_said {
    int64_t at_ms; /* monotonic */
    bool any;
    uint64_t step, words, reason; /* words: a hash of state, health and reason */
    double share;
};

struct watch_job {
    uint64_t job, step, total_steps;
    char name[WATCH_NAME], state_name[WATCH_WORD], health[WATCH_WORD], reason[WATCH_TEXT];
    enum job_state state; /* JOB_STATE_COUNT: a word of a newer ebmd */
    uint32_t attempt, restarts_used, max_restarts;
    int64_t started_ms, ended_ms; /* wall clock */
    double rate, langevin_grad, energy_gap;
    char verdict[WATCH_WORD], outlook[WATCH_TEXT]; /* "": it is not trained now */
    char happened[WATCH_TEXT];                     /* of its last rollback; "": none */
    unsigned round;                                /* the last round of questions that saw it */
    struct watch_rows rows;
    int64_t rows_ms;   /* monotonic, of the last question for rows; 0: never */
    bool rows_settled; /* there is nothing more to come of them */
    struct watch_said said;
};

struct watch_jobs {
    struct watch_job **job; /* owned; by number */
    size_t count, capacity;
};

void watch_jobs_fini(struct watch_jobs *t);

/* NULL when it is not there. */
struct watch_job *watch_jobs_find(const struct watch_jobs *t, uint64_t job);
/* Adds it, or brings what is there up to date. NULL when memory ran out. */
struct watch_job *watch_jobs_put(struct watch_jobs *t, const Ebm__Job *told);
/* Removes the jobs for which `drop` says so. */
void watch_jobs_drop(struct watch_jobs *t, bool (*drop)(const struct watch_job *j, int64_t arg),
                     int64_t arg);

/* For a list: what runs, then what waits, each by number, then what ended,
 * the newest first. Caller frees; NULL when there are none, or no memory. */
const struct watch_job **watch_jobs_sorted(const struct watch_jobs *t);

/* How far it is, from 0 to 1; 0 where the number of steps is not known. */
double watch_job_share(const struct watch_job *j);
/* Seconds to its end, NaN where nobody knows. */
double watch_job_seconds_left(const struct watch_job *j);

#endif
