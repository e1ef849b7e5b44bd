#include "engine/langevin.h"

#include <math.h>

#include "engine/clones.h"

struct update {
    float half_step, noise_std, clip, lo, hi;
};

/* Comparisons that are false for NaN, so that NaN passes. */
ENGINE_INLINE float limit(float v, float lo, float hi)
{
    float low = v < lo ? lo : v;

    return low > hi ? hi : low;
}

ENGINE_CLONES static void descend(float *restrict x, const float *restrict grad, size_t n,
                                  struct update u)
{
    for (size_t i = 0; i < n; i++)
        x[i] = limit(x[i] - u.half_step * limit(grad[i], -u.clip, u.clip), u.lo, u.hi);
}

ENGINE_CLONES static void descend_with_noise(float *restrict x, const float *restrict grad,
                                             size_t n, struct update u, const float *restrict noise)
{
    for (size_t i = 0; i < n; i++) {
        float step = x[i] - u.half_step * limit(grad[i], -u.clip, u.clip);
        x[i] = limit(step + u.noise_std * noise[i], u.lo, u.hi);
    }
}

void langevin_update(float *x, const float *grad, size_t n, const struct spec_sampler *sampler,
                     const float *noise)
{
    struct update u = {
        .half_step = (float)(sampler->step_size / 2.0),
        .noise_std = (float)sampler->noise_std,
        .clip = sampler->gradient_clip > 0.0 ? (float)sampler->gradient_clip : INFINITY,
        .lo = sampler->clamp_on ? (float)sampler->clamp[0] : -INFINITY,
        .hi = sampler->clamp_on ? (float)sampler->clamp[1] : INFINITY,
    };

    if (noise != NULL && sampler->noise_std != 0.0)
        descend_with_noise(x, grad, n, u, noise);
    else
        descend(x, grad, n, u);
}

enum { SUMS = 16 };

/* SUMS interleaved sums, then pairs of them. */
ENGINE_CLONES static double sum_squares(const float *v, size_t n)
{
    double sum[SUMS] = {0};
    size_t at = 0;

    for (; at + SUMS <= n; at += SUMS)
        for (int i = 0; i < SUMS; i++)
            sum[i] += (double)v[at + i] * (double)v[at + i];
    for (int i = 0; at < n; at++, i++)
        sum[i] += (double)v[at] * (double)v[at];
    for (int half = SUMS / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            sum[i] += sum[i + half];
    return sum[0];
}

double langevin_norm(const float *v, size_t n)
{
    return sqrt(sum_squares(v, n));
}
