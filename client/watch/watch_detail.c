/* What is asked about single jobs: their metric rows, and for the one that is
 * open its checkpoints and events. */
#include <stdlib.h>
#include <string.h>

#include "watch/watch_ask.h"

enum {
    ROWS_MS = 1000,  /* of the job that is open */
    TREND_MS = 2000, /* of those in the list */
    LOOK_MS = 250,   /* whether one of the list is due */
    CHECKPOINTS_MS = 5000,
    EVENTS_MS = 2000
};

/* ---- metric rows ---- */

static size_t rows_wanted(const struct watch_data *d, const struct watch_job *j)
{
    return j->job == d->detail ? WATCH_ROWS_FULL : WATCH_ROWS_TREND;
}

/* Not told yet, or of an older attempt, or fewer than are wanted now. */
static bool rows_are_missing(const struct watch_data *d, const struct watch_job *j)
{
    return j != NULL && j->attempt != 0 &&
           (j->rows.attempt != j->attempt || j->rows.limit < rows_wanted(d, j));
}

bool watch_rows_are_missing(const struct watch_data *d)
{
    if (d->detail != 0)
        return rows_are_missing(d, watch_jobs_find(&d->jobs, d->detail));
    for (size_t i = 0; i < d->visible_count; i++)
        if (rows_are_missing(d, watch_jobs_find(&d->jobs, d->visible[i])))
            return true;
    return false;
}

static bool rows_are_due(const struct watch_data *d, const struct watch_job *j, int64_t now_ms)
{
    if (rows_are_missing(d, j))
        return true;
    if (j->attempt == 0 || j->rows_settled)
        return false;
    return j->job == d->detail || now_ms - j->rows_ms >= TREND_MS;
}

static struct watch_job *find_due(struct watch_data *d, int64_t now_ms)
{
    struct watch_job *j;

    if (d->detail != 0) {
        j = watch_jobs_find(&d->jobs, d->detail);
        return j != NULL && rows_are_due(d, j, now_ms) ? j : NULL;
    }
    for (size_t i = 0; i < d->visible_count; i++) {
        d->visible_at = (d->visible_at + 1) % d->visible_count;
        j = watch_jobs_find(&d->jobs, d->visible[d->visible_at]);
        if (j != NULL && rows_are_due(d, j, now_ms))
            return j;
    }
    return NULL;
}

/* All that are wanted, or what came since. Rows of an attempt rise by step,
 * and a new attempt makes all of them load anew: what it abandoned is not of
 * the job's line of descent any more. */
static bool make_metrics(struct watch_data *d, struct watch_slot *slot, int64_t now_ms,
                         struct watch_question *q)
{
    const Ebm__Metrics empty = EBM__METRICS__INIT;
    struct watch_job *j = find_due(d, now_ms);

    if (j == NULL)
        return false;
    size_t wanted = rows_wanted(d, j);
    const struct watch_row *last = watch_rows_last(&j->rows);
    bool anew = j->rows.attempt != j->attempt || j->rows.limit < wanted;
    q->metrics = empty;
    q->metrics.job = slot->job = j->job;
    q->metrics.newest = true;
    q->metrics.limit = (uint32_t)wanted;
    q->metrics.lineage = anew;
    if (anew)
        watch_rows_reset(&j->rows, wanted, j->attempt);
    else
        q->metrics.attempt = j->attempt;
    if (!anew && last != NULL && last->attempt == j->attempt)
        q->metrics.since_step = last->step + 1;
    j->rows_ms = now_ms;
    j->rows_settled = !job_state_is_live(j->state);
    q->request.body_case = EBM__REQUEST__BODY_METRICS;
    q->request.metrics = &q->metrics;
    return true;
}

static bool take_metrics(struct watch_data *d, struct watch_slot *slot, const Ebm__Reply *reply,
                         int64_t now_ms)
{
    struct watch_job *j = watch_jobs_find(&d->jobs, slot->job);

    for (size_t i = 0; j != NULL && i < reply->n_metrics; i++)
        if (!watch_rows_add(&j->rows, reply->metrics[i]))
            return false;
    bool rests = d->detail != 0 && !watch_rows_are_missing(d);
    slot->due_ms = rests ? now_ms + ROWS_MS : now_ms;
    return true;
}

const struct watch_kind watch_kind_metrics = {make_metrics, take_metrics, LOOK_MS};

/* ---- checkpoints ---- */

static bool make_checkpoints(struct watch_data *d, struct watch_slot *slot, int64_t now_ms,
                             struct watch_question *q)
{
    const Ebm__Checkpoints empty = EBM__CHECKPOINTS__INIT;

    (void)now_ms;
    if (d->detail == 0)
        return false;
    q->checkpoints = empty;
    q->checkpoints.job = slot->job = d->detail;
    q->request.body_case = EBM__REQUEST__BODY_CHECKPOINTS;
    q->request.checkpoints = &q->checkpoints;
    return true;
}

static void copy_word(char *to, size_t size, const char *from)
{
    size_t n = strlen(from) < size ? strlen(from) : size - 1;

    memcpy(to, from, n);
    to[n] = '\0';
}

static bool take_checkpoints(struct watch_data *d, struct watch_slot *slot, const Ebm__Reply *reply,
                             int64_t now_ms)
{
    slot->due_ms = slot->job == d->detail ? now_ms + CHECKPOINTS_MS : now_ms;
    if (slot->job != d->detail)
        return true;
    struct watch_checkpoint *all = calloc(reply->n_checkpoints + 1, sizeof *all);
    if (all == NULL)
        return false;
    for (size_t i = 0; i < reply->n_checkpoints; i++) {
        const Ebm__Checkpoint *c = reply->checkpoints[i];
        all[i] = (struct watch_checkpoint){.checkpoint = c->checkpoint,
                                           .step = c->step,
                                           .bytes = c->bytes,
                                           .created_ms = c->created_ms};
        copy_word(all[i].health, sizeof all[i].health, c->health);
        copy_word(all[i].kept, sizeof all[i].kept, c->kept_because);
    }
    free(d->checkpoint);
    d->checkpoint = all;
    d->checkpoints = reply->n_checkpoints;
    return true;
}

const struct watch_kind watch_kind_checkpoints = {make_checkpoints, take_checkpoints,
                                                  CHECKPOINTS_MS};

/* ---- events ---- */

static bool make_events(struct watch_data *d, struct watch_slot *slot, int64_t now_ms,
                        struct watch_question *q)
{
    const Ebm__Events empty = EBM__EVENTS__INIT;

    (void)now_ms;
    q->events = empty;
    q->events.job = slot->job = d->detail;
    q->events.after_seq = d->events > 0 ? d->event[d->events - 1].seq : 0;
    q->events.limit = WATCH_EVENTS;
    q->events.newest = true;
    q->request.body_case = EBM__REQUEST__BODY_EVENTS;
    q->request.events = &q->events;
    return true;
}

static void put_event(struct watch_data *d, const Ebm__EventRow *e)
{
    if (d->events > 0 && e->seq <= d->event[d->events - 1].seq)
        return;
    if (d->events == WATCH_EVENTS)
        memmove(d->event, d->event + 1, --d->events * sizeof d->event[0]);
    struct watch_event *to = &d->event[d->events++];
    *to = (struct watch_event){.seq = e->seq, .job = e->job, .time_ms = e->time_ms};
    copy_word(to->kind, sizeof to->kind, e->kind);
    copy_word(to->text, sizeof to->text, e->text);
}

static bool take_events(struct watch_data *d, struct watch_slot *slot, const Ebm__Reply *reply,
                        int64_t now_ms)
{
    slot->due_ms = slot->job == d->detail ? now_ms + EVENTS_MS : now_ms;
    for (size_t i = 0; slot->job == d->detail && i < reply->n_events; i++)
        put_event(d, reply->events[i]);
    return true;
}

const struct watch_kind watch_kind_events = {make_events, take_events, EVENTS_MS};
