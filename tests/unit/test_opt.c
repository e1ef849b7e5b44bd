/* Optimizers against steps worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "opt/opt.h"

static struct spec adam(double b1, double b2)
{
    struct spec s = {0};

    s.optimizer.kind = OPTIMIZER_ADAM;
    s.optimizer.lr = 0.1;
    s.optimizer.betas[0] = b1;
    s.optimizer.betas[1] = b2;
    s.optimizer.eps = 1e-8;
    return s;
}

static void near(double a, double b)
{
    assert_true(fabs(a - b) <= 1e-5 * (1 + fabs(b)));
}

/* Both moments corrected: the first step is lr in each direction. */
static void first_adam_step_has_the_length_of_the_rate(void **state)
{
    struct spec s = adam(0.9, 0.999);
    struct optimizer o;
    float p[3] = {1, 2, 3}, g[3] = {1e-3f, -50, 0};

    (void)state;
    assert_int_equal(optimizer_init(&o, &s, 3, NULL), EBM_OK);
    optimizer_step(&o, p, g, 1.0);
    near(p[0], 0.9);
    near(p[1], 2.1);
    near(p[2], 3);
    assert_int_equal(o.t, 1);
    optimizer_fini(&o);
}

static void adam_follows_the_recursion(void **state)
{
    struct spec s = adam(0.5, 0.75);
    struct optimizer o;
    float p = 0;
    double q = 0, m = 0, v = 0;

    (void)state;
    assert_int_equal(optimizer_init(&o, &s, 1, NULL), EBM_OK);
    for (int t = 1; t <= 20; t++) {
        float g = (float)sin(t);
        optimizer_step(&o, &p, &g, 0.5);
        double h = 0.5 * (double)g;
        m = 0.5 * m + 0.5 * h;
        v = 0.75 * v + 0.25 * h * h;
        q -= 0.1 * (m / (1 - pow(0.5, t))) / (sqrt(v / (1 - pow(0.75, t))) + 1e-8);
    }
    near(p, q);
    optimizer_fini(&o);
}

/* betas [0, 0.999] is the default of energy-based models. */
static void adam_without_a_first_moment(void **state)
{
    struct spec s = adam(0, 0.999);
    struct optimizer o;
    float p = 0, g = 2;

    (void)state;
    assert_int_equal(optimizer_init(&o, &s, 1, NULL), EBM_OK);
    optimizer_step(&o, &p, &g, 1.0);
    near(p, -0.1);
    assert_true(o.m[0] == 2.0f);
    optimizer_fini(&o);
}

static void sgd_keeps_its_velocity(void **state)
{
    struct spec s = {0};
    struct optimizer o;
    float p = 0, g = 1;

    (void)state;
    s.optimizer.kind = OPTIMIZER_SGD;
    s.optimizer.lr = 0.5;
    s.optimizer.momentum = 0.5;
    assert_int_equal(optimizer_init(&o, &s, 1, NULL), EBM_OK);
    optimizer_step(&o, &p, &g, 1.0);
    near(p, -0.5);
    optimizer_step(&o, &p, &g, 1.0);
    near(p, -0.5 - 0.75);
    optimizer_fini(&o);
}

static void norm_is_exact_enough_for_every_length(void **state)
{
    float x[37];

    (void)state;
    for (size_t n = 0; n <= 37; n++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            x[i] = (float)(i + 1);
            sum += (double)x[i] * (double)x[i];
        }
        near(optimizer_norm(x, n), sqrt(sum));
    }
    x[3] = NAN;
    assert_true(isnan(optimizer_norm(x, 37)));
    x[3] = 3e38f; /* its square does not fit a float */
    assert_true(isfinite(optimizer_norm(x, 37)));
}

static void clip_bounds_the_norm(void **state)
{
    struct spec s = adam(0, 0.999);
    struct optimizer o = {.spec = &s};

    (void)state;
    near(optimizer_clip(&o, 1e9), 1.0); /* 0 is off */
    s.optimizer.gradient_clip = 0.1;
    near(optimizer_clip(&o, 0.1), 1.0);
    near(optimizer_clip(&o, 0.05), 1.0);
    near(optimizer_clip(&o, 0.4) * 0.4, 0.1);
    near(optimizer_clip(&o, 0), 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_adam_step_has_the_length_of_the_rate),
        cmocka_unit_test(adam_follows_the_recursion),
        cmocka_unit_test(adam_without_a_first_moment),
        cmocka_unit_test(sgd_keeps_its_velocity),
        cmocka_unit_test(norm_is_exact_enough_for_every_length),
        cmocka_unit_test(clip_bounds_the_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
