/* The divergence detector, on runs that are made up. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "made_up_run.h"
#include "stability/detector.h"

static const struct detector_limits limits = MADE_UP_LIMITS(500);

struct stage {
    struct detector d;
    struct detector_judgement j;
    uint64_t step, trips, skips, warns;
    uint32_t seed;
    double value[METRIC_COUNT]; /* of the step to come, set by heal */
};

/* The figures of a healthy step: as a run on images has them, noise and the
 * growth of r_t at the beginning included. */
static void heal(struct stage *s)
{
    made_up_step(s->seed, s->step, s->value);
}

static void feed(struct stage *s)
{
    s->step++;
    detector_feed(&s->d, &limits, s->step, s->value, &s->j);
    s->trips += s->j.verdict == VERDICT_TRIP;
    s->skips += s->j.verdict == VERDICT_SKIP;
    s->warns += s->j.verdict == VERDICT_WARN;
}

static void run_healthy(struct stage *s, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        heal(s);
        feed(s);
    }
}

static void open_stage(struct stage *s, uint32_t seed)
{
    *s = (struct stage){.seed = seed};
    detector_init(&s->d);
}

static void a_healthy_run_is_left_alone(void **state)
{
    struct stage s;

    (void)state;
    for (uint32_t seed = 1; seed <= 5; seed++) {
        open_stage(&s, seed);
        run_healthy(&s, 20000);
        assert_int_equal(s.trips, 0);
        assert_int_equal(s.skips, 0);
        assert_int_equal(s.warns, 0);
        assert_true(s.j.langevin_low > 0 && s.j.langevin_low < 0.008);
        assert_true(s.j.langevin_high > 0.008 && s.j.langevin_high < 0.1);
    }
}

static void what_is_not_finite_trips_at_once(void **state)
{
    static const enum wire_metric each[] = {METRIC_LOSS, METRIC_ENERGY_DATA, METRIC_ENERGY_SAMPLE,
                                            METRIC_LANGEVIN_GRAD, METRIC_PARAM_GRAD};
    struct stage s;

    (void)state;
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        open_stage(&s, 1);
        run_healthy(&s, 3); /* also within the warm-up */
        heal(&s);
        s.value[each[i]] = i % 2 == 0 ? NAN : INFINITY;
        feed(&s);
        assert_int_equal(s.j.verdict, VERDICT_TRIP);
        assert_int_equal(s.j.onset, 4);
    }
}

static void a_runaway_energy_trips_at_once(void **state)
{
    struct stage s;

    (void)state;
    open_stage(&s, 1);
    heal(&s);
    s.value[METRIC_ENERGY_SAMPLE] = -1.01e5;
    feed(&s);
    assert_int_equal(s.j.verdict, VERDICT_TRIP);
}

/* Feeds until it trips; returns the step of the trip, 0: it did not. */
static uint64_t run_until_trip(struct stage *s, uint64_t most,
                               void (*spoil)(struct stage *s, uint64_t since))
{
    for (uint64_t i = 1; i <= most; i++) {
        heal(s);
        spoil(s, i);
        feed(s);
        if (s->j.verdict == VERDICT_TRIP)
            return s->step;
    }
    return 0;
}

/* ---- after a history began anew ---- */

/* A whole purge after 1000 healthy steps. */
static void open_purged(struct stage *s, uint32_t seed)
{
    open_stage(s, seed);
    run_healthy(s, 1000);
    detector_forget(&s->d, 1000);
}

static void collapse(struct stage *s, uint64_t since)
{
    (void)since;
    s->value[METRIC_SAMPLE_STD] *= 0.02;
}

static void shift(struct stage *s, uint64_t since)
{
    (void)since;
    s->value[METRIC_SAMPLE_MEAN] += 0.4;
}

/* As after a purge, which begins with noise. */
static void come_back(struct stage *s, uint64_t since)
{
    s->value[METRIC_SAMPLE_STD] *= 1 + 3 * exp(-(double)since / 150);
    s->value[METRIC_SAMPLE_MEAN] += 0.4 * exp(-(double)since / 150);
}

static void samples_that_do_not_come_back_are_a_trip(void **state)
{
    static const struct {
        void (*spoil)(struct stage *s, uint64_t since);
        const char *why;
    } cases[] = {{collapse, "their spread is 0.028 of the data's"},
                 {shift, "their mean is 0.4 off the data's"}};
    struct stage s;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_purged(&s, 11);
        assert_int_equal(run_until_trip(&s, 499, cases[i].spoil), 0);
        assert_int_equal(s.j.verdict, VERDICT_OK);
        assert_int_equal(detector_suspect_since(&s.d), 1001); /* not known to be back yet */
        assert_int_equal(run_until_trip(&s, 51, cases[i].spoil), 0);
        assert_int_equal(s.j.verdict, VERDICT_WARN);
        assert_int_equal(detector_suspect_since(&s.d), 1001);
        assert_int_equal(run_until_trip(&s, 100, cases[i].spoil), 1599);
        assert_int_equal(s.j.onset, 1001);
        assert_non_null(strstr(s.j.reason, cases[i].why));
    }
}

static void samples_that_come_back_are_left_alone(void **state)
{
    struct stage s;

    (void)state;
    open_purged(&s, 12);
    assert_int_equal(run_until_trip(&s, 3000, come_back), 0);
    assert_int_equal(detector_suspect_since(&s.d), 0);
    assert_int_equal(s.warns, 0);
}

static void break_now(struct stage *s, uint64_t since)
{
    s->value[METRIC_LOSS] = since < 100 ? s->value[METRIC_LOSS] : NAN;
}

/* Whatever trips, nothing since a purge is trusted before samples are back. */
static void a_trip_after_a_purge_goes_back_before_it(void **state)
{
    struct stage s;

    (void)state;
    open_purged(&s, 15);
    assert_int_equal(run_until_trip(&s, 200, break_now), 1100);
    assert_int_equal(s.j.onset, 1001);
    open_purged(&s, 15);
    run_healthy(&s, 600);
    assert_int_equal(run_until_trip(&s, 200, break_now), 1700);
    assert_int_equal(s.j.onset, 1700);
}

static void an_end_soon_after_a_purge_is_in_doubt(void **state)
{
    char doubt[DETECTOR_DOUBT_MAX];
    struct stage s;

    (void)state;
    open_stage(&s, 16);
    run_healthy(&s, 1000);
    assert_false(detector_doubt(&s.d, &limits, doubt));
    detector_forget(&s.d, 1000);
    run_healthy(&s, 300);
    assert_true(detector_doubt(&s.d, &limits, doubt));
    assert_non_null(strstr(doubt, "300 steps after a whole purge"));
    run_healthy(&s, 300);
    assert_false(detector_doubt(&s.d, &limits, doubt));
}

/* One colour, and nearly. */
static void data_without_spread_are_compared_all_the_same(void **state)
{
    char why[LIKENESS_MAX];
    struct likeness k = {0};
    double v[METRIC_COUNT] = {0};

    (void)state;
    for (uint64_t i = 1; i <= 600; i++) {
        made_up_step(1, i, v);
        v[METRIC_DATA_MEAN] = v[METRIC_SAMPLE_MEAN];
        v[METRIC_DATA_STD] = 0;
        v[METRIC_SAMPLE_STD] = 0.012;
        likeness_feed(&k, v, 1);
    }
    assert_false(likeness_differs(&k, 1, why));
}

/* That they never were like the data is no sign of a failed recovery. */
static void samples_that_were_so_before_are_not_lost(void **state)
{
    struct stage s;

    (void)state;
    open_stage(&s, 13);
    assert_int_equal(run_until_trip(&s, 1000, collapse), 0);
    detector_forget(&s.d, 1000);
    assert_int_equal(run_until_trip(&s, 2000, collapse), 0);
}

static void a_difference_is_told(void **state)
{
    char why[LIKENESS_MAX];
    struct stage s;

    (void)state;
    open_stage(&s, 14);
    run_healthy(&s, 450);
    assert_false(likeness_differs(&s.d.likeness, limits.range, why)); /* not yet */
    run_healthy(&s, 600);
    assert_false(likeness_differs(&s.d.likeness, limits.range, why));
    assert_string_equal(why, "");
    for (int i = 0; i < 400; i++) {
        heal(&s);
        s.value[METRIC_ENERGY_GAP] = -2 * s.value[METRIC_ENERGY_RMS];
        likeness_feed(&s.d.likeness, s.value, limits.range);
    }
    assert_true(likeness_differs(&s.d.likeness, limits.range, why));
    assert_non_null(strstr(why, "of the energies' own size"));
}

static void sink_gap(struct stage *s, uint64_t since)
{
    s->value[METRIC_ENERGY_GAP] -= 0.03 + 0.0001 * (double)since;
}

static void a_gap_that_stays_away_trips_in_twenty_steps(void **state)
{
    struct stage s;

    (void)state;
    open_stage(&s, 2);
    run_healthy(&s, 3000);
    assert_int_equal(run_until_trip(&s, 100, sink_gap), 3020);
    assert_int_equal(s.j.onset, 3001);
    assert_int_equal(s.j.signal, SIGNAL_GAP);
    assert_non_null(strstr(s.j.reason, "energy gap"));
}

static void grow_langevin(struct stage *s, uint64_t since)
{
    double growth = exp((double)since / 40);

    s->value[METRIC_LANGEVIN_GRAD] *= growth;
    s->value[METRIC_PARAM_GRAD] *= growth * growth;
}

static void r_and_gradient_that_grow_together_trip(void **state)
{
    struct stage s;

    (void)state;
    open_stage(&s, 3);
    run_healthy(&s, 3000);
    uint64_t trip = run_until_trip(&s, 1000, grow_langevin);
    assert_in_range(trip, 3060, 3200);
    assert_in_range(s.j.onset, 3001, 3080);
    assert_non_null(strstr(s.j.reason, "r_t"));
}

static void blow_up(struct stage *s, uint64_t since)
{
    (void)since;
    s->value[METRIC_LANGEVIN_GRAD] *= 500;
    s->value[METRIC_PARAM_GRAD] *= 5e4;
}

static void what_is_far_out_in_several_ways_trips_in_five_steps(void **state)
{
    struct stage s;

    (void)state;
    open_stage(&s, 9);
    run_healthy(&s, 3000);
    assert_int_equal(run_until_trip(&s, 100, blow_up), 3005);
    assert_int_equal(s.j.onset, 3001);
}

/* One step, and the net is dead after it. */
static void a_blow_trips_in_its_first_step(void **state)
{
    struct stage s;

    (void)state;
    open_stage(&s, 10);
    run_healthy(&s, 3000);
    heal(&s);
    s.value[METRIC_ENERGY_GAP] = 7;
    s.value[METRIC_LANGEVIN_GRAD] *= 27;
    s.value[METRIC_PARAM_GRAD] *= 100;
    feed(&s);
    assert_int_equal(s.j.verdict, VERDICT_TRIP);
    assert_int_equal(s.j.onset, 3001);
}

static void kill_net(struct stage *s, uint64_t since)
{
    (void)since;
    s->value[METRIC_LANGEVIN_GRAD] = 0;
}

/* An energy that is the same everywhere is no health, however steady it is,
 * and nothing to compare with. */
static void a_dead_net_trips_in_twenty_steps(void **state)
{
    struct stage s;

    (void)state;
    for (uint64_t before = 0; before <= 3000; before += 1500) {
        open_stage(&s, 11);
        run_healthy(&s, before);
        uint64_t kept = s.d.healthy;
        for (uint64_t i = 0; i < 19; i++) {
            heal(&s);
            kill_net(&s, 0);
            feed(&s);
            assert_int_equal(s.j.verdict, VERDICT_OK);
        }
        assert_int_equal(s.d.healthy, kept);
        run_healthy(&s, 1);
        assert_int_equal(s.trips, 0);
        assert_int_equal(run_until_trip(&s, 100, kill_net), before + 40);
        /* It knows of the first time, once it knows what is healthy. */
        assert_int_equal(s.j.onset, before + (before == 0 ? 21 : 1));
        assert_non_null(strstr(s.j.reason, "the net is dead"));
    }
}

static void die_slowly(struct stage *s, uint64_t since)
{
    s->value[METRIC_LANGEVIN_GRAD] *= since < 40 ? exp2(-(double)since / 4) : 0;
}

/* What came before its death is not trusted either. */
static void a_net_that_dies_slowly_was_ill_before(void **state)
{
    struct stage s;

    (void)state;
    open_stage(&s, 11);
    run_healthy(&s, 1500);
    assert_int_equal(run_until_trip(&s, 100, die_slowly), 1559);
    assert_non_null(strstr(s.j.reason, "the net is dead: r_t is 0 since step 1540"));
    assert_in_range(s.j.onset, 1501, 1525);
    assert_true(s.j.langevin_low > 0 && s.j.langevin_high > s.j.langevin_low);
}

static void lift_langevin(struct stage *s, uint64_t since)
{
    (void)since;
    s->value[METRIC_LANGEVIN_GRAD] *= 8;
}

/* One rule warns; only when it does not pass for long is it a trip. */
static void one_rule_alone_warns_first(void **state)
{
    struct stage s;

    (void)state;
    open_stage(&s, 4);
    run_healthy(&s, 3000);
    uint64_t trip = run_until_trip(&s, 2000, lift_langevin);
    assert_in_range(trip, 3300, 3400);
    assert_in_range(s.warns, 200, 400);
    assert_int_equal(s.j.onset, 3001);
}

static void a_lone_bad_gradient_is_skipped(void **state)
{
    struct stage s;

    (void)state;
    open_stage(&s, 5);
    run_healthy(&s, 2000);
    for (int i = 0; i < 4; i++) {
        heal(&s);
        s.value[METRIC_PARAM_GRAD] = 50;
        feed(&s);
        assert_int_equal(s.j.verdict, i < 3 ? VERDICT_SKIP : VERDICT_WARN); /* one too many */
        run_healthy(&s, 5);
    }
    assert_int_equal(s.trips, 0);
    run_healthy(&s, 100);
    heal(&s);
    s.value[METRIC_PARAM_GRAD] = 50;
    feed(&s);
    assert_int_equal(s.j.verdict, VERDICT_SKIP);
}

/* A slow change is not a divergence: the history goes along. */
static void slow_drift_is_healthy(void **state)
{
    struct stage s;

    (void)state;
    open_stage(&s, 6);
    run_healthy(&s, 1000);
    for (int i = 0; i < 20000; i++) {
        double growth = exp((double)i / 5000);
        heal(&s);
        s.value[METRIC_LANGEVIN_GRAD] *= growth;
        s.value[METRIC_PARAM_GRAD] *= growth;
        s.value[METRIC_ENERGY_GAP] *= growth;
        feed(&s);
    }
    assert_int_equal(s.trips + s.warns + s.skips, 0);
}

static void off_it_sees_hard_signs_only(void **state)
{
    struct detector_limits off = limits;
    struct stage s;

    (void)state;
    off.soft = false;
    open_stage(&s, 7);
    for (uint64_t i = 1; i < 3000; i++) {
        heal(&s);
        s.value[METRIC_ENERGY_GAP] = i > 2000 ? -100 : 0;
        detector_feed(&s.d, &off, i, s.value, &s.j);
        assert_int_equal(s.j.verdict, VERDICT_OK);
    }
    s.value[METRIC_LOSS] = NAN;
    detector_feed(&s.d, &off, 3000, s.value, &s.j);
    assert_int_equal(s.j.verdict, VERDICT_TRIP);
}

/* The state is all there is: a copy goes on as the original does. */
static void a_copy_of_the_state_goes_on_the_same(void **state)
{
    struct stage a, b;

    (void)state;
    open_stage(&a, 8);
    run_healthy(&a, 1777);
    b = a;
    uint64_t trip = run_until_trip(&a, 1000, grow_langevin);
    assert_int_equal(run_until_trip(&b, 1000, grow_langevin), trip);
    assert_memory_equal(&a.d, &b.d, sizeof a.d);
}

static void median_and_deviation(void **state)
{
    float v[] = {5, 1, 9, 3, 7, 2, 8, 4, 6};
    double median, deviation;
    struct baseline b = {0};

    (void)state;
    baseline_of(v, 9, &median, &deviation);
    assert_true(median == 5);
    assert_true(fabs(deviation - 2 * 1.4826) < 1e-6);
    for (int i = 0; i < 5000; i++)
        baseline_put(&b, i < 3000 ? 1e9 : (i * 7919 % 1000) / 1000.0);
    baseline_put(&b, NAN);
    assert_true(fabs(b.median - 0.5) < 0.02);
    assert_true(fabs(b.deviation - 1.4826 * 0.25) < 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_run_is_left_alone),
        cmocka_unit_test(what_is_not_finite_trips_at_once),
        cmocka_unit_test(a_runaway_energy_trips_at_once),
        cmocka_unit_test(a_gap_that_stays_away_trips_in_twenty_steps),
        cmocka_unit_test(r_and_gradient_that_grow_together_trip),
        cmocka_unit_test(what_is_far_out_in_several_ways_trips_in_five_steps),
        cmocka_unit_test(a_blow_trips_in_its_first_step),
        cmocka_unit_test(one_rule_alone_warns_first),
        cmocka_unit_test(a_lone_bad_gradient_is_skipped),
        cmocka_unit_test(slow_drift_is_healthy),
        cmocka_unit_test(off_it_sees_hard_signs_only),
        cmocka_unit_test(a_dead_net_trips_in_twenty_steps),
        cmocka_unit_test(a_net_that_dies_slowly_was_ill_before),
        cmocka_unit_test(a_copy_of_the_state_goes_on_the_same),
        cmocka_unit_test(median_and_deviation),
        cmocka_unit_test(samples_that_do_not_come_back_are_a_trip),
        cmocka_unit_test(samples_that_come_back_are_left_alone),
        cmocka_unit_test(samples_that_were_so_before_are_not_lost),
        cmocka_unit_test(a_difference_is_told),
        cmocka_unit_test(a_trip_after_a_purge_goes_back_before_it),
        cmocka_unit_test(an_end_soon_after_a_purge_is_in_doubt),
        cmocka_unit_test(data_without_spread_are_compared_all_the_same),
    };

    return cmocka_run_group_tests_name("stability", tests, NULL, NULL);
}
