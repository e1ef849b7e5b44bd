/* A watch as lines of text, and the table of jobs behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "watch/watch_plain.h"

static const int64_t now_ms = 1700000100000;

/* As ebmd tells of a job that is under way, or was. */
static struct watch_job *put(struct watch_jobs *t, uint64_t job, const char *state,
                             const char *reason)
{
    Ebm__Job j = EBM__JOB__INIT;

    j.job = job;
    j.name = (char *)"fashion-ebm";
    j.state = (char *)state;
    j.step = 1450;
    j.total_steps = 2345;
    j.attempt = 2;
    j.health = (char *)"ok";
    j.reason = (char *)reason;
    j.rate = 2.5;
    j.langevin_grad = 0.0125;
    j.energy_gap = -0.25;
    return watch_jobs_put(t, &j);
}

static const char *print(struct watch_jobs *t, bool ended_is_old, int64_t at_ms)
{
    static char out[4096];
    struct buf b;

    buf_init(&b);
    watch_plain_print(t, ended_is_old, at_ms, now_ms, &b);
    assert_true(b.size < sizeof out);
    strcpy(out, buf_text(&b));
    buf_fini(&b);
    return out;
}

static void set_step(struct watch_jobs *t, uint64_t step)
{
    watch_jobs_find(t, 42)->step = step;
}

static void test_plain_line(void **state)
{
    struct watch_jobs t = {0};
    struct buf b;

    (void)state;
    put(&t, 42, "running", "");
    buf_init(&b);
    watch_plain_line(watch_jobs_find(&t, 42), &b);
    assert_string_equal(buf_text(&b),
                        "job 42 fashion-ebm: running, attempt 2, step 1450 of 2345 (61%), r_t "
                        "0.0125, gap -0.25, health ok, 2.5 steps/s, 6 min left\n");
    buf_clear(&b);
    watch_plain_line(put(&t, 42, "failed", "exit \033[2J code 1"), &b);
    assert_string_equal(buf_text(&b), "job 42 fashion-ebm: failed, attempt 2, step 1450 of 2345 "
                                      "(61%): exit ?[2J code 1\n");
    buf_fini(&b);
    watch_jobs_fini(&t);
}

static void test_plain_progress(void **state)
{
    struct watch_jobs t = {0};

    (void)state;
    put(&t, 42, "running", "");
    assert_non_null(strstr(print(&t, false, 1000), "step 1450"));
    assert_string_equal(print(&t, false, 1500), "");
    set_step(&t, 1451);
    assert_string_equal(print(&t, false, 10999), "");
    assert_non_null(strstr(print(&t, false, 11000), "step 1451")); /* every 10 s */
    assert_string_equal(print(&t, false, 30000), "");              /* but not where it stands */
    set_step(&t, 1451 + 234);
    assert_string_equal(print(&t, false, 11999), ""); /* just below 10 % */
    set_step(&t, 1451 + 235);
    assert_string_equal(print(&t, false, 11999), ""); /* and never within a second */
    assert_non_null(strstr(print(&t, false, 12000), "step 1686"));
    watch_jobs_fini(&t);
}

static void test_plain_changes(void **state)
{
    struct watch_jobs t = {0};

    (void)state;
    put(&t, 42, "running", "");
    print(&t, false, 1000);
    put(&t, 42, "pausing", "pause was asked for");
    assert_string_equal(print(&t, false, 1500), "");
    assert_non_null(strstr(print(&t, false, 2000), "pausing, attempt 2"));
    put(&t, 42, "pausing", "writes a checkpoint");
    assert_non_null(strstr(print(&t, false, 3000), "writes a checkpoint"));
    put(&t, 42, "running", "rolled back to c6");
    assert_non_null(strstr(print(&t, false, 4000), "rolled back to c6"));
    set_step(&t, 2000);
    const char *later = print(&t, false, 20000);
    assert_non_null(strstr(later, "r_t"));
    assert_null(strstr(later, "rolled back")); /* once is enough */
    put(&t, 42, "cancelled", "by the user");
    assert_non_null(strstr(print(&t, false, 20001), "cancelled")); /* an end is told at once */
    assert_string_equal(print(&t, false, 9000000), "");
    watch_jobs_fini(&t);
}

static void test_plain_old_ends(void **state)
{
    struct watch_jobs t = {0};

    (void)state;
    put(&t, 1, "failed", "");
    put(&t, 2, "running", "");
    assert_null(strstr(print(&t, true, 1000), "job 1"));
    assert_string_equal(print(&t, false, 1001), "");
    /* One that came and went between two looks is news. */
    put(&t, 3, "failed", "");
    assert_non_null(strstr(print(&t, false, 1002), "job 3"));
    watch_jobs_fini(&t);
}

/* ---- jobs ---- */

static void test_jobs(void **state)
{
    struct watch_jobs t = {0};
    Ebm__Job j = EBM__JOB__INIT;
    char name[200];

    (void)state;
    assert_null(watch_jobs_sorted(&t));
    assert_null(watch_jobs_find(&t, 1));
    /* In any order; cut between characters. */
    memset(name, 'x', sizeof name);
    memcpy(name + WATCH_NAME - 2, "\xe6\xbc\xa2", 4);
    for (uint64_t i = 0; i < 100; i++) {
        j.job = 1 + i * 37 % 100;
        j.name = name;
        j.state = (char *)"from-a-newer-release";
        assert_non_null(watch_jobs_put(&t, &j));
    }
    assert_int_equal(t.count, 100);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(t.job[i]->job, i + 1);
    assert_int_equal(strlen(t.job[5]->name), WATCH_NAME - 2);
    assert_int_equal(t.job[5]->state, JOB_STATE_COUNT);
    assert_true(watch_job_share(t.job[5]) == 0);
    assert_true(isnan(watch_job_seconds_left(t.job[5])));
    watch_jobs_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_line),    cmocka_unit_test(test_plain_progress),
        cmocka_unit_test(test_plain_changes), cmocka_unit_test(test_plain_old_ends),
        cmocka_unit_test(test_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
