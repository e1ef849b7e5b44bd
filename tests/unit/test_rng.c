#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/rng_isa.h"

enum { DRAWS = 1000000 };

/* FNV-1a of the first DRAWS numbers of `key` at (1, 2, 3). */
#define HASH_NORMAL  0x9bbfd4b1047cc1e4u
#define HASH_UNIFORM 0x94e0149c44472f32u

static const struct rng_key key = {{0x12345678u, 0x9ABCDEF0u}};

static float *draw_normals(size_t n)
{
    float *x = malloc(n * sizeof *x);

    assert_non_null(x);
    rng_normal(key, 1, 2, 3, 0, n, x);
    return x;
}

/* FNV-1a over the bits, low byte first. */
static uint64_t hash_floats(const float *x, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        for (int b = 0; b < 32; b += 8)
            h = (h ^ ((bits >> b) & 0xFF)) * 0x100000001b3u;
    }
    return h;
}

/* Random123's kat_vectors, philox4x32 10. */
static void known_answers(void **state)
{
    static const struct {
        uint32_t counter[4];
        struct rng_key key;
        uint32_t out[4];
    } kat[] = {
        {{0, 0, 0, 0}, {{0, 0}}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {{0xffffffff, 0xffffffff}},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {{0xa4093822, 0x299f31d0}},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof kat / sizeof kat[0]; i++) {
        uint32_t out[4];
        rng_block(kat[i].key, kat[i].counter, out);
        assert_memory_equal(out, kat[i].out, sizeof out);
    }
}

static void keys_differ(void **state)
{
    struct rng_key base = rng_key_make(7, RNG_LANGEVIN, 0);
    struct rng_key others[] = {rng_key_make(8, RNG_LANGEVIN, 0), rng_key_make(7, RNG_INIT, 0),
                               rng_key_make(7, RNG_LANGEVIN, 1),
                               rng_key_make(7 + ((uint64_t)1 << 32), RNG_LANGEVIN, 0)};
    struct rng_key again = rng_key_make(7, RNG_LANGEVIN, 0);

    (void)state;
    assert_memory_equal(&base, &again, sizeof base);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_memory_not_equal(&base, &others[i], sizeof base);
}

typedef void fill_fn(struct rng_key k, uint32_t a, uint32_t b, uint32_t c, size_t first, size_t n,
                     float *out);

static void check_cuts(fill_fn *fill)
{
    enum { N = 1003 };
    static const size_t cuts[] = {4, 8, 60, 64, 68, 252, 256, 260, 784, 1000};
    float whole[N], part[N + 1];

    fill(key, 9, 8, 7, 0, N, whole);
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        part[N] = 42.0f;
        fill(key, 9, 8, 7, 0, cuts[i], part);
        fill(key, 9, 8, 7, cuts[i], N - cuts[i], part + cuts[i]);
        assert_memory_equal(whole, part, sizeof whole);
        assert_true(part[N] == 42.0f);
    }
}

static void ranges_may_be_cut_anywhere(void **state)
{
    (void)state;
    check_cuts(rng_uniform);
    check_cuts(rng_normal);
}

static void uniform_is_the_header_formula(void **state)
{
    enum { N = 400 };
    float x[N];

    (void)state;
    rng_uniform(key, 1, 2, 3, 0, N, x);
    for (uint32_t e = 0; e < N; e++) {
        uint32_t counter[4] = {1, 2, 3, e / 4}, out[4];
        rng_block(key, counter, out);
        assert_true((double)x[e] == ((out[e % 4] >> 9) + 0.5) * 0x1p-23);
        assert_true(x[e] > 0.0f && x[e] < 1.0f);
    }
}

/* Against Box-Muller in double; u rounded to float, as the generator sees it. */
static void normal_is_box_muller(void **state)
{
    const size_t n = 100000;
    float *x = draw_normals(n);

    (void)state;
    for (uint32_t e = 0; e < n; e += 2) {
        uint32_t counter[4] = {1, 2, 3, e / 4}, out[4];
        rng_block(key, counter, out);
        float u = ((float)(out[e % 4] >> 1) + 0.5f) * 0x1p-31f;
        double r = sqrt(-2.0 * log((double)u));
        double angle = 2.0 * 3.14159265358979323846 * (out[e % 4 + 1] * 0x1p-32);
        assert_true(fabs(r * cos(angle) - (double)x[e]) < 1e-6 * (1.0 + r));
        assert_true(fabs(r * sin(angle) - (double)x[e + 1]) < 1e-6 * (1.0 + r));
    }
    free(x);
}

static void moments_are_normal(void **state)
{
    float *x = draw_normals(DRAWS);
    double m[5] = {0}, pair = 0.0;

    (void)state;
    for (size_t i = 0; i < DRAWS; i++) {
        double v = (double)x[i];
        m[1] += v;
        m[2] += v * v;
        m[3] += v * v * v;
        m[4] += v * v * v * v;
        pair += i > 0 ? v * (double)x[i - 1] : 0.0;
    }
    /* Five standard errors: variances of the powers are 1, 2, 15, 96. */
    double e = 5.0 / sqrt(DRAWS);
    assert_true(fabs(m[1] / DRAWS) < e);
    assert_true(fabs(m[2] / DRAWS - 1.0) < e * sqrt(2.0));
    assert_true(fabs(m[3] / DRAWS) < e * sqrt(15.0));
    assert_true(fabs(m[4] / DRAWS - 3.0) < e * sqrt(96.0));
    assert_true(fabs(pair / DRAWS) < e);
    free(x);
}

/* Share beyond z against erfc, within five standard errors. */
static void tails_are_normal(void **state)
{
    static const double at[] = {1.0, 2.0, 3.0, 4.0};
    float *x = draw_normals(DRAWS);

    (void)state;
    for (size_t k = 0; k < sizeof at / sizeof at[0]; k++) {
        double expect = 0.5 * erfc(at[k] / sqrt(2.0)) * DRAWS;
        size_t above = 0, below = 0;
        for (size_t i = 0; i < DRAWS; i++) {
            above += (double)x[i] > at[k];
            below += (double)x[i] < -at[k];
        }
        assert_true(fabs((double)above - expect) < 5.0 * sqrt(expect));
        assert_true(fabs((double)below - expect) < 5.0 * sqrt(expect));
    }
    free(x);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* sqrt(n) * D stays under 1.95 with probability 0.999. */
static void kolmogorov_smirnov(void **state)
{
    float *x = draw_normals(DRAWS);
    double d = 0.0;

    (void)state;
    qsort(x, DRAWS, sizeof *x, by_value);
    for (size_t i = 0; i < DRAWS; i++) {
        double p = 0.5 * erfc(-(double)x[i] / sqrt(2.0));
        d = fmax(d, fmax(p - (double)i / DRAWS, (double)(i + 1) / DRAWS - p));
    }
    assert_true(sqrt(DRAWS) * d < 1.95);
    free(x);
}

/* These hashes are the contract: any compiler, any instruction set. */
static void bits_are_fixed(void **state)
{
    float *x = malloc(DRAWS * sizeof *x);
    enum rng_isa best = rng_isa_current();

    (void)state;
    assert_non_null(x);
    for (int isa = 0; isa < RNG_ISA_COUNT; isa++) {
        if (!rng_isa_select((enum rng_isa)isa)) {
            print_message("%s is not here\n", rng_isa_name((enum rng_isa)isa));
            continue;
        }
        rng_normal(key, 1, 2, 3, 0, DRAWS, x);
        assert_int_equal(hash_floats(x, DRAWS), HASH_NORMAL);
        rng_uniform(key, 1, 2, 3, 0, DRAWS, x);
        assert_int_equal(hash_floats(x, DRAWS), HASH_UNIFORM);
    }
    assert_true(rng_isa_select(best));
    free(x);
}

/* Sixteen vectors side by side hold the same numbers, from every set. */
static void check_side(void)
{
    float side[4][RNG_SIDE], one[4];

    for (uint32_t block = 0; block < 40; block += 13) {
        rng_normal_side(key, 9, UINT32_MAX - 7, 3, block, side);
        for (uint32_t s = 0; s < RNG_SIDE; s++) {
            rng_normal(key, 9, UINT32_MAX - 7 + s, 3, 4 * block, 4, one);
            for (int j = 0; j < 4; j++)
                assert_memory_equal(&side[j][s], &one[j], sizeof one[j]);
        }
    }
}

static void numbers_side_by_side(void **state)
{
    enum rng_isa best = rng_isa_current();

    (void)state;
    for (int isa = 0; isa < RNG_ISA_COUNT; isa++)
        if (rng_isa_select((enum rng_isa)isa))
            check_side();
    assert_true(rng_isa_select(best));
}

static void below_is_unbiased(void **state)
{
    enum { BOUND = 10, N = 200000 };
    size_t count[BOUND] = {0};
    double chi = 0.0;

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        uint32_t v = rng_below(key, i, 0, 0, BOUND);
        assert_true(v < BOUND);
        count[v]++;
    }
    for (int i = 0; i < BOUND; i++) {
        double off = (double)count[i] - (double)N / BOUND;
        chi += off * off / ((double)N / BOUND);
    }
    assert_true(chi < 27.9); /* 9 degrees, 0.999 */
}

/* Of 3 * 2^30 values a third of the words must be drawn again; without that
 * the values 0 mod 3 would come twice as often. */
static void below_rejects(void **state)
{
    enum { N = 100000 };
    const uint32_t bound = 3u << 30;
    size_t low = 0, zero_mod_3 = 0;

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        uint32_t v = rng_below(key, 5, i, 0, bound);
        assert_true(v < bound);
        low += v < bound / 3;
        zero_mod_3 += v % 3 == 0;
    }
    assert_true(fabs((double)low - N / 3.0) < 5.0 * sqrt(N * 2.0 / 9.0));
    assert_true(fabs((double)zero_mod_3 - N / 3.0) < 5.0 * sqrt(N * 2.0 / 9.0));
    assert_int_equal(rng_below(key, 1, 1, 1, 1), 0);
    assert_true(rng_below(key, 1, 1, 1, UINT32_MAX) < UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(keys_differ),
        cmocka_unit_test(ranges_may_be_cut_anywhere),
        cmocka_unit_test(uniform_is_the_header_formula),
        cmocka_unit_test(normal_is_box_muller),
        cmocka_unit_test(moments_are_normal),
        cmocka_unit_test(tails_are_normal),
        cmocka_unit_test(kolmogorov_smirnov),
        cmocka_unit_test(bits_are_fixed),
        cmocka_unit_test(numbers_side_by_side),
        cmocka_unit_test(below_is_unbiased),
        cmocka_unit_test(below_rejects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
