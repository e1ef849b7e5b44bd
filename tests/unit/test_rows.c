/* Unacknowledged metric rows: order and numbers, in memory and spooled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/rows.h"
#include "base/log.h"

enum { MEMORY = 100, MANY = 5000 };

struct place {
    char dir[64];
    struct rows rows;
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    log_set_level(LOG_ERROR);
    strcpy(p->dir, "/tmp/ebm-rows-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    rows_init(&p->rows, p->dir, MEMORY);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    rows_fini(&p->rows);
    assert_int_equal(rmdir(p->dir), 0); /* the spool is gone too */
    free(p);
    return 0;
}

static void put(struct rows *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sink_row row = {.step = r->next * 10, .time_ms = (int64_t)r->next};
        row.value[METRIC_LOSS] = (double)r->next / 8;
        assert_int_equal(rows_put(r, &row, NULL), EBM_OK);
    }
}

/* Reads and acknowledges all rows in batches, checking each. */
static void drain(struct rows *r, size_t batch)
{
    struct sink_row row[64];
    size_t n;

    while (!rows_empty(r)) {
        uint64_t seq = r->first;
        assert_int_equal(rows_get(r, seq, row, batch, &n, NULL), EBM_OK);
        assert_in_range(n, 1, batch);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(row[i].step, (seq + i) * 10);
            assert_true(row[i].value[METRIC_LOSS] == (double)(seq + i) / 8);
        }
        rows_ack(r, seq + n - 1);
    }
}

static void an_empty_queue_gives_nothing(void **state)
{
    struct place *p = *state;
    struct sink_row row;
    size_t n = 9;

    assert_true(rows_empty(&p->rows));
    assert_int_equal(rows_get(&p->rows, 1, &row, 1, &n, NULL), EBM_OK);
    assert_int_equal(n, 0);
    rows_ack(&p->rows, 0);
    assert_int_equal(p->rows.next, 1);
}

static void rows_come_back_in_order_with_their_numbers(void **state)
{
    struct place *p = *state;

    for (size_t round = 0; round < 50; round++) {
        put(&p->rows, 37);
        drain(&p->rows, 1 + round % 64);
    }
    assert_int_equal(p->rows.fd, -1);
    assert_int_equal(p->rows.next, 50 * 37 + 1);
}

static void past_the_bound_the_oldest_are_spooled(void **state)
{
    struct place *p = *state;
    struct stat st;

    put(&p->rows, MEMORY);
    assert_int_equal(p->rows.fd, -1);
    put(&p->rows, 1);
    assert_int_equal(stat(p->rows.path, &st), 0);
    put(&p->rows, MANY);
    assert_true(p->rows.next - p->rows.memory_first <= MEMORY);
    drain(&p->rows, 64);
    assert_int_equal(stat(p->rows.path, &st), -1);
    put(&p->rows, MANY); /* and once more, in a new spool */
    drain(&p->rows, 7);
}

static void spooling_goes_on_while_rows_are_acknowledged(void **state)
{
    struct place *p = *state;
    struct sink_row row[64];
    size_t n;

    for (size_t i = 0; i < 200; i++) {
        put(&p->rows, 60);
        assert_int_equal(rows_get(&p->rows, p->rows.first, row, 30, &n, NULL), EBM_OK);
        assert_int_equal(row[0].step, p->rows.first * 10);
        rows_ack(&p->rows, p->rows.first + n - 1);
    }
    drain(&p->rows, 64);
}

static void a_spool_that_cannot_be_written_loses_no_row(void **state)
{
    struct place *p = *state;
    struct rows rows;

    (void)p;
    rows_init(&rows, "/nonexistent/folder", MEMORY);
    log_set_level(LOG_ERROR);
    put(&rows, MANY);
    drain(&rows, 64);
    rows_fini(&rows);
}

static void an_old_acknowledgement_changes_nothing(void **state)
{
    struct place *p = *state;

    put(&p->rows, 20);
    rows_ack(&p->rows, 10);
    rows_ack(&p->rows, 5);
    assert_int_equal(p->rows.first, 11);
    drain(&p->rows, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_queue_gives_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_come_back_in_order_with_their_numbers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(past_the_bound_the_oldest_are_spooled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(spooling_goes_on_while_rows_are_acknowledged, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_spool_that_cannot_be_written_loses_no_row, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_old_acknowledgement_changes_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
