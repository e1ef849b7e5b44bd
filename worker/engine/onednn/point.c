#include "engine/onednn/point.h"

#include <stdint.h>
#include <string.h>

#include "engine/clones.h"

/* exp(x) to 1e-7 relative on [-87, 87], where it is cut off: 2^n * exp(r)
 * with |r| <= ln(2)/2, and exp(r) = 1 + r + r^2 P(r), P near-minimax. NaN
 * stays NaN. */
ENGINE_INLINE float exp_of(float x)
{
    const float magic = 0x1.8p23f; /* adding it rounds to an integer in the low bits */
    float in = x > 87.0f ? 87.0f : (x < -87.0f ? -87.0f : x);
    float shifted = in * 1.44269504f + magic;
    float n = shifted - magic;
    float r = (in - n * 0.693145752f) - n * 1.42860677e-6f;
    float p = 0.00139261761f;
    uint32_t bits;

    p = p * r + 0.00836317307f;
    p = p * r + 0.0416665547f;
    p = p * r + 0.166665770f;
    p = p * r + 0.5f;
    float e = (p * r * r + r) + 1.0f;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + 0x3F800000u; /* 2^n */
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return e * scale;
}

/* Steps are staged in small arrays, so that the compiler sees no overlap
 * between in, saved and out. */
ENGINE_CLONES static void swish_forward(float slope, const float *in, float *saved, float *out,
                                        size_t n)
{
    (void)slope;
    for (size_t at = 0; at < n; at += POINT_STEP) {
        float derivative[POINT_STEP], value[POINT_STEP];
        for (int i = 0; i < POINT_STEP; i++) {
            float x = in[at + i];
            float s = 1.0f / (1.0f + exp_of(-x));
            float y = x * s;
            value[i] = y;
            derivative[i] = s + (y - y * s);
        }
        memcpy(saved + at, derivative, sizeof derivative);
        memcpy(out + at, value, sizeof value);
    }
}

ENGINE_CLONES static void swish_backward(float slope, const float *saved, float *grad, size_t n)
{
    const float *restrict derivative = saved;
    float *restrict g = grad;

    (void)slope;
    for (size_t at = 0; at < n; at += POINT_STEP)
        for (int i = 0; i < POINT_STEP; i++)
            g[at + i] *= derivative[at + i];
}

/* x > 0 ? x : slope * x; ReLU is slope 0. NaN passes: it must be seen. */
ENGINE_INLINE float leaky(float x, float slope)
{
    return x > 0.0f ? x : slope * x;
}

ENGINE_CLONES static void leaky_forward(float slope, const float *in, float *saved, float *out,
                                        size_t n)
{
    for (size_t at = 0; at < n; at += POINT_STEP) {
        float kept[POINT_STEP], value[POINT_STEP];
        for (int i = 0; i < POINT_STEP; i++) {
            kept[i] = in[at + i];
            value[i] = leaky(kept[i], slope);
        }
        if (saved != in)
            memcpy(saved + at, kept, sizeof kept);
        memcpy(out + at, value, sizeof value);
    }
}

ENGINE_CLONES static void leaky_backward(float slope, const float *saved, float *grad, size_t n)
{
    const float *restrict x = saved;
    float *restrict g = grad;

    for (size_t at = 0; at < n; at += POINT_STEP)
        for (int i = 0; i < POINT_STEP; i++)
            g[at + i] = x[at + i] > 0.0f ? g[at + i] : slope * g[at + i];
}

static void relu_forward(float slope, const float *in, float *saved, float *out, size_t n)
{
    (void)slope;
    leaky_forward(0.0f, in, saved, out, n);
}

static void relu_backward(float slope, const float *saved, float *grad, size_t n)
{
    (void)slope;
    leaky_backward(0.0f, saved, grad, n);
}

struct point_ops point_find(enum net_kind kind)
{
    static const struct point_ops ops[NET_KIND_COUNT] = {
        [NET_SWISH] = {swish_forward, swish_backward},
        [NET_RELU] = {relu_forward, relu_backward},
        [NET_LEAKY_RELU] = {leaky_forward, leaky_backward},
    };

    return ops[kind];
}
