#include "fake_daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dice.h"

enum { DEADLINE_S = 20, POLL_MS = 5, CHECKPOINT = 12 };

/* ---- answering ---- */

struct asked {
    struct fake_daemon *f;
    const struct link_message *in;
    const Ebm__FromWorker *m;
    struct link_part bulk;
    struct fake_script script; /* as it was when the message came */
};

static void send_raw(const struct asked *a, const Ebm__ToWorker *m, const void *bulk, size_t n)
{
    wire_send(a->f->socket, a->in->identity, a->in->identity_size, &m->base, bulk, n, NULL);
}

static void send_garbage(const struct asked *a)
{
    static const uint8_t header[4] = {'E', 'B', 'M', WIRE_VERSION};
    static const uint8_t other[4] = {'E', 'B', 'M', WIRE_VERSION + 1};
    static const struct link_part parts[][4] = {
        {{"x", 1}},
        {{header, 4}},
        {{header, 4}, {"\xff\xff\xff\xff", 4}},
        {{other, 4}, {"", 0}},
        {{header, 4}, {"", 0}},
        {{header, 4}, {"", 0}, {"", 0}, {"", 0}},
    };
    static const size_t counts[] = {1, 1, 2, 2, 2, 4};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        link_send(a->f->socket, a->in->identity, a->in->identity_size, parts[i], counts[i], NULL);
}

/* By dice: whatever is asked again in rounds would meet every n-th loss in the
 * same place of each round, for ever. */
static bool is_lost(const struct asked *a, unsigned kind)
{
    bool *lost = &a->f->lost[kind];

    *lost =
        a->script.lose_one_in > 0 && !*lost && dice_below(&a->f->dice, a->script.lose_one_in) == 0;
    return *lost;
}

/* One answer, after what the script wants before it, or none if it is lost. */
static void answer(const struct asked *a, Ebm__ToWorker *m, const void *bulk, size_t n)
{
    if (a->script.delay_ms > 0)
        usleep(a->script.delay_ms * 1000);
    if (a->script.garbage)
        send_garbage(a);
    if (a->script.wrong_fence) {
        m->fence = FAKE_FENCE - 1;
        send_raw(a, m, bulk, n);
    }
    m->fence = FAKE_FENCE;
    if (!is_lost(a, m->body_case))
        send_raw(a, m, bulk, n);
}

static void welcome(const struct asked *a)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__Welcome body = EBM__WELCOME__INIT;
    uint8_t digest[DIGEST_BYTES];
    const struct fake_record *r = &a->f->record;

    memcpy(digest, a->f->digest, DIGEST_BYTES);
    m.body_case = EBM__TO_WORKER__BODY_WELCOME;
    m.welcome = &body;
    body.heartbeat_ms = FAKE_HEARTBEAT_MS;
    body.lease_ms = 15000;
    body.metrics_have = r->rows;
    if (a->script.checkpoint != NULL) {
        digest[0] ^= a->script.wrong_digest;
        body.checkpoint = CHECKPOINT;
        body.checkpoint_bytes = a->script.checkpoint_size;
        body.checkpoint_digest = (ProtobufCBinaryData){DIGEST_BYTES, digest};
    }
    answer(a, &m, NULL, 0);
}

static void on_hello(const struct asked *a)
{
    struct fake_record *r = &a->f->record;

    r->hellos++;
    r->hellos_again += a->m->hello->again;
    r->ranks = a->m->hello->ranks;
    welcome(a);
}

static void on_heartbeat(const struct asked *a)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__HeartbeatAck body = EBM__HEARTBEAT_ACK__INIT;
    Ebm__Command command = EBM__COMMAND__INIT;
    const Ebm__Heartbeat *h = a->m->heartbeat;
    struct fake_record *r = &a->f->record;

    if (a->script.greet)
        welcome(a);
    r->heartbeats++;
    r->beat_step = h->step;
    r->command_seen = h->command_seen;
    snprintf(r->phase, sizeof r->phase, "%s", h->phase);
    command.seq = a->script.command_seq;
    command.verb = (char *)a->script.command;
    m.body_case = EBM__TO_WORKER__BODY_HEARTBEAT_ACK;
    m.heartbeat_ack = &body;
    if (command.seq > h->command_seen)
        body.command = &command;
    answer(a, &m, NULL, 0);
}

static void note_rows(struct fake_record *r, const Ebm__MetricRows *rows)
{
    if (rows->n_row > r->largest_batch)
        r->largest_batch = rows->n_row;
    if (rows->first_seq > r->rows + 1) {
        r->rows_out_of_order++;
        return;
    }
    for (size_t i = 0; i < rows->n_row; i++) {
        uint64_t seq = rows->first_seq + i;
        if (seq == r->rows + 1 && seq <= FAKE_ROWS_MAX) {
            r->row_step[seq] = rows->row[i]->step;
            r->rows = seq;
        }
    }
}

static void on_metrics(const struct asked *a)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__MetricsAck body = EBM__METRICS_ACK__INIT;

    note_rows(&a->f->record, a->m->metrics);
    if (a->script.hold_rows)
        return;
    m.body_case = EBM__TO_WORKER__BODY_METRICS_ACK;
    m.metrics_ack = &body;
    if (a->script.lie) {
        body.seq = UINT64_MAX;
        answer(a, &m, NULL, 0);
    }
    body.seq = a->f->record.rows;
    answer(a, &m, NULL, 0);
}

static void ack_checkpoint(const struct asked *a, uint64_t upload, uint32_t status)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__CheckpointAck body = EBM__CHECKPOINT_ACK__INIT;

    m.body_case = EBM__TO_WORKER__BODY_CHECKPOINT_ACK;
    m.checkpoint_ack = &body;
    body.upload = upload;
    body.checkpoint = status == EBM_OK ? CHECKPOINT + upload : 0;
    body.status = status;
    body.error = status == EBM_OK ? "" : "by the script";
    answer(a, &m, NULL, 0);
}

static void ack_chunk(const struct asked *a, uint64_t upload)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__ChunkAck body = EBM__CHUNK_ACK__INIT;

    m.body_case = EBM__TO_WORKER__BODY_CHUNK_ACK;
    m.chunk_ack = &body;
    body.upload = upload;
    if (a->script.lie) {
        body.received = UINT64_MAX;
        answer(a, &m, NULL, 0);
        body.upload = upload + 1;
        body.received = 1;
        answer(a, &m, NULL, 0);
        body.upload = upload;
        if (a->f->upload_blob.size < a->f->upload_bytes)
            ack_checkpoint(a, upload, EBM_OK); /* much too early */
    }
    body.received = a->f->upload_open && a->f->upload == upload ? a->f->upload_blob.size : 0;
    answer(a, &m, NULL, 0);
}

static void forget_upload(struct fake_daemon *f)
{
    f->upload_open = false;
    buf_clear(&f->upload_blob);
}

static void on_begin(const struct asked *a)
{
    const Ebm__CheckpointBegin *b = a->m->begin;
    struct fake_daemon *f = a->f;

    f->record.begins++;
    if (!f->upload_open || f->upload != b->upload) {
        forget_upload(f);
        f->upload_open = !a->script.forget_always;
        f->upload = b->upload;
        f->upload_step = b->step;
        f->upload_bytes = b->bytes;
        f->upload_score = b->score;
        if (b->digest.len == DIGEST_BYTES && b->math_digest.len == DIGEST_BYTES)
            memcpy(f->upload_digest, b->digest.data, DIGEST_BYTES);
        else
            f->record.broken++;
    }
    ack_chunk(a, b->upload);
}

static void on_chunk(const struct asked *a)
{
    const Ebm__CheckpointChunk *c = a->m->chunk;
    struct fake_daemon *f = a->f;

    if (a->bulk.size == 0 || a->bulk.size > WIRE_CHUNK_BYTES)
        f->record.broken++;
    if (f->upload_open && f->upload == c->upload && c->offset == f->upload_blob.size)
        buf_put(&f->upload_blob, a->bulk.data, a->bulk.size);
    if (!f->forgot && a->script.forget_at > 0 && f->upload_blob.size >= a->script.forget_at) {
        f->forgot = true;
        forget_upload(f);
    }
    ack_chunk(a, c->upload);
}

static void commit(struct fake_daemon *f)
{
    struct fake_record *r = &f->record;
    struct fake_commit *c = &r->commit[r->commits < FAKE_COMMITS_MAX ? r->commits++ : 0];

    c->step = f->upload_step;
    c->score = f->upload_score;
    c->bytes = f->upload_blob.size;
    digest_of(f->upload_blob.data, f->upload_blob.size, c->digest);
    c->sound =
        c->bytes == f->upload_bytes && memcmp(c->digest, f->upload_digest, DIGEST_BYTES) == 0;
}

static void on_end(const struct asked *a)
{
    struct fake_daemon *f = a->f;
    uint64_t upload = a->m->end->upload;

    f->record.ends++;
    if (a->script.hold_commits)
        return;
    if (a->script.refuse_commits > 0) {
        f->script.refuse_commits--;
        forget_upload(f);
        ack_checkpoint(a, upload, a->script.commit_status);
        return;
    }
    /* Also an end that waited in a queue while we were down, and comes among the new chunks. */
    if (!f->upload_open || f->upload != upload || f->upload_blob.size < f->upload_bytes) {
        ack_chunk(a, upload);
        return;
    }
    if (f->record.commits == 0 || f->record.commit[f->record.commits - 1].step != f->upload_step)
        commit(f);
    ack_checkpoint(a, upload, EBM_OK);
}

static void lie_about_fetch(const struct asked *a, Ebm__ToWorker *m, Ebm__FetchData *body)
{
    static const uint8_t large[WIRE_CHUNK_BYTES + 1];

    answer(a, m, NULL, 0);
    answer(a, m, large, sizeof large);
    body->offset++;
    answer(a, m, large, 10);
    body->offset--;
    body->checkpoint++;
    answer(a, m, large, 10);
    body->checkpoint--;
}

static void on_fetch(const struct asked *a)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__FetchData body = EBM__FETCH_DATA__INIT;
    const Ebm__Fetch *q = a->m->fetch;
    size_t n = q->bytes;

    if (q->checkpoint != CHECKPOINT || q->offset + q->bytes > a->script.checkpoint_size) {
        a->f->record.broken++;
        return;
    }
    if (a->script.piece > 0 && n > a->script.piece)
        n = a->script.piece;
    body.checkpoint = q->checkpoint;
    body.offset = q->offset;
    body.status = a->script.fetch_status;
    body.error = body.status != 0 ? "by the script" : "";
    m.body_case = EBM__TO_WORKER__BODY_FETCH_DATA;
    m.fetch_data = &body;
    if (a->script.lie)
        lie_about_fetch(a, &m, &body);
    answer(a, &m, a->script.checkpoint + q->offset, body.status == 0 ? n : 0);
}

static void on_picture(const struct asked *a)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__PictureAck body = EBM__PICTURE_ACK__INIT;
    struct fake_record *r = &a->f->record;

    if (r->picture_step != a->m->picture->step)
        r->pictures++;
    r->picture_step = a->m->picture->step;
    r->picture_bytes = a->bulk.size;
    m.body_case = EBM__TO_WORKER__BODY_PICTURE_ACK;
    m.picture_ack = &body;
    body.seq = a->m->picture->seq;
    answer(a, &m, NULL, 0);
}

static void on_finished(const struct asked *a)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__FinishedAck body = EBM__FINISHED_ACK__INIT;
    struct fake_record *r = &a->f->record;

    r->finished++;
    snprintf(r->outcome, sizeof r->outcome, "%s", a->m->finished->outcome);
    snprintf(r->reason, sizeof r->reason, "%s", a->m->finished->reason);
    m.body_case = EBM__TO_WORKER__BODY_FINISHED_ACK;
    m.finished_ack = &body;
    if (!a->script.no_finished_ack)
        answer(a, &m, NULL, 0);
}

static void refuse(const struct asked *a)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__Refused body = EBM__REFUSED__INIT;

    m.body_case = EBM__TO_WORKER__BODY_REFUSED;
    m.refused = &body;
    m.fence = a->script.refuse_fence != 0 ? a->script.refuse_fence : FAKE_FENCE;
    body.reason = "attempt 4 runs";
    a->f->record.refusals++;
    send_raw(a, &m, NULL, 0);
}

static const struct {
    Ebm__FromWorker__BodyCase body;
    void (*handle)(const struct asked *a);
} handlers[] = {
    {EBM__FROM_WORKER__BODY_HELLO, on_hello},         {EBM__FROM_WORKER__BODY_METRICS, on_metrics},
    {EBM__FROM_WORKER__BODY_HEARTBEAT, on_heartbeat}, {EBM__FROM_WORKER__BODY_BEGIN, on_begin},
    {EBM__FROM_WORKER__BODY_CHUNK, on_chunk},         {EBM__FROM_WORKER__BODY_END, on_end},
    {EBM__FROM_WORKER__BODY_FETCH, on_fetch},         {EBM__FROM_WORKER__BODY_PICTURE, on_picture},
    {EBM__FROM_WORKER__BODY_FINISHED, on_finished},
};

static void handle(struct fake_daemon *f, const struct link_message *in, const Ebm__FromWorker *m,
                   struct link_part bulk)
{
    struct asked a = {.f = f, .in = in, .m = m, .bulk = bulk, .script = f->script};

    if (m->job != FAKE_JOB || m->attempt != FAKE_ATTEMPT || m->fence != FAKE_FENCE ||
        strcmp(m->token, FAKE_TOKEN) != 0)
        f->record.broken++;
    if (f->script.silent) {
        f->record.unheard_hellos += m->body_case == EBM__FROM_WORKER__BODY_HELLO;
        return;
    }
    if (f->script.refuse) {
        refuse(&a);
        return;
    }
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (handlers[i].body == m->body_case)
            handlers[i].handle(&a);
}

/* ---- the thread ---- */

static void obey_down(struct fake_daemon *f)
{
    struct ebm_error err;

    if (f->wants_down == f->is_down)
        return;
    if (f->wants_down) {
        link_close(f->socket);
        f->socket = NULL;
        unlink(f->endpoint + strlen("ipc://"));
        forget_upload(f);
        f->is_down = true;
    } else if (link_open(f->context, LINK_ROUTER, true, f->endpoint, &f->socket, &err) == EBM_OK) {
        f->is_down = false; /* else the old socket still lets go: the next turn tries again */
    }
    pthread_cond_broadcast(&f->changed);
}

static void receive_all(struct fake_daemon *f)
{
    struct link_message in;

    while (link_recv(f->socket, &in, NULL) == EBM_OK) {
        ProtobufCMessage *m = NULL;
        struct link_part bulk;
        enum ebm_status rc = wire_decode(&in, &ebm__from_worker__descriptor, &m, &bulk, NULL);
        pthread_mutex_lock(&f->lock);
        if (rc == EBM_OK)
            handle(f, &in, (const Ebm__FromWorker *)m, bulk);
        else
            f->record.broken++;
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
        wire_free(m);
        link_message_fini(&in);
    }
}

static void *fake_main(void *arg)
{
    struct fake_daemon *f = arg;

    for (;;) {
        pthread_mutex_lock(&f->lock);
        bool stopping = f->stopping;
        obey_down(f);
        pthread_mutex_unlock(&f->lock);
        if (stopping)
            return NULL;
        struct link_poll item = {.socket = f->socket, .fd = -1};
        link_wait(&item, f->socket != NULL ? 1 : 0, POLL_MS, NULL);
        if (f->socket != NULL)
            receive_all(f);
    }
}

/* The digest is made once: as an answer to each hello, on a loaded machine,
 * it would take longer than the time to the next hello. */
static void take_script(struct fake_daemon *f, const struct fake_script *script)
{
    f->script = *script;
    if (script->checkpoint != NULL)
        digest_of(script->checkpoint,
                  script->checkpoint_size < FAKE_CHECKPOINT_MAX ? script->checkpoint_size : 0,
                  f->digest);
}

struct fake_daemon *fake_start(const struct fake_script *script)
{
    struct fake_daemon *f = calloc(1, sizeof *f);
    pthread_condattr_t attr;
    enum ebm_status rc = EBM_ENOMEM;

    if (f == NULL)
        abort();
    take_script(f, script);
    strcpy(f->dir, "/tmp/ebm-agent-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        abort();
    snprintf(f->endpoint, sizeof f->endpoint, "ipc://%s/worker", f->dir);
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->changed, &attr);
    rc = link_context_create(&f->context, NULL);
    if (rc == EBM_OK)
        rc = link_open(f->context, LINK_ROUTER, true, f->endpoint, &f->socket, NULL);
    if (rc != EBM_OK || pthread_create(&f->thread, NULL, fake_main, f) != 0)
        abort();
    return f;
}

void fake_agent_config(const struct fake_daemon *f, struct agent_config *c)
{
    agent_config_init(c);
    c->job = FAKE_JOB;
    c->attempt = FAKE_ATTEMPT;
    c->fence = FAKE_FENCE;
    strcpy(c->token, FAKE_TOKEN);
    strcpy(c->endpoint, f->endpoint);
    strcpy(c->dir, f->dir);
    c->hello_ms = 30;
    c->batch_ms = 10;
    c->resend_ms = 60;
    c->commit_ms = 100;
}

void fake_stop(struct fake_daemon *f)
{
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    link_close(f->socket);
    link_context_destroy(f->context);
    buf_fini(&f->upload_blob);
    unlink(f->endpoint + strlen("ipc://"));
    rmdir(f->dir);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

const struct fake_record *fake_peek(struct fake_daemon *f)
{
    pthread_mutex_lock(&f->lock);
    f->peeked = f->record;
    pthread_mutex_unlock(&f->lock);
    return &f->peeked;
}

void fake_set_script(struct fake_daemon *f, const struct fake_script *script)
{
    pthread_mutex_lock(&f->lock);
    take_script(f, script);
    pthread_mutex_unlock(&f->lock);
}

static struct timespec deadline(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += DEADLINE_S;
    return t;
}

void fake_set_down(struct fake_daemon *f, bool down)
{
    struct timespec end = deadline();

    pthread_mutex_lock(&f->lock);
    f->wants_down = down;
    while (f->is_down != down)
        if (pthread_cond_timedwait(&f->changed, &f->lock, &end) != 0)
            abort();
    pthread_mutex_unlock(&f->lock);
}

bool fake_wait(struct fake_daemon *f, bool (*holds)(const struct fake_record *r, uint64_t arg),
               uint64_t arg)
{
    struct timespec end = deadline();
    int rc = 0;

    pthread_mutex_lock(&f->lock);
    while (!holds(&f->record, arg) && rc == 0)
        rc = pthread_cond_timedwait(&f->changed, &f->lock, &end);
    bool held = holds(&f->record, arg);
    pthread_mutex_unlock(&f->lock);
    return held;
}
