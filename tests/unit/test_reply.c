/* Replies: the arena, lists, texts, errors, and the sealed bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "reply.h"

enum { MANY = 3000, LARGE = 100000 };

static Ebm__Reply *read_back(const struct buf *body)
{
    ProtobufCMessage *m = NULL;
    struct ebm_error err = {.text = ""};

    if (wire_unpack(body->data, body->size, &ebm__reply__descriptor, &m, &err) != EBM_OK)
        fail_msg("%s", err.text);
    return (Ebm__Reply *)m;
}

static Ebm__Reply *seal(struct reply *r)
{
    struct ebm_error err = {.text = ""};
    struct buf body;

    buf_init(&body);
    if (reply_seal(r, &body, &err) != EBM_OK)
        fail_msg("%s", err.text);
    Ebm__Reply *m = read_back(&body);
    buf_fini(&body);
    return m;
}

static void without_memory_it_is_not_sealed(void **state)
{
    struct ebm_error err;
    struct reply r;
    struct buf body;

    (void)state;
    buf_init(&body);
    reply_init(&r, 3);
    r.failed = true;
    assert_int_equal(reply_seal(&r, &body, &err), EBM_ENOMEM);
    r.failed = false;
    r.bulk.failed = true;
    assert_int_equal(reply_seal(&r, &body, &err), EBM_ENOMEM);
    assert_int_equal(body.size, 0);
    reply_fini(&r);
    buf_fini(&body);
}

static void one_that_is_too_large_is_not_sealed(void **state)
{
    static char text[1 << 20];
    struct ebm_error err;
    struct reply r;
    struct buf body;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    buf_init(&body);
    reply_init(&r, 3);
    for (int i = 0; i < 17; i++) {
        Ebm__Job *job = reply_alloc(&r, sizeof *job);
        ebm__job__init(job);
        job->spec = reply_text(&r, text);
        REPLY_ADD(&r, jobs, job);
    }
    assert_int_equal(reply_seal(&r, &body, &err), EBM_EPROTO);
    assert_non_null(strstr(err.text, "over the limit"));
    reply_fini(&r);
    buf_fini(&body);
}

static void an_empty_one_has_its_id(void **state)
{
    struct reply r;

    (void)state;
    reply_init(&r, UINT64_MAX);
    Ebm__Reply *m = seal(&r);
    assert_true(m->id == UINT64_MAX);
    assert_int_equal(m->status, EBM_OK);
    assert_false(m->bulk);
    wire_free(&m->base);
    reply_fini(&r);
    reply_fini(&r); /* as after init */
}

static void memory_is_zeroed_aligned_and_apart(void **state)
{
    static const size_t sizes[] = {1, 15, 16, 17, 8000, 8000, 16384, LARGE, 3, 0, 5};
    unsigned char *piece[sizeof sizes / sizeof sizes[0]];
    struct reply r;

    (void)state;
    reply_init(&r, 1);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        piece[i] = reply_alloc(&r, sizes[i]);
        assert_non_null(piece[i]);
        assert_int_equal((uintptr_t)piece[i] % 16, 0);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(piece[i][k], 0);
        memset(piece[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(piece[i][k], i + 1);
    reply_fini(&r);
}

static void lists_grow_in_order(void **state)
{
    struct reply r;

    (void)state;
    reply_init(&r, 1);
    for (uint64_t i = 0; i < MANY; i++) {
        Ebm__EventRow *row = reply_alloc(&r, sizeof *row);
        ebm__event_row__init(row);
        row->seq = i;
        REPLY_ADD(&r, events, row);
    }
    Ebm__Reply *m = seal(&r);
    assert_int_equal(m->n_events, MANY);
    for (uint64_t i = 0; i < MANY; i++)
        assert_true(m->events[i]->seq == i);
    wire_free(&m->base);
    reply_fini(&r);
}

static void texts_are_copied_and_mended(void **state)
{
    char text[] = "gr\xc3\xbc\xff\x80n";
    struct reply r;

    (void)state;
    reply_init(&r, 1);
    r.message.error = reply_text(&r, text);
    memset(text, 'x', sizeof text - 1);
    Ebm__Reply *m = seal(&r);
    assert_string_equal(m->error, "gr\xc3\xbc??n");
    wire_free(&m->base);
    assert_string_equal(reply_text(&r, ""), "");
    reply_fini(&r);
}

static void bulk_is_announced(void **state)
{
    struct reply r;

    (void)state;
    reply_init(&r, 1);
    buf_puts(&r.bulk, "bytes");
    Ebm__Reply *m = seal(&r);
    assert_true(m->bulk);
    wire_free(&m->base);
    reply_fini(&r);
}

static void fill_with_all(struct reply *r)
{
    struct spec_problems p = {.count = 2, .total = 2};
    Ebm__Job *job = reply_alloc(r, sizeof *job);

    ebm__job__init(job);
    REPLY_ADD(r, jobs, job);
    p.item[0].line = 4;
    p.item[0].column = 7;
    strcpy(p.item[0].text, "unknown key");
    strcpy(p.item[1].text, "and another");
    reply_put_problems(r, &p);
    r->message.job = 5;
    r->message.more_after = 9;
    buf_puts(&r->bulk, "bytes");
}

/* An error bears nothing of what was put together before, but the problems
 * that it is about. */
static void a_failure_keeps_the_problems_alone(void **state)
{
    const struct ebm_error why = {.code = EBM_EINVAL, .text = "2 problems\xff"};
    struct reply r;

    (void)state;
    reply_init(&r, 8);
    fill_with_all(&r);
    reply_fail(&r, &why);
    Ebm__Reply *m = seal(&r);
    assert_true(m->id == 8);
    assert_int_equal(m->status, EBM_EINVAL);
    assert_string_equal(m->error, "2 problems?");
    assert_int_equal(m->n_problem, 2);
    assert_int_equal(m->problem[0]->line, 4);
    assert_int_equal(m->problem[0]->column, 7);
    assert_string_equal(m->problem[1]->text, "and another");
    assert_int_equal(m->n_jobs, 0);
    assert_true(m->job == 0 && m->more_after == 0 && !m->bulk);
    wire_free(&m->base);
    reply_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_it_is_not_sealed),
        cmocka_unit_test(one_that_is_too_large_is_not_sealed),
        cmocka_unit_test(an_empty_one_has_its_id),
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(lists_grow_in_order),
        cmocka_unit_test(texts_are_copied_and_mended),
        cmocka_unit_test(bulk_is_announced),
        cmocka_unit_test(a_failure_keeps_the_problems_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
