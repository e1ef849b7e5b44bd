/* The toy sets: each point lies where its mathematics says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "data/toy.h"
#include "spec/spec.h"

enum { POINTS = 4000 };

static struct rng_key key(void)
{
    return rng_key_make(11, RNG_TOY, 0);
}

static void unknown_names_are_refused(void **state)
{
    size_t toy;

    (void)state;
    assert_false(toy_find("ring", &toy));
    assert_false(toy_find("", &toy));
    assert_false(toy_find("toy/rings", &toy));
}

static void every_named_toy_stays_in_its_range(void **state)
{
    size_t toy, sets = 0;

    (void)state;
    for (const char *name; (name = spec_toy_name(sets)) != NULL; sets++) {
        double square = 0, mean[2] = {0, 0};
        assert_true(toy_find(name, &toy));
        for (uint64_t i = 0; i < POINTS; i++) {
            float p[2];
            toy_point(toy, key(), i, p);
            assert_true(fabsf(p[0]) < 6 && fabsf(p[1]) < 6);
            mean[0] += (double)p[0] / POINTS;
            mean[1] += (double)p[1] / POINTS;
            square += (double)(p[0] * p[0] + p[1] * p[1]) / POINTS;
        }
        assert_true(square > 1 && square < 20);
        assert_true(fabs(mean[0]) < 1 && fabs(mean[1]) < 1);
    }
    assert_int_equal(sets, 10);
}

/* How far a point is off its set, in terms of the set's own noise. */
static double off_ring(const float *p, const double *radius, size_t n)
{
    double r = hypot((double)p[0], (double)p[1]), best = 1e9;

    for (size_t i = 0; i < n; i++)
        best = fmin(best, fabs(r - radius[i]));
    return best / 0.24;
}

static double off_circles(const float *p)
{
    return off_ring(p, (const double[]){3, 1.5}, 2);
}

static double off_rings(const float *p)
{
    return off_ring(p, (const double[]){3, 2.25, 1.5, 0.75}, 4);
}

static double off_gaussians(const float *p)
{
    double best = 1e9;

    for (int k = 0; k < 8; k++) {
        double a = k * M_PI / 4, r = 4 / sqrt(2.0);
        best = fmin(best, hypot((double)p[0] - r * cos(a), (double)p[1] - r * sin(a)));
    }
    return best / (0.5 / sqrt(2.0));
}

static double off_line(const float *p)
{
    return p[0] == p[1] && fabsf(p[0]) <= 2.5f ? 0 : 100;
}

static double off_cos(const float *p)
{
    return fabs((double)p[1] - 2.5 * sin((double)p[0])) < 1e-5 ? 0 : 100;
}

static double off_checkerboard(const float *p)
{
    int column = (int)floor((double)p[0] / 2), row = (int)floor((double)p[1] / 2);
    return (column + row) % 2 == 0 ? 0 : 100;
}

static void points_lie_on_their_set(void **state)
{
    static const struct {
        const char *name;
        double (*off)(const float *p);
    } sets[] = {
        {"circles", off_circles}, {"rings", off_rings}, {"8gaussians", off_gaussians},
        {"line", off_line},       {"cos", off_cos},     {"checkerboard", off_checkerboard},
    };

    (void)state;
    for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++) {
        size_t toy, far = 0;
        assert_true(toy_find(sets[s].name, &toy));
        for (uint64_t i = 0; i < POINTS; i++) {
            float p[2];
            toy_point(toy, key(), i, p);
            double off = sets[s].off(p);
            assert_true(off < 6);
            far += off > 3;
        }
        assert_true(far < POINTS / 40);
    }
}

static void a_point_depends_on_its_position_alone(void **state)
{
    float a[2], b[2], c[2];

    (void)state;
    toy_point(2, key(), 7, a);
    toy_point(2, key(), (uint64_t)1 << 40, b);
    toy_point(2, key(), 7, c);
    assert_memory_equal(a, c, sizeof a);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_names_are_refused),
        cmocka_unit_test(every_named_toy_stays_in_its_range),
        cmocka_unit_test(points_lie_on_their_set),
        cmocka_unit_test(a_point_depends_on_its_position_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
