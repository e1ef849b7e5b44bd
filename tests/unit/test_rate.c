/* Steps a second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rate.h"

static void the_time_until_the_first_step_does_not_count(void **state)
{
    struct rate r;

    (void)state;
    rate_begin(&r, 0, 1000);
    rate_note(&r, 0, 61000); /* it loads */
    rate_note(&r, 5, 61500);
    assert_true(r.value == 0);
    rate_note(&r, 40, 63000);
    assert_true(r.value == 20);
}

/* The worker is at step 0 until its checkpoint is loaded. */
static void steps_before_the_start_are_no_news(void **state)
{
    struct rate r;

    (void)state;
    rate_begin(&r, 1200, 1000);
    rate_note(&r, 0, 2000);
    rate_note(&r, 1200, 4000);
    rate_note(&r, 1230, 7000);
    assert_true(r.value == 10);
    rate_note(&r, 1210, 8000); /* a late row */
    rate_note(&r, 1260, 10000);
    assert_true(r.value == 10);
}

static void it_follows_a_change_slowly(void **state)
{
    struct rate r;

    (void)state;
    rate_begin(&r, 0, 0);
    rate_note(&r, 100, 10000);
    rate_note(&r, 300, 20000);
    assert_true(r.value > 10 && r.value < 20);
    rate_note(&r, 310, 20000 + RATE_STRETCH_MS - 1); /* too short to tell */
    double before = r.value;
    rate_note(&r, 310, 30000);
    assert_true(r.value < before);
}

static void one_that_stands_still_comes_down(void **state)
{
    struct rate r;

    (void)state;
    rate_begin(&r, 0, 0);
    rate_note(&r, 100, 10000);
    rate_note(&r, 100, 70000);
    rate_note(&r, 101, 110000);
    assert_true(r.value < 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_time_until_the_first_step_does_not_count),
        cmocka_unit_test(steps_before_the_start_are_no_news),
        cmocka_unit_test(it_follows_a_change_slowly),
        cmocka_unit_test(one_that_stands_still_comes_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
