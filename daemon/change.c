/* pause, resume, cancel, kill, hold, release; pin and unpin. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "jobs.h"
#include "keeper.h"
#include "orders.h"
#include "queue.h"
#include "replan.h"

#define BIT(state) (1u << (state))

static const unsigned live_states =
    BIT(JOB_STARTING) | BIT(JOB_RUNNING) | BIT(JOB_PAUSING) | BIT(JOB_UNKNOWN);

/* What a verb does to a job that has no live attempt, and what to one that
 * has. */
static const struct verb_row {
    const char *verb;
    unsigned states; /* that it is for */
    enum job_event event;
    enum store_intent intent; /* of a live attempt */
    const char *asked;        /* the reason while that stops */
    const char *reason;       /* the reason otherwise */
} verb_rows[] = {
    {"pause", live_states | BIT(JOB_QUEUED), JOB_EV_PAUSED, INTENT_PAUSE, "a checkpoint first",
     "paused on request"},
    {"resume", BIT(JOB_PAUSED) | BIT(JOB_FAILED) | BIT(JOB_CANCELLED) | BIT(JOB_DIVERGED),
     JOB_EV_REQUEUE, INTENT_NONE, "", "resumed"},
    {"cancel", live_states | BIT(JOB_QUEUED) | BIT(JOB_HELD) | BIT(JOB_PAUSED), JOB_EV_CANCELLED,
     INTENT_CANCEL, "a checkpoint first", "cancelled on request"},
    {"kill", live_states | BIT(JOB_QUEUED) | BIT(JOB_HELD) | BIT(JOB_PAUSED), JOB_EV_CANCELLED,
     INTENT_KILL, "its processes are being killed", "killed on request"},
    {"hold", BIT(JOB_QUEUED), JOB_EV_HOLD, INTENT_NONE, "", ""},
    {"release", BIT(JOB_HELD), JOB_EV_RELEASE, INTENT_NONE, "", ""},
};

static const struct verb_row *find_verb(const char *verb)
{
    for (size_t i = 0; i < sizeof verb_rows / sizeof verb_rows[0]; i++)
        if (strcmp(verb_rows[i].verb, verb) == 0)
            return &verb_rows[i];
    return NULL;
}

/* The same numbers would lead to the same end. */
static enum ebm_status has_diverged(struct daemon *d, const struct store_job *job, bool *out,
                                    struct ebm_error *err)
{
    struct store_attempt a;

    *out = false;
    if (job->attempt == 0)
        return EBM_OK;
    enum ebm_status rc = store_attempt_get(d->store, job->id, job->attempt, &a, err);
    if (rc == EBM_OK)
        *out = strcmp(a.outcome, "diverged") == 0;
    return rc;
}

/* As planned, if it was stopped in the queue; else from the newest checkpoint. */
static enum ebm_status plan_resume(struct daemon *d, struct store_job *job, struct ebm_error *err)
{
    struct store_checkpoint c;
    struct replan plan = {.cause = "resume", .actor = "user", .from = &c};

    job->restarts_used = job->rollbacks_used = 0;
    job->not_before_ms = 0;
    if (job->plan_cause[0] != '\0')
        return EBM_OK;
    enum ebm_status rc = jobs_newest_checkpoint(d, job, &c, err);
    if (c.id == 0)
        plan.from = NULL;
    if (rc == EBM_OK)
        rc = has_diverged(d, job, &plan.new_noise, err);
    return rc == EBM_OK ? replan(d, job, &plan, err) : rc;
}

static enum ebm_status change_idle(struct daemon *d, struct store_job *job,
                                   const struct verb_row *row, struct ebm_error *err)
{
    enum ebm_status rc = jobs_apply(job, row->event, err);

    if (rc == EBM_OK && row->event == JOB_EV_REQUEUE)
        rc = plan_resume(d, job, err);
    if (rc == EBM_OK && row->reason[0] != '\0')
        snprintf(job->reason, sizeof job->reason, "%s", row->reason);
    queue_touch(d);
    return rc;
}

static enum ebm_status apply_verb(struct daemon *d, struct store_job *job,
                                  const struct verb_row *row, struct ebm_error *err)
{
    if ((row->states & BIT(job->state)) == 0)
        return jobs_refuse(job, row->verb, err);
    if (!job_state_is_live(job->state))
        return change_idle(d, job, row, err);
    enum ebm_status rc = orders_ask(d, job, row->intent, err);
    if (rc == EBM_OK)
        snprintf(job->reason, sizeof job->reason, "%s", row->asked);
    return rc;
}

enum ebm_status control_change(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                               struct ebm_error *err)
{
    const Ebm__Change *m = request->change;
    const struct verb_row *row = find_verb(m->verb);
    struct store_job job;

    if (row == NULL)
        return ebm_fail(err, EBM_EINVAL, "no such change: '%.40s'", m->verb);
    enum ebm_status rc = store_job_get(d->store, (int64_t)m->job, &job, err);
    if (rc == EBM_OK)
        rc = apply_verb(d, &job, row, err);
    if (rc == EBM_OK)
        rc = jobs_save(d, &job, err);
    if (rc == EBM_OK)
        rc = jobs_log(d, &job, row->verb, err, "by the user");
    if (rc == EBM_OK)
        rc = notices_put_state(d, &job, err);
    if (rc != EBM_OK)
        return rc;
    Ebm__Job *view = jobs_view(d, &job, reply);
    if (view != NULL)
        REPLY_ADD(reply, jobs, view);
    return EBM_OK;
}

/* ---- pins ---- */

enum ebm_status control_pin(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                            struct ebm_error *err)
{
    const Ebm__Pin *m = request->pin;
    struct store_checkpoint c;
    struct store_job job;
    enum ebm_status rc = store_checkpoint_get(d->store, (int64_t)m->checkpoint, &c, err);

    (void)reply;
    if (rc == EBM_OK && c.deleted)
        rc = ebm_fail(err, EBM_ENOTFOUND, "checkpoint c%" PRId64 " is gone: only its row is left",
                      c.id);
    if (rc == EBM_OK)
        rc = store_job_get(d->store, c.job, &job, err);
    if (rc != EBM_OK || c.pinned == (bool)m->pinned)
        return rc;
    c.pinned = m->pinned;
    rc = store_checkpoint_update(d->store, &c, err);
    if (rc == EBM_OK)
        rc = jobs_log(d, &job, m->pinned ? "pinned" : "unpinned", err,
                      "checkpoint c%" PRId64 " (step %" PRIu64 ")", c.id, c.step);
    return rc == EBM_OK ? keeper_tend(d, &job, err) : rc;
}
