/* What is no message, on both sockets: ebmd says so where it can, and goes on
 * for everybody else. */
#include "coordinator_actor.h"
#include "dice.h"

#include <stdlib.h>

enum { MUTANTS = 1500, MANY = WIRE_ROWS_MAX + 1 };

static const uint8_t header[4] = {'E', 'B', 'M', WIRE_VERSION};
static const uint8_t newer[4] = {'E', 'B', 'M', WIRE_VERSION + 1};

static void assert_up(struct stage *s)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Status m = EBM__STATUS__INIT;

    q.body_case = EBM__REQUEST__BODY_STATUS;
    q.status = &m;
    assert_int_equal(stage_ask(s, &q)->status, EBM_OK);
}

static const struct {
    struct link_part part[4];
    size_t parts;
    enum ebm_status status; /* of the control socket's answer */
    const char *text;
} garbage[] = {
    {{{"x", 1}}, 1, EBM_EPROTO, "1 parts"},
    {{{header, 4}}, 1, EBM_EPROTO, "1 parts"},
    {{{header, 4}, {"", 0}, {"", 0}, {"", 0}}, 4, EBM_EPROTO, "4 parts"},
    {{{"GET ", 4}, {"", 0}}, 2, EBM_EPROTO, "header"},
    {{{header, 3}, {"", 0}}, 2, EBM_EPROTO, "header"},
    {{{"", 0}, {"", 0}}, 2, EBM_EPROTO, "header"},
    {{{newer, 4}, {"", 0}}, 2, EBM_ESTALE, "protocol version 2, this one 1"},
    {{{newer, 4}, {"\xff", 1}}, 2, EBM_ESTALE, "protocol version"}, /* before all else */
    {{{header, 4}, {"\xff\xff\xff\xff", 4}}, 2, EBM_EPROTO, "4 bytes that are no"},
    {{{header, 4}, {"\x12\x7f", 2}}, 2, EBM_EPROTO, "2 bytes that are no"}, /* truncated */
};

static void control_answers_garbage_with_what_is_wrong(void **state)
{
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        stage_assert_refused(stage_ask_raw(s, garbage[i].part, garbage[i].parts), garbage[i].status,
                             garbage[i].text);
        assert_up(s);
    }
}

static void send_raw(struct link_socket *socket, const struct link_part *part, size_t parts)
{
    assert_int_equal(link_send(socket, NULL, 0, part, parts, NULL), EBM_OK);
}

static void workers_garbage_is_dropped(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++)
        send_raw(a.socket, garbage[i].part, garbage[i].parts);
    assert_string_equal(actor_beat(&a, 6), "");
    assert_int_equal(stage_state(s, job), JOB_RUNNING);
    assert_up(s);
    actor_close(&a);
}

/* ---- requests that are read and mean nothing ---- */

static const Ebm__Reply *ask_body(struct stage *s, const void *bytes, size_t n)
{
    const struct link_part part[2] = {{header, 4}, {bytes, n}};

    return stage_ask_raw(s, part, 2);
}

static void a_request_without_a_body_is_refused(void **state)
{
    struct stage *s = *state;
    Ebm__Request q = EBM__REQUEST__INIT;

    stage_assert_refused(stage_ask(s, &q), EBM_EPROTO, "does not know");
    stage_assert_refused(ask_body(s, "", 0), EBM_EPROTO, "does not know");
    /* field 99, of a later ebmctl */
    stage_assert_refused(ask_body(s, "\x9a\x06\x00", 3), EBM_EPROTO, "does not know");
    assert_up(s);
}

static void texts_must_be_texts(void **state)
{
    static const char nul[] = "\x12\x03"
                              "a\0b";
    static const char latin[] = "\x12\x02\xe9\xe9";
    struct stage *s = *state;

    stage_assert_refused(ask_body(s, nul, sizeof nul - 1), EBM_EPROTO, "NUL");
    stage_assert_refused(ask_body(s, latin, sizeof latin - 1), EBM_EPROTO, "not UTF-8");
    assert_up(s);
}

static void counts_and_sizes_are_bounded(void **state)
{
    struct stage *s = *state;
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__List m = EBM__LIST__INIT;
    char *word = (char *)"held", *text = malloc(WIRE_TEXT_MAX + 2);
    char **many = malloc(MANY * sizeof *many);
    struct buf body;

    assert_true(many != NULL && text != NULL);
    for (size_t i = 0; i < MANY; i++)
        many[i] = word;
    q.body_case = EBM__REQUEST__BODY_LIST;
    q.list = &m;
    m.state = many;
    m.n_state = MANY;
    buf_init(&body);
    wire_pack(&q.base, &body, NULL);
    stage_assert_refused(ask_body(s, body.data, body.size), EBM_EPROTO, "20001 items");
    memset(text, 'x', WIRE_TEXT_MAX + 1);
    text[WIRE_TEXT_MAX + 1] = '\0';
    q.key = text;
    m.n_state = 1;
    buf_clear(&body);
    wire_pack(&q.base, &body, NULL);
    stage_assert_refused(ask_body(s, body.data, body.size), EBM_EPROTO, "field 'key' is longer");
    assert_up(s);
    buf_fini(&body);
    free(many);
    free(text);
}

/* A part beyond the socket's limit costs its sender the connection. */
static void a_giant_is_cut_off(void **state)
{
    struct stage *s = *state;
    struct link_socket *other = stage_connect(s, LINK_DEALER, s->daemon.home.control);
    uint8_t *giant = calloc(1, LINK_MESSAGE_MAX + 1);
    const struct link_part part[2] = {{header, 4}, {giant, LINK_MESSAGE_MAX + 1}};

    assert_non_null(giant);
    send_raw(other, part, 2);
    free(giant);
    for (int i = 0; i < 20; i++)
        assert_up(s);
    stage_disconnect(s, other);
}

/* ---- impossible values in sound messages ---- */

static void send_rows(struct actor *a, Ebm__Metric *row, size_t n, uint64_t first_seq)
{
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__MetricRows body = EBM__METRIC_ROWS__INIT;

    body.first_seq = first_seq;
    body.n_row = n;
    body.row = &row;
    m.body_case = EBM__FROM_WORKER__BODY_METRICS;
    m.metrics = &body;
    actor_send(a, &m, NULL, 0);
}

static void rows_that_are_none_are_not_acknowledged(void **state)
{
    struct stage *s = *state;
    struct actor a;
    double value[METRIC_COUNT + 1] = {0};
    Ebm__Metric row = EBM__METRIC__INIT;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    row.attempt = 1;
    row.step = 1;
    row.n_value = METRIC_COUNT;
    row.value = value;
    send_rows(&a, &row, 0, 1);
    send_rows(&a, &row, 1, 0);
    send_rows(&a, &row, 1, UINT64_MAX);
    send_rows(&a, &row, 1, (uint64_t)UINT32_MAX + 1);
    row.n_value = METRIC_COUNT - 1;
    send_rows(&a, &row, 1, 1);
    row.n_value = METRIC_COUNT + 1;
    send_rows(&a, &row, 1, 1);
    row.n_value = METRIC_COUNT;
    row.attempt = 2;
    send_rows(&a, &row, 1, 1);
    row.attempt = 1;
    row.step = UINT64_MAX;
    send_rows(&a, &row, 1, 1);
    assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_METRICS_ACK), 0);
    row.step = 1;
    send_rows(&a, &row, 1, 1);
    assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_METRICS_ACK), 1);
    actor_close(&a);
}

static void steps_beyond_all_are_not_believed(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    actor_beat(&a, UINT64_MAX);
    actor_beat(&a, (uint64_t)INT64_MAX + 1);
    assert_int_equal(stage_show(s, job)->step, 5);
    actor_beat(&a, 3); /* it never goes back */
    assert_int_equal(live_find(&s->daemon.live, job)->step, 5);
    assert_int_equal(stage_show(s, job)->step, 5);
    a.command_seen = UINT64_MAX; /* no number is left for an order; the attempt can still end */
    actor_beat(&a, 6);
    stage_change(s, job, "kill");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
    actor_close(&a);
}

static void begins_that_are_none_are_refused(void **state)
{
    struct stage *s = *state;
    struct actor a;
    uint8_t digest[DIGEST_BYTES] = {7};
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    for (int i = 0; i < 7; i++) {
        Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
        Ebm__CheckpointBegin body = EBM__CHECKPOINT_BEGIN__INIT;
        body.upload = i == 0 ? 0 : 1;
        body.step = i == 1 ? UINT64_MAX : 5;
        body.bytes = i == 2 ? 0 : i == 3 ? UINT64_MAX : i == 4 ? INT64_MAX : 10;
        body.digest = (ProtobufCBinaryData){i == 5 ? 31 : DIGEST_BYTES, digest};
        body.math_digest = (ProtobufCBinaryData){i == 6 ? 0 : DIGEST_BYTES, digest};
        m.body_case = EBM__FROM_WORKER__BODY_BEGIN;
        m.begin = &body;
        actor_send(&a, &m, NULL, 0);
        const Ebm__CheckpointAck *ack =
            actor_expect(&a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK)->checkpoint_ack;
        assert_int_equal(ack->status, EBM_EPROTO);
        assert_int_equal(ack->checkpoint, 0);
    }
    assert_int_equal(actor_checkpoint(&a, 6), 1); /* no id was used up */
    actor_close(&a);
}

/* ---- mutants ---- */

static void pack_request(struct buf *body, uint32_t which)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Submit submit = EBM__SUBMIT__INIT;
    Ebm__Metrics metrics = EBM__METRICS__INIT;
    Ebm__Rollback rollback = EBM__ROLLBACK__INIT;
    char *set[] = {(char *)"optimizer.lr=1", (char *)"replay.size=64"};

    q.id = 1;
    q.key = "key";
    submit.spec = (char *)stage_spec;
    rollback.set = submit.set = set;
    rollback.n_set = submit.n_set = 2;
    rollback.job = metrics.job = 1;
    rollback.to = "last-healthy";
    metrics.limit = 7;
    q.body_case = which == 0   ? EBM__REQUEST__BODY_SUBMIT
                  : which == 1 ? EBM__REQUEST__BODY_METRICS
                               : EBM__REQUEST__BODY_ROLLBACK;
    if (which == 0)
        q.submit = &submit;
    else if (which == 1)
        q.metrics = &metrics;
    else
        q.rollback = &rollback;
    buf_clear(body);
    wire_pack(&q.base, body, NULL);
}

/* A heartbeat or rows, with the right name and token. */
static void pack_worker(struct buf *body, const struct actor *a, bool rows)
{
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__Heartbeat beat = EBM__HEARTBEAT__INIT;
    Ebm__MetricRows metrics = EBM__METRIC_ROWS__INIT;
    Ebm__Metric row = EBM__METRIC__INIT, *list = &row;
    double value[METRIC_COUNT] = {0};

    m.job = (uint64_t)a->job;
    m.attempt = row.attempt = a->attempt;
    m.fence = a->fence;
    m.token = (char *)a->token;
    beat.step = row.step = 6;
    row.n_value = METRIC_COUNT;
    row.value = value;
    metrics.first_seq = metrics.n_row = 1;
    metrics.row = &list;
    m.body_case = rows ? EBM__FROM_WORKER__BODY_METRICS : EBM__FROM_WORKER__BODY_HEARTBEAT;
    if (rows)
        m.metrics = &metrics;
    else
        m.heartbeat = &beat;
    buf_clear(body);
    wire_pack(&m.base, body, NULL);
}

static void send_mutant(struct link_socket *socket, struct buf *body, uint64_t *dice)
{
    for (uint32_t n = 1 + dice_below(dice, 4); n > 0 && body->size > 0; n--)
        body->data[dice_below(dice, (uint32_t)body->size)] = (uint8_t)dice_roll(dice);
    if (dice_below(dice, 4) == 0)
        body->size = dice_below(dice, (uint32_t)body->size + 1);
    const struct link_part part[2] = {{header, 4}, {body->data, body->size}};
    send_raw(socket, part, 2);
}

static void mutants_do_no_harm(void **state)
{
    struct stage *s = *state;
    struct actor a;
    struct buf body;
    uint64_t dice = 5;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    struct link_socket *client = stage_connect(s, LINK_DEALER, s->daemon.home.control);
    struct link_socket *worker = stage_connect(s, LINK_DEALER, s->daemon.home.worker);
    buf_init(&body);
    for (int i = 0; i < MUTANTS; i++) {
        pack_request(&body, dice_below(&dice, 3));
        send_mutant(client, &body, &dice);
        pack_worker(&body, &a, i % 2 == 0);
        send_mutant(worker, &body, &dice);
        if (i % 100 == 0)
            assert_up(s);
    }
    buf_fini(&body);
    assert_up(s);
    assert_string_equal(actor_beat(&a, INT64_MAX), "");
    assert_int_equal(stage_state(s, job), JOB_RUNNING);
    actor_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(control_answers_garbage_with_what_is_wrong),
        T(workers_garbage_is_dropped),
        T(a_request_without_a_body_is_refused),
        T(texts_must_be_texts),
        T(counts_and_sizes_are_bounded),
        T(a_giant_is_cut_off),
        T(rows_that_are_none_are_not_acknowledged),
        T(steps_beyond_all_are_not_believed),
        T(begins_that_are_none_are_refused),
        T(mutants_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
