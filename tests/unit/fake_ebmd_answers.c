/* What the scripted ebmd answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_ebmd.h"
#include "state/state.h"

enum { LISTED_MAX = 20000 };

/* ---- an answer under way ---- */

struct asking {
    struct fake_ebmd *f;
    const struct link_message *in;
    const Ebm__Request *q;
    Ebm__Reply reply;
    const void *bulk;
    size_t bulk_size;
    void *lists[4]; /* to be freed */
    size_t list_count;
};

static void *keep(struct asking *a, void *p)
{
    if (p == NULL)
        abort();
    a->lists[a->list_count++] = p;
    return p;
}

static size_t most(const struct asking *a, uint32_t limit)
{
    size_t n = limit > 0 && limit < LISTED_MAX ? limit : LISTED_MAX;

    return a->f->script.page > 0 && a->f->script.page < n ? a->f->script.page : n;
}

Ebm__Job *fake_ebmd_find(struct fake_ebmd *f, uint64_t job)
{
    for (size_t i = 0; i < f->jobs; i++)
        if (f->job[i].job == job)
            return &f->job[i];
    return NULL;
}

static void refuse(struct asking *a, enum ebm_status status, const char *text)
{
    a->reply.status = status;
    a->reply.error = (char *)text;
}

static Ebm__Job *find_or_refuse(struct asking *a, uint64_t job)
{
    Ebm__Job *j = fake_ebmd_find(a->f, job);

    if (j == NULL)
        refuse(a, EBM_ENOTFOUND, "no such job");
    return j;
}

/* ---- the handlers ---- */

static bool state_is_wanted(const Ebm__List *m, const char *state)
{
    for (size_t i = 0; i < m->n_state; i++)
        if (strcmp(m->state[i], state) == 0)
            return true;
    return m->n_state == 0;
}

static void on_list(struct asking *a)
{
    const Ebm__List *m = a->q->list;
    size_t n = most(a, m->limit);

    a->f->record.after_job = m->after_job;
    a->reply.jobs = keep(a, calloc(a->f->jobs + 1, sizeof(Ebm__Job *)));
    for (size_t i = 0; i < a->f->jobs; i++) {
        Ebm__Job *j = &a->f->job[i];
        if (j->job <= m->after_job || !state_is_wanted(m, j->state))
            continue;
        if (a->reply.n_jobs == n) {
            a->reply.more_after = a->reply.jobs[n - 1]->job;
            return;
        }
        a->reply.jobs[a->reply.n_jobs++] = j;
    }
}

static void on_show(struct asking *a)
{
    Ebm__Job *j = find_or_refuse(a, a->q->show->job);

    if (j == NULL)
        return;
    a->reply.jobs = keep(a, calloc(1, sizeof(Ebm__Job *)));
    a->reply.jobs[a->reply.n_jobs++] = j;
}

static void on_checkpoints(struct asking *a)
{
    a->reply.checkpoints = keep(a, calloc(a->f->checkpoints + 1, sizeof(Ebm__Checkpoint *)));
    if (find_or_refuse(a, a->q->checkpoints->job) == NULL)
        return;
    for (size_t i = 0; i < a->f->checkpoints; i++)
        if (a->f->checkpoint[i].job == a->q->checkpoints->job)
            a->reply.checkpoints[a->reply.n_checkpoints++] = &a->f->checkpoint[i];
}

static void on_history(struct asking *a)
{
    static Ebm__Attempt first = EBM__ATTEMPT__INIT;

    if (find_or_refuse(a, a->q->history->job) == NULL)
        return;
    first.job = a->q->history->job;
    first.attempt = 1;
    first.cause = (char *)"submit";
    first.actor = (char *)"user";
    a->reply.attempts = keep(a, calloc(1, sizeof(Ebm__Attempt *)));
    a->reply.attempts[a->reply.n_attempts++] = &first;
}

static void on_events(struct asking *a)
{
    const Ebm__Events *m = a->q->events;
    size_t limit = most(a, m->limit), found = 0;
    Ebm__EventRow *rows = keep(a, calloc(FAKE_EVENTS_MAX, sizeof *rows));
    Ebm__EventRow **list = keep(a, calloc(FAKE_EVENTS_MAX, sizeof *list));

    a->f->record.after_seq = m->after_seq;
    for (size_t i = m->after_seq; i < a->f->events; i++) {
        const struct ebmd_event *e = &a->f->event[i];
        if (m->job != 0 && e->job != m->job)
            continue;
        ebm__event_row__init(&rows[found]);
        rows[found].seq = i + 1;
        rows[found].job = e->job;
        rows[found].time_ms = e->time_ms;
        rows[found].kind = (char *)e->kind;
        rows[found].text = (char *)e->text;
        list[found] = &rows[found];
        found++;
    }
    size_t skip = m->newest && found > limit ? found - limit : 0;
    a->reply.events = list + skip;
    a->reply.n_events = found - skip < limit ? found - skip : limit;
}

/* Of the line of descent: no later attempt went back behind it. */
static bool is_abandoned(const struct fake_ebmd *f, size_t i)
{
    for (size_t k = i + 1; k < f->rows; k++)
        if (f->row[k].job == f->row[i].job && f->row[k].attempt > f->row[i].attempt &&
            f->row[k].step <= f->row[i].step)
            return true;
    return false;
}

static bool row_is_wanted(const struct fake_ebmd *f, const Ebm__Metrics *m, size_t i)
{
    const struct ebmd_row *r = &f->row[i];

    return r->job == m->job && (m->attempt == 0 || r->attempt == m->attempt) &&
           r->step >= m->since_step && i >= m->after_row && !(m->lineage && is_abandoned(f, i));
}

static void on_metrics(struct asking *a)
{
    const Ebm__Metrics *m = a->q->metrics;
    size_t limit = most(a, m->limit), found = 0;
    Ebm__Metric *rows = keep(a, calloc(a->f->rows + 1, sizeof *rows));
    Ebm__Metric **list = keep(a, calloc(a->f->rows + 1, sizeof *list));

    a->f->record.since_step = m->since_step;
    a->f->record.metrics_attempt = m->attempt;
    a->f->record.metrics_lineage = m->lineage;
    for (size_t i = 0; i < a->f->rows && (m->newest || found < limit); i++) {
        struct ebmd_row *r = &a->f->row[i];
        if (!row_is_wanted(a->f, m, i))
            continue;
        ebm__metric__init(&rows[found]);
        rows[found].attempt = r->attempt;
        rows[found].step = r->step;
        rows[found].time_ms = 1700000000000 + (int64_t)r->step;
        rows[found].n_value = METRIC_COUNT;
        rows[found].value = r->value;
        list[found] = &rows[found];
        found++;
        a->reply.more_after = !m->newest && found == limit ? i + 1 : 0;
    }
    size_t skip = m->newest && found > limit ? found - limit : 0;
    a->reply.metrics = list + skip;
    a->reply.n_metrics = found - skip;
}

/* The same key is the same change. */
static bool note_key(struct asking *a)
{
    struct ebmd_record *r = &a->f->record;

    for (size_t i = 0; i < r->keys; i++)
        if (strcmp(r->key[i], a->q->key) == 0)
            return false;
    if (r->keys < FAKE_KEYS_MAX)
        snprintf(r->key[r->keys++], FAKE_TEXT, "%s", a->q->key);
    return true;
}

static void on_submit(struct asking *a)
{
    struct ebmd_record *r = &a->f->record;

    r->made += note_key(a) && !a->q->submit->dry_run;
    snprintf(r->spec, sizeof r->spec, "%s", a->q->submit->spec);
    r->priority = a->q->submit->priority;
    a->reply.job = a->q->submit->dry_run ? 0 : r->made;
}

static void on_change(struct asking *a)
{
    note_key(a);
    snprintf(a->f->record.verb, FAKE_TEXT, "%s", a->q->change->verb);
    find_or_refuse(a, a->q->change->job);
}

static void on_rollback(struct asking *a)
{
    static Ebm__Plan plan = EBM__PLAN__INIT;

    note_key(a);
    snprintf(a->f->record.to, FAKE_TEXT, "%s", a->q->rollback->to);
    if (find_or_refuse(a, a->q->rollback->job) == NULL)
        return;
    plan.job = a->q->rollback->job;
    plan.checkpoint = 7;
    plan.step = 400;
    plan.health = (char *)"healthy";
    plan.stops_attempt = 2;
    plan.at_step = 430;
    plan.abandons_steps = 30;
    a->reply.plan = &plan;
}

static void on_fork(struct asking *a)
{
    note_key(a);
    if (find_or_refuse(a, a->q->fork->job) != NULL)
        a->reply.job = a->q->fork->job + 1;
}

static void on_pin(struct asking *a)
{
    note_key(a);
}

static void on_picture(struct asking *a)
{
    if (find_or_refuse(a, a->q->picture->job) == NULL)
        return;
    a->bulk = "\x89PNG";
    a->bulk_size = 4;
    a->reply.bulk = true;
    a->reply.step = 400;
}

static void on_logs(struct asking *a)
{
    static const char text[] = "first line\nsecond line\n";
    size_t offset = a->q->logs->offset < sizeof text - 1 ? a->q->logs->offset : sizeof text - 1;

    if (find_or_refuse(a, a->q->logs->job) == NULL)
        return;
    a->bulk = text + offset;
    a->bulk_size = sizeof text - 1 - offset;
    a->reply.bulk = a->bulk_size > 0;
    a->reply.end = true;
    a->reply.attempt = 1;
}

static void on_status(struct asking *a)
{
    static Ebm__DaemonStatus d;
    static char *names[JOB_STATE_COUNT];
    static uint64_t counts[JOB_STATE_COUNT];

    ebm__daemon_status__init(&d);
    d.version = (char *)"0.0";
    for (unsigned s = 0; s < JOB_STATE_COUNT; s++) {
        names[s] = (char *)job_state_name((enum job_state)s);
        counts[s] = 0;
        for (size_t i = 0; i < a->f->jobs; i++)
            counts[s] += strcmp(a->f->job[i].state, names[s]) == 0;
    }
    d.n_state = d.n_count = JOB_STATE_COUNT;
    d.state = names;
    d.count = counts;
    a->reply.daemon = &d;
}

static void on_stop(struct asking *a)
{
    (void)a;
}

static void (*const handlers[FAKE_KINDS])(struct asking *a) = {
    [EBM__REQUEST__BODY_SUBMIT] = on_submit,   [EBM__REQUEST__BODY_LIST] = on_list,
    [EBM__REQUEST__BODY_SHOW] = on_show,       [EBM__REQUEST__BODY_CHECKPOINTS] = on_checkpoints,
    [EBM__REQUEST__BODY_HISTORY] = on_history, [EBM__REQUEST__BODY_EVENTS] = on_events,
    [EBM__REQUEST__BODY_METRICS] = on_metrics, [EBM__REQUEST__BODY_ROLLBACK] = on_rollback,
    [EBM__REQUEST__BODY_FORK] = on_fork,       [EBM__REQUEST__BODY_CHANGE] = on_change,
    [EBM__REQUEST__BODY_PIN] = on_pin,         [EBM__REQUEST__BODY_PICTURE] = on_picture,
    [EBM__REQUEST__BODY_LOGS] = on_logs,       [EBM__REQUEST__BODY_STATUS] = on_status,
    [EBM__REQUEST__BODY_STOP] = on_stop,
};

/* ---- sending ---- */

static void send_reply(const struct asking *a, const Ebm__Reply *r)
{
    wire_send(a->f->control, a->in->identity, a->in->identity_size, &r->base, a->bulk, a->bulk_size,
              NULL);
}

static void send_garbage(const struct asking *a, uint8_t version)
{
    const uint8_t header[4] = {'E', 'B', 'M', version};
    const struct link_part parts[][4] = {{{"x", 1}},
                                         {{header, 4}, {"\xff\xff\xff\xff", 4}},
                                         {{header, 4}, {"", 0}, {"", 0}, {"", 0}}};
    const size_t counts[] = {1, 2, 4};

    for (size_t i = version == WIRE_VERSION ? 0 : 1; i < 3; i++)
        link_send(a->f->control, a->in->identity, a->in->identity_size, parts[i], counts[i], NULL);
}

static void send_answer(struct asking *a)
{
    const struct ebmd_script *s = &a->f->script;
    Ebm__Reply wrong = EBM__REPLY__INIT;

    if (s->garbage)
        send_garbage(a, WIRE_VERSION);
    if (s->wrong_ids) {
        wrong.id = a->q->id - 1;
        wrong.job = 666;
        send_reply(a, &wrong);
    }
    if (s->other_version)
        send_garbage(a, WIRE_VERSION + 1);
    else
        send_reply(a, &a->reply);
}

static void note_request(struct fake_ebmd *f, const Ebm__Request *q)
{
    f->record.asked[q->body_case]++;
    if (f->record.ids < FAKE_KEYS_MAX)
        f->record.first_ids[f->record.ids++] = q->id;
}

/* A lost answer was made all the same. */
void fake_ebmd_answer(struct fake_ebmd *f, const struct link_message *in, const Ebm__Request *q)
{
    struct asking a = {.f = f, .in = in, .q = q, .reply = EBM__REPLY__INIT};

    note_request(f, q);
    a.reply.id = q->id;
    if (f->script.refuse[q->body_case] != 0)
        refuse(&a, f->script.refuse[q->body_case], f->script.refuse_text);
    else if (handlers[q->body_case] != NULL)
        handlers[q->body_case](&a);
    if (f->script.lose > 0)
        f->script.lose--;
    else if (!f->script.silent)
        send_answer(&a);
    for (size_t i = 0; i < a.list_count; i++)
        free(a.lists[i]);
}
