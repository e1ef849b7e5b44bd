/* How a watch keeps what it knows fresh: questions, answers, an ebmd that is
 * slow, wrong or away. Time is the test's: it is told to each step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "base/clock.h"
#include "fake_ebmd.h"
#include "watch/watch_data.h"

enum { PATIENCE_MS = 20000, STEP_MS = 5 };

struct place {
    struct fake_ebmd *ebmd;
    struct session *session;
    struct watch_data data;
    int64_t now_ms; /* the time that is told */
    uint64_t given[2];
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->ebmd = fake_ebmd_start();
    const struct session_config config = {.control = p->ebmd->home.control,
                                          .events = p->ebmd->home.events};
    assert_int_equal(session_open(&config, &p->session, NULL), EBM_OK);
    p->now_ms = 1000000;
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    watch_data_fini(&p->data);
    session_close(p->session);
    fake_ebmd_stop(p->ebmd);
    free(p);
    return 0;
}

/* The given ones, in order; 0 ends them. */
static void begin(struct place *p, uint64_t a, uint64_t b)
{
    p->given[0] = a;
    p->given[1] = b;
    watch_data_init(&p->data, p->session, p->given, (a != 0) + (b != 0));
}

/* Waits for the real answers; the told time stands still meanwhile. */
static enum ebm_status step(struct place *p, struct ebm_error *err)
{
    struct link_poll items[2];
    size_t n = session_poll_items(p->session, items);
    bool changed;

    link_wait(items, n, STEP_MS, NULL);
    return watch_data_step(&p->data, p->now_ms, &changed, err);
}

/* Until everything that is due now was asked and answered. */
static void settle(struct place *p)
{
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    struct ebm_error err;

    do {
        if (step(p, &err) != EBM_OK)
            fail_msg("%s", err.text);
        assert_true(clock_mono_ms() < end);
    } while (!watch_data_is_settled(&p->data, p->now_ms));
}

static void later(struct place *p, int64_t ms)
{
    p->now_ms += ms;
}

static unsigned asked(struct place *p, unsigned body_case)
{
    return fake_ebmd_peek(p->ebmd)->asked[body_case];
}

static void put_rows(struct place *p, uint64_t job, uint32_t attempt, uint64_t from, uint64_t to)
{
    for (uint64_t s = from; s <= to; s++) {
        struct ebmd_row row = {.job = job, .attempt = attempt, .step = s};
        row.value[METRIC_LOSS] = (double)attempt;
        fake_ebmd_put_row(p->ebmd, &row);
    }
}

/* As fake_ebmd_put, of a later attempt. */
static void put_attempt(struct place *p, uint64_t job, const char *state, uint32_t attempt)
{
    Ebm__Job j = EBM__JOB__INIT;

    j.job = job;
    j.state = (char *)state;
    j.step = 1;
    j.attempt = attempt;
    fake_ebmd_put_job(p->ebmd, &j);
}

static const struct watch_job *job(const struct place *p, uint64_t number)
{
    return watch_jobs_find(&p->data.jobs, number);
}

/* ---- given jobs ---- */

static void test_missing_job(void **state)
{
    struct place *p = *state;
    struct ebm_error err;
    enum ebm_status rc = EBM_OK;
    int64_t end = clock_mono_ms() + PATIENCE_MS;

    begin(p, 9, 0);
    while (rc == EBM_OK && clock_mono_ms() < end)
        rc = step(p, &err);
    assert_int_equal(rc, EBM_ENOTFOUND);
    assert_string_equal(err.text, "no such job");
}

static void test_one_job(void **state)
{
    struct place *p = *state;
    Ebm__Checkpoint c = EBM__CHECKPOINT__INIT;

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    put_rows(p, 1, 1, 1, 10);
    c.checkpoint = 7;
    c.job = 1;
    c.step = 8;
    c.health = (char *)"healthy";
    c.kept_because = (char *)"last-5";
    fake_ebmd_put_checkpoint(p->ebmd, &c);
    fake_ebmd_put_event(p->ebmd, 2, "running", "of another job");
    fake_ebmd_put_event(p->ebmd, 1, "running", "attempt 1 runs");
    begin(p, 1, 0);
    watch_data_set_detail(&p->data, 1);
    settle(p);
    assert_true(p->data.complete);
    assert_int_equal(job(p, 1)->step, 10);
    assert_int_equal(job(p, 1)->rows.count, 10);
    assert_int_equal(p->data.checkpoints, 1);
    assert_string_equal(p->data.checkpoint[0].kept, "last-5");
    assert_int_equal(p->data.events, 1);
    assert_string_equal(p->data.event[0].text, "attempt 1 runs");
    assert_true(fake_ebmd_peek(p->ebmd)->metrics_lineage);
}

/* About once a second, and no more; rows and events only from where we are. */
static void test_steady_poll(void **state)
{
    struct place *p = *state;

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    put_rows(p, 1, 1, 1, 10);
    fake_ebmd_put_event(p->ebmd, 1, "running", "");
    begin(p, 1, 0);
    watch_data_set_detail(&p->data, 1);
    settle(p);
    unsigned shows = asked(p, EBM__REQUEST__BODY_SHOW);
    assert_int_equal(shows, 1);
    later(p, 900);
    for (int i = 0; i < 10; i++)
        assert_int_equal(step(p, NULL), EBM_OK);
    assert_int_equal(asked(p, EBM__REQUEST__BODY_SHOW), 1);
    assert_in_range(watch_data_wait_ms(&p->data, p->now_ms), 1, 100);
    fake_ebmd_put(p->ebmd, 1, "running", 12, 100, "");
    put_rows(p, 1, 1, 11, 12);
    fake_ebmd_put_event(p->ebmd, 1, "checkpoint", "");
    later(p, 1100);
    settle(p);
    assert_int_equal(asked(p, EBM__REQUEST__BODY_SHOW), 2);
    assert_int_equal(job(p, 1)->step, 12);
    assert_int_equal(job(p, 1)->rows.count, 12);
    assert_int_equal(p->data.events, 2);
    const struct ebmd_record *r = fake_ebmd_peek(p->ebmd);
    assert_int_equal(r->since_step, 11);
    assert_int_equal(r->metrics_attempt, 1);
    assert_int_equal(r->after_seq, 1);
}

/* A new attempt: the rows that it abandoned are gone. */
static void test_new_attempt(void **state)
{
    struct place *p = *state;

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    put_rows(p, 1, 1, 1, 10);
    begin(p, 1, 0);
    watch_data_set_detail(&p->data, 1);
    settle(p);
    put_rows(p, 1, 2, 6, 7);
    put_attempt(p, 1, "running", 2);
    later(p, 1500);
    settle(p);
    const struct watch_rows *r = &job(p, 1)->rows;
    assert_int_equal(r->count, 7);
    assert_int_equal(r->row[4].attempt, 1);
    assert_int_equal(r->row[5].attempt, 2);
    assert_int_equal(r->row[5].step, 6);
}

/* Of a job that ended the rest is fetched once, and then nothing more. */
static void test_ended_job_rests(void **state)
{
    struct place *p = *state;

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    put_rows(p, 1, 1, 1, 10);
    begin(p, 1, 0);
    watch_data_set_detail(&p->data, 1);
    settle(p);
    put_rows(p, 1, 1, 11, 20);
    fake_ebmd_put(p->ebmd, 1, "succeeded", 20, 20, "");
    for (int i = 0; i < 3; i++) {
        later(p, 1500);
        settle(p);
    }
    assert_int_equal(job(p, 1)->rows.count, 20);
    unsigned n = asked(p, EBM__REQUEST__BODY_METRICS);
    for (int i = 0; i < 5; i++) {
        later(p, 1500);
        settle(p);
    }
    assert_int_equal(asked(p, EBM__REQUEST__BODY_METRICS), n);
}

/* ---- an ebmd that does not answer ---- */

/* One question of each kind is under way, however long it takes, until it is
 * taken for lost; then only the jobs are asked for. */
static void test_one_at_a_time(void **state)
{
    struct place *p = *state;
    const struct ebmd_script silent = {.silent = true};

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    begin(p, 1, 0);
    watch_data_set_detail(&p->data, 1);
    settle(p);
    fake_ebmd_script(p->ebmd, &silent);
    later(p, 6000);
    unsigned before[FAKE_KINDS];
    memcpy(before, fake_ebmd_peek(p->ebmd)->asked, sizeof before);
    for (int i = 0; i < 19; i++) {
        assert_int_equal(step(p, NULL), EBM_OK);
        later(p, 100);
    }
    assert_true(fake_ebmd_wait_asked(p->ebmd, EBM__REQUEST__BODY_CHECKPOINTS,
                                     before[EBM__REQUEST__BODY_CHECKPOINTS] + 1));
    const struct ebmd_record *r = fake_ebmd_peek(p->ebmd);
    for (int k = 0; k < FAKE_KINDS; k++)
        assert_in_range(r->asked[k] - before[k], 0, 1);
    assert_int_equal(watch_data_silence_ms(&p->data, p->now_ms), 1900);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(step(p, NULL), EBM_OK);
        later(p, 100);
    }
    assert_true(fake_ebmd_wait_asked(p->ebmd, EBM__REQUEST__BODY_SHOW,
                                     before[EBM__REQUEST__BODY_SHOW] + 3));
    r = fake_ebmd_peek(p->ebmd);
    assert_in_range(r->asked[EBM__REQUEST__BODY_SHOW] - before[EBM__REQUEST__BODY_SHOW], 3, 7);
    assert_int_equal(r->asked[EBM__REQUEST__BODY_EVENTS] - before[EBM__REQUEST__BODY_EVENTS], 1);
    assert_int_equal(watch_data_silence_ms(&p->data, p->now_ms), 11900);
}

/* ebmd is restarted: we go on by ourselves, and nothing is missing. */
static void test_comes_back(void **state)
{
    struct place *p = *state;
    int64_t end = clock_mono_ms() + PATIENCE_MS;

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    put_rows(p, 1, 1, 1, 10);
    begin(p, 1, 0);
    watch_data_set_detail(&p->data, 1);
    settle(p);
    fake_ebmd_set_down(p->ebmd, true);
    for (int i = 0; i < 70; i++) { /* more than a minute */
        later(p, 1000);
        assert_int_equal(step(p, NULL), EBM_OK);
    }
    assert_true(watch_data_silence_ms(&p->data, p->now_ms) > 60000);
    assert_int_equal(job(p, 1)->step, 10); /* what was known is kept */
    put_rows(p, 1, 1, 11, 30);
    fake_ebmd_put(p->ebmd, 1, "running", 30, 100, "");
    fake_ebmd_set_down(p->ebmd, false);
    while (watch_data_silence_ms(&p->data, p->now_ms) != 0 || job(p, 1)->rows.count < 30) {
        later(p, 20);
        assert_int_equal(step(p, NULL), EBM_OK);
        assert_true(clock_mono_ms() < end);
    }
    assert_int_equal(job(p, 1)->step, 30);
    for (size_t i = 0; i < 30; i++)
        assert_int_equal(job(p, 1)->rows.row[i].step, i + 1);
    /* And then as steadily as before. */
    for (uint64_t s = 31; s < 35; s++) {
        fake_ebmd_put(p->ebmd, 1, "running", s, 100, "");
        later(p, 2500);
        settle(p);
        assert_int_equal(job(p, 1)->step, s);
    }
}

/* An answer with rows that is lost leaves no gap, also where it was to be the
 * first one, of all attempts. */
static void test_lost_rows(void **state)
{
    struct place *p = *state;
    const struct ebmd_script lossy = {.lose = 6};

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    put_rows(p, 1, 1, 1, 10);
    put_rows(p, 1, 2, 6, 10);
    put_attempt(p, 1, "running", 2);
    begin(p, 1, 0);
    settle(p);
    fake_ebmd_script(p->ebmd, &lossy);
    watch_data_set_detail(&p->data, 1);
    for (int i = 0; i < 300 && job(p, 1)->rows.count < 10; i++) {
        later(p, 100);
        assert_int_equal(step(p, NULL), EBM_OK);
    }
    assert_int_equal(job(p, 1)->rows.count, 10);
    put_rows(p, 1, 2, 11, 12);
    fake_ebmd_script(p->ebmd, &lossy);
    for (int i = 0; i < 300 && job(p, 1)->rows.count < 12; i++) {
        later(p, 100);
        assert_int_equal(step(p, NULL), EBM_OK);
    }
    assert_int_equal(job(p, 1)->rows.count, 12);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(job(p, 1)->rows.row[i].attempt, i < 5 ? 1 : 2);
}

/* A refusal is shown, and asked again. Not being let in ends the watch. */
static void test_trouble(void **state)
{
    struct place *p = *state;
    struct ebmd_script script = {.refuse = {[EBM__REQUEST__BODY_METRICS] = EBM_EIO},
                                 .refuse_text = "metrics.db: disk I/O error"};
    struct ebm_error err;
    enum ebm_status rc = EBM_OK;

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    put_rows(p, 1, 1, 1, 10);
    fake_ebmd_script(p->ebmd, &script);
    begin(p, 1, 0);
    watch_data_set_detail(&p->data, 1);
    settle(p);
    assert_string_equal(p->data.trouble, "metrics.db: disk I/O error");
    fake_ebmd_script(p->ebmd, &(struct ebmd_script){0});
    later(p, 1500);
    settle(p);
    assert_string_equal(p->data.trouble, "");
    assert_int_equal(job(p, 1)->rows.count, 10);
    script = (struct ebmd_script){.refuse = {[EBM__REQUEST__BODY_SHOW] = EBM_EAUTH},
                                  .refuse_text = "not yours"};
    fake_ebmd_script(p->ebmd, &script);
    for (int i = 0; rc == EBM_OK && i < 1000; i++) {
        later(p, 100);
        rc = step(p, &err);
    }
    assert_int_equal(rc, EBM_EAUTH);
    assert_string_equal(err.text, "not yours");
}

static void test_other_version(void **state)
{
    struct place *p = *state;
    const struct ebmd_script script = {.other_version = true};
    struct ebm_error err;
    enum ebm_status rc = EBM_OK;

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    fake_ebmd_script(p->ebmd, &script);
    begin(p, 1, 0);
    for (int i = 0; rc == EBM_OK && i < 1000; i++)
        rc = step(p, &err);
    assert_int_equal(rc, EBM_ESTALE);
}

/* ---- events are hints ---- */

static void test_event_hurries(void **state)
{
    struct place *p = *state;
    int64_t end = clock_mono_ms() + PATIENCE_MS;

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    assert_int_equal(session_subscribe(p->session, 1, NULL), EBM_OK);
    begin(p, 1, 0);
    settle(p);
    unsigned shows = asked(p, EBM__REQUEST__BODY_SHOW);
    later(p, 200); /* long before the next round */
    /* A PUB says nothing to those who join late: it is said again. */
    while (asked(p, EBM__REQUEST__BODY_SHOW) == shows && clock_mono_ms() < end) {
        if (p->ebmd->events < FAKE_EVENTS_MAX)
            fake_ebmd_put_event(p->ebmd, 1, "checkpoint", "");
        assert_int_equal(step(p, NULL), EBM_OK);
    }
    assert_int_equal(asked(p, EBM__REQUEST__BODY_SHOW), shows + 1);
    /* And again only after a while, however many events come. */
    for (int i = 0; i < 20; i++) {
        if (p->ebmd->events < FAKE_EVENTS_MAX)
            fake_ebmd_put_event(p->ebmd, 1, "checkpoint", "");
        assert_int_equal(step(p, NULL), EBM_OK);
    }
    assert_int_equal(asked(p, EBM__REQUEST__BODY_SHOW), shows + 1);
}

/* ---- all that are open ---- */

static void put_old_end(struct place *p, uint64_t number, const char *state, int64_t ago_ms)
{
    Ebm__Job j = EBM__JOB__INIT;

    j.job = number;
    j.state = (char *)state;
    j.ended_ms = clock_wall_ms() - ago_ms;
    fake_ebmd_put_job(p->ebmd, &j);
}

static void test_list(void **state)
{
    struct place *p = *state;
    const struct ebmd_script pages = {.page = 3};

    fake_ebmd_script(p->ebmd, &pages);
    for (uint64_t i = 1; i <= 20; i++)
        put_old_end(p, i, "succeeded", i == 5 ? 1000 : WATCH_RECENT_MS + 1000);
    for (uint64_t i = 21; i <= 30; i++)
        fake_ebmd_put(p->ebmd, i, i == 21 ? "running" : "queued", 0, 100, "");
    begin(p, 0, 0);
    settle(p);
    assert_int_equal(p->data.jobs.count, 11);
    assert_non_null(job(p, 5));
    assert_null(job(p, 6));
    assert_non_null(job(p, 30));
    /* One ends, one is new, one is new and has ended already. */
    fake_ebmd_put(p->ebmd, 21, "failed", 50, 100, "crashed");
    fake_ebmd_put(p->ebmd, 31, "queued", 0, 100, "");
    fake_ebmd_put(p->ebmd, 32, "succeeded", 10, 10, "");
    later(p, 1500);
    settle(p);
    assert_int_equal(p->data.jobs.count, 13);
    assert_string_equal(job(p, 21)->reason, "crashed");
    assert_int_equal(job(p, 31)->state, JOB_QUEUED);
    assert_int_equal(job(p, 32)->state, JOB_SUCCEEDED);
    /* An hour later it is not of interest any more. */
    put_old_end(p, 32, "succeeded", WATCH_RECENT_MS + 1000);
    later(p, 1500);
    settle(p);
    assert_null(job(p, 32));
}

/* The long list of ended jobs is read once. */
static void test_long_list_is_read_once(void **state)
{
    struct place *p = *state;

    for (uint64_t i = 1; i <= 1000; i++)
        put_old_end(p, i, "succeeded", WATCH_RECENT_MS + 1000);
    begin(p, 0, 0);
    settle(p);
    later(p, 1500);
    settle(p);
    assert_int_equal(fake_ebmd_peek(p->ebmd)->after_job, 1000 - 64);
    assert_int_equal(p->data.jobs.count, 0);
}

/* Gone from the list and unknown: ebmd has another store now. */
static void test_vanished_job(void **state)
{
    struct place *p = *state;
    const struct ebmd_script no_lists = {.page = 1};

    fake_ebmd_put(p->ebmd, 1, "queued", 0, 100, "");
    fake_ebmd_put(p->ebmd, 2, "queued", 0, 100, "");
    begin(p, 0, 0);
    settle(p);
    fake_ebmd_script(p->ebmd, &no_lists);
    pthread_mutex_lock(&p->ebmd->lock);
    p->ebmd->job[1].job = 99; /* job 2 is no more */
    pthread_mutex_unlock(&p->ebmd->lock);
    later(p, 1500);
    settle(p);
    assert_null(job(p, 2));
    assert_non_null(job(p, 99));
}

static void test_trends(void **state)
{
    struct place *p = *state;
    const uint64_t visible[] = {1, 2};

    for (uint64_t i = 1; i <= 3; i++) {
        fake_ebmd_put(p->ebmd, i, "running", 10, 100, "");
        put_rows(p, i, 1, 1, 10);
    }
    begin(p, 0, 0);
    settle(p);
    assert_int_equal(job(p, 1)->rows.count, 0); /* nothing is on the screen yet */
    watch_data_set_visible(&p->data, visible, 2);
    settle(p);
    assert_int_equal(job(p, 1)->rows.count, 10);
    assert_int_equal(job(p, 2)->rows.count, 10);
    assert_int_equal(job(p, 3)->rows.count, 0);
    unsigned n = asked(p, EBM__REQUEST__BODY_METRICS);
    watch_data_set_visible(&p->data, visible, 2); /* the same: nothing to do */
    settle(p);
    assert_int_equal(asked(p, EBM__REQUEST__BODY_METRICS), n);
    /* To open one asks for its details, and drops those of the list. */
    fake_ebmd_put_event(p->ebmd, 3, "running", "of job 3");
    watch_data_set_detail(&p->data, 3);
    settle(p);
    assert_int_equal(job(p, 3)->rows.count, 10);
    assert_int_equal(p->data.events, 1);
    assert_string_equal(p->data.event[0].text, "of job 3");
    watch_data_set_detail(&p->data, 2);
    settle(p);
    assert_int_equal(p->data.events, 0);
}

/* More events than are kept: the newest are. */
static void test_many_events(void **state)
{
    struct place *p = *state;
    char text[32];

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    begin(p, 1, 0);
    watch_data_set_detail(&p->data, 1);
    for (int i = 0; i < 150; i++) {
        snprintf(text, sizeof text, "event %d", i);
        fake_ebmd_put_event(p->ebmd, 1, "checkpoint", text);
        if (i == 99)
            settle(p);
    }
    later(p, 2500);
    settle(p);
    assert_int_equal(p->data.events, WATCH_EVENTS);
    assert_string_equal(p->data.event[WATCH_EVENTS - 1].text, "event 149");
    assert_string_equal(p->data.event[0].text, "event 86");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_missing_job),
        TEST(test_one_job),
        TEST(test_steady_poll),
        TEST(test_new_attempt),
        TEST(test_ended_job_rests),
        TEST(test_one_at_a_time),
        TEST(test_comes_back),
        TEST(test_lost_rows),
        TEST(test_trouble),
        TEST(test_other_version),
        TEST(test_event_hurries),
        TEST(test_list),
        TEST(test_long_list_is_read_once),
        TEST(test_vanished_job),
        TEST(test_trends),
        TEST(test_many_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
