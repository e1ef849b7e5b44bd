#include "coordinator_actor.h"

#include <stdlib.h>

#include "digest/digest.h"

/* ---- in and out ---- */

void actor_open(struct actor *a, struct stage *s, int64_t job)
{
    memset(a, 0, sizeof *a);
    buf_init(&a->bulk);
    STAGE_UNTIL(s, live_find(&s->daemon.live, job) != NULL);
    struct store_attempt row = stage_attempt(s, job, stage_job(s, job).attempt);
    a->stage = s;
    a->job = job;
    a->attempt = row.attempt;
    a->fence = row.fence;
    strcpy(a->token, row.token);
    a->step = row.from_step;
    a->socket = stage_connect(s, LINK_DEALER, s->daemon.home.worker);
}

void actor_close(struct actor *a)
{
    if (a->heard != NULL)
        wire_free(&a->heard->base);
    a->heard = NULL;
    buf_fini(&a->bulk);
    stage_disconnect(a->stage, a->socket);
    a->socket = NULL;
}

void actor_send(struct actor *a, Ebm__FromWorker *m, const void *bulk, size_t n)
{
    m->job = (uint64_t)a->job;
    m->attempt = a->attempt;
    m->fence = a->fence;
    m->token = a->token;
    assert_int_equal(wire_send(a->socket, NULL, 0, &m->base, bulk, n, NULL), EBM_OK);
}

bool actor_hears(struct actor *a)
{
    struct link_message m;
    struct link_part bulk;
    ProtobufCMessage *message = NULL;
    struct ebm_error err = {.text = ""};

    if (link_recv(a->socket, &m, NULL) != EBM_OK)
        return false;
    if (wire_decode(&m, &ebm__to_worker__descriptor, &message, &bulk, &err) != EBM_OK)
        fail_msg("a message that is none: %s", err.text);
    if (a->heard != NULL)
        wire_free(&a->heard->base);
    a->heard = (Ebm__ToWorker *)message;
    assert_true(a->heard->fence == a->fence);
    buf_clear(&a->bulk);
    buf_put(&a->bulk, bulk.data, bulk.size);
    link_message_fini(&m);
    return true;
}

static bool take_kind(struct actor *a, Ebm__ToWorker__BodyCase body)
{
    while (actor_hears(a))
        if (a->heard->body_case == body)
            return true;
    return false;
}

const Ebm__ToWorker *actor_expect(struct actor *a, Ebm__ToWorker__BodyCase body)
{
    STAGE_UNTIL(a->stage, take_kind(a, body));
    return a->heard;
}

static bool take_news(struct actor *a)
{
    while (actor_hears(a))
        if (a->heard->body_case != EBM__TO_WORKER__BODY_HEARTBEAT_ACK)
            return true;
    return false;
}

const Ebm__ToWorker *actor_next(struct actor *a)
{
    STAGE_UNTIL(a->stage, take_news(a));
    return a->heard;
}

static void send_beat(struct actor *a)
{
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__Heartbeat body = EBM__HEARTBEAT__INIT;

    body.step = a->step;
    body.phase = "training";
    body.command_seen = a->command_seen;
    body.stability = a->stability;
    m.body_case = EBM__FROM_WORKER__BODY_HEARTBEAT;
    m.heartbeat = &body;
    actor_send(a, &m, NULL, 0);
}

/* Counts what comes; true once a heartbeat was answered or refused. */
static bool count_kind(struct actor *a, Ebm__ToWorker__BodyCase body, unsigned *count)
{
    while (actor_hears(a)) {
        *count += a->heard->body_case == body;
        if (a->heard->body_case == EBM__TO_WORKER__BODY_HEARTBEAT_ACK ||
            a->heard->body_case == EBM__TO_WORKER__BODY_REFUSED)
            return true;
    }
    return false;
}

unsigned actor_count_until_beat(struct actor *a, Ebm__ToWorker__BodyCase body)
{
    unsigned count = 0;

    send_beat(a);
    STAGE_UNTIL(a->stage, count_kind(a, body, &count));
    return count;
}

/* ---- its life ---- */

const Ebm__Welcome *actor_hello(struct actor *a)
{
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__Hello body = EBM__HELLO__INIT;

    body.ranks = 1;
    body.host = "stage";
    body.step = a->step;
    m.body_case = EBM__FROM_WORKER__BODY_HELLO;
    m.hello = &body;
    actor_send(a, &m, NULL, 0);
    return actor_expect(a, EBM__TO_WORKER__BODY_WELCOME)->welcome;
}

const char *actor_beat(struct actor *a, uint64_t step)
{
    a->step = step;
    send_beat(a);
    const Ebm__HeartbeatAck *ack =
        actor_expect(a, EBM__TO_WORKER__BODY_HEARTBEAT_ACK)->heartbeat_ack;
    if (ack->command == NULL)
        return "";
    assert_true(ack->command->seq > 0);
    if (ack->command->seq <= a->command_seen) /* sent before we had seen it */
        return "";
    a->command_seen = ack->command->seq;
    return ack->command->verb;
}

void actor_rows(struct actor *a, uint64_t first_seq, uint64_t first_step, size_t n)
{
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__MetricRows body = EBM__METRIC_ROWS__INIT;
    Ebm__Metric *row = calloc(n, sizeof *row);
    Ebm__Metric **list = calloc(n, sizeof *list);
    double value[METRIC_COUNT];

    assert_true(row != NULL && list != NULL);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        value[i] = 0.5 + (double)i;
    for (size_t i = 0; i < n; i++) {
        ebm__metric__init(&row[i]);
        row[i].attempt = a->attempt;
        row[i].step = first_step + i;
        row[i].time_ms = 1000;
        row[i].n_value = METRIC_COUNT;
        row[i].value = value;
        list[i] = &row[i];
    }
    body.first_seq = first_seq;
    body.n_row = n;
    body.row = list;
    m.body_case = EBM__FROM_WORKER__BODY_METRICS;
    m.metrics = &body;
    actor_send(a, &m, NULL, 0);
    free(list);
    free(row);
}

void actor_finish(struct actor *a, const char *outcome, const char *reason)
{
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__Finished body = EBM__FINISHED__INIT;

    body.outcome = (char *)outcome;
    body.reason = (char *)reason;
    body.step = a->step;
    body.onset = a->onset;
    m.body_case = EBM__FROM_WORKER__BODY_FINISHED;
    m.finished = &body;
    actor_send(a, &m, NULL, 0);
    actor_expect(a, EBM__TO_WORKER__BODY_FINISHED_ACK);
}

void actor_start(struct actor *a, struct stage *s, int64_t job, uint64_t step)
{
    actor_open(a, s, job);
    actor_hello(a);
    actor_beat(a, step);
}

/* ---- uploads ---- */

void actor_blob(const struct actor *a, uint64_t step, uint8_t blob[ACTOR_BLOB])
{
    for (size_t i = 0; i < ACTOR_BLOB; i++)
        blob[i] = (uint8_t)(i * 7 + step * 131 + a->attempt * 17 + (uint64_t)a->job);
}

void actor_begin(struct actor *a, uint64_t upload, uint64_t step)
{
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__CheckpointBegin body = EBM__CHECKPOINT_BEGIN__INIT;
    uint8_t blob[ACTOR_BLOB], digest[DIGEST_BYTES], math[DIGEST_BYTES] = {1};

    actor_blob(a, step, blob);
    digest_of(blob, sizeof blob, digest);
    body.upload = upload;
    body.step = step;
    body.bytes = sizeof blob;
    body.digest = (ProtobufCBinaryData){DIGEST_BYTES, digest};
    body.math_digest = (ProtobufCBinaryData){DIGEST_BYTES, math};
    body.score = 1.0 / (1.0 + (double)step);
    body.left_out = a->left_out;
    m.body_case = EBM__FROM_WORKER__BODY_BEGIN;
    m.begin = &body;
    actor_send(a, &m, NULL, 0);
}

void actor_chunk(struct actor *a, uint64_t upload, uint64_t step, size_t offset, size_t n)
{
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__CheckpointChunk body = EBM__CHECKPOINT_CHUNK__INIT;
    uint8_t blob[ACTOR_BLOB];

    actor_blob(a, step, blob);
    body.upload = upload;
    body.offset = offset;
    m.body_case = EBM__FROM_WORKER__BODY_CHUNK;
    m.chunk = &body;
    actor_send(a, &m, blob + offset, n);
}

void actor_end(struct actor *a, uint64_t upload)
{
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__CheckpointEnd body = EBM__CHECKPOINT_END__INIT;

    body.upload = upload;
    m.body_case = EBM__FROM_WORKER__BODY_END;
    m.end = &body;
    actor_send(a, &m, NULL, 0);
}

int64_t actor_checkpoint(struct actor *a, uint64_t step)
{
    uint64_t upload = ++a->uploads;

    actor_beat(a, step);
    actor_begin(a, upload, step);
    assert_int_equal(actor_expect(a, EBM__TO_WORKER__BODY_CHUNK_ACK)->chunk_ack->received, 0);
    actor_chunk(a, upload, step, 0, ACTOR_BLOB);
    assert_int_equal(actor_expect(a, EBM__TO_WORKER__BODY_CHUNK_ACK)->chunk_ack->received,
                     ACTOR_BLOB);
    actor_end(a, upload);
    const Ebm__CheckpointAck *ack =
        actor_expect(a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK)->checkpoint_ack;
    if (ack->status != EBM_OK)
        fail_msg("step %llu was not stored: %s", (unsigned long long)step, ack->error);
    assert_true(ack->upload == upload);
    return (int64_t)ack->checkpoint;
}

void actor_train_to(struct actor *a, int64_t id[], uint64_t n, uint64_t step)
{
    for (uint64_t i = 0; i < n; i++)
        id[i] = actor_checkpoint(a, a->step - a->step % 50 + 50);
    actor_beat(a, step);
}

void actor_train_warned(struct actor *a, Ebm__Stability *told, uint64_t since, int64_t id[],
                        uint64_t n, uint64_t step)
{
    *told = (Ebm__Stability)EBM__STABILITY__INIT;
    told->verdict = (char *)"warn";
    told->suspect_since = since;
    a->stability = told;
    actor_beat(a, a->step);
    actor_train_to(a, id, n, step);
}

/* ---- whole lives ---- */

void stage_wait_attempt(struct stage *s, int64_t job, uint32_t attempt)
{
    STAGE_UNTIL(s, stage_job(s, job).attempt == attempt);
}

void actor_end_with(struct stage *s, struct actor *a, const char *word, int exit_code)
{
    if (word[0] != '\0')
        actor_finish(a, word, "the worker says why");
    actor_close(a);
    stage_end_mpirun(s, a->job, exit_code);
    STAGE_UNTIL(s, stage_attempt(s, a->job, a->attempt).ended_ms != 0);
}

void actor_live_through(struct stage *s, int64_t job, uint64_t step, const char *word)
{
    struct actor a;

    actor_start(&a, s, job, step);
    actor_end_with(s, &a, word, 1);
}
