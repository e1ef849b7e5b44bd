/* Messages in and out of parts: version first, then sizes, counts, text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/wire.h"

static const uint8_t good[4] = {'E', 'B', 'M', WIRE_VERSION};

static void pack(const ProtobufCMessage *m, struct buf *out)
{
    size_t n = protobuf_c_message_get_packed_size(m);

    buf_init(out);
    assert_true(buf_reserve(out, n));
    out->size = protobuf_c_message_pack(m, out->data);
    assert_int_equal(out->size, n);
}

/* Packs, unpacks, packs: the same bytes, and every field came through. */
static void assert_round_trip(const ProtobufCMessage *m)
{
    struct buf once, twice;
    struct ebm_error err;
    ProtobufCMessage *back = NULL;

    pack(m, &once);
    assert_int_equal(wire_unpack(once.data, once.size, m->descriptor, &back, &err), EBM_OK);
    pack(back, &twice);
    assert_int_equal(once.size, twice.size);
    assert_memory_equal(once.data, twice.data, once.size);
    wire_free(back);
    buf_fini(&once);
    buf_fini(&twice);
}

static enum ebm_status decode(const struct link_part *part, size_t parts, struct ebm_error *err)
{
    struct link_message m = {.parts = parts};
    ProtobufCMessage *out = NULL;

    for (size_t i = 0; i < parts && i < LINK_PARTS_MAX; i++)
        m.part[i] = part[i];
    enum ebm_status rc = wire_decode(&m, &ebm__request__descriptor, &out, NULL, err);
    if (rc != EBM_OK)
        assert_null(out);
    wire_free(out);
    return rc;
}

/* ---- the frame ---- */

static void a_wrong_frame_is_refused(void **state)
{
    static const struct {
        struct link_part part[4];
        size_t parts;
    } bad[] = {
        {{{0}}, 0},
        {{{good, 4}}, 1},
        {{{good, 4}, {"", 0}, {"", 0}, {"", 0}}, 4},
        {{{good, 3}, {"", 0}}, 2},
        {{{"EBM\001x", 5}, {"", 0}}, 2},
        {{{"", 0}, {"", 0}}, 2},
        {{{"EBX\001", 4}, {"", 0}}, 2},
        {{{good, 4}, {"\xff", 1}}, 2},
        {{{good, 4}, {"\x08", 1}}, 2}, /* a field without its value */
        {{{good, 4},
          {"\x12\x7f"
           "ab",
           4}},
         2}, /* a length past the end */
    };
    struct ebm_error err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err.text[0] = '\0';
        assert_int_equal(decode(bad[i].part, bad[i].parts, &err), EBM_EPROTO);
        assert_true(strlen(err.text) > 0);
    }
    assert_int_equal(decode(bad[1].part, 1, NULL), EBM_EPROTO);
}

static void another_version_is_told_apart(void **state)
{
    uint8_t other[4] = {'E', 'B', 'M', WIRE_VERSION + 1};
    struct link_part part[2] = {{other, 4}, {"\xff not for us to read", 5}};
    struct ebm_error err;
    char number[16];

    (void)state;
    assert_int_equal(decode(part, 2, &err), EBM_ESTALE);
    snprintf(number, sizeof number, "%d", WIRE_VERSION + 1);
    assert_non_null(strstr(err.text, number));
    other[3] = 0;
    assert_int_equal(decode(part, 2, &err), EBM_ESTALE);
}

static void an_empty_body_is_a_message_of_defaults(void **state)
{
    struct link_message m = {.parts = 3, .part = {{good, 4}, {"", 0}, {"bulk", 4}}};
    struct link_part bulk;
    ProtobufCMessage *out = NULL;

    (void)state;
    assert_int_equal(wire_decode(&m, &ebm__reply__descriptor, &out, &bulk, NULL), EBM_OK);
    const Ebm__Reply *reply = (const Ebm__Reply *)out;
    assert_int_equal(reply->id, 0);
    assert_string_equal(reply->error, "");
    assert_int_equal(bulk.size, 4);
    assert_ptr_equal(bulk.data, m.part[2].data);
    wire_free(out);
    m.parts = 2;
    assert_int_equal(wire_decode(&m, &ebm__reply__descriptor, &out, &bulk, NULL), EBM_OK);
    assert_int_equal(bulk.size, 0);
    wire_free(out);
    wire_free(NULL);
}

static void an_event_stands_behind_its_topic(void **state)
{
    struct link_message m = {.parts = 3, .part = {{"job.1", 6}, {good, 4}, {"\x18\x05", 2}}};
    Ebm__Event *event = NULL;
    struct ebm_error err;

    (void)state;
    assert_int_equal(wire_decode_event(&m, &event, &err), EBM_OK);
    assert_int_equal(event->step, 5);
    wire_free(&event->base);
    m.parts = 2;
    assert_int_equal(wire_decode_event(&m, &event, &err), EBM_EPROTO);
}

/* ---- round trips ---- */

static void requests_come_through(void **state)
{
    Ebm__Request m = EBM__REQUEST__INIT;
    Ebm__Submit submit = EBM__SUBMIT__INIT;
    char *sets[] = {"optimizer.lr=5e-5", "seed=8"};

    (void)state;
    m.id = UINT64_MAX;
    m.key = "0123456789abcdef";
    submit.spec = "name: größe\n";
    submit.set = sets;
    submit.n_set = 2;
    submit.priority = INT32_MIN;
    m.body_case = EBM__REQUEST__BODY_SUBMIT;
    m.submit = &submit;
    assert_round_trip(&m.base);
}

static void replies_come_through(void **state)
{
    Ebm__Reply m = EBM__REPLY__INIT;
    Ebm__Job job = EBM__JOB__INIT;
    Ebm__Job *jobs[] = {&job, &job};
    Ebm__Metric row = EBM__METRIC__INIT;
    Ebm__Metric *rows[] = {&row};
    double value[METRIC_COUNT];

    (void)state;
    for (size_t i = 0; i < METRIC_COUNT; i++)
        value[i] = (double)i * -0.1;
    job.job = 9;
    job.name = "a";
    job.langevin_grad = 1e300;
    row.value = value;
    row.n_value = METRIC_COUNT;
    m.jobs = jobs;
    m.n_jobs = 2;
    m.metrics = rows;
    m.n_metrics = 1;
    m.error = "no";
    assert_round_trip(&m.base);
}

static void worker_messages_come_through(void **state)
{
    uint8_t digest[32] = {0, 255, 0, 7};
    Ebm__FromWorker up = EBM__FROM_WORKER__INIT;
    Ebm__CheckpointBegin begin = EBM__CHECKPOINT_BEGIN__INIT;
    Ebm__ToWorker down = EBM__TO_WORKER__INIT;
    Ebm__HeartbeatAck ack = EBM__HEARTBEAT_ACK__INIT;
    Ebm__Command command = EBM__COMMAND__INIT;

    (void)state;
    begin.digest = (ProtobufCBinaryData){sizeof digest, digest};
    begin.bytes = (uint64_t)1 << 40;
    begin.score = 0.125;
    up.token = "t";
    up.body_case = EBM__FROM_WORKER__BODY_BEGIN;
    up.begin = &begin;
    assert_round_trip(&up.base);
    command.seq = 3;
    command.verb = "pause";
    ack.command = &command;
    down.body_case = EBM__TO_WORKER__BODY_HEARTBEAT_ACK;
    down.heartbeat_ack = &ack;
    assert_round_trip(&down.base);
}

/* ---- text ---- */

/* The status of a Request whose key is this text, at the top and deep. */
static enum ebm_status unpack_text(const char *text, struct ebm_error *err)
{
    Ebm__Request m = EBM__REQUEST__INIT;
    Ebm__Rollback rollback = EBM__ROLLBACK__INIT;
    char *set[] = {"a=b", (char *)text};
    ProtobufCMessage *out = NULL;
    struct buf body;

    m.key = (char *)text;
    pack(&m.base, &body);
    enum ebm_status rc = wire_unpack(body.data, body.size, &ebm__request__descriptor, &out, err);
    wire_free(out);
    buf_fini(&body);
    m.key = "k";
    rollback.set = set;
    rollback.n_set = 2;
    m.body_case = EBM__REQUEST__BODY_ROLLBACK;
    m.rollback = &rollback;
    pack(&m.base, &body);
    out = NULL;
    assert_int_equal(wire_unpack(body.data, body.size, &ebm__request__descriptor, &out, err), rc);
    wire_free(out);
    buf_fini(&body);
    return rc;
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    static const char *const bad[] = {
        "\xff",
        "\x80",
        "a\xc3",
        "\xc0\xaf",
        "\xe2\x82",
        "\xe2\x28\xa1",
        "\xf5\x80\x80\x80",
        "\xf0\x9f\x98",
        "\xe0\x80\xaf",
        "\xed\xa0\x80",
        "\xf0\x80\x80\xaf",
        "\xf4\x90\x80\x80",
    };
    static const char *const fine[] = {"",
                                       "plain",
                                       "\xc3\xa4",
                                       "\xe2\x82\xac",
                                       "\x7f",
                                       "\t\n",
                                       "\xf0\x9f\x98\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xe0\xa0\x80",
                                       "\xf0\x90\x80\x80"};
    struct ebm_error err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(unpack_text(bad[i], &err), EBM_EPROTO);
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        assert_int_equal(unpack_text(fine[i], &err), EBM_OK);
}

/* A NUL inside would hide what follows from every reader of C strings. */
static void text_with_a_nul_is_refused(void **state)
{
    static const char top[] = "\x12\x03" /* key, 3 bytes */
                              "a\0b";
    static const char deep[] = "\x8a\x01\x05" /* rollback (17), 5 bytes */
                               "\x12\x03"     /* to, 3 bytes */
                               "1\0"
                               "2";
    ProtobufCMessage *out = NULL;

    (void)state;
    assert_int_equal(wire_unpack(top, sizeof top - 1, &ebm__request__descriptor, &out, NULL),
                     EBM_EPROTO);
    assert_int_equal(wire_unpack(deep, sizeof deep - 1, &ebm__request__descriptor, &out, NULL),
                     EBM_EPROTO);
}

static void long_text_is_refused(void **state)
{
    char *text = malloc(WIRE_TEXT_MAX + 2);
    struct ebm_error err;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', WIRE_TEXT_MAX + 1);
    text[WIRE_TEXT_MAX] = '\0';
    assert_int_equal(unpack_text(text, &err), EBM_OK);
    text[WIRE_TEXT_MAX] = 'x';
    text[WIRE_TEXT_MAX + 1] = '\0';
    assert_int_equal(unpack_text(text, &err), EBM_EPROTO);
    free(text);
}

/* ---- counts and sizes ---- */

static enum ebm_status unpack_rows(size_t n)
{
    Ebm__MetricRows m = EBM__METRIC_ROWS__INIT;
    Ebm__Metric row = EBM__METRIC__INIT;
    Ebm__Metric **rows = malloc(n * sizeof *rows);
    ProtobufCMessage *out = NULL;
    struct buf body;

    assert_non_null(rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = &row;
    m.row = rows;
    m.n_row = n;
    pack(&m.base, &body);
    enum ebm_status rc =
        wire_unpack(body.data, body.size, &ebm__metric_rows__descriptor, &out, NULL);
    wire_free(out);
    buf_fini(&body);
    free(rows);
    return rc;
}

static void too_many_items_are_refused(void **state)
{
    (void)state;
    assert_int_equal(unpack_rows(WIRE_ROWS_MAX), EBM_OK);
    assert_int_equal(unpack_rows(WIRE_ROWS_MAX + 1), EBM_EPROTO);
}

static void too_many_bytes_are_refused_unread(void **state)
{
    ProtobufCMessage *out = NULL;

    (void)state;
    assert_int_equal(
        wire_unpack("", (size_t)LINK_MESSAGE_MAX + 1, &ebm__reply__descriptor, &out, NULL),
        EBM_EPROTO);
}

/* ---- over sockets ---- */

struct pair {
    struct link_context *context;
    struct link_socket *router, *dealer;
};

static struct pair open_pair(void)
{
    struct pair p;

    assert_int_equal(link_context_create(&p.context, NULL), EBM_OK);
    assert_int_equal(link_open(p.context, LINK_ROUTER, true, "inproc://wire", &p.router, NULL),
                     EBM_OK);
    assert_int_equal(link_open(p.context, LINK_DEALER, false, "inproc://wire", &p.dealer, NULL),
                     EBM_OK);
    return p;
}

static void close_pair(struct pair *p)
{
    link_close(p->dealer);
    link_close(p->router);
    link_context_destroy(p->context);
}

static void receive(struct link_socket *s, struct link_message *m)
{
    struct link_poll item = {.socket = s, .fd = -1};

    assert_int_equal(link_wait(&item, 1, 20000, NULL), EBM_OK);
    assert_int_equal(link_recv(s, m, NULL), EBM_OK);
}

static void a_request_and_its_reply_with_bulk(void **state)
{
    struct pair p = open_pair();
    struct link_message m;
    struct link_part bulk;
    ProtobufCMessage *got = NULL;
    Ebm__Request request = EBM__REQUEST__INIT;
    Ebm__Reply reply = EBM__REPLY__INIT;

    (void)state;
    request.id = 77;
    assert_int_equal(wire_send(p.dealer, NULL, 0, &request.base, NULL, 0, NULL), EBM_OK);
    receive(p.router, &m);
    assert_int_equal(wire_decode(&m, &ebm__request__descriptor, &got, &bulk, NULL), EBM_OK);
    assert_int_equal(((Ebm__Request *)got)->id, 77);
    assert_int_equal(bulk.size, 0);
    wire_free(got);
    reply.id = 77;
    assert_int_equal(
        wire_send(p.router, m.identity, m.identity_size, &reply.base, "pixels", 6, NULL), EBM_OK);
    link_message_fini(&m);
    receive(p.dealer, &m);
    assert_int_equal(wire_decode(&m, &ebm__reply__descriptor, &got, &bulk, NULL), EBM_OK);
    assert_int_equal(((Ebm__Reply *)got)->id, 77);
    assert_int_equal(bulk.size, 6);
    assert_memory_equal(bulk.data, "pixels", 6);
    wire_free(got);
    link_message_fini(&m);
    close_pair(&p);
}

static void a_message_too_large_to_be_heard_is_not_sent(void **state)
{
    struct pair p = open_pair();
    Ebm__Reply reply = EBM__REPLY__INIT;
    struct ebm_error err;
    char *text = malloc(LINK_MESSAGE_MAX + 1);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', LINK_MESSAGE_MAX);
    text[LINK_MESSAGE_MAX] = '\0';
    reply.error = text;
    assert_int_equal(wire_send(p.dealer, NULL, 0, &reply.base, NULL, 0, &err), EBM_EPROTO);
    free(text);
    close_pair(&p);
}

static void metrics_have_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < METRIC_COUNT; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(wire_metric_names[i], wire_metric_names[j]);
    assert_string_equal(wire_metric_names[METRIC_LANGEVIN_GRAD], "langevin_grad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_frame_is_refused),
        cmocka_unit_test(another_version_is_told_apart),
        cmocka_unit_test(an_empty_body_is_a_message_of_defaults),
        cmocka_unit_test(an_event_stands_behind_its_topic),
        cmocka_unit_test(requests_come_through),
        cmocka_unit_test(replies_come_through),
        cmocka_unit_test(worker_messages_come_through),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(text_with_a_nul_is_refused),
        cmocka_unit_test(long_text_is_refused),
        cmocka_unit_test(too_many_items_are_refused),
        cmocka_unit_test(too_many_bytes_are_refused_unread),
        cmocka_unit_test(a_request_and_its_reply_with_bulk),
        cmocka_unit_test(a_message_too_large_to_be_heard_is_not_sent),
        cmocka_unit_test(metrics_have_names),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
