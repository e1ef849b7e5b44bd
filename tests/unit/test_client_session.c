/* The line to ebmd: retries with one key, replies matched by id, an ebmd that
 * is away, and what ebmctl makes of all that, up to its exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "exit.h"
#include "fake_ebmd.h"
#include "session.h"

enum { RETRY_MS = 60, DEADLINE_MS = 15000, SHORT_MS = 200, PATIENCE_MS = 20000 };

struct place {
    struct fake_ebmd *ebmd;
    struct session *session;
};

static struct session *connect_to(const struct fake_ebmd *f, int deadline_ms)
{
    const struct session_config config = {.control = f->home.control,
                                          .events = f->home.events,
                                          .retry_ms = RETRY_MS,
                                          .deadline_ms = deadline_ms};
    struct session *s;

    assert_int_equal(session_open(&config, &s, NULL), EBM_OK);
    return s;
}

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->ebmd = fake_ebmd_start();
    p->session = connect_to(p->ebmd, DEADLINE_MS);
    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    session_close(p->session);
    fake_ebmd_stop(p->ebmd);
    free(p);
    return 0;
}

static enum ebm_status show(struct session *s, uint64_t job, struct answer *a,
                            struct ebm_error *err)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Show m = EBM__SHOW__INIT;

    m.job = job;
    r.body_case = EBM__REQUEST__BODY_SHOW;
    r.show = &m;
    return session_call(s, &r, a, err);
}

static enum ebm_status submit(struct session *s, char *key, struct answer *a)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Submit m = EBM__SUBMIT__INIT;

    m.spec = (char *)"name: x\n";
    r.body_case = EBM__REQUEST__BODY_SUBMIT;
    r.submit = &m;
    if (key != NULL)
        r.key = key;
    char *before = r.key;
    enum ebm_status rc = session_call(s, &r, a, NULL);
    assert_ptr_equal(r.key, before); /* the caller's again */
    return rc;
}

static void test_bad_endpoint(void **state)
{
    const struct session_config config = {.control = "nonsense"};
    struct session *s = NULL;
    struct ebm_error err;

    (void)state;
    assert_int_not_equal(session_open(&config, &s, &err), EBM_OK);
    session_close(NULL);
}

static void test_reply(void **state)
{
    struct place *p = *state;
    struct answer a;

    assert_int_equal(show(p->session, 1, &a, NULL), EBM_OK);
    assert_int_equal(a.reply->n_jobs, 1);
    assert_int_equal(a.reply->jobs[0]->step, 10);
    answer_fini(&a);
    answer_fini(&a); /* twice is once */
}

/* A refusal is its status and sentence; the reply is there as well. */
static void test_refusal(void **state)
{
    struct place *p = *state;
    struct ebmd_script script = {.refuse = {[EBM__REQUEST__BODY_SHOW] = EBM_EAUTH},
                                 .refuse_text = "not yours"};
    struct ebm_error err;
    struct answer a;

    assert_int_equal(show(p->session, 2, &a, &err), EBM_ENOTFOUND);
    assert_string_equal(err.text, "no such job");
    assert_non_null(a.reply);
    answer_fini(&a);
    fake_ebmd_script(p->ebmd, &script);
    assert_int_equal(show(p->session, 1, &a, &err), EBM_EAUTH);
    assert_string_equal(err.text, "not yours");
    answer_fini(&a);
    script.refuse[EBM__REQUEST__BODY_SHOW] = 9999; /* a status that we do not know */
    script.refuse_text = "";
    fake_ebmd_script(p->ebmd, &script);
    assert_int_equal(show(p->session, 1, &a, &err), EBM_EINTERNAL);
    assert_true(err.text[0] != '\0');
    answer_fini(&a);
}

/* Answers that are lost: the change is sent again, with its key, and is made
 * once. */
static void test_lost_answers(void **state)
{
    struct place *p = *state;
    const struct ebmd_script script = {.lose = 3};
    struct answer a;

    fake_ebmd_script(p->ebmd, &script);
    assert_int_equal(submit(p->session, NULL, &a), EBM_OK);
    assert_int_equal(a.reply->job, 1);
    answer_fini(&a);
    const struct ebmd_record *r = fake_ebmd_peek(p->ebmd);
    assert_in_range(r->asked[EBM__REQUEST__BODY_SUBMIT], 4, 300);
    assert_int_equal(r->keys, 1);
    assert_int_equal(strlen(r->key[0]), 32);
    assert_int_equal(r->made, 1);
    assert_int_equal(r->first_ids[0], r->first_ids[1]);
    /* The next one is another change; a key of the caller's is left alone. */
    assert_int_equal(submit(p->session, NULL, &a), EBM_OK);
    answer_fini(&a);
    assert_int_equal(submit(p->session, (char *)"mine", &a), EBM_OK);
    answer_fini(&a);
    r = fake_ebmd_peek(p->ebmd);
    assert_int_equal(r->made, 3);
    assert_string_not_equal(r->key[0], r->key[1]);
    assert_string_equal(r->key[2], "mine");
}

/* A question bears no key. */
static void test_questions_have_no_key(void **state)
{
    struct place *p = *state;
    const struct ebmd_script script = {.lose = 1};
    struct answer a;

    fake_ebmd_script(p->ebmd, &script);
    assert_int_equal(show(p->session, 1, &a, NULL), EBM_OK);
    answer_fini(&a);
    assert_int_equal(fake_ebmd_peek(p->ebmd)->keys, 0);
}

/* Answers to other questions, and what is no answer, are passed over. */
static void test_noise(void **state)
{
    struct place *p = *state;
    const struct ebmd_script script = {.wrong_ids = true, .garbage = true};
    struct answer a;

    fake_ebmd_script(p->ebmd, &script);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(submit(p->session, NULL, &a), EBM_OK);
        assert_int_equal(a.reply->job, i + 1); /* not 666 */
        answer_fini(&a);
    }
}

static void test_other_version(void **state)
{
    struct place *p = *state;
    const struct ebmd_script script = {.other_version = true};
    struct ebm_error err;
    struct answer a;

    fake_ebmd_script(p->ebmd, &script);
    assert_int_equal(show(p->session, 1, &a, &err), EBM_ESTALE);
    assert_non_null(strstr(err.text, "version"));
    answer_fini(&a);
}

static void test_silence(void **state)
{
    struct place *p = *state;
    const struct ebmd_script script = {.silent = true};
    struct ebm_error err;
    struct answer a;

    fake_ebmd_script(p->ebmd, &script);
    session_set_deadline(p->session, SHORT_MS);
    int64_t began = clock_mono_ms();
    assert_int_equal(show(p->session, 1, &a, &err), EBM_EUNREACHABLE);
    assert_in_range(clock_mono_ms() - began, SHORT_MS - 10, DEADLINE_MS);
    assert_null(a.reply);
    answer_fini(&a);
    /* What is answered late is not taken for the answer to what comes next. */
    fake_ebmd_script(p->ebmd, &(struct ebmd_script){0});
    session_set_deadline(p->session, DEADLINE_MS);
    assert_int_equal(submit(p->session, NULL, &a), EBM_OK);
    assert_int_equal(a.reply->job, 1);
    answer_fini(&a);
}

/* ebmd goes away and comes back: the same session goes on. */
static void test_restart(void **state)
{
    struct place *p = *state;
    struct answer a;

    assert_int_equal(show(p->session, 1, &a, NULL), EBM_OK);
    answer_fini(&a);
    fake_ebmd_set_down(p->ebmd, true);
    session_set_deadline(p->session, SHORT_MS);
    assert_int_equal(show(p->session, 1, &a, NULL), EBM_EUNREACHABLE);
    answer_fini(&a);
    fake_ebmd_set_down(p->ebmd, false);
    session_set_deadline(p->session, DEADLINE_MS);
    assert_int_equal(show(p->session, 1, &a, NULL), EBM_OK);
    answer_fini(&a);
}

/* ---- for a loop of the caller's own ---- */

static enum ebm_status take(struct session *s, struct answer *a)
{
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    enum ebm_status rc;

    while ((rc = session_take(s, a, NULL)) == EBM_ETIMEOUT && clock_mono_ms() < end) {
        struct link_poll items[2];
        size_t n = session_poll_items(s, items);
        link_wait(items, n, 1000, NULL);
    }
    return rc;
}

static void test_post_and_take(void **state)
{
    struct place *p = *state;
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Show m = EBM__SHOW__INIT;
    struct answer a;
    uint64_t ids[2];

    assert_int_equal(session_take(p->session, &a, NULL), EBM_ETIMEOUT);
    r.body_case = EBM__REQUEST__BODY_SHOW;
    r.show = &m;
    for (int i = 0; i < 2; i++) {
        m.job = (uint64_t)i + 1;
        assert_int_equal(session_post(p->session, &r, NULL), EBM_OK);
        ids[i] = r.id;
    }
    assert_int_not_equal(ids[0], ids[1]);
    assert_int_equal(take(p->session, &a), EBM_OK);
    assert_int_equal(a.reply->id, ids[0]);
    answer_fini(&a);
    assert_int_equal(take(p->session, &a), EBM_OK);
    assert_int_equal(a.reply->id, ids[1]);
    assert_int_equal(a.reply->status, EBM_ENOTFOUND); /* whatever its status */
    answer_fini(&a);
}

static bool hear(struct session *s)
{
    int64_t end = clock_mono_ms() + PATIENCE_MS;

    while (clock_mono_ms() < end) {
        struct link_poll items[2];
        size_t n = session_poll_items(s, items);
        if (session_drain_events(s))
            return true;
        link_wait(items, n, 20, NULL);
    }
    return false;
}

/* Events of the jobs that were asked for, and of no others. A PUB says
 * nothing to those who join late, so the test says it again. */
static void test_events(void **state)
{
    struct place *p = *state;
    struct session *others = connect_to(p->ebmd, DEADLINE_MS);
    bool heard = false;

    assert_int_equal(session_subscribe(p->session, 1, NULL), EBM_OK);
    assert_int_equal(session_subscribe(others, 7, NULL), EBM_OK);
    for (int i = 0; i < 200 && !heard; i++) {
        struct link_poll items[2];
        fake_ebmd_put_event(p->ebmd, 1, "checkpoint", "");
        size_t n = session_poll_items(p->session, items);
        link_wait(items, n, 50, NULL);
        heard = session_drain_events(p->session);
    }
    assert_true(heard);
    assert_false(session_drain_events(others));
    assert_int_equal(session_subscribe(others, 0, NULL), EBM_OK);
    for (int i = 0; i < 20; i++)
        fake_ebmd_put_event(p->ebmd, 3, "checkpoint", "");
    fake_ebmd_put_event(p->ebmd, 7, "checkpoint", "");
    assert_true(hear(others));
    session_close(others);
}

/* ---- exit codes: the contract ---- */

static void test_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(exit_of_status(EBM_OK), 0);
    assert_int_equal(exit_of_status(EBM_ESTATE), 1);
    assert_int_equal(exit_of_status(EBM_EIO), 1);
    assert_int_equal(exit_of_status(EBM_EINVAL), 2);
    assert_int_equal(exit_of_status(EBM_EDIVERGED), 3);
    assert_int_equal(exit_of_status(EBM_EAUTH), 4);
    assert_int_equal(exit_of_status(EBM_ENOTFOUND), 5);
    assert_int_equal(exit_of_status(EBM_EUNREACHABLE), 6);
    assert_int_equal(exit_of_status(EBM_ETIMEOUT), 124);
    assert_int_equal(exit_of_status((enum ebm_status)9999), 1);
    for (int s = 0; s < EBM_STATUS_COUNT; s++)
        assert_true(s == EBM_OK || exit_of_status((enum ebm_status)s) != 0);
    assert_int_equal(exit_of_state(JOB_SUCCEEDED), 0);
    assert_int_equal(exit_of_state(JOB_FAILED), 1);
    assert_int_equal(exit_of_state(JOB_CANCELLED), 1);
    assert_int_equal(exit_of_state(JOB_DIVERGED), 3);
    assert_int_equal(exit_worse(0, 3), 3);
    assert_int_equal(exit_worse(3, 0), 3);
    assert_int_equal(exit_worse(3, 1), 1);
    assert_int_equal(exit_worse(1, 3), 1);
    assert_int_equal(exit_worse(0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_endpoint),
        cmocka_unit_test_setup_teardown(test_reply, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_questions_have_no_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_noise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_post_and_take, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_events, set_up, tear_down),
        cmocka_unit_test(test_exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
