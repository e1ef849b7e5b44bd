/* The kernels as templates: included once by each kernel_*.c, which defines
 *
 *   ISA      a suffix
 *   VW       floats of a machine vector: 4, 8 or 16
 *
 * and is compiled for its instruction set. A vector of sixteen samples is
 * worked off in WIDE / VW parts, each with all its sums in registers. */
#include <math.h>
#include <string.h>

#include "engine/wide/kernel.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define NAME(stem)  JOIN(stem##_, ISA)
#define INLINE      static inline __attribute__((always_inline))

typedef float NAME(vec)
    __attribute__((vector_size(VW * sizeof(float)), aligned(VW * sizeof(float))));
typedef float NAME(loose) __attribute__((vector_size(VW * sizeof(float)), aligned(sizeof(float))));
typedef float NAME(half) __attribute__((vector_size(VW / 2 * sizeof(float))));
typedef double NAME(doubles) __attribute__((vector_size(VW / 2 * sizeof(double))));
typedef int32_t NAME(mask) __attribute__((vector_size(VW * sizeof(float))));
#define vec   NAME(vec)
#define loose NAME(loose)
#define mask  NAME(mask)

INLINE vec NAME(splat)(float v)
{
    return v - (vec){0};
}
#define splat NAME(splat)

INLINE vec NAME(load)(const float *p)
{
    return *(const vec *)(const void *)p;
}
#define load NAME(load)

INLINE void NAME(store)(float *p, vec v)
{
    *(vec *)(void *)p = v;
}
#define store NAME(store)

/* ---- sums ---- */

/* Weights that are larger than the caches stream by once: floats that are
 * asked for ahead of their use. */
#define AHEAD 768

INLINE void NAME(sum)(const struct wide_sum *j, const int outputs, const int positions)
{
    for (int part = 0; part < WIDE; part += VW) {
        vec acc[WIDE_OUTPUTS_MAX][WIDE_POSITIONS_MAX];
        for (int o = 0; o < outputs; o++)
            for (int p = 0; p < positions; p++)
                acc[o][p] = splat(j->bias != NULL ? j->bias[o] : 0.0f);
        for (size_t r = 0; r < j->runs; r++) {
            const struct wide_run *run = &j->run[r];
            const float *weight = (const float *)j->weight + (size_t)run->weight * (size_t)outputs;
            const float *source[WIDE_POSITIONS_MAX];
            for (int p = 0; p < positions; p++)
                source[p] = (const float *)j->source[p] + (size_t)run->source * WIDE + part;
            for (size_t i = 0; i < run->count; i++, weight += outputs) {
                vec x[WIDE_POSITIONS_MAX];
                for (int p = 0; p < positions; p++)
                    x[p] = load(source[p] + i * WIDE);
                if (outputs >= 8)
                    __builtin_prefetch(weight + AHEAD);
                for (int o = 0; o < outputs; o++)
                    for (int p = 0; p < positions; p++)
                        acc[o][p] += x[p] * weight[o];
            }
        }
        for (int p = 0; p < positions; p++)
            for (int o = 0; o < outputs; o++)
                store(j->sum[p] + o * WIDE + part, acc[o][p]);
    }
}

#define SUM_NAME(outputs, positions) JOIN(sum_##outputs##_##positions##_, ISA)
#define SUM(outputs, positions)                                                                    \
    static void SUM_NAME(outputs, positions)(const struct wide_sum *j)                             \
    {                                                                                              \
        NAME(sum)(j, outputs, positions);                                                          \
    }

/* ---- sums by tap ---- */

/* Taps of one axis that fall on inputs. */
struct NAME(taps) {
    size_t first, end;
};

static struct NAME(taps)
    NAME(taps_at)(size_t out, size_t stride, size_t pad, size_t kernel, size_t in)
{
    size_t at = out * stride;

    return (struct NAME(taps)){at < pad ? pad - at : 0,
                               in + pad - at < kernel ? in + pad - at : kernel};
}

/* One position's sums. */
INLINE void NAME(scatter_one)(const struct wide_scatter *j, const float *sum, float *image,
                              struct NAME(taps) y, size_t h, size_t w)
{
    struct NAME(taps) x = NAME(taps_at)(w, j->stride, j->pad_left, j->kernel, j->in_width);
    size_t wide = j->channels * WIDE, n = x.end > x.first ? (x.end - x.first) * wide : 0;
    const float *from = sum + (y.first * j->kernel + x.first) * wide;
    float *to = image + ((h * j->stride + y.first - j->pad_top) * j->in_width + w * j->stride +
                         x.first - j->pad_left) *
                            wide;

    for (size_t ky = y.first; ky < y.end; ky++) {
        for (size_t v = 0; v < n; v += VW)
            store(to + v, load(to + v) + load(from + v));
        from += j->kernel * wide;
        to += j->in_width * wide;
    }
}

static void NAME(scatter)(const struct wide_scatter *j)
{
    const size_t outs = j->out_height * j->out_width;
    const size_t image = j->in_height * j->in_width * j->channels * WIDE;

    for (size_t i = 0; i < j->count;) { /* places of one row that follow one another */
        size_t at = j->place[i].position, h = at % outs / j->out_width,
               w = at % outs % j->out_width;
        float *to = j->out + at / outs * image;
        struct NAME(taps) y = NAME(taps_at)(h, j->stride, j->pad_top, j->kernel, j->in_height);
        do {
            const float *sum = j->sum + i * j->kernel * j->kernel * j->channels * WIDE;
            NAME(scatter_one)(j, sum, to, y, h, w);
            i++, w++;
        } while (w < j->out_width && i < j->count && j->place[i].position == at + 1 && ++at);
    }
}

/* ---- parameter gradients ---- */

INLINE loose NAME(load_loose)(const float *p)
{
    return *(const loose *)(const void *)p;
}

INLINE void NAME(grad)(const struct wide_grad *j, const int vectors)
{
    enum { PARTS = WIDE / VW };
    const int columns = vectors * PARTS;

    /* Eight outputs by `vectors` sixteens; on narrow machines in turns. */
    for (int first = 0; first < WIDE_GRAD_OUTPUTS; first += WIDE_GRAD_OUTPUTS / PARTS) {
        const int outputs = WIDE_GRAD_OUTPUTS / PARTS;
        vec acc[WIDE_GRAD_OUTPUTS][3 * PARTS];
        for (int o = 0; o < outputs; o++)
            for (int v = 0; v < columns; v++)
                acc[o][v] = NAME(load_loose)(j->sum + (size_t)(first + o) * j->sum_stride + v * VW);
        for (size_t s = 0; s < j->samples; s++)
            for (size_t h = 0; h < j->height; h++) {
                const float *x = j->x + s * j->x_sample + h * j->x_row;
                const float *dz = j->dz + s * j->dz_sample + h * j->dz_row + first;
                for (size_t w = 0; w < j->width; w++, x += j->x_column, dz += j->dz_column) {
                    vec value[3 * PARTS];
                    for (int v = 0; v < columns; v++)
                        value[v] = NAME(load_loose)(x + v * VW);
                    for (int o = 0; o < outputs; o++)
                        for (int v = 0; v < columns; v++)
                            acc[o][v] += value[v] * dz[o];
                }
            }
        for (int o = 0; o < outputs; o++)
            for (int v = 0; v < columns; v++)
                *(loose *)(void *)(j->sum + (size_t)(first + o) * j->sum_stride + v * VW) =
                    acc[o][v];
    }
}

static void NAME(grad_1)(const struct wide_grad *j)
{
    NAME(grad)(j, 1);
}
static void NAME(grad_2)(const struct wide_grad *j)
{
    NAME(grad)(j, 2);
}
static void NAME(grad_3)(const struct wide_grad *j)
{
    NAME(grad)(j, 3);
}

static void NAME(turn)(const float *in, size_t channels, float *out, size_t sample)
{
    for (size_t s = 0; s < WIDE; s++)
        for (size_t c = 0; c < channels; c++)
            out[s * sample + c] = in[c * WIDE + s];
}

/* ---- activations ---- */

INLINE vec NAME(choose)(mask m, vec yes, vec no)
{
    return (vec)(((mask)yes & m) | ((mask)no & ~m));
}
#define choose NAME(choose)

/* v, not below lo nor above hi; NaN stays NaN. */
INLINE vec NAME(limit)(vec v, vec lo, vec hi)
{
#if VW == 16 && defined(__AVX512F__)
    /* These are the second operand where one is NaN. */
    return (vec)_mm512_min_ps((__m512)hi, _mm512_max_ps((__m512)lo, (__m512)v));
#else
    vec low = choose(v < lo, lo, v); /* false for NaN */

    return choose(low > hi, hi, low);
#endif
}

/* exp(x) to 1e-7 relative on [-87, 87], where it is cut off: 2^n * exp(r)
 * with |r| <= ln(2)/2, and exp(r) = 1 + r + r^2 P(r), P near-minimax. NaN
 * stays NaN. */
INLINE vec NAME(exp)(vec x)
{
    const vec magic = splat(0x1.8p23f); /* adding it rounds to an integer in the low bits */
    vec in = NAME(limit)(x, splat(-87.0f), splat(87.0f));
    vec shifted = in * 1.44269504f + magic;
    vec n = shifted - magic;
    vec r = (in - n * 0.693145752f) - n * 1.42860677e-6f;
    vec p = splat(0.00139261761f);

    p = p * r + 0.00836317307f;
    p = p * r + 0.0416665547f;
    p = p * r + 0.166665770f;
    p = p * r + 0.5f;
    vec e = (p * r * r + r) + 1.0f;
    mask scale = (mask)(((mask)shifted << 23) + 0x3F800000); /* 2^n */
    return e * (vec)scale;
}

/* 1 / d for 1 <= d < 1e38, NaN for NaN. A division takes as long as the rest of
 * an activation: where there is a good first guess, one step of Newton's. */
INLINE vec NAME(reciprocal)(vec d)
{
#if VW == 16 && defined(__AVX512F__)
    vec r = (vec)_mm512_rcp14_ps((__m512)d);
    return r + r * (1.0f - d * r);
#else
    return 1.0f / d;
#endif
}

static void NAME(forward_linear)(float slope, const float *sum, float *y, float *derivative,
                                 size_t n)
{
    (void)slope, (void)derivative;
    memcpy(y, sum, n * WIDE * sizeof *y);
}

/* An activation and its derivative. */
struct NAME(active) {
    vec y, derivative;
};

INLINE struct NAME(active) NAME(swish)(vec x)
{
    vec s = NAME(reciprocal)(1.0f + NAME(exp)(-x));
    vec y = x * s;

    return (struct NAME(active)){y, s + (y - y * s)};
}

/* x > 0 ? x : slope * x; ReLU is slope 0. NaN passes: it must be seen. */
INLINE struct NAME(active) NAME(leaky)(vec x, float slope)
{
    vec d = choose(x > 0.0f, splat(1.0f), splat(slope));

    return (struct NAME(active)){x * d, d};
}

static void NAME(forward_swish)(float slope, const float *sum, float *y, float *derivative,
                                size_t n)
{
    (void)slope;
    for (size_t i = 0; i < n * WIDE; i += VW) {
        struct NAME(active) a = NAME(swish)(load(sum + i));
        store(y + i, a.y);
        store(derivative + i, a.derivative);
    }
}

static void NAME(forward_leaky)(float slope, const float *sum, float *y, float *derivative,
                                size_t n)
{
    for (size_t i = 0; i < n * WIDE; i += VW) {
        struct NAME(active) a = NAME(leaky)(load(sum + i), slope);
        store(y + i, a.y);
        store(derivative + i, a.derivative);
    }
}

static void NAME(backward)(const float *sum, const float *derivative, float *g, size_t n)
{
    for (size_t i = 0; i < n * WIDE; i += VW)
        store(g + i, load(sum + i) * load(derivative + i));
}

/* To the nearest bf16, ties to even; NaN stays one. */
static void NAME(round)(const float *in, float *out, size_t n)
{
    for (size_t i = 0; i < n * WIDE; i += VW) {
        vec v = load(in + i);
        mask bits = (mask)v;
        mask up = (bits + 0x7fff + (bits >> 16 & 1)) & (int32_t)0xffff0000;
        store(out + i, choose(v == v, (vec)up, v));
    }
}

/* ---- the Langevin step ---- */

/* Element c * pixels + p of a sample is vector p * channels + c. */
INLINE void NAME(make_noise)(const struct wide_update *u)
{
    size_t n = u->channels * u->pixels;
    float four[4][WIDE];

    for (size_t e = 0; e < n; e += 4) {
        rng_normal_side(u->noise, u->iteration, u->first_chain, u->step, (uint32_t)(e / 4), four);
        for (size_t j = 0; j < 4 && e + j < n; j++) {
            size_t c = (e + j) / u->pixels, p = (e + j) % u->pixels;
            memcpy(u->scratch + (p * u->channels + c) * WIDE, four[j], sizeof four[j]);
        }
    }
}

/* Adds the squares of v to two sums, of its halves: in registers, which a
 * vector of VW doubles would not be. */
INLINE void NAME(add_squares)(NAME(doubles) sum[2], vec v)
{
    NAME(half) half[2];

    memcpy(half, &v, sizeof half);
    for (int h = 0; h < 2; h++) {
        NAME(doubles) d = __builtin_convertvector(half[h], NAME(doubles));
        sum[h] += d * d;
    }
}

static void NAME(update)(const struct wide_update *u)
{
    const struct spec_sampler *s = u->sampler;
    const size_t n = u->channels * u->pixels * WIDE;
    const vec half = splat((float)(s->step_size / 2.0)), noise = splat((float)s->noise_std);
    const vec clip = splat(s->gradient_clip > 0.0 ? (float)s->gradient_clip : INFINITY);
    const vec lo = splat(s->clamp_on ? (float)s->clamp[0] : -INFINITY);
    const vec hi = splat(s->clamp_on ? (float)s->clamp[1] : INFINITY);
    const bool noisy = s->noise_std != 0.0;
    NAME(doubles) squares[WIDE / VW][2] = {0};

    if (noisy)
        NAME(make_noise)(u);
    for (size_t i = 0; i < n; i += WIDE)
        for (size_t part = 0; part < WIDE / VW; part++) {
            size_t at = i + part * VW;
            vec g = load(u->grad + at);
            vec x = load(u->x + at) - half * NAME(limit)(g, -clip, clip);
            if (noisy)
                x = x + noise * load(u->scratch + at);
            store(u->x + at, NAME(limit)(x, lo, hi));
            NAME(add_squares)(squares[part], g);
        }
    memcpy(u->squares, squares, sizeof squares);
}

#undef INLINE
