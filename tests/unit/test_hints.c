/* What evidence.txt says of a divergence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "made_up_run.h"
#include "train/hints.h"

static const struct detector_limits limits = MADE_UP_LIMITS(200);

/* Hints after 400 healthy steps and one in which a figure was this. */
static void assert_hint(enum wire_metric metric, double value, const char *wanted)
{
    double v[METRIC_COUNT] = {0};
    struct detector_judgement j;
    struct detector d;
    struct buf b;

    buf_init(&b);
    detector_init(&d);
    for (uint64_t s = 1; s <= 400; s++) {
        made_up_step(1, s, v);
        detector_feed(&d, &limits, s, v, &j);
    }
    v[metric] = value;
    hints_write(&d, &limits, v, &b);
    if (wanted == NULL ? b.size > 0 : strstr(buf_text(&b), wanted) == NULL)
        fail_msg("%s = %g: '%s'", wire_metric_names[metric], value, buf_text(&b));
    buf_fini(&b);
}

static void each_sign_has_its_hint(void **state)
{
    static const struct {
        enum wire_metric metric;
        double value;
        const char *wanted;
    } rows[] = {
        {METRIC_SATURATION, 0.5, NULL},
        {METRIC_SATURATION, 0.99, "shorter Langevin steps"},
        {METRIC_LOSS, NAN, "not finite"},
        {METRIC_LANGEVIN_GRAD, 1, "steep"},
        {METRIC_LANGEVIN_GRAD, 1e-5, "flat"},
        {METRIC_LANGEVIN_GRAD, 0, "leaky_relu or swish"},
        {METRIC_ENERGY_GAP, 1, "holes of the energy"},
        {METRIC_ENERGY_GAP, -1, "do not keep up"},
        {METRIC_PARAM_GRAD, 100, "optimizer.gradient_clip"},
        {METRIC_ENERGY_RMS, 100, "energies as such"},
        {METRIC_SAMPLE_MEAN, 0.9, "mean or spread"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_hint(rows[i].metric, rows[i].value, rows[i].wanted);
}

static void before_there_is_a_history_little_is_said(void **state)
{
    double v[METRIC_COUNT] = {[METRIC_LANGEVIN_GRAD] = 1};
    struct detector d;
    struct buf b;

    (void)state;
    buf_init(&b);
    detector_init(&d);
    hints_write(&d, &limits, v, &b);
    assert_int_equal(b.size, 0);
    v[METRIC_PARAM_GRAD] = INFINITY;
    hints_write(&d, &limits, v, &b);
    assert_non_null(strstr(buf_text(&b), "not finite"));
    buf_fini(&b);
}

static void samples_that_stay_away_have_theirs(void **state)
{
    double v[METRIC_COUNT] = {0};
    struct detector_judgement j = {.verdict = VERDICT_OK};
    struct detector d;
    struct buf b;

    (void)state;
    buf_init(&b);
    detector_init(&d);
    detector_forget(&d, 0);
    for (uint64_t s = 1; s <= 700 && j.verdict != VERDICT_TRIP; s++) {
        made_up_step(1, s, v);
        v[METRIC_SAMPLE_STD] *= 0.1;
        detector_feed(&d, &limits, s, v, &j);
    }
    assert_int_equal(j.verdict, VERDICT_TRIP);
    hints_write(&d, &limits, v, &b);
    assert_non_null(strstr(buf_text(&b), "did not come back"));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sign_has_its_hint),
        cmocka_unit_test(before_there_is_a_history_little_is_said),
        cmocka_unit_test(samples_that_stay_away_have_theirs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
