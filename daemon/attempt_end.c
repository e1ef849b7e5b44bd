/* The end of an attempt, and what follows for its job. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "attempt.h"
#include "base/clock.h"
#include "base/log.h"
#include "jobs.h"
#include "keeper.h"
#include "outcome.h"
#include "queue.h"
#include "recovery.h"
#include "replan.h"
#include "unit.h"
#include "uploads.h"

enum { AGAIN_MS = 1000 };

/* An end under way. */
struct ending {
    struct live *live;
    struct launch_end end;
    struct store_job job;
    struct store_attempt attempt;
    struct outcome outcome;
    struct spec spec;
    char recovery[STORE_REASON_MAX]; /* what a recovery does */
};

/* ---- deciding ---- */

/* Intents that put their reason on the job when they were asked for. */
static bool says_why(enum store_intent intent)
{
    return intent == INTENT_PAUSE_NOSPACE || intent == INTENT_ROLLBACK;
}

static enum ebm_status decide(struct daemon *d, struct ending *e, struct ebm_error *err)
{
    bool is_new = false;
    enum ebm_status rc = replan_read_spec(d, e->job.id, &e->spec, err);

    if (rc == EBM_OK && strcmp(e->attempt.reported, "diverged") == 0)
        rc = recovery_is_new(d, &e->attempt, (uint64_t)e->spec.stability.clean_steps, &is_new, err);
    if (rc != EBM_OK)
        return rc;
    if (is_new)
        e->job.rollbacks_used = 0; /* progress: budget and ladder begin again */
    const struct outcome_case c = {
        .intent = e->job.intent,
        .intent_reason = says_why(e->job.intent) ? e->job.reason : "",
        .launch = e->live->launch.code,
        .launch_reason = e->live->launch.text,
        .reported = e->attempt.reported,
        .reported_reason = e->attempt.reported_reason,
        .end = &e->end,
        .forced = e->live->forced,
        .warning = strcmp(e->live->standing.word, "warn") == 0 ? e->live->standing.outlook : NULL,
        .on_divergence = e->spec.stability.on_divergence,
        .rollbacks_used = e->job.rollbacks_used,
        .max_rollbacks = (uint32_t)e->spec.stability.max_rollbacks,
        .restarts_used = e->job.restarts_used,
        .max_restarts = e->job.max_restarts,
    };
    outcome_decide(&c, &e->outcome);
    return EBM_OK;
}

/* ---- recording ---- */

static enum ebm_status end_attempt(struct daemon *d, struct ending *e, struct ebm_error *err)
{
    struct store_attempt *a = &e->attempt;
    const struct outcome *o = &e->outcome;

    a->ended_ms = clock_wall_ms();
    a->last_step = e->live->step > a->last_step ? e->live->step : a->last_step;
    snprintf(a->outcome, sizeof a->outcome, "%s", o->attempt_outcome);
    snprintf(a->reason, sizeof a->reason, "%s", o->attempt_reason);
    wire_mend_text(a->reason);
    enum ebm_status rc = store_attempt_end(d->store, a, err);
    if (rc != EBM_OK)
        return rc;
    return jobs_log(d, &e->job, "ended", err, "attempt %u %s at step %" PRIu64 "%s%.300s",
                    a->attempt, a->outcome, a->last_step, a->reason[0] != '\0' ? ": " : "",
                    a->reason);
}

/* Its bytes are not what was committed: nobody starts from it again. */
static enum ebm_status poison_start(struct daemon *d, const struct ending *e, struct ebm_error *err)
{
    struct store_checkpoint c;

    if (!e->outcome.bad_checkpoint || e->attempt.from_checkpoint == 0)
        return EBM_OK;
    enum ebm_status rc = store_checkpoint_get(d->store, e->attempt.from_checkpoint, &c, err);
    if (rc == EBM_OK) {
        strcpy(c.health, "poisoned");
        rc = store_checkpoint_update(d->store, &c, err);
    }
    if (rc == EBM_OK)
        rc = jobs_log(d, &e->job, "health", err,
                      "checkpoint c%" PRId64 " (step %" PRIu64 ") cannot be used: %.300s", c.id,
                      c.step, e->outcome.attempt_reason);
    return rc;
}

static enum ebm_status plan_newest(struct daemon *d, struct ending *e, struct ebm_error *err)
{
    struct store_checkpoint c;
    struct replan plan = {.cause = "restart", .actor = "ebmd", .from = &c};
    enum ebm_status rc = jobs_newest_checkpoint(d, &e->job, &c, err);

    if (c.id == 0)
        plan.from = NULL;
    if (rc == EBM_OK)
        rc = replan(d, &e->job, &plan, err);
    if (rc == EBM_OK)
        e->job.not_before_ms = e->outcome.delay_ms > 0 ? clock_wall_ms() + e->outcome.delay_ms : 0;
    return rc;
}

static enum ebm_status plan_next(struct daemon *d, struct ending *e, struct ebm_error *err)
{
    switch (e->outcome.next) {
    case NEXT_NEWEST:
        return plan_newest(d, e, err);
    case NEXT_RECOVER: /* it is planned */
    case NEXT_PLANNED:
        return EBM_OK;
    case NEXT_NONE:
        break;
    }
    if (strcmp(e->outcome.attempt_outcome, "diverged") == 0) {
        enum ebm_status rc = recovery_distrust(d, &e->job, &e->attempt, err);
        if (rc != EBM_OK)
            return rc;
    }
    /* A rollback that was overtaken by a kill. */
    return e->job.plan_cause[0] != '\0' ? replan_drop(d, &e->job, err) : EBM_OK;
}

/* What is told of a job that does not go on, or goes back. */
static enum ebm_status log_consequence(struct daemon *d, const struct ending *e,
                                       struct ebm_error *err)
{
    const struct store_job *j = &e->job;

    if (e->outcome.next == NEXT_NONE)
        return jobs_log(d, j, job_state_name(j->state), err, "step %" PRIu64 " of %" PRIu64 "%s%s",
                        j->step, j->total_steps, j->reason[0] != '\0' ? ": " : "", j->reason);
    return jobs_log(d, j, j->plan_cause, err, "%s", j->reason);
}

static enum ebm_status tell_consequence(struct daemon *d, const struct ending *e,
                                        struct ebm_error *err)
{
    /* A divergence that pauses a job is news of the same kind as one that ends
     * it. */
    bool gave_up = e->outcome.next == NEXT_NONE &&
                   strcmp(e->outcome.attempt_outcome, "diverged") == 0 &&
                   e->job.state == JOB_PAUSED;

    switch (e->outcome.next) {
    case NEXT_RECOVER:
    case NEXT_PLANNED:
        return notices_put(d, &e->job, "rolled-back", err);
    case NEXT_NEWEST:
        return EBM_OK;
    case NEXT_NONE:
        break;
    }
    return gave_up ? notices_put(d, &e->job, "diverged", err) : notices_put_state(d, &e->job, err);
}

/* A recovery that no spec can express is none: the run has diverged. */
static enum ebm_status plan_recovery(struct daemon *d, struct ending *e, struct ebm_error *err)
{
    struct outcome *o = &e->outcome;
    struct ebm_error refused;
    enum ebm_status rc = recovery_plan(d, &e->job, &e->attempt, e->job.rollbacks_used, e->recovery,
                                       sizeof e->recovery, &refused);

    if (rc == EBM_OK)
        return EBM_OK;
    if (rc != EBM_EINVAL) {
        *err = refused;
        return rc;
    }
    o->next = NEXT_NONE;
    o->event = JOB_EV_DIVERGED;
    o->uses_rollback = false;
    snprintf(o->job_reason, sizeof o->job_reason, "%.160s; its recovery is refused: %.200s",
             o->attempt_reason, refused.text);
    return EBM_OK;
}

static enum ebm_status change_job(struct daemon *d, struct ending *e, struct ebm_error *err)
{
    struct store_job *j = &e->job;
    enum ebm_status rc = EBM_OK;

    if (e->outcome.next == NEXT_RECOVER)
        rc = plan_recovery(d, e, err);
    if (rc == EBM_OK)
        rc = jobs_apply(j, e->outcome.event, err);
    if (rc == EBM_OK && e->outcome.next != NEXT_RECOVER)
        rc = plan_next(d, e, err);
    if (rc != EBM_OK)
        return rc;
    j->intent = INTENT_NONE;
    j->restarts_used += e->outcome.uses_restart;
    j->rollbacks_used += e->outcome.uses_rollback;
    if (e->outcome.next == NEXT_RECOVER)
        snprintf(j->reason, sizeof j->reason, "rollback %u of %" PRId64 " %.210s: %.160s",
                 j->rollbacks_used, e->spec.stability.max_rollbacks, e->recovery,
                 e->outcome.attempt_reason);
    else
        snprintf(j->reason, sizeof j->reason, "%s", e->outcome.job_reason);
    wire_mend_text(j->reason);
    rc = jobs_save(d, j, err);
    if (rc == EBM_OK)
        rc = log_consequence(d, e, err);
    return rc == EBM_OK ? tell_consequence(d, e, err) : rc;
}

/* Effect: id is the job, number the attempt. */
static void forget(struct daemon *d, int64_t id, int64_t number)
{
    struct live *l = live_find(&d->live, id);

    if (l == NULL || l->attempt != (uint32_t)number)
        return;
    uploads_drop(d, l);
    live_remove(&d->live, l);
    queue_touch(d); /* its slots are free */
}

static enum ebm_status record(struct daemon *d, void *arg, struct ebm_error *err)
{
    struct ending *e = arg;
    enum ebm_status rc = store_job_get(d->store, e->live->job, &e->job, err);

    if (rc == EBM_OK)
        rc = store_attempt_get(d->store, e->live->job, e->live->attempt, &e->attempt, err);
    if (rc == EBM_OK)
        rc = decide(d, e, err);
    if (rc == EBM_OK)
        rc = end_attempt(d, e, err);
    if (rc == EBM_OK)
        rc = poison_start(d, e, err);
    if (rc == EBM_OK)
        rc = change_job(d, e, err);
    if (rc == EBM_OK)
        rc = keeper_tend(d, &e->job, err);
    if (rc == EBM_OK)
        outbox_put_effect(&d->outbox, forget, e->live->job, e->live->attempt);
    return rc;
}

/* ---- the processes first ---- */

/* Whether nothing of the attempt runs any more. A shepherd that was killed
 * took mpirun with it; what is left is killed here, before anybody may start
 * the job again. */
static bool is_over(struct daemon *d, struct live *l, struct launch_end *end)
{
    struct launch_pid shepherd;

    launch_read_end(&d->home, l->job, l->attempt, end);
    if (end->known)
        return true;
    if (launch_find(&d->home, l->job, l->attempt, &shepherd)) {
        l->launch.code = EBM_OK; /* its word came when nobody waited for it any more */
        l->gone = false;
        attempt_watch(d, l, shepherd);
        return false;
    }
    int left = launch_sweep(&d->home, l->fence);
    if (left > 0)
        log_warn("end", "job=%" PRId64 " attempt=%u processes_left=%d", l->job, l->attempt, left);
    return left == 0;
}

static void end_one(struct daemon *d, struct live *l)
{
    struct ending e = {.live = l};
    struct ebm_error err = {.text = ""};

    if (is_over(d, l, &e.end)) {
        if (unit_do(d, record, &e, &err) == EBM_OK) {
            l->ending = true;
            return;
        }
        log_error("end", "job=%" PRId64 " attempt=%u error=\"%s\"", l->job, l->attempt, err.text);
    }
    l->end_again_ms = clock_mono_ms() + AGAIN_MS;
}

void attempt_end_gone(struct daemon *d)
{
    int64_t now = clock_mono_ms();

    for (size_t i = 0; i < d->live.count; i++) {
        struct live *l = d->live.item[i];
        if (l->gone && !l->ending && now >= l->end_again_ms)
            end_one(d, l);
    }
}

int64_t attempt_end_due(const struct daemon *d)
{
    int64_t due = INT64_MAX;

    for (size_t i = 0; i < d->live.count; i++) {
        const struct live *l = d->live.item[i];
        if (l->gone && !l->ending && l->end_again_ms < due)
            due = l->end_again_ms;
    }
    return due;
}
