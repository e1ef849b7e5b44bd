/* The normal generator over a hundred million draws, as a sampler asks for
 * them: many short ranges under counters that follow one another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/rng_isa.h"

/* 1000 iterations, chains and steps of images of 784 and of points: the
 * ranges are of both sizes. */
enum { LONG = 784, SHORT = 216, ROUND = LONG + SHORT, ROUNDS = 100000 };
static const double draws = (double)ROUND * ROUNDS;

/* Counts of numbers below -RANGE + i * WIDTH: the distribution at the edges
 * is exact. */
enum { BINS = 1 << 20, TAILS = 6 };
static const double range = 6.5, width = 2 * 6.5 / BINS;

static const struct rng_key key = {{0x5EED5EEDu, 3}};

struct tally {
    uint32_t *bin; /* (BINS), the ends hold what lies beyond */
    double power[5], next;
    uint64_t above[TAILS], below[TAILS]; /* of 0, 1, ... 5 */
};

static size_t bin_of(float x)
{
    double at = ((double)x + range) / width;

    return at < 0 ? 0 : at >= BINS ? BINS - 1 : (size_t)at;
}

static void add_round(struct tally *t, const float *x)
{
    double m[5] = {0}, next = 0;

    for (size_t i = 0; i < ROUND; i++) {
        double v = (double)x[i], vv = v * v;
        m[1] += v;
        m[2] += vv;
        m[3] += vv * v;
        m[4] += vv * vv;
        next += i > 0 ? v * (double)x[i - 1] : 0;
        t->bin[bin_of(x[i])]++;
    }
    for (size_t i = 0; i < ROUND; i++)
        for (int k = 0; k < TAILS && fabsf(x[i]) > (float)k; k++)
            *(x[i] > 0 ? &t->above[k] : &t->below[k]) += 1;
    for (int k = 1; k < 5; k++)
        t->power[k] += m[k];
    t->next += next;
}

static void draw_round(uint32_t i, float *x)
{
    rng_normal(key, i / 1000, i % 128, i % 61, 0, LONG, x);
    rng_normal(key, i, 1u << 30, i % 7, 4 * (i % 50), SHORT, x + LONG);
}

static int draw(void **state)
{
    struct tally *t = calloc(1, sizeof *t);
    float x[ROUND];

    assert_non_null(t);
    t->bin = calloc(BINS, sizeof *t->bin);
    assert_non_null(t->bin);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        draw_round(i, x);
        add_round(t, x);
    }
    *state = t;
    return 0;
}

static int drop(void **state)
{
    struct tally *t = *state;

    free(t->bin);
    free(t);
    return 0;
}

static double phi(double x)
{
    return 0.5 * erfc(-x / sqrt(2.0));
}

/* sqrt(n) * D stays under 1.95 with probability 0.999. Between two edges the
 * distance grows by no more than what lies between them. */
static void kolmogorov_smirnov(void **state)
{
    const struct tally *t = *state;
    double below = 0, d = 0, between = 0;

    for (size_t i = 0; i + 1 < BINS; i++) {
        double edge = -range + (double)(i + 1) * width;
        below += t->bin[i];
        d = fmax(d, fabs(below / draws - phi(edge)));
        between = fmax(between, phi(edge) - phi(edge - width));
    }
    print_message("sqrt(n) D = %.3f over %.0f draws\n", sqrt(draws) * d, draws);
    assert_true(sqrt(draws) * (d + between) < 1.95);
}

/* Five standard errors: variances of the powers are 1, 2, 15, 96. */
static void moments(void **state)
{
    static const double mean[5] = {0, 0, 1, 0, 3}, variance[5] = {0, 1, 2, 15, 96};
    const struct tally *t = *state;

    for (int k = 1; k < 5; k++) {
        double off = t->power[k] / draws - mean[k];
        print_message("moment %d is off by %+.1e\n", k, off);
        assert_true(fabs(off) < 5 * sqrt(variance[k] / draws));
    }
    assert_true(fabs(t->next / draws) < 5 / sqrt(draws));
}

/* The shares beyond 0 to 5, where 29 are expected, within five standard errors. */
static void tails(void **state)
{
    const struct tally *t = *state;

    for (int k = 0; k < TAILS; k++) {
        double expect = draws * phi(-k);
        print_message("beyond %d: %.0f expected, %.0f above, %.0f below\n", k, expect,
                      (double)t->above[k], (double)t->below[k]);
        assert_true(fabs((double)t->above[k] - expect) < 5 * sqrt(expect));
        assert_true(fabs((double)t->below[k] - expect) < 5 * sqrt(expect));
    }
}

/* The same bits from every instruction set, for ranges of every length and
 * wherever they begin. */
static void every_set_gives_the_same(void **state)
{
    enum { MOST = 200 };
    enum rng_isa best = rng_isa_current();
    float want[MOST], got[MOST];

    (void)state;
    for (uint32_t n = 1; n <= MOST; n++)
        for (int isa = 0; isa < RNG_ISA_COUNT; isa++) {
            if (!rng_isa_select((enum rng_isa)isa))
                continue;
            float *x = isa == 0 ? want : got;
            rng_normal(key, n, UINT32_MAX, 7, 4 * (n % 37), n, x);
            assert_memory_equal(x, want, n * sizeof *x);
        }
    assert_true(rng_isa_select(best));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kolmogorov_smirnov),
        cmocka_unit_test(moments),
        cmocka_unit_test(tails),
        cmocka_unit_test(every_set_gives_the_same),
    };
    return cmocka_run_group_tests(tests, draw, drop);
}
