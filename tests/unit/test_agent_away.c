/* The agent and an ebmd that is away, silent, slow, forgetful or hostile. */
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

#include "agent_stage.h"
#include "base/clock.h"
#include "base/log.h"

static const struct fake_script normal;

static void silence_is_waited_out(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &normal);
    stage_start(&s);
    stage_put_rows(&s, 0, 100);
    fake_set_script(s.daemon, &(struct fake_script){.silent = true});
    stage_put_rows(&s, 100, 4000);
    assert_true(fake_wait(s.daemon, unheard_hellos_reach, 2));
    fake_set_script(s.daemon, &normal);
    assert_true(fake_wait(s.daemon, hellos_again_reach, 1));
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    stage_assert_rows(&s, 4000);
    stage_close(&s);
}

static void a_daemon_that_comes_late_is_waited_for(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &normal);
    fake_set_down(s.daemon, true);
    stage_reopen(&s);
    stage_put_rows(&s, 0, 1);
    fake_set_down(s.daemon, false);
    stage_start(&s);
    assert_true(fake_wait(s.daemon, rows_reach, 1));
    assert_int_equal(fake_peek(s.daemon)->hellos_again, 0);
    stage_close(&s);
}

static void restarts_lose_and_double_nothing(void **state)
{
    struct stage s;
    uint64_t put = 0;

    (void)state;
    stage_open(&s, &normal);
    stage_start(&s);
    for (int round = 0; round < 4; round++) {
        stage_put_rows(&s, put, put + 700);
        fake_set_down(s.daemon, true);
        stage_put_rows(&s, put + 700, put + 1400);
        put += 1400;
        fake_set_down(s.daemon, false);
        assert_true(fake_wait(s.daemon, rows_reach, put));
    }
    assert_int_equal(stage_finish(&s, "paused"), EBM_OK);
    stage_assert_rows(&s, put);
    stage_close(&s);
}

static void await_file(const char *path)
{
    struct stat st;
    int64_t end = clock_mono_ms() + 20000;

    while (stat(path, &st) != 0 && clock_mono_ms() < end)
        usleep(1000);
    assert_int_equal(stat(path, &st), 0);
}

static void many_rows_are_spooled_and_come_back_in_order(void **state)
{
    struct stage s;
    char path[128];
    struct stat st;

    (void)state;
    stage_open(&s, &normal);
    s.config.rows_in_memory = 500;
    stage_reopen(&s);
    stage_start(&s);
    fake_set_script(s.daemon, &(struct fake_script){.silent = true});
    stage_put_rows(&s, 0, 12000);
    snprintf(path, sizeof path, "%s/metrics.spool", s.daemon->dir);
    await_file(path);
    fake_set_script(s.daemon, &normal);
    assert_true(fake_wait(s.daemon, rows_reach, 12000));
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    stage_assert_rows(&s, 12000);
    assert_int_equal(stat(path, &st), -1);
    stage_close(&s);
}

static void the_end_waits_for_a_daemon_that_is_away(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &normal);
    stage_start(&s);
    fake_set_down(s.daemon, true);
    stage_put_rows(&s, 0, 50);
    pthread_t thread = stage_finish_aside(&s);
    fake_set_down(s.daemon, false);
    assert_int_equal(stage_join(thread), EBM_OK);
    stage_assert_rows(&s, 50);
    stage_close(&s);
}

static void lost_answers_are_asked_for_again(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){.lose_one_in = 3});
    stage_start(&s);
    stage_put_rows(&s, 0, 6000);
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    stage_assert_rows(&s, 6000);
    stage_close(&s);
}

static void a_slow_daemon_is_given_time(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){.delay_ms = 30});
    stage_start(&s);
    stage_put_rows(&s, 0, 2000);
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    stage_assert_rows(&s, 2000);
    stage_close(&s);
}

static void garbage_and_lies_change_nothing(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){.garbage = true, .wrong_fence = true, .lie = true});
    stage_start(&s);
    stage_put_rows(&s, 0, 3000);
    assert_true(fake_wait(s.daemon, rows_reach, 3000));
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    stage_assert_rows(&s, 3000);
    stage_close(&s);
}

/* ---- pictures ---- */

static void put_picture(struct stage *s, uint64_t step, size_t bytes)
{
    struct buf png;
    char *image = calloc(1, bytes + 1);

    assert_non_null(image);
    buf_init(&png);
    buf_put(&png, image, bytes);
    s->sink.ops->picture(s->sink.sink, step, &png);
    assert_null(png.data); /* taken */
    free(image);
}

static void pictures_arrive(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){.lose_one_in = 3});
    stage_start(&s);
    put_picture(&s, 10, 5000);
    put_picture(&s, 20, 60000);
    assert_true(fake_wait(s.daemon, picture_step_is, 20));
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    assert_int_equal(fake_peek(s.daemon)->pictures, 2);
    assert_int_equal(fake_peek(s.daemon)->picture_bytes, 60000);
    stage_close(&s);
}

static void only_the_newest_pictures_are_kept(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &normal);
    for (uint64_t i = 1; i <= 30; i++)
        put_picture(&s, i, 100);
    stage_start(&s);
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    assert_int_equal(fake_peek(s.daemon)->picture_step, 30);
    assert_in_range(fake_peek(s.daemon)->pictures, 1, 8);
    stage_close(&s);
}

static void a_picture_of_no_or_too_many_bytes_is_dropped(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &normal);
    stage_start(&s);
    put_picture(&s, 1, 0);
    put_picture(&s, 2, WIRE_PICTURE_MAX + 1);
    put_picture(&s, 3, WIRE_PICTURE_MAX);
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    assert_int_equal(fake_peek(s.daemon)->pictures, 1);
    assert_int_equal(fake_peek(s.daemon)->picture_bytes, WIRE_PICTURE_MAX);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_waited_out),
        cmocka_unit_test(a_daemon_that_comes_late_is_waited_for),
        cmocka_unit_test(restarts_lose_and_double_nothing),
        cmocka_unit_test(many_rows_are_spooled_and_come_back_in_order),
        cmocka_unit_test(the_end_waits_for_a_daemon_that_is_away),
        cmocka_unit_test(lost_answers_are_asked_for_again),
        cmocka_unit_test(a_slow_daemon_is_given_time),
        cmocka_unit_test(garbage_and_lies_change_nothing),
        cmocka_unit_test(pictures_arrive),
        cmocka_unit_test(only_the_newest_pictures_are_kept),
        cmocka_unit_test(a_picture_of_no_or_too_many_bytes_is_dropped),
    };

    log_set_level(LOG_ERROR + 1);
    return cmocka_run_group_tests_name("agent-away", tests, NULL, NULL);
}
