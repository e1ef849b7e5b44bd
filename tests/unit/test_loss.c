/* The loss: weights against finite differences, figures, hard signs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ebm/loss.h"

enum { B = 4 };

static const struct loss_scale scale = {
    .batch = B, .dim = 2, .langevin_steps = 5, .energy_l2 = 0.3, .max_energy = 100};

static double loss_of(const float data[B], const float sample[B])
{
    double sums[SUM_COUNT] = {0}, maxima[MAX_COUNT] = {0}, value[METRIC_COUNT];

    loss_add_energies(sums, maxima, +1, data, B);
    loss_add_energies(sums, maxima, -1, sample, B);
    loss_figures(&scale, sums, 1, value);
    return value[METRIC_LOSS];
}

static void weights_are_the_derivative_of_the_loss(void **state)
{
    float data[B] = {1, -2, 0.5f, 3}, sample[B] = {-1, 4, 0, 2}, weight[B];

    (void)state;
    for (int side = 0; side < 2; side++) {
        float *e = side == 0 ? data : sample;
        struct loss_side s = {side == 0 ? 1 : -1, scale.energy_l2, B};
        loss_weigh(&s, e, weight, B);
        for (size_t i = 0; i < B; i++) {
            float held = e[i];
            e[i] = held + 0.5f;
            double up = loss_of(data, sample);
            e[i] = held - 0.5f;
            double down = loss_of(data, sample);
            e[i] = held;
            assert_true(fabs(up - down - (double)weight[i]) < 1e-6);
        }
    }
}

static void moments_and_saturation(void **state)
{
    const float x[B * 2] = {0, 1, 0.5f, 0.25f, 1, 1, 0.75f, 0.5f};
    double sums[SUM_COUNT] = {0}, value[METRIC_COUNT];

    (void)state;
    loss_add_samples(sums, x, B, 2, 0, 1);
    loss_figures(&scale, sums, 7, value);
    assert_true(fabs(value[METRIC_SAMPLE_MEAN] - 0.625) < 1e-12);
    assert_true(fabs(value[METRIC_SAMPLE_STD] - sqrt(4.125 / 8 - 0.625 * 0.625)) < 1e-12);
    assert_true(value[METRIC_SATURATION] == 0.5);
    assert_true(value[METRIC_PARAM_GRAD] == 7);
    double open[SUM_COUNT] = {0};
    loss_add_samples(open, x, B, 2, 1, 0);
    assert_true(open[SUM_AT_BOUND] == 0);
}

static void a_good_step_is_good(void **state)
{
    double sums[SUM_COUNT] = {[SUM_ENERGY_DATA] = 100.0 * B};
    char why[200];

    (void)state;
    assert_false(loss_is_bad(&scale, sums, 1e30, 3, why, sizeof why));
}

static void bad(const double *sums, double norm, const char *word)
{
    char why[200];

    assert_true(loss_is_bad(&scale, sums, norm, 412, why, sizeof why));
    assert_non_null(strstr(why, "step 412"));
    if (strstr(why, word) == NULL)
        fail_msg("'%s' is not in '%s'", word, why);
}

static void hard_signs(void **state)
{
    double none[SUM_COUNT] = {0};
    double high[SUM_COUNT] = {[SUM_ENERGY_DATA] = 100.01 * B};
    double low[SUM_COUNT] = {[SUM_ENERGY_SAMPLE] = -100.01 * B};
    double energies[SUM_COUNT] = {0}, samples[SUM_COUNT] = {0}, maxima[MAX_COUNT] = {0};
    const float e[B] = {1, NAN, INFINITY, 2}, x[B] = {1, 2, -INFINITY, 4};

    (void)state;
    bad(none, NAN, "gradient");
    bad(none, INFINITY, "gradient");
    bad(high, 1, "mean energy of the data");
    bad(low, 1, "mean energy of the samples");
    loss_add_energies(energies, maxima, -1, e, B);
    assert_true(energies[SUM_BAD_ENERGIES] == 2);
    bad(energies, 1, "2 of 8 energies");
    loss_add_samples(samples, x, 2, 2, 0, 1);
    bad(samples, 1, "1 of 4 samples");
}

/* A NaN must not hide the largest energy, nor become it. */
static void largest_energy(void **state)
{
    double sums[SUM_COUNT] = {0}, maxima[MAX_COUNT] = {0};
    const float e[B] = {1, NAN, -9, 2};

    (void)state;
    loss_add_energies(sums, maxima, 1, e, B);
    assert_true(maxima[MAX_ENERGY] == 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_the_derivative_of_the_loss),
        cmocka_unit_test(moments_and_saturation),
        cmocka_unit_test(a_good_step_is_good),
        cmocka_unit_test(hard_signs),
        cmocka_unit_test(largest_energy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
