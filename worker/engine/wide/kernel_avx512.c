/* Kernels for AVX-512: thirty-two registers, a vector of samples in each; and
 * for its bf16 dot products. */
#define ISA avx512
#define VW  16
#include <immintrin.h>

#include "engine/wide/kernel_amx.h"
#include "engine/wide/kernel_body.h"

SUM(1, 1)
SUM(1, 8)
SUM(2, 1)
SUM(2, 8)
SUM(3, 1)
SUM(3, 8)
SUM(4, 1)
SUM(4, 4)
SUM(8, 1)
SUM(8, 2)
SUM(8, 3)
SUM(9, 1)
SUM(9, 3)
SUM(16, 1)

/* ---- strips ---- */

enum { STRIP_ROWS = 3, STRIP_COLUMNS = 24, STRIP_POSITIONS = 12, STRIP_SUMS = 28 };

/* Kernel rows from `row` on, positions from `at` on. */
static inline __attribute__((always_inline)) void strip(const struct wide_strip *j, size_t row,
                                                        size_t at, const int kernel,
                                                        const int stride, const int rows,
                                                        const int positions)
{
    static const float zeros[WIDE] __attribute__((aligned(64)));
    const int columns = (positions - 1) * stride + kernel;
    vec sum[STRIP_ROWS][STRIP_COLUMNS];
    const float *source[STRIP_POSITIONS];
    size_t step[STRIP_POSITIONS];

    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            sum[r][c] = splat(0.0f);
    for (int p = 0; p < positions; p++) {
        bool there = at + (size_t)p < j->width;
        source[p] = there ? j->source + (at + (size_t)p) * j->terms * WIDE : zeros;
        step[p] = there ? WIDE : 0;
    }
    for (size_t t = 0; t < j->terms; t++) {
        const float *weight = j->weight + t * (size_t)(kernel * kernel) + row * (size_t)kernel;
        for (int p = 0; p < positions; p++) {
            vec x = load(source[p] + t * step[p]);
            for (int r = 0; r < rows; r++)
                for (int k = 0; k < kernel; k++)
                    sum[r][p * stride + k] += x * weight[r * kernel + k];
        }
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            size_t y = row + (size_t)r, x = at * (size_t)stride + (size_t)c - j->pad_left;
            if (y < j->first_row || y >= j->end_row || x >= j->in_width) /* wraps below 0 */
                continue;
            float *to = j->out + ((y - j->first_row) * j->in_width + x) * WIDE;
            store(to, load(to) + sum[r][c]);
        }
}

/* As many positions as their columns fit the registers. */
#define STRIP_NAME(kernel, stride) strip_##kernel##_##stride
#define STRIP(kernel, stride, rows, positions)                                                     \
    _Static_assert((rows) * (((positions)-1) * (stride) + (kernel)) <= STRIP_SUMS, "registers");   \
    static void STRIP_NAME(kernel, stride)(const struct wide_strip *j)                             \
    {                                                                                              \
        for (size_t at = 0; at < j->width; at += (positions))                                      \
            for (size_t row = 0; row < (kernel); row += (rows))                                    \
                strip(j, row, at, kernel, stride, rows, positions);                                \
    }
STRIP(3, 1, 3, 7)
STRIP(3, 2, 3, 4)
STRIP(4, 1, 2, 8)
STRIP(4, 2, 2, 5)
STRIP(5, 1, 1, 12)
STRIP(5, 2, 1, 10)
STRIP(7, 1, 1, 12)
STRIP(7, 2, 1, 9)

/* ---- turning round ---- */

/* Four rows of four in each quarter to four columns of four. */
static inline void turn_quarters(__m512 r[4])
{
    __m512 a = _mm512_unpacklo_ps(r[0], r[1]), b = _mm512_unpackhi_ps(r[0], r[1]);
    __m512 c = _mm512_unpacklo_ps(r[2], r[3]), d = _mm512_unpackhi_ps(r[2], r[3]);

    r[0] = _mm512_shuffle_ps(a, c, 0x44);
    r[1] = _mm512_shuffle_ps(a, c, 0xee);
    r[2] = _mm512_shuffle_ps(b, d, 0x44);
    r[3] = _mm512_shuffle_ps(b, d, 0xee);
}

/* Sixteen channels, or the last ones. */
static void turn_block(const float *in, size_t channels, float *out, size_t sample)
{
    __mmask16 there = (__mmask16)((1u << channels) - 1u);
    __m512 r[WIDE];

    for (size_t c = 0; c < WIDE; c++)
        r[c] = c < channels ? _mm512_load_ps(in + c * WIDE) : _mm512_setzero_ps();
    for (size_t c = 0; c < WIDE; c += 4)
        turn_quarters(r + c);
    /* Sample 4q + i is quarter q of r[i], r[4 + i], r[8 + i] and r[12 + i]. */
    for (size_t i = 0; i < 4; i++) {
        __m512 a = _mm512_shuffle_f32x4(r[i], r[4 + i], 0x88);
        __m512 b = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0x88);
        __m512 c = _mm512_shuffle_f32x4(r[i], r[4 + i], 0xdd);
        __m512 d = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0xdd);
        float *to = out + i * sample;
        _mm512_mask_storeu_ps(to, there, _mm512_shuffle_f32x4(a, b, 0x88));
        _mm512_mask_storeu_ps(to + 4 * sample, there, _mm512_shuffle_f32x4(c, d, 0x88));
        _mm512_mask_storeu_ps(to + 8 * sample, there, _mm512_shuffle_f32x4(a, b, 0xdd));
        _mm512_mask_storeu_ps(to + 12 * sample, there, _mm512_shuffle_f32x4(c, d, 0xdd));
    }
}

static void turn(const float *in, size_t channels, float *out, size_t sample)
{
    for (size_t c = 0; c < channels; c += WIDE) {
        size_t n = channels - c < WIDE ? channels - c : WIDE;
        if (n < 4)
            NAME(turn)(in + c * WIDE, n, out + c, sample);
        else
            turn_block(in + c * WIDE, n, out + c, sample);
    }
}

/* ---- bf16 ---- */

#define BF16 __attribute__((target("avx512bf16")))

/* As sum, on pairs: a dot product of two adds both terms. */
BF16 static inline __attribute__((always_inline)) void pairs(const struct wide_sum *j,
                                                             const int outputs, const int positions)
{
    __m512 acc[WIDE_OUTPUTS_MAX][WIDE_POSITIONS_MAX];

    for (int o = 0; o < outputs; o++)
        for (int p = 0; p < positions; p++)
            acc[o][p] = _mm512_set1_ps(j->bias != NULL ? j->bias[o] : 0.0f);
    for (size_t r = 0; r < j->runs; r++) {
        const struct wide_run *run = &j->run[r];
        const int32_t *weight = (const int32_t *)j->weight + (size_t)run->weight * (size_t)outputs;
        const int32_t *source[WIDE_POSITIONS_MAX];
        for (int p = 0; p < positions; p++)
            source[p] = (const int32_t *)j->source[p] + (size_t)run->source * WIDE;
        for (size_t i = 0; i < run->count; i++, weight += outputs) {
            __m512bh x[WIDE_POSITIONS_MAX];
            for (int p = 0; p < positions; p++)
                x[p] = (__m512bh)_mm512_load_si512(source[p] + i * WIDE);
            for (int o = 0; o < outputs; o++) {
                __m512bh w = (__m512bh)_mm512_set1_epi32(weight[o]);
                for (int p = 0; p < positions; p++)
                    acc[o][p] = _mm512_dpbf16_ps(acc[o][p], x[p], w);
            }
        }
    }
    for (int p = 0; p < positions; p++)
        for (int o = 0; o < outputs; o++)
            _mm512_store_ps(j->sum[p] + o * WIDE, acc[o][p]);
}

#define PAIR_NAME(outputs, positions) pair_##outputs##_##positions
#define PAIR(outputs, positions)                                                                   \
    BF16 static void PAIR_NAME(outputs, positions)(const struct wide_sum *j)                       \
    {                                                                                              \
        pairs(j, outputs, positions);                                                              \
    }
PAIR(1, 1)
PAIR(1, 8)
PAIR(2, 1)
PAIR(2, 8)
PAIR(3, 1)
PAIR(3, 8)
PAIR(4, 1)
PAIR(4, 4)
PAIR(8, 1)
PAIR(8, 2)
PAIR(8, 3)
PAIR(16, 1)

/* Two vectors side by side: words 2i and 2i + 1 are element i of either. */
BF16 static inline __attribute__((always_inline)) void store_pairs(uint32_t *out, vec low, vec high)
{
    static const uint16_t order[32] __attribute__((aligned(64))) = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);

    _mm512_store_si512(out, _mm512_permutexvar_epi16(_mm512_load_si512(order), both));
}

BF16 static void to_pairs(const float *in, uint32_t *out, size_t channels)
{
    for (size_t c = 0; c < channels; c += 2)
        store_pairs(out + c / 2 * WIDE, load(in + c * WIDE),
                    c + 1 < channels ? load(in + (c + 1) * WIDE) : splat(0.0f));
}

BF16 static inline __attribute__((always_inline)) void store_short(uint16_t *out, vec v)
{
    _mm256_store_si256((__m256i *)(void *)out, (__m256i)_mm512_cvtneps_pbh((__m512)v));
}

static inline __attribute__((always_inline)) vec load_short(const uint16_t *in)
{
    __m256i bits = _mm256_load_si256((const __m256i *)(const void *)in);

    return (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16);
}

#define FORWARD_PAIRS(name, activate)                                                              \
    BF16 static void name(float slope, const float *sum, uint32_t *pairs, uint16_t *derivative,    \
                          size_t n)                                                                \
    {                                                                                              \
        (void)slope;                                                                               \
        for (size_t c = 0; c < n; c += 2) {                                                        \
            struct NAME(active) low = activate(load(sum + c * WIDE)), high = {0};                  \
            store_short(derivative + c * WIDE, low.derivative);                                    \
            if (c + 1 < n) {                                                                       \
                high = activate(load(sum + (c + 1) * WIDE));                                       \
                store_short(derivative + (c + 1) * WIDE, high.derivative);                         \
            }                                                                                      \
            store_pairs(pairs + c / 2 * WIDE, low.y, high.y);                                      \
        }                                                                                          \
    }

/* exp(-x) to 1e-4 relative, which a bf16 does not show: 2^floor(t) * P(t -
 * floor(t)) for t = -x / ln 2, P minimax. Overflows to infinity, and NaN stays
 * NaN. */
static inline __attribute__((always_inline)) vec exp_minus_short(vec x)
{
    enum { FRACTION = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC };
    vec t = x * -1.44269504f;
    vec f = (vec)_mm512_reduce_ps((__m512)t, FRACTION);
    vec p = f * 0.0780245218f + 0.226067161f;

    p = p * f + 0.695833543f;
    p = p * f + 0.999925218f;
    return (vec)_mm512_scalef_ps((__m512)p, (__m512)t);
}

/* As swish, for results that are rounded to bf16. */
static inline __attribute__((always_inline)) struct NAME(active) swish_short(vec x)
{
    vec s = (vec)_mm512_rcp14_ps((__m512)(1.0f + exp_minus_short(x)));
    vec y = x * s;

    return (struct NAME(active)){y, s + (y - y * s)};
}

#define LEAKY(x) NAME(leaky)(x, slope)
FORWARD_PAIRS(pairs_swish, swish_short)
FORWARD_PAIRS(pairs_leaky, LEAKY)

BF16 static void backward_pairs(const float *sum, const uint16_t *derivative, uint32_t *pairs,
                                size_t n)
{
    for (size_t c = 0; c < n; c += 2) {
        vec low = load(sum + c * WIDE) * load_short(derivative + c * WIDE), high = splat(0.0f);
        if (c + 1 < n)
            high = load(sum + (c + 1) * WIDE) * load_short(derivative + (c + 1) * WIDE);
        store_pairs(pairs + c / 2 * WIDE, low, high);
    }
}

static void backward_short(const float *sum, const uint16_t *derivative, float *g, size_t n)
{
    for (size_t i = 0; i < n * WIDE; i += WIDE)
        store(g + i, load(sum + i) * load_short(derivative + i));
}

static bool here(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

static bool here_bf16(void)
{
    return here() && __builtin_cpu_supports("avx512bf16");
}

static bool here_amx(void)
{
    return here_bf16() && wide_amx_here();
}

/* Intel's processors take four times as long for a product of pairs as for
 * one of floats, which does half of it. */
static bool slow_pairs(void)
{
    return __builtin_cpu_is("intel");
}

#define STRIPS                                                                                     \
    .strip = {[3] = {[1] = STRIP_NAME(3, 1), [2] = STRIP_NAME(3, 2)},                              \
              [4] = {[1] = STRIP_NAME(4, 1), [2] = STRIP_NAME(4, 2)},                              \
              [5] = {[1] = STRIP_NAME(5, 1), [2] = STRIP_NAME(5, 2)},                              \
              [7] = {[1] = STRIP_NAME(7, 1), [2] = STRIP_NAME(7, 2)}}
#define COMMON                                                                                     \
    .block = 16,                                                                                   \
    .sum = {[1] = {[1] = SUM_NAME(1, 1), [8] = SUM_NAME(1, 8)},                                    \
            [2] = {[1] = SUM_NAME(2, 1), [8] = SUM_NAME(2, 8)},                                    \
            [3] = {[1] = SUM_NAME(3, 1), [8] = SUM_NAME(3, 8)},                                    \
            [4] = {[1] = SUM_NAME(4, 1), [4] = SUM_NAME(4, 4)},                                    \
            [8] = {[1] = SUM_NAME(8, 1), [2] = SUM_NAME(8, 2), [3] = SUM_NAME(8, 3)},              \
            [9] = {[1] = SUM_NAME(9, 1), [3] = SUM_NAME(9, 3)},                                    \
            [16] = {[1] = SUM_NAME(16, 1)}},                                                       \
    .scatter = NAME(scatter), .turn = turn,                                                        \
    .grad = {NULL, NAME(grad_1), NAME(grad_2), NAME(grad_3)},                                      \
    .forward = {NAME(forward_linear), NAME(forward_swish), NAME(forward_leaky)},                   \
    .backward = NAME(backward), .update = NAME(update), .round = NAME(round)

#define COMMON_PAIRS                                                                               \
    .pair = {[1] = {[1] = PAIR_NAME(1, 1), [8] = PAIR_NAME(1, 8)},                                 \
             [2] = {[1] = PAIR_NAME(2, 1), [8] = PAIR_NAME(2, 8)},                                 \
             [3] = {[1] = PAIR_NAME(3, 1), [8] = PAIR_NAME(3, 8)},                                 \
             [4] = {[1] = PAIR_NAME(4, 1), [4] = PAIR_NAME(4, 4)},                                 \
             [8] = {[1] = PAIR_NAME(8, 1), [2] = PAIR_NAME(8, 2), [3] = PAIR_NAME(8, 3)},          \
             [16] = {[1] = PAIR_NAME(16, 1)}},                                                     \
    .to_pairs = to_pairs,                                                                          \
    .forward_pairs = {[WIDE_SWISH] = pairs_swish, [WIDE_LEAKY] = pairs_leaky},                     \
    .backward_pairs = backward_pairs, .backward_short = backward_short

const struct wide_isa wide_avx512, wide_avx512_bf16, wide_avx512_amx;
const struct wide_isa wide_avx512 = {.name = "avx512", .here = here, COMMON, STRIPS};
const struct wide_isa wide_avx512_bf16 = {
    .name = "avx512-bf16", .here = here_bf16, .slow = slow_pairs, COMMON, STRIPS, COMMON_PAIRS};
const struct wide_isa wide_avx512_amx = {.name = "avx512-amx",
                                         .here = here_amx,
                                         COMMON,
                                         STRIPS,
                                         COMMON_PAIRS,
                                         .tiles = wide_amx_tiles,
                                         .tiles_ready = wide_amx_ready,
                                         .tiles_pack = wide_amx_pack};
