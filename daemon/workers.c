#include "workers.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "digest/digest.h"
#include "jobs.h"
#include "orders.h"
#include "outcome.h"
#include "unit.h"
#include "uploads.h"

enum { HEARTBEAT_MS = 1000, BEATS_A_LEASE = 4, SAVE_STEP_MS = 5000 };

/* A message whose sender was found to be who it says. */
struct arrival {
    struct live *live;
    const Ebm__FromWorker *m;
    struct link_part bulk;
};

static struct outbox_peer peer_of(const struct live *l)
{
    return (struct outbox_peer){l->identity, l->identity_size};
}

static void put(struct daemon *d, const struct live *l, Ebm__ToWorker *m)
{
    m->fence = l->fence;
    outbox_put_worker(&d->outbox, peer_of(l), m, NULL, 0);
}

/* ---- state by being heard ---- */

struct sighting {
    struct live *live;
    enum job_event event;
    const Ebm__Hello *hello; /* NULL: none */
};

static enum ebm_status record_host(struct daemon *d, const struct sighting *s,
                                   struct ebm_error *err)
{
    struct store_attempt a;

    if (s->hello == NULL)
        return EBM_OK;
    enum ebm_status rc = store_attempt_get(d->store, s->live->job, s->live->attempt, &a, err);
    if (rc != EBM_OK)
        return rc;
    snprintf(a.host, sizeof a.host, "%.60s", s->hello->host);
    return store_attempt_update(d->store, &a, err);
}

static enum ebm_status see(struct daemon *d, void *arg, struct ebm_error *err)
{
    const struct sighting *s = arg;
    struct store_job job;
    enum ebm_status rc = store_job_get(d->store, s->live->job, &job, err);

    if (rc != EBM_OK)
        return rc;
    enum job_state before = job.state;
    rc = record_host(d, s, err);
    /* Who is being stopped may well be silent. */
    if (rc != EBM_OK || job_state_next(job.state, s->event) == JOB_STATE_COUNT)
        return rc;
    rc = jobs_apply(&job, s->event, err);
    if (rc != EBM_OK || job.state == before)
        return rc;
    rc = jobs_save(d, &job, err);
    if (rc != EBM_OK)
        return rc;
    if (s->event == JOB_EV_LOST)
        return jobs_log(d, &job, "lost", err, "its workers were not heard for %" PRIu64 " s",
                        d->config.lease_ms / 1000);
    return jobs_log(d, &job, "running", err, "%s",
                    before == JOB_UNKNOWN ? "its workers are heard again" : "its workers are up");
}

static void sight(struct daemon *d, struct live *l, enum job_event event, const Ebm__Hello *hello)
{
    struct sighting s = {l, event, hello};
    struct ebm_error err;

    l->unsure = unit_do(d, see, &s, &err) != EBM_OK;
    if (l->unsure)
        log_warn("sight", "job=%" PRId64 " event=%s error=\"%s\"", l->job, job_event_name(event),
                 err.text);
}

void workers_check_leases(struct daemon *d, int64_t now_ms)
{
    for (size_t i = 0; i < d->live.count; i++) {
        struct live *l = d->live.item[i];
        if (l->lost || l->gone || now_ms - l->heard_ms < (int64_t)d->config.lease_ms)
            continue;
        l->lost = true;
        sight(d, l, JOB_EV_LOST, NULL);
    }
}

void workers_miss_again(struct daemon *d)
{
    for (size_t i = 0; i < d->live.count; i++) {
        struct live *l = d->live.item[i];
        if (l->lost && l->unsure && !l->gone)
            sight(d, l, JOB_EV_LOST, NULL);
    }
}

/* ---- steps ---- */

static void note_step(struct live *l, uint64_t step)
{
    if (step > INT64_MAX)
        return;
    if (!l->rate_waits)
        rate_note(&l->rate, step, clock_mono_ms());
    if (step > l->step)
        l->step = step;
}

/* Rows may come late, a heartbeat tells where it is. */
static void begin_rate(struct live *l)
{
    if (l->rate_waits)
        rate_begin(&l->rate, l->step, clock_mono_ms());
    l->rate_waits = false;
}

static enum ebm_status save_step(struct daemon *d, void *arg, struct ebm_error *err)
{
    const struct live *l = arg;

    return store_job_set_step(d->store, l->job, l->step, err);
}

void workers_save_steps(struct daemon *d, int64_t now_ms)
{
    for (size_t i = 0; i < d->live.count; i++) {
        struct live *l = d->live.item[i];
        struct ebm_error err;
        if (l->step == l->step_saved || now_ms - l->step_saved_ms < SAVE_STEP_MS)
            continue;
        l->step_saved_ms = now_ms;
        if (unit_do(d, save_step, l, &err) == EBM_OK)
            l->step_saved = l->step;
    }
}

/* ---- bodies ---- */

static enum ebm_status fill_start(struct daemon *d, const struct live *l,
                                  struct store_checkpoint *c, struct ebm_error *err)
{
    struct store_attempt a;
    enum ebm_status rc = store_attempt_get(d->store, l->job, l->attempt, &a, err);

    memset(c, 0, sizeof *c);
    if (rc == EBM_OK && a.from_checkpoint != 0)
        rc = store_checkpoint_get(d->store, a.from_checkpoint, c, err);
    return rc;
}

static uint32_t heartbeat_ms(const struct daemon *d)
{
    uint64_t ms = d->config.lease_ms / BEATS_A_LEASE;

    return ms < HEARTBEAT_MS ? (uint32_t)ms : HEARTBEAT_MS;
}

static void welcome(struct daemon *d, const struct live *l)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__Welcome w = EBM__WELCOME__INIT;
    struct store_checkpoint c;
    struct ebm_error err;

    enum ebm_status rc = fill_start(d, l, &c, &err);
    if (rc == EBM_OK)
        rc = metrics_have(d->metrics, l->job, l->attempt, &w.metrics_have, &err);
    if (rc != EBM_OK) { /* it asks again */
        log_error("welcome", "job=%" PRId64 " error=\"%s\"", l->job, err.text);
        return;
    }
    w.checkpoint = (uint64_t)c.id;
    w.checkpoint_bytes = c.bytes;
    if (c.id != 0)
        w.checkpoint_digest = (ProtobufCBinaryData){DIGEST_BYTES, c.digest};
    w.lease_ms = (uint32_t)d->config.lease_ms;
    w.heartbeat_ms = heartbeat_ms(d);
    m.body_case = EBM__TO_WORKER__BODY_WELCOME;
    m.welcome = &w;
    put(d, l, &m);
}

static void on_hello(struct daemon *d, const struct arrival *a)
{
    struct live *l = a->live;

    l->beats = false;
    note_step(l, a->m->hello->step);
    log_info("hello", "job=%" PRId64 " attempt=%u ranks=%u host=%.60s step=%" PRIu64 " again=%d",
             l->job, l->attempt, a->m->hello->ranks, a->m->hello->host, a->m->hello->step,
             a->m->hello->again);
    sight(d, l, JOB_EV_UP, a->m->hello);
    welcome(d, l);
}

static void on_heartbeat(struct daemon *d, const struct arrival *a)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__HeartbeatAck ack = EBM__HEARTBEAT_ACK__INIT;
    struct live *l = a->live;

    l->beats = true;
    l->command_seen = a->m->heartbeat->command_seen;
    if (l->command_last < l->command_seen)
        l->command_last = l->command_seen;
    note_step(l, a->m->heartbeat->step);
    if (a->m->heartbeat->step <= l->step)
        l->judged = a->m->heartbeat->step;
    if (a->m->heartbeat->stability != NULL)
        standing_read(a->m->heartbeat->stability, &l->standing);
    begin_rate(l);
    Ebm__Command command = orders_pending(l);
    if (command.seq != 0)
        ack.command = &command;
    m.body_case = EBM__TO_WORKER__BODY_HEARTBEAT_ACK;
    m.heartbeat_ack = &ack;
    put(d, l, &m);
}

static bool fill_rows(const Ebm__MetricRows *m, uint32_t attempt, struct metrics_row *row)
{
    for (size_t i = 0; i < m->n_row; i++) {
        const Ebm__Metric *r = m->row[i];
        if (r->n_value != METRIC_COUNT || r->attempt != attempt || r->step > INT64_MAX)
            return false;
        row[i] = (struct metrics_row){
            .seq = m->first_seq + i, .attempt = attempt, .step = r->step, .time_ms = r->time_ms};
        memcpy(row[i].value, r->value, sizeof row[i].value);
    }
    return true;
}

static void note_metrics(struct live *l, const struct metrics_row *row)
{
    note_step(l, row->step);
    l->has_metrics = true;
    l->langevin_grad = row->value[METRIC_LANGEVIN_GRAD];
    l->energy_gap = row->value[METRIC_ENERGY_GAP];
    l->is_finite = isfinite(row->value[METRIC_LOSS]) && isfinite(l->langevin_grad) &&
                   isfinite(row->value[METRIC_PARAM_GRAD]);
}

static void ack_metrics(struct daemon *d, const struct live *l, uint64_t seq)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__MetricsAck ack = EBM__METRICS_ACK__INIT;

    ack.seq = seq;
    m.body_case = EBM__TO_WORKER__BODY_METRICS_ACK;
    m.metrics_ack = &ack;
    put(d, l, &m);
}

/* Rows before these may have gone to an ebmd that was killed. An
 * acknowledgement is for all rows up to its number, so there is none before
 * the missing ones have come again: EBM_ESTALE. */
static enum ebm_status append_rows(struct daemon *d, const struct live *l, const Ebm__MetricRows *m,
                                   const struct metrics_row *row, struct ebm_error *err)
{
    uint64_t have;
    enum ebm_status rc = metrics_have(d->metrics, l->job, l->attempt, &have, err);

    if (rc == EBM_OK && m->first_seq > have + 1)
        rc = ebm_fail(err, EBM_ESTALE,
                      "rows from %" PRIu64 " on, and those after %" PRIu64 " are not there yet",
                      m->first_seq, have);
    if (rc == EBM_OK)
        rc = metrics_append(d->metrics, l->job, l->attempt, row, m->n_row, err);
    return rc;
}

static void store_rows(struct daemon *d, struct live *l, const Ebm__MetricRows *m,
                       struct metrics_row *row)
{
    struct ebm_error err;

    if (!fill_rows(m, l->attempt, row)) {
        log_warn("metrics", "job=%" PRId64 " error=\"rows that are none\"", l->job);
        return;
    }
    enum ebm_status rc = append_rows(d, l, m, row, &err);
    if (rc == EBM_OK) {
        note_metrics(l, &row[m->n_row - 1]);
        ack_metrics(d, l, m->first_seq + m->n_row - 1);
        return;
    }
    if (rc == EBM_ESTALE)
        log_debug("metrics", "job=%" PRId64 " error=\"%s\"", l->job, err.text);
    else
        log_error("metrics", "job=%" PRId64 " error=\"%s\"", l->job, err.text);
    if (rc == EBM_ENOSPC) {
        store_ballast_release(d->store);
        orders_pause_full_disk(d, l->job, &err);
    }
}

static void on_metrics(struct daemon *d, const struct arrival *a)
{
    const Ebm__MetricRows *m = a->m->metrics;

    if (m->n_row == 0 || m->first_seq == 0)
        return;
    struct metrics_row *row = malloc(m->n_row * sizeof *row);
    if (row == NULL)
        return; /* they come again */
    store_rows(d, a->live, m, row);
    free(row);
}

static void on_picture(struct daemon *d, const struct arrival *a)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__PictureAck ack = EBM__PICTURE_ACK__INIT;
    const Ebm__PictureUp *p = a->m->picture;
    struct live *l = a->live;
    struct ebm_error err = {.text = ""};

    enum ebm_status rc = EBM_OK;
    if (a->bulk.size > 0 && a->bulk.size <= WIRE_PICTURE_MAX && p->step <= INT64_MAX)
        rc = metrics_picture_put(d->metrics, l->job, l->attempt, p->step, a->bulk.data,
                                 a->bulk.size, &err);
    if (rc != EBM_OK)
        log_warn("picture", "job=%" PRId64 " error=\"%s\"", l->job, err.text);
    if (rc == EBM_ENOSPC)
        orders_pause_full_disk(d, l->job, &err);
    /* A picture that cannot be kept is no reason to hold anything up. */
    ack.seq = p->seq;
    m.body_case = EBM__TO_WORKER__BODY_PICTURE_ACK;
    m.picture_ack = &ack;
    put(d, l, &m);
}

static enum ebm_status record_report(struct daemon *d, void *arg, struct ebm_error *err)
{
    const struct arrival *a = arg;
    const Ebm__Finished *f = a->m->finished;
    struct store_attempt row;
    enum ebm_status rc = store_attempt_get(d->store, a->live->job, a->live->attempt, &row, err);

    if (rc != EBM_OK || row.reported[0] != '\0')
        return rc; /* the first word counts */
    snprintf(row.reported, sizeof row.reported, "%s", f->outcome);
    snprintf(row.reported_reason, sizeof row.reported_reason, "%s", f->reason);
    wire_mend_text(row.reported_reason);
    row.reported_onset = f->onset <= INT64_MAX ? f->onset : 0;
    row.last_step = a->live->step;
    return store_attempt_update(d->store, &row, err);
}

static void on_finished(struct daemon *d, const struct arrival *a)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__FinishedAck ack = EBM__FINISHED_ACK__INIT;
    struct arrival copy = *a;
    struct ebm_error err;

    if (!outcome_is_word(a->m->finished->outcome)) {
        log_warn("finished", "job=%" PRId64 " error=\"no outcome '%.40s'\"", a->live->job,
                 a->m->finished->outcome);
        return;
    }
    note_step(a->live, a->m->finished->step);
    if (unit_do(d, record_report, &copy, &err) != EBM_OK) {
        log_error("finished", "job=%" PRId64 " error=\"%s\"", a->live->job, err.text);
        return; /* it comes again */
    }
    log_info("finished", "job=%" PRId64 " attempt=%u outcome=%s reason=\"%.200s\"", a->live->job,
             a->live->attempt, a->m->finished->outcome, a->m->finished->reason);
    m.body_case = EBM__TO_WORKER__BODY_FINISHED_ACK;
    m.finished_ack = &ack;
    put(d, a->live, &m);
}

static void on_begin(struct daemon *d, const struct arrival *a)
{
    uploads_begin(d, a->live, a->m->begin);
}

static void on_chunk(struct daemon *d, const struct arrival *a)
{
    uploads_chunk(d, a->live, a->m->chunk, &a->bulk);
}

static void on_end(struct daemon *d, const struct arrival *a)
{
    uploads_end(d, a->live, a->m->end);
}

static void on_fetch(struct daemon *d, const struct arrival *a)
{
    uploads_fetch(d, a->live, a->m->fetch);
}

static const struct {
    Ebm__FromWorker__BodyCase body;
    void (*handle)(struct daemon *d, const struct arrival *a);
} rows[] = {
    {EBM__FROM_WORKER__BODY_HELLO, on_hello},
    {EBM__FROM_WORKER__BODY_HEARTBEAT, on_heartbeat},
    {EBM__FROM_WORKER__BODY_METRICS, on_metrics},
    {EBM__FROM_WORKER__BODY_BEGIN, on_begin},
    {EBM__FROM_WORKER__BODY_CHUNK, on_chunk},
    {EBM__FROM_WORKER__BODY_END, on_end},
    {EBM__FROM_WORKER__BODY_FETCH, on_fetch},
    {EBM__FROM_WORKER__BODY_PICTURE, on_picture},
    {EBM__FROM_WORKER__BODY_FINISHED, on_finished},
};

/* ---- who speaks ---- */

static void refuse(struct daemon *d, struct outbox_peer peer, const Ebm__FromWorker *m,
                   const char *reason)
{
    Ebm__ToWorker answer = EBM__TO_WORKER__INIT;
    Ebm__Refused refused = EBM__REFUSED__INIT;

    log_warn("refused", "job=%" PRIu64 " attempt=%u fence=%" PRIu64 " reason=\"%s\"", m->job,
             m->attempt, m->fence, reason);
    refused.reason = (char *)reason;
    answer.fence = m->fence;
    answer.body_case = EBM__TO_WORKER__BODY_REFUSED;
    answer.refused = &refused;
    outbox_put_worker(&d->outbox, peer, &answer, NULL, 0);
}

/* NULL: refused, and told so. */
static struct live *find_sender(struct daemon *d, struct outbox_peer peer, const Ebm__FromWorker *m)
{
    struct live *l = m->job <= INT64_MAX ? live_find(&d->live, (int64_t)m->job) : NULL;

    if (l == NULL)
        refuse(d, peer, m, "no attempt of this job is live");
    else if (l->attempt != m->attempt || l->fence != m->fence)
        refuse(d, peer, m, "another attempt of this job is live");
    else if (!digest_equal_text(l->token, m->token))
        refuse(d, peer, m, "its token is not that of the attempt");
    else
        return l;
    return NULL;
}

static void note_peer(struct live *l, struct outbox_peer peer)
{
    memcpy(l->identity, peer.identity, peer.size);
    l->identity_size = peer.size;
    l->heard_ms = clock_mono_ms();
}

static void serve(struct daemon *d, struct outbox_peer peer, const Ebm__FromWorker *m,
                  struct link_part bulk)
{
    struct arrival a = {.live = find_sender(d, peer, m), .m = m, .bulk = bulk};

    if (a.live == NULL)
        return;
    bool is_first = a.live->identity_size == 0;
    note_peer(a.live, peer);
    /* It takes us for the ebmd before us, and waits for answers of that one. */
    if (is_first && m->body_case != EBM__FROM_WORKER__BODY_HELLO)
        welcome(d, a.live);
    bool news = a.live->lost || a.live->unsure;
    a.live->lost = false;
    if (news && m->body_case != EBM__FROM_WORKER__BODY_HELLO)
        sight(d, a.live, JOB_EV_UP, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].body == m->body_case)
            rows[i].handle(d, &a);
}

void workers_handle(struct daemon *d, const struct link_message *m)
{
    struct outbox_peer peer = {m->identity, m->identity_size};
    ProtobufCMessage *message = NULL;
    struct link_part bulk;
    struct ebm_error err;

    if (wire_decode(m, &ebm__from_worker__descriptor, &message, &bulk, &err) == EBM_OK)
        serve(d, peer, (const Ebm__FromWorker *)message, bulk);
    else
        log_warn("bad-message", "error=\"%s\"", err.text);
    wire_free(message);
}
