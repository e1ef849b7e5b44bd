/* Jobs as clients see them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "jobs.h"
#include "outcome.h"
#include "queue.h"
#include "story.h"

static const char *health_of(const struct store_job *j, const struct live *l)
{
    if (j->state == JOB_DIVERGED)
        return "bad";
    if (l != NULL && l->has_metrics && !l->is_finite)
        return "bad";
    if (l != NULL && l->has_metrics)
        return strcmp(l->standing.word, "warn") == 0 ? "suspect" : "ok";
    if (j->state == JOB_PAUSED && outcome_says_diverged(j->reason))
        return "bad";
    if (j->state == JOB_PAUSED && outcome_says_warned(j->reason))
        return "suspect";
    if (j->state == JOB_SUCCEEDED && j->reason[0] != '\0') /* a doubt: what else is there to say */
        return "suspect";
    return j->step == 0 ? "-" : "ok";
}

static void fill_row(Ebm__Job *m, const struct store_job *j, struct reply *r)
{
    m->job = (uint64_t)j->id;
    m->name = reply_text(r, j->name);
    m->state = (char *)job_state_name(j->state);
    m->step = j->step;
    m->total_steps = j->total_steps;
    m->attempt = m->attempts = j->attempt;
    m->priority = j->priority;
    m->after = (uint64_t)j->after;
    m->slots = j->ranks * j->threads;
    m->ranks = j->ranks;
    m->submitted_ms = j->submitted_ms;
    m->started_ms = j->started_ms;
    m->ended_ms = j->ended_ms;
    m->parent_job = (uint64_t)j->parent_job;
    m->parent_checkpoint = (uint64_t)j->parent_checkpoint;
    m->restarts_used = j->restarts_used;
    m->max_restarts = j->max_restarts;
    m->rollbacks_used = j->rollbacks_used;
}

static void fill_stability(Ebm__Job *m, const struct live *l, struct reply *r)
{
    const Ebm__Stability empty = EBM__STABILITY__INIT;
    struct standing *copy;

    if (l->standing.word[0] == '\0')
        return;
    copy = reply_alloc(r, sizeof *copy);
    m->stability = copy != NULL ? reply_alloc(r, sizeof *m->stability) : NULL;
    if (m->stability == NULL)
        return;
    *copy = l->standing;
    *m->stability = empty;
    standing_write(copy, m->stability);
}

static void fill_live(Ebm__Job *m, const struct live *l)
{
    if (l->step > m->step)
        m->step = l->step;
    m->rate = l->lost || l->ending ? 0 : l->rate.value;
    if (!l->has_metrics)
        return;
    m->langevin_grad = l->langevin_grad;
    m->energy_gap = l->energy_gap;
}

/* The pass that stopped at it is older than what has become free since. */
static bool is_next(const struct daemon *d, const struct store_job *j)
{
    return d->queue.blocked == j->id &&
           (uint64_t)queue_used(d) + j->ranks * j->threads <= d->config.slots;
}

static const char *reason_of(struct daemon *d, const struct store_job *j,
                             char text[STORE_REASON_MAX])
{
    if (j->state == JOB_QUEUED && is_next(d, j))
        return "is about to start";
    if (j->state == JOB_QUEUED) {
        queue_explain(d, j, text, STORE_REASON_MAX);
        return text;
    }
    if (j->state == JOB_HELD)
        return "held: release it to let it start";
    if (j->state == JOB_UNKNOWN)
        return "its workers are out of sight; it is left alone, and kill ends it";
    return j->reason;
}

enum ebm_status jobs_view_story(struct daemon *d, Ebm__Job *m, struct reply *r,
                                struct ebm_error *err)
{
    struct buf text;

    buf_init(&text);
    enum ebm_status rc = story_tell(d, (int64_t)m->job, &text, err);
    if (rc == EBM_OK && buf_ok(&text))
        m->happened = reply_text(r, buf_text(&text));
    buf_fini(&text);
    return rc;
}

Ebm__Job *jobs_view(struct daemon *d, const struct store_job *job, struct reply *r)
{
    const Ebm__Job empty = EBM__JOB__INIT;
    const struct live *l = live_find(&d->live, job->id);
    char text[STORE_REASON_MAX];
    struct ebm_error err;
    Ebm__Job *m = reply_alloc(r, sizeof *m);

    if (m == NULL)
        return NULL;
    *m = empty;
    fill_row(m, job, r);
    m->langevin_grad = m->energy_gap = NAN;
    if (l != NULL && l->attempt == job->attempt) {
        fill_live(m, l);
        fill_stability(m, l, r);
        if (job->attempt > 1 && jobs_view_story(d, m, r, &err) != EBM_OK)
            log_warn("story", "job=%" PRId64 " error=\"%s\"", job->id, err.text);
    }
    m->health = (char *)health_of(job, l);
    m->reason = reply_text(r, reason_of(d, job, text));
    return m;
}
