/* A recorded run, judged again: the same verdicts, from attempt to attempt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "made_up_run.h"
#include "rejudge.h"
#include "stability/outlook.h"

enum { SEED = 3 };

static const struct detector_limits limits = MADE_UP_LIMITS(200);

/* The first attempt diverges in step 801; the second goes back to 700. */
static const struct rejudge_attempt story[] = {
    {.attempt = 1, .last_step = 800, .diverged = true, .onset = 801, .reason = "not finite"},
    {.attempt = 2, .from_attempt = 1, .from_step = 700, .last_step = 900},
};

static void put(struct rejudge *r, uint32_t attempt, uint64_t first, uint64_t last)
{
    double value[METRIC_COUNT] = {0};
    struct ebm_error err;

    for (uint64_t s = first; s <= last; s++) {
        made_up_step(SEED, s, value);
        if (attempt == 1 && s == 801)
            value[METRIC_LOSS] = NAN;
        assert_int_equal(rejudge_row(r, attempt, s, value, &err), EBM_OK);
    }
}

/* All of them with these limits. */
static void open_story(struct rejudge *r, const struct detector_limits *l,
                       const struct rejudge_attempt *a, size_t n)
{
    static struct rejudge_attempt told[4];
    struct ebm_error err;

    assert_true(n <= sizeof told / sizeof told[0]);
    memcpy(told, a, n * sizeof *a);
    for (size_t i = 0; i < n; i++)
        told[i].limits = *l;
    assert_int_equal(rejudge_init(r, told, n, &err), EBM_OK);
}

static void close_story(struct rejudge *r)
{
    struct ebm_error err;

    assert_int_equal(rejudge_end(r, &err), EBM_OK);
}

/* What a detector has learnt that saw these steps. */
static void learn(struct detector *d, uint64_t first, uint64_t last)
{
    double value[METRIC_COUNT] = {0};
    struct detector_judgement j;

    for (uint64_t s = first; s <= last; s++) {
        made_up_step(SEED, s, value);
        detector_feed(d, &limits, s, value, &j);
    }
}

static void a_trip_is_found_where_the_run_had_it(void **state)
{
    struct rejudge r;
    struct detector d;

    (void)state;
    open_story(&r, &limits, story, 2);
    put(&r, 1, 1, 801);
    put(&r, 2, 701, 900);
    close_story(&r);
    assert_int_equal(r.rows, 1001);
    assert_int_equal(r.missing, 0);
    assert_int_equal(r.trips, 1);
    assert_int_equal(r.findings, 1);
    assert_int_equal(r.finding[0].step, 801);
    assert_int_equal(r.finding[0].onset, 801);
    assert_int_equal(r.finding[0].verdict, VERDICT_TRIP);
    assert_true(r.finding[0].run_too && r.finding[0].in->attempt == 1);
    assert_string_equal(r.finding[0].reason, "not finite"); /* in the run's own words */
    assert_true(r.nearest > 0 && r.nearest < 1);
    /* The second began with what the first had learnt until step 700. */
    detector_init(&d);
    learn(&d, 1, 900);
    assert_memory_equal(&r.now, &d, sizeof d);
    rejudge_fini(&r);
}

/* A fork: what its parent's detector knew is given. */
static void an_inherited_history_goes_on(void **state)
{
    struct rejudge r;
    struct detector d, parent;

    (void)state;
    detector_init(&parent);
    learn(&parent, 1, 700);
    const struct rejudge_attempt fork[] = {
        {.attempt = 3, .from_step = 700, .last_step = 900, .inherited = &parent}};
    open_story(&r, &limits, fork, 1);
    put(&r, 3, 701, 900);
    close_story(&r);
    assert_int_equal(r.missing, 0);
    detector_init(&d);
    learn(&d, 1, 900);
    assert_memory_equal(&r.now, &d, sizeof d);
    rejudge_fini(&r);
}

static void a_new_buffer_is_a_new_history(void **state)
{
    struct rejudge_attempt fresh[] = {story[0], story[1]};
    struct rejudge r;
    struct detector d;

    (void)state;
    fresh[1].forgets = true;
    open_story(&r, &limits, fresh, 2);
    put(&r, 1, 1, 801);
    put(&r, 2, 701, 900);
    close_story(&r);
    detector_init(&d);
    learn(&d, 1, 700);
    detector_forget(&d, 700);
    learn(&d, 701, 900);
    assert_memory_equal(&r.now, &d, sizeof d);
    rejudge_fini(&r);
}

/* An attempt without rows passes on what it began with; one that nobody's
 * history is known of begins anew. */
static void what_has_no_rows_is_passed_through(void **state)
{
    static const struct rejudge_attempt attempts[] = {
        {.attempt = 1, .last_step = 300},
        {.attempt = 2, .from_attempt = 1, .from_step = 250, .last_step = 250},
        {.attempt = 3, .from_attempt = 2, .from_step = 250, .last_step = 400},
    };
    struct rejudge r;
    struct detector d;

    (void)state;
    open_story(&r, &limits, attempts, 3);
    put(&r, 1, 1, 300);
    put(&r, 7, 1, 10); /* of no attempt */
    put(&r, 3, 251, 400);
    close_story(&r);
    assert_int_equal(r.rows, 450);
    detector_init(&d);
    learn(&d, 1, 400);
    assert_memory_equal(&r.now, &d, sizeof d);
    rejudge_fini(&r);
    open_story(&r, &limits, attempts + 2, 1);
    put(&r, 3, 251, 400);
    close_story(&r);
    detector_init(&d);
    learn(&d, 251, 400);
    assert_memory_equal(&r.now, &d, sizeof d);
    rejudge_fini(&r);
}

static void what_is_no_trip_now_is_told(void **state)
{
    struct rejudge_attempt soft[] = {story[0], story[1]};
    struct rejudge r;

    (void)state;
    open_story(&r, &limits, soft, 2);
    put(&r, 1, 1, 800); /* the row of the trip was lost */
    put(&r, 2, 701, 900);
    close_story(&r);
    assert_int_equal(r.trips, 0);
    assert_int_equal(r.findings, 1);
    assert_int_equal(r.finding[0].verdict, VERDICT_OK);
    assert_int_equal(r.finding[0].step, 800);
    assert_true(r.finding[0].run_too);
    assert_string_equal(r.finding[0].reason, "not finite");
    rejudge_fini(&r);
}

static void narrow_limits_trip_once_in_an_attempt(void **state)
{
    struct detector_limits narrow = limits;
    struct rejudge r;

    (void)state;
    narrow.gap = 0.01;
    open_story(&r, &narrow, story, 1);
    put(&r, 1, 1, 801);
    close_story(&r);
    assert_int_equal(r.trips, 1);
    assert_true(r.findings >= 2);
    const struct rejudge_finding *now = &r.finding[r.findings - 2], *then = now + 1;
    assert_true(now->verdict == VERDICT_TRIP && now->step < 300 && !now->run_too);
    /* Where the run itself was stopped is told as well. */
    assert_true(then->verdict == VERDICT_OK && then->run_too);
    assert_int_equal(then->step, 801);
    assert_int_equal(then->onset, 801);
    rejudge_fini(&r);
}

static void each_attempt_has_its_own_limits(void **state)
{
    struct rejudge_attempt own[] = {story[0], story[1]};
    struct ebm_error err;
    struct rejudge r;

    (void)state;
    own[0].limits = own[1].limits = limits;
    own[1].limits.gap = 0.01;
    assert_int_equal(rejudge_init(&r, own, 2, &err), EBM_OK);
    put(&r, 1, 1, 801);
    assert_int_equal(r.trips, 1);
    put(&r, 2, 701, 900);
    close_story(&r);
    assert_int_equal(r.trips, 2);
    assert_true(rejudge_limits(&r)->gap < 0.1);
    rejudge_fini(&r);
}

/* What the attempt before it ended with is not told as this one's. */
static void an_attempt_without_rows_has_no_verdict(void **state)
{
    struct rejudge r;

    (void)state;
    open_story(&r, &limits, story, 2);
    put(&r, 1, 1, 801);
    assert_int_equal(r.rows_here, 801);
    close_story(&r);
    assert_int_equal(r.attempt[r.at].attempt, 2);
    assert_int_equal(r.rows_here, 0);
    assert_int_equal(r.last_step, 700);
    rejudge_fini(&r);
}

static void steps_without_rows_are_counted(void **state)
{
    struct rejudge r;

    (void)state;
    open_story(&r, &limits, story, 2);
    put(&r, 1, 11, 100);
    put(&r, 1, 121, 801);
    put(&r, 2, 704, 900);
    close_story(&r);
    assert_int_equal(r.missing, 10 + 20 + 3);
    rejudge_fini(&r);
}

/* ---- where it stands, for people ---- */

static void say(const struct detector *d, const struct detector_judgement *j, const char *word,
                const char *part)
{
    char text[OUTLOOK_MAX];

    assert_string_equal(outlook_word(d, &limits, j->verdict), word);
    outlook_say(d, &limits, j->verdict, j->signal, j->suspicion, j->reason, text);
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, text);
}

static void the_outlook_says_what_it_waits_for(void **state)
{
    double value[METRIC_COUNT] = {0};
    struct detector_judgement j = {.verdict = VERDICT_OK};
    struct detector d;

    (void)state;
    detector_init(&d);
    learn(&d, 1, 120);
    say(&d, &j, "warm-up", "120 of 200 steps");
    learn(&d, 121, 400);
    made_up_step(SEED, 401, value);
    detector_feed(&d, &limits, 401, value, &j);
    say(&d, &j, "ok", "nothing stands out");
    for (uint64_t s = 402; s <= 421; s++) {
        made_up_step(SEED, s, value);
        value[METRIC_LANGEVIN_GRAD] *= 20;
        detector_feed(&d, &limits, s, value, &j);
    }
    say(&d, &j, "ok", "r_t was beyond its limit in 20 of the last 50 steps; 45 make it a sign");
    for (uint64_t s = 422; s <= 460; s++) {
        made_up_step(SEED, s, value);
        value[METRIC_LANGEVIN_GRAD] *= 20;
        detector_feed(&d, &limits, s, value, &j);
    }
    say(&d, &j, "warn", "r_t left its band");
}

static void a_reading_is_in_the_units_of_people(void **state)
{
    double value[METRIC_COUNT] = {0};
    struct detector_reading r;
    struct detector d;

    (void)state;
    detector_init(&d);
    made_up_step(SEED, 1, value);
    detector_read(&d, &limits, value, SIGNAL_LANGEVIN, &r);
    assert_true(isnan(r.low) && isnan(r.share));
    learn(&d, 1, 600);
    made_up_step(SEED, 600, value);
    detector_read(&d, &limits, value, SIGNAL_LANGEVIN, &r);
    assert_true(fabs(r.now - value[METRIC_LANGEVIN_GRAD]) < 1e-9);
    assert_true(r.low < r.healthy && r.healthy < r.high && fabs(r.healthy - 0.008) < 0.002);
    assert_true(r.share < 1 && r.over == 0);
    detector_read(&d, &limits, value, SIGNAL_MEAN, &r);
    assert_true(fabs(r.high - r.healthy - 0.25) < 0.15);
    detector_read(&d, &limits, value, SIGNAL_GRAD, &r);
    assert_true(isinf(r.low) && r.low < 0); /* it may be as small as it likes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trip_is_found_where_the_run_had_it),
        cmocka_unit_test(an_inherited_history_goes_on),
        cmocka_unit_test(a_new_buffer_is_a_new_history),
        cmocka_unit_test(what_has_no_rows_is_passed_through),
        cmocka_unit_test(what_is_no_trip_now_is_told),
        cmocka_unit_test(each_attempt_has_its_own_limits),
        cmocka_unit_test(an_attempt_without_rows_has_no_verdict),
        cmocka_unit_test(narrow_limits_trip_once_in_an_attempt),
        cmocka_unit_test(steps_without_rows_are_counted),
        cmocka_unit_test(the_outlook_says_what_it_waits_for),
        cmocka_unit_test(a_reading_is_in_the_units_of_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
