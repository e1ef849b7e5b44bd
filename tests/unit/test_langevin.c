/* The Langevin update by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "engine/langevin.h"

static struct spec_sampler plain(double step_size, double noise_std)
{
    return (struct spec_sampler){.steps = 1, .step_size = step_size, .noise_std = noise_std};
}

static void one_update_by_hand(void **state)
{
    struct spec_sampler s = plain(4.0, 0.5);
    float x[3] = {1.0f, 2.0f, -3.0f};
    const float grad[3] = {0.25f, -1.0f, 0.0f}, noise[3] = {1.0f, 0.0f, -2.0f};

    (void)state;
    langevin_update(x, grad, 3, &s, noise);
    assert_true(x[0] == 1.0f && x[1] == 4.0f && x[2] == -4.0f);
}

static void clip_and_clamp(void **state)
{
    struct spec_sampler s = plain(2.0, 0.0);
    float x[4] = {0.5f, 0.5f, 0.5f, 0.9f};
    const float grad[4] = {10.0f, -10.0f, 0.0625f, -0.2f};

    (void)state;
    s.gradient_clip = 0.125;
    s.clamp_on = true;
    s.clamp[0] = 0.0;
    s.clamp[1] = 1.0;
    langevin_update(x, grad, 4, &s, NULL);
    assert_true(x[0] == 0.375f && x[1] == 0.625f && x[2] == 0.4375f && x[3] == 1.0f);
}

static void nan_is_not_hidden(void **state)
{
    struct spec_sampler s = plain(2.0, 0.0);
    float x[2] = {0.5f, NAN};
    const float grad[2] = {NAN, 0.0f};

    (void)state;
    s.gradient_clip = 0.125;
    s.clamp_on = true;
    s.clamp[1] = 1.0;
    langevin_update(x, grad, 2, &s, NULL);
    assert_true(isnan(x[0]) && isnan(x[1]));
    assert_true(isnan(langevin_norm(x, 2)));
}

static void no_noise_asks_for_none(void **state)
{
    struct spec_sampler s = plain(2.0, 0.0);
    float x = 1.0f;
    const float grad = 0.5f, noise = NAN;

    (void)state;
    langevin_update(&x, &grad, 1, &s, &noise);
    assert_true(x == 0.5f);
}

static void norm_of_any_length(void **state)
{
    float v[100];
    double sum = 0.0;

    (void)state;
    for (size_t n = 0; n < 100; n++) {
        assert_true(fabs(langevin_norm(v, n) - sqrt(sum)) < 1e-12 * (1.0 + sqrt(sum)));
        v[n] = (float)n - 40.5f;
        sum += (double)v[n] * (double)v[n];
    }
}

/* E(x) = (x-m)^2 / 2 s^2 with noise_std^2 = step_size: the update is
 * x-m <- a (x-m) + noise with a = 1 - step/2s^2, so the mean is m and the
 * variance step / (1 - a^2) = s^2 / (1 - step/4s^2): Langevin's own bias. */
static void gaussian_is_recovered(void **state)
{
    enum { CHAINS = 40000, STEPS = 60 };
    static const struct {
        double m, s, step;
    } cases[] = {{0.7, 0.8, 0.5}, {-2.0, 0.3, 0.05}, {0.0, 2.0, 1.0}};
    float *x = malloc(3 * CHAINS * sizeof *x), *grad = x + CHAINS, *noise = grad + CHAINS;
    struct rng_key key = rng_key_make(5, RNG_LANGEVIN, 0);

    (void)state;
    assert_non_null(x);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        double m = cases[k].m, ss = cases[k].s * cases[k].s, step = cases[k].step;
        struct spec_sampler s = plain(step, sqrt(step));
        double mean = 0.0, var = 0.0, expect = ss / (1.0 - step / (4.0 * ss));
        for (size_t i = 0; i < CHAINS; i++)
            x[i] = 1.5f;
        for (uint32_t t = 0; t < STEPS; t++) {
            for (size_t i = 0; i < CHAINS; i++)
                grad[i] = (float)(((double)x[i] - m) / ss);
            rng_normal(key, (uint32_t)k, 0, t, 0, CHAINS, noise);
            langevin_update(x, grad, CHAINS, &s, noise);
        }
        for (size_t i = 0; i < CHAINS; i++)
            mean += (double)x[i] / CHAINS;
        for (size_t i = 0; i < CHAINS; i++)
            var += ((double)x[i] - mean) * ((double)x[i] - mean) / CHAINS;
        /* What is left of the start after STEPS, and five standard errors. */
        double left = pow(1.0 - step / (2.0 * ss), STEPS);
        assert_true(fabs(mean - m) < 5.0 * sqrt(expect / CHAINS) + 5.0 * fabs(left));
        assert_true(fabs(var / expect - 1.0) < 5.0 * sqrt(2.0 / CHAINS) + left * left);
    }
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_update_by_hand), cmocka_unit_test(clip_and_clamp),
        cmocka_unit_test(nan_is_not_hidden),  cmocka_unit_test(no_noise_asks_for_none),
        cmocka_unit_test(norm_of_any_length), cmocka_unit_test(gaussian_is_recovered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
