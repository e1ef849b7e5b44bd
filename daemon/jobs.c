#include "jobs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* What is said of a job in this state, and what a person may do instead. */
static const struct {
    const char *stands, *advice;
} standing[JOB_STATE_COUNT] = {
    [JOB_QUEUED] = {"is queued", ""},
    [JOB_HELD] = {"is held", "; release it first"},
    [JOB_STARTING] = {"is starting", ""},
    [JOB_RUNNING] = {"is running", ""},
    [JOB_PAUSING] = {"is stopping", "; wait until it has stopped"},
    [JOB_PAUSED] = {"is paused", "; resume it, or roll it back"},
    [JOB_SUCCEEDED] = {"has succeeded", "; roll it back or fork it to go on"},
    [JOB_FAILED] = {"has failed", "; resume it, or roll it back"},
    [JOB_CANCELLED] = {"was cancelled", "; resume it, or roll it back"},
    [JOB_DIVERGED] = {"has diverged", "; roll it back with other settings, or resume it"},
    [JOB_UNKNOWN] = {"is out of sight", ""},
};

enum ebm_status jobs_refuse(const struct store_job *job, const char *verb, struct ebm_error *err)
{
    bool ends = strcmp(verb, "cancel") == 0 || strcmp(verb, "kill") == 0;
    /* Who cancels what has ended already need not be told how to go on. */
    const char *advice = ends ? "" : standing[job->state].advice;

    return ebm_fail(err, EBM_ESTATE, "job %lld %s%s", (long long)job->id,
                    standing[job->state].stands, advice);
}

enum ebm_status jobs_apply(struct store_job *job, enum job_event event, struct ebm_error *err)
{
    enum job_state next = job_state_next(job->state, event);

    if (next == JOB_STATE_COUNT)
        return jobs_refuse(job, "", err);
    job->state = next;
    if (next == JOB_STARTING && job->started_ms == 0)
        job->started_ms = clock_wall_ms();
    job->ended_ms = !job_state_is_final(next) ? 0
                    : job->ended_ms != 0      ? job->ended_ms
                                              : clock_wall_ms();
    return EBM_OK;
}

enum ebm_status jobs_save(struct daemon *d, struct store_job *job, struct ebm_error *err)
{
    const struct live *l = live_find(&d->live, job->id);

    /* The step of a live attempt is newer in memory than in any row. */
    if (l != NULL && l->attempt == job->attempt && l->step > job->step)
        job->step = l->step;
    return store_job_update(d->store, job, err);
}

enum ebm_status jobs_log(struct daemon *d, const struct store_job *job, const char *kind,
                         struct ebm_error *err, const char *fmt, ...)
{
    struct store_event e = {.job = job->id, .attempt = job->attempt};
    va_list args;

    snprintf(e.kind, sizeof e.kind, "%s", kind);
    va_start(args, fmt);
    vsnprintf(e.text, sizeof e.text, fmt, args);
    va_end(args);
    wire_mend_text(e.text);
    enum ebm_status rc = store_event_append(d->store, &e, err);
    if (rc != EBM_OK)
        return rc;
    log_info(kind, "job=%lld attempt=%u state=%s text=\"%s\"", (long long)job->id, job->attempt,
             job_state_name(job->state), e.text);
    outbox_put_event(&d->outbox, &e, job->state, job->step);
    return EBM_OK;
}

struct newest {
    const struct lineage *line;
    struct store_checkpoint *best;
};

/* A suspect one only where there is no other. */
static bool is_newer(const struct store_checkpoint *c, const struct store_checkpoint *best)
{
    bool suspect = strcmp(c->health, "suspect") == 0, was = strcmp(best->health, "suspect") == 0;

    if (best->id == 0 || suspect != was)
        return best->id == 0 || was;
    return c->step >= best->step;
}

static bool pick_newest(void *arg, const struct store_checkpoint *c)
{
    struct newest *n = arg;

    if (strcmp(c->health, "poisoned") != 0 && lineage_has(n->line, c->attempt, c->step) &&
        is_newer(c, n->best))
        *n->best = *c;
    return true;
}

enum ebm_status jobs_origin(struct daemon *d, int64_t job, const struct lineage *line,
                            struct store_checkpoint *out, struct ebm_error *err)
{
    struct store_attempt first;

    memset(out, 0, sizeof *out);
    if (line->count == 0)
        return EBM_OK;
    enum ebm_status rc =
        store_attempt_get(d->store, job, line->span[line->count - 1].attempt, &first, err);
    if (rc == EBM_OK && first.from_checkpoint != 0)
        rc = store_checkpoint_get(d->store, first.from_checkpoint, out, err);
    if (rc == EBM_OK && out->deleted)
        memset(out, 0, sizeof *out);
    return rc;
}

enum ebm_status jobs_newest_checkpoint(struct daemon *d, const struct store_job *job,
                                       struct store_checkpoint *out, struct ebm_error *err)
{
    struct lineage line = {0};
    struct newest n = {.line = &line, .best = out};

    memset(out, 0, sizeof *out);
    enum ebm_status rc = lineage_read(d->store, job->id, job->attempt, &line, err);
    if (rc == EBM_OK)
        rc = store_checkpoint_each(d->store, job->id, false, pick_newest, &n, err);
    if (rc == EBM_OK && out->id == 0)
        rc = jobs_origin(d, job->id, &line, out, err);
    lineage_fini(&line);
    return rc;
}
