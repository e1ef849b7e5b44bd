/* Metric rows and pictures. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "store/metrics.h"
#include "store/metrics_private.h"
#include "temp_home.h"

enum { ROWS = 100 };

struct fixture {
    struct home home;
    struct metrics *metrics;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct ebm_error err;
    *state = f;
    if (f == NULL || temp_home_make(&f->home) != 0)
        return -1;
    return metrics_open(&f->home, &f->metrics, &err) == EBM_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    metrics_close(f->metrics);
    temp_home_remove(&f->home);
    free(f);
    return 0;
}

static void fill_rows(struct metrics_row *rows, size_t n, uint64_t first_seq, uint64_t first_step)
{
    for (size_t i = 0; i < n; i++) {
        rows[i] = (struct metrics_row){
            .seq = first_seq + i, .step = first_step + i, .time_ms = 1000 + (int64_t)i};
        for (int k = 0; k < METRIC_COUNT; k++)
            rows[i].value[k] = (double)(first_step + i) + k / 16.0;
    }
}

static void append(struct metrics *m, int64_t job, uint32_t attempt, uint64_t seq, uint64_t step,
                   size_t n)
{
    struct metrics_row rows[ROWS];
    struct ebm_error err;
    assert_true(n <= ROWS);
    fill_rows(rows, n, seq, step);
    assert_int_equal(metrics_append(m, job, attempt, rows, n, &err), EBM_OK);
}

struct seen {
    struct metrics_row row[4 * ROWS];
    size_t n, stop_at;
};

static bool see(void *arg, const struct metrics_row *row)
{
    struct seen *seen = arg;
    seen->row[seen->n++] = *row;
    return seen->n != seen->stop_at;
}

static size_t ask(struct metrics *m, struct metrics_query q, struct seen *seen)
{
    struct ebm_error err = {.text = ""};
    seen->n = 0;
    if (metrics_each(m, &q, see, seen, &err) != EBM_OK)
        fail_msg("%s", err.text);
    for (size_t i = 1; i < seen->n; i++) /* always in rising order */
        assert_true(seen->row[i].attempt > seen->row[i - 1].attempt ||
                    seen->row[i].step > seen->row[i - 1].step);
    return seen->n;
}

static void test_bad_rows_are_refused(void **state)
{
    struct metrics *m = ((struct fixture *)*state)->metrics;
    struct ebm_error err;
    struct metrics_row row = {.seq = 1};
    uint64_t have = 7;

    assert_int_equal(metrics_append(m, 0, 1, &row, 1, &err), EBM_EINVAL);
    assert_int_equal(metrics_append(m, 1, 0, &row, 1, &err), EBM_EINVAL);
    row.seq = 0;
    assert_int_equal(metrics_append(m, 1, 1, &row, 1, &err), EBM_EINVAL);
    row.seq = (uint64_t)1 << 32;
    assert_int_equal(metrics_append(m, 1, 1, &row, 1, &err), EBM_EINVAL);
    assert_int_equal(metrics_append(m, 1, 1, NULL, 0, &err), EBM_OK);
    assert_int_equal(metrics_have(m, 1, 1, &have, &err), EBM_OK);
    assert_int_equal(have, 0);
    assert_int_equal(metrics_picture_put(m, 1, 1, 5, "", 0, &err), EBM_EINVAL);
    metrics_close(NULL);
}

static void test_a_resent_row_is_stored_once(void **state)
{
    struct metrics *m = ((struct fixture *)*state)->metrics;
    struct ebm_error err;
    struct seen *seen = calloc(1, sizeof *seen);
    uint64_t have = 0;

    append(m, 1, 1, 1, 10, 20);
    append(m, 1, 1, 11, 999, 10); /* the same seqs with other values: skipped */
    append(m, 1, 1, 16, 25, 10);  /* half of it is new */
    assert_int_equal(metrics_have(m, 1, 1, &have, &err), EBM_OK);
    assert_int_equal(have, 25);
    assert_int_equal(ask(m, (struct metrics_query){.job = 1}, seen), 25);
    assert_int_equal(seen->row[10].step, 20);
    free(seen);
}

static void test_values_survive_bit_for_bit(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    struct seen *seen = calloc(1, sizeof *seen);
    struct metrics_row row = {.seq = 1, .step = 3, .time_ms = 1234567890123};
    static const double odd[] = {0.1, -0.0, 1e-310, 1.7976931348623157e308, 5e-324, -3.0};

    for (int i = 0; i < METRIC_COUNT; i++)
        row.value[i] = odd[i % 6];
    row.value[6] = NAN;
    row.value[7] = INFINITY;
    row.value[8] = -INFINITY;
    assert_int_equal(metrics_append(f->metrics, 1, 1, &row, 1, &err), EBM_OK);
    metrics_close(f->metrics);
    assert_int_equal(metrics_open(&f->home, &f->metrics, &err), EBM_OK);
    assert_int_equal(ask(f->metrics, (struct metrics_query){.job = 1}, seen), 1);
    assert_int_equal(seen->row[0].time_ms, row.time_ms);
    assert_true(isnan(seen->row[0].value[6]));
    seen->row[0].value[6] = row.value[6] = 0;
    /* SQLite keeps whole numbers as integers, which have no -0.0 */
    for (int i = 0; i < METRIC_COUNT; i++)
        assert_true(seen->row[0].value[i] == row.value[i]);
    free(seen);
}

static void test_rows_are_asked_for_by_attempt_and_step(void **state)
{
    struct metrics *m = ((struct fixture *)*state)->metrics;
    struct seen *seen = calloc(1, sizeof *seen);

    append(m, 1, 1, 1, 1, 50);
    append(m, 1, 2, 1, 31, 40); /* went back to step 30 */
    append(m, 1, 4, 1, 61, 5);
    append(m, 2, 1, 1, 1, 5);
    assert_int_equal(ask(m, (struct metrics_query){.job = 1}, seen), 95);
    assert_int_equal(ask(m, (struct metrics_query){.job = 3}, seen), 0);
    assert_int_equal(ask(m, (struct metrics_query){.job = 1, .attempt = 3}, seen), 0);
    assert_int_equal(ask(m, (struct metrics_query){.job = 1, .attempt = 2}, seen), 40);
    assert_int_equal(seen->row[0].step, 31);
    assert_int_equal(seen->row[0].attempt, 2);
    assert_int_equal(ask(m, (struct metrics_query){.job = 1, .since_step = 45}, seen), 6 + 26 + 5);
    assert_int_equal(seen->row[0].step, 45);
    assert_int_equal(seen->row[6].attempt, 2);
    assert_int_equal(ask(m, (struct metrics_query){.job = 1, .since_step = 66}, seen), 5);
    assert_int_equal(ask(m, (struct metrics_query){.job = 1, .since_step = 1000}, seen), 0);
    seen->stop_at = 3;
    assert_int_equal(ask(m, (struct metrics_query){.job = 1}, seen), 3);
    free(seen);
}

static void test_pages_join_without_gap_or_overlap(void **state)
{
    struct metrics *m = ((struct fixture *)*state)->metrics;
    struct seen *seen = calloc(1, sizeof *seen);
    struct metrics_query q = {.job = 1, .limit = 7};
    size_t total = 0;

    append(m, 1, 1, 1, 1, 50);
    append(m, 1, 2, 1, 31, 40);
    while (ask(m, q, seen) > 0) {
        struct metrics_row last = seen->row[seen->n - 1];
        total += seen->n;
        q.after_row = (uint64_t)last.attempt << 32 | last.seq;
    }
    assert_int_equal(total, 90);
    q.attempt = 1; /* the position is past it */
    assert_int_equal(ask(m, q, seen), 0);
    q = (struct metrics_query){.job = 1, .after_row = (uint64_t)1 << 32 | 49, .limit = 2};
    assert_int_equal(ask(m, q, seen), 2);
    assert_int_equal(seen->row[0].step, 50);
    assert_int_equal(seen->row[1].attempt, 2);
    free(seen);
}

static void test_the_newest_rows_come_in_rising_order(void **state)
{
    struct metrics *m = ((struct fixture *)*state)->metrics;
    struct seen *seen = calloc(1, sizeof *seen);

    append(m, 1, 1, 1, 1, 50);
    append(m, 1, 2, 1, 31, 3);
    assert_int_equal(ask(m, (struct metrics_query){.job = 1, .limit = 5, .newest = true}, seen), 5);
    assert_int_equal(seen->row[0].step, 49);
    assert_int_equal(seen->row[4].step, 33);
    assert_int_equal(
        ask(m, (struct metrics_query){.job = 1, .attempt = 1, .limit = 2, .newest = true}, seen),
        2);
    assert_int_equal(seen->row[1].step, 50);
    assert_int_equal(
        ask(m,
            (struct metrics_query){
                .job = 1, .limit = 9, .newest = true, .after_row = (uint64_t)2 << 32 | 1},
            seen),
        2);
    free(seen);
}

static void test_a_failed_batch_stores_nothing(void **state)
{
    struct metrics *m = ((struct fixture *)*state)->metrics;
    struct metrics_row rows[ROWS];
    struct ebm_error err;
    uint64_t have;
    enum ebm_status status = EBM_OK;

    assert_int_equal(db_exec_text(m->db, "PRAGMA max_page_count = 40", &err), EBM_OK);
    uint64_t seq = 1;
    for (; status == EBM_OK && seq < 100000; seq += ROWS) {
        fill_rows(rows, ROWS, seq, seq);
        status = metrics_append(m, 1, 1, rows, ROWS, &err);
    }
    assert_int_equal(status, EBM_ENOSPC);
    assert_int_equal(metrics_have(m, 1, 1, &have, &err), EBM_OK);
    assert_int_equal(have, seq - ROWS - 1); /* all before the failed one */
    assert_int_equal(db_exec_text(m->db, "PRAGMA max_page_count = 4000", &err), EBM_OK);
    assert_int_equal(metrics_append(m, 1, 1, rows, ROWS, &err), EBM_OK);
}

static void test_appended_rows_survive_a_kill(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    uint64_t have = 0;
    int status;

    metrics_close(f->metrics);
    f->metrics = NULL;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct metrics_row rows[ROWS];
        struct metrics *m;
        fill_rows(rows, ROWS, 1, 1);
        if (metrics_open(&f->home, &m, &err) == EBM_OK &&
            metrics_append(m, 1, 1, rows, ROWS, &err) == EBM_OK)
            raise(SIGKILL);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(metrics_open(&f->home, &f->metrics, &err), EBM_OK);
    assert_int_equal(metrics_have(f->metrics, 1, 1, &have, &err), EBM_OK);
    assert_int_equal(have, ROWS);
    assert_true(metrics_bytes(f->metrics) > 0);
}

/* ---- pictures ---- */

static void put_picture(struct metrics *m, uint32_t attempt, uint64_t step)
{
    char png[64];
    struct ebm_error err;
    int n = snprintf(png, sizeof png, "png %u %llu", attempt, (unsigned long long)step);
    assert_int_equal(metrics_picture_put(m, 1, attempt, step, png, (size_t)n, &err), EBM_OK);
}

static bool has_picture(struct metrics *m, uint32_t attempt, uint64_t step, const char *want)
{
    struct buf png;
    struct ebm_error err;
    uint64_t at = 0;

    buf_init(&png);
    enum ebm_status status = metrics_picture_get(m, 1, attempt, step, &png, &at, &err);
    bool same = status == EBM_OK && strcmp(buf_text(&png), want) == 0;
    if (status != EBM_OK)
        assert_int_equal(status, EBM_ENOTFOUND);
    buf_fini(&png);
    return same;
}

static void test_pictures_are_found_by_step_or_newest(void **state)
{
    struct metrics *m = ((struct fixture *)*state)->metrics;

    assert_false(has_picture(m, 0, 0, ""));
    put_picture(m, 1, 100);
    put_picture(m, 1, 200);
    put_picture(m, 2, 100);
    put_picture(m, 2, 100); /* resent */
    assert_true(has_picture(m, 0, 0, "png 2 100"));
    assert_true(has_picture(m, 1, 200, "png 1 200"));
    assert_true(has_picture(m, 1, 100, "png 1 100"));
    assert_true(has_picture(m, 0, 100, "png 2 100"));
    assert_false(has_picture(m, 2, 200, ""));
}

static void test_trim_keeps_the_newest_and_those_of_checkpoints(void **state)
{
    static const uint64_t keep[] = {20};
    struct metrics *m = ((struct fixture *)*state)->metrics;
    struct ebm_error err;

    for (uint64_t step = 10; step <= 60; step += 10)
        put_picture(m, 1, step);
    assert_int_equal(metrics_picture_trim(m, 1, keep, 1, 2, &err), EBM_OK);
    assert_true(has_picture(m, 1, 20, "png 1 20"));
    assert_true(has_picture(m, 1, 50, "png 1 50"));
    assert_true(has_picture(m, 1, 60, "png 1 60"));
    assert_false(has_picture(m, 1, 10, ""));
    assert_false(has_picture(m, 1, 40, ""));
    assert_int_equal(metrics_picture_trim(m, 1, NULL, 0, 1, &err), EBM_OK);
    assert_false(has_picture(m, 1, 20, ""));
    assert_true(has_picture(m, 0, 0, "png 1 60"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_bad_rows_are_refused),
        T(test_a_resent_row_is_stored_once),
        T(test_values_survive_bit_for_bit),
        T(test_rows_are_asked_for_by_attempt_and_step),
        T(test_pages_join_without_gap_or_overlap),
        T(test_the_newest_rows_come_in_rising_order),
        T(test_a_failed_batch_stores_nothing),
        T(test_appended_rows_survive_a_kill),
        T(test_pictures_are_found_by_step_or_newest),
        T(test_trim_keeps_the_newest_and_those_of_checkpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
