/* What is listed: jobs, checkpoints, attempts, events, metrics. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "jobs.h"
#include "keeper.h"
#include "lineage.h"

enum { JOBS_A_PAGE = 5000, EVENTS_A_PAGE = 5000, METRICS_A_PAGE = 10000 };

static uint32_t page_size(uint32_t asked, uint32_t most)
{
    return asked == 0 || asked > most ? most : asked;
}

/* A position beyond all rows stays beyond them: rows are numbered as int64_t. */
static int64_t position_of(uint64_t asked)
{
    return asked <= INT64_MAX ? (int64_t)asked : INT64_MAX;
}

static enum ebm_status need_job(struct daemon *d, uint64_t id, struct store_job *job,
                                struct ebm_error *err)
{
    return store_job_get(d->store, id <= INT64_MAX ? (int64_t)id : -1, job, err);
}

/* ---- list and show ---- */

struct job_page {
    struct daemon *d;
    struct reply *reply;
    uint32_t left;
    int64_t last;
    bool more;
};

static bool put_job(void *arg, const struct store_job *j)
{
    struct job_page *p = arg;

    if (p->left == 0) {
        p->more = true;
        return false;
    }
    Ebm__Job *m = jobs_view(p->d, j, p->reply);
    if (m == NULL)
        return false;
    REPLY_ADD(p->reply, jobs, m);
    p->left--;
    p->last = j->id;
    return true;
}

static enum ebm_status read_states(const Ebm__List *m, unsigned *states, struct ebm_error *err)
{
    *states = 0;
    for (size_t i = 0; i < m->n_state; i++) {
        enum job_state s = job_state_from_name(m->state[i]);
        if (s == JOB_STATE_COUNT)
            return ebm_fail(err, EBM_EINVAL, "no state '%.40s'", m->state[i]);
        *states |= 1u << s;
    }
    return EBM_OK;
}

enum ebm_status control_list(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                             struct ebm_error *err)
{
    const Ebm__List *m = request->list;
    struct job_page p = {.d = d, .reply = reply, .left = page_size(m->limit, JOBS_A_PAGE)};
    unsigned states;
    enum ebm_status rc = read_states(m, &states, err);

    if (rc == EBM_OK)
        rc = store_job_each(d->store, position_of(m->after_job), states, put_job, &p, err);
    if (p.more)
        reply->message.more_after = (uint64_t)p.last;
    return rc;
}

static bool take_metrics(void *arg, const struct metrics_row *row)
{
    Ebm__Job *m = arg;

    m->langevin_grad = row->value[METRIC_LANGEVIN_GRAD];
    m->energy_gap = row->value[METRIC_ENERGY_GAP];
    return true;
}

/* What a list leaves out: texts, the folder, the newest metrics. */
static enum ebm_status fill_detail(struct daemon *d, Ebm__Job *m, struct reply *r,
                                   struct ebm_error *err)
{
    const struct metrics_query q = {.job = (int64_t)m->job, .limit = 1, .newest = true};
    char dir[HOME_PATH_MAX + 32];
    struct buf source, spec;

    buf_init(&source);
    buf_init(&spec);
    enum ebm_status rc = store_job_texts(d->store, q.job, &source, &spec, err);
    if (rc == EBM_OK && isnan(m->energy_gap))
        rc = metrics_each(d->metrics, &q, take_metrics, m, err);
    snprintf(dir, sizeof dir, "%s/jobs/%" PRIu64, d->home.state, m->job);
    m->dir = reply_text(r, dir);
    m->source = reply_text(r, buf_text(&source));
    m->spec = reply_text(r, buf_text(&spec));
    buf_fini(&source);
    buf_fini(&spec);
    return rc;
}

enum ebm_status control_show(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                             struct ebm_error *err)
{
    struct store_job job;
    enum ebm_status rc = need_job(d, request->show->job, &job, err);

    if (rc != EBM_OK)
        return rc;
    Ebm__Job *m = jobs_view(d, &job, reply);
    if (m == NULL)
        return EBM_OK; /* the sealing tells */
    REPLY_ADD(reply, jobs, m);
    rc = fill_detail(d, m, reply, err);
    /* Of a live job it is there already. */
    if (rc == EBM_OK && job.attempt > 1 && m->happened[0] == '\0')
        rc = jobs_view_story(d, m, reply, err);
    return rc;
}

/* ---- checkpoints ---- */

static void put_checkpoint(struct reply *r, const struct retention_row *row)
{
    static const Ebm__Checkpoint empty = EBM__CHECKPOINT__INIT;
    const struct store_checkpoint *c = &row->c;
    char hex[DIGEST_HEX];
    Ebm__Checkpoint *m = reply_alloc(r, sizeof *m);

    if (m == NULL)
        return;
    *m = empty;
    digest_hex(c->digest, hex);
    m->checkpoint = (uint64_t)c->id;
    m->job = (uint64_t)c->job;
    m->attempt = c->attempt;
    m->step = c->step;
    m->health = reply_text(r, c->health);
    m->bytes = c->bytes;
    m->digest = reply_text(r, hex);
    m->created_ms = c->created_ms;
    m->pinned = c->pinned;
    m->score = c->score;
    m->kept_because = reply_text(r, row->because);
    REPLY_ADD(r, checkpoints, m);
}

enum ebm_status control_checkpoints(struct daemon *d, const Ebm__Request *request,
                                    struct reply *reply, struct ebm_error *err)
{
    struct store_job job;
    struct buf rows;
    enum ebm_status rc = need_job(d, request->checkpoints->job, &job, err);

    buf_init(&rows);
    if (rc == EBM_OK)
        rc = keeper_judge(d, &job, &rows, err);
    const struct retention_row *row = (const struct retention_row *)(void *)rows.data;
    for (size_t i = 0; rc == EBM_OK && i < rows.size / sizeof *row; i++)
        put_checkpoint(reply, &row[i]);
    buf_fini(&rows);
    return rc;
}

/* ---- history ---- */

struct history {
    struct daemon *d;
    struct reply *reply;
    bool specs;
    const char *spec; /* of the attempt before; borrowed from the reply */
    struct ebm_error err;
};

/* Whose checkpoint it started from; that row stays when its bytes go. */
static void put_start(struct daemon *d, const struct store_attempt *a, Ebm__Attempt *m)
{
    struct store_checkpoint c;
    struct ebm_error err;

    m->from_checkpoint = (uint64_t)a->from_checkpoint;
    m->from_step = a->from_step;
    if (a->from_checkpoint == 0 ||
        store_checkpoint_get(d->store, a->from_checkpoint, &c, &err) != EBM_OK)
        return;
    m->from_job = (uint64_t)c.job;
    m->from_attempt = c.attempt;
}

/* One that does not differ from the one before is not told again. */
static enum ebm_status put_spec(struct history *h, const struct store_attempt *a, Ebm__Attempt *m)
{
    struct buf text;

    buf_init(&text);
    enum ebm_status rc = store_attempt_spec(h->d->store, a->job, a->attempt, &text, &h->err);
    if (rc == EBM_OK && (h->spec == NULL || strcmp(h->spec, buf_text(&text)) != 0))
        h->spec = m->spec = reply_text(h->reply, buf_text(&text));
    buf_fini(&text);
    return rc;
}

static bool put_attempt(void *arg, const struct store_attempt *a)
{
    static const Ebm__Attempt empty = EBM__ATTEMPT__INIT;
    struct history *h = arg;
    const struct live *l = live_find(&h->d->live, a->job);
    struct reply *r = h->reply;
    Ebm__Attempt *m = reply_alloc(r, sizeof *m);

    if (m == NULL)
        return false;
    *m = empty;
    m->job = (uint64_t)a->job;
    m->attempt = a->attempt;
    m->cause = reply_text(r, a->cause);
    m->actor = reply_text(r, a->actor);
    put_start(h->d, a, m);
    m->onset = a->reported_onset;
    m->last_step = a->last_step;
    if (l != NULL && l->attempt == a->attempt && l->step > m->last_step)
        m->last_step = l->step;
    m->overrides = reply_text(r, a->overrides);
    m->started_ms = a->started_ms;
    m->ended_ms = a->ended_ms;
    m->outcome = reply_text(r, a->outcome);
    m->reason = reply_text(r, a->reason);
    m->host = reply_text(r, a->host);
    REPLY_ADD(r, attempts, m);
    return !h->specs || put_spec(h, a, m) == EBM_OK;
}

enum ebm_status control_history(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                                struct ebm_error *err)
{
    struct history h = {.d = d, .reply = reply, .specs = request->history->specs};
    struct store_job job;
    enum ebm_status rc = need_job(d, request->history->job, &job, err);

    if (rc == EBM_OK)
        rc = store_attempt_each(d->store, job.id, put_attempt, &h, err);
    if (rc == EBM_OK && h.err.code != EBM_OK) {
        *err = h.err;
        rc = err->code;
    }
    return rc;
}

/* ---- events ---- */

static bool put_event(void *arg, const struct store_event *e)
{
    static const Ebm__EventRow empty = EBM__EVENT_ROW__INIT;
    struct reply *r = arg;
    Ebm__EventRow *m = reply_alloc(r, sizeof *m);

    if (m == NULL)
        return false;
    *m = empty;
    m->seq = e->seq;
    m->job = (uint64_t)e->job;
    m->attempt = e->attempt;
    m->time_ms = e->time_ms;
    m->kind = reply_text(r, e->kind);
    m->text = reply_text(r, e->text);
    REPLY_ADD(r, events, m);
    return true;
}

enum ebm_status control_events(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                               struct ebm_error *err)
{
    const Ebm__Events *m = request->events;
    uint32_t limit = page_size(m->limit, WIRE_ROWS_MAX);
    struct store_job job;
    enum ebm_status rc = m->job != 0 ? need_job(d, m->job, &job, err) : EBM_OK;

    if (rc == EBM_OK)
        rc = store_event_each(d->store, (int64_t)m->job, (uint64_t)position_of(m->after_seq), limit,
                              m->newest, put_event, reply, err);
    Ebm__Reply *out = &reply->message;
    if (!m->newest && out->n_events == limit)
        out->more_after = out->events[limit - 1]->seq;
    return rc;
}

/* ---- metrics ---- */

struct metric_page {
    struct reply *reply;
    const struct lineage *line; /* NULL: all */
    uint64_t last;              /* position of the row seen last */
    uint32_t seen;
};

static bool put_metric(void *arg, const struct metrics_row *row)
{
    static const Ebm__Metric empty = EBM__METRIC__INIT;
    struct metric_page *p = arg;

    p->seen++;
    p->last = (uint64_t)row->attempt << 32 | row->seq;
    if (p->line != NULL && !lineage_has(p->line, row->attempt, row->step))
        return true;
    Ebm__Metric *m = reply_alloc(p->reply, sizeof *m);
    double *value = reply_alloc(p->reply, sizeof row->value);
    if (m == NULL || value == NULL)
        return false;
    *m = empty;
    memcpy(value, row->value, sizeof row->value);
    m->attempt = row->attempt;
    m->step = row->step;
    m->time_ms = row->time_ms;
    m->n_value = METRIC_COUNT;
    m->value = value;
    REPLY_ADD(p->reply, metrics, m);
    return true;
}

static enum ebm_status read_metrics(struct daemon *d, const Ebm__Metrics *m,
                                    const struct lineage *line, struct reply *reply,
                                    struct ebm_error *err)
{
    struct metric_page p = {.reply = reply, .line = line};
    const struct metrics_query q = {.job = (int64_t)m->job,
                                    .attempt = m->attempt,
                                    .since_step = (uint64_t)position_of(m->since_step),
                                    .after_row = m->after_row,
                                    .limit = page_size(m->limit, METRICS_A_PAGE),
                                    .newest = m->newest};
    enum ebm_status rc = metrics_each(d->metrics, &q, put_metric, &p, err);

    /* Newest: where the next question goes on. */
    if (p.seen > 0 && (q.newest || p.seen == q.limit))
        reply->message.more_after = p.last;
    return rc;
}

enum ebm_status control_metrics(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                                struct ebm_error *err)
{
    const Ebm__Metrics *m = request->metrics;
    struct lineage line = {0};
    struct store_job job;
    enum ebm_status rc = need_job(d, m->job, &job, err);

    if (rc == EBM_OK && m->attempt > job.attempt)
        rc = ebm_fail(err, EBM_ENOTFOUND, "no attempt %u of job %" PRId64 " (it has had %u)",
                      m->attempt, job.id, job.attempt);
    if (rc == EBM_OK && m->lineage)
        rc = lineage_read(d->store, job.id, job.attempt, &line, err);
    if (rc == EBM_OK)
        rc = read_metrics(d, m, m->lineage ? &line : NULL, reply, err);
    lineage_fini(&line);
    return rc;
}
