/* The figures of a healthy step: as a run on images has them, noise and the
 * growth of r_t at the beginning included. */
#ifndef EBM_TESTS_MADE_UP_RUN_H
#define EBM_TESTS_MADE_UP_RUN_H

#include <math.h>

#include "base/rng.h"
#include "stability/detector.h"

/* As the defaults, for a made-up run. */
#define MADE_UP_LIMITS(warmup_steps)                                                               \
    {                                                                                              \
        .warmup = (warmup_steps), .gap = 8, .langevin = 5, .grad = 10, .max_energy = 1e5,          \
        .range = 1, .soft = true, .skips_max = 3                                                   \
    }

static inline void made_up_step(uint32_t seed, uint64_t step, double value[METRIC_COUNT])
{
    double t = (double)step, rise = 1 - exp(-t / 80);
    float n[8][4];

    for (uint32_t k = 0; k < 8; k++)
        rng_normal(rng_key_make(seed, RNG_SAMPLES, 0), (uint32_t)step, k, 0, 0, 4, n[k]);
    value[METRIC_ENERGY_GAP] = 0.002 * (double)n[0][0];
    value[METRIC_ENERGY_DATA] = 0.01 * (double)n[1][0] + 0.02 * sin(t / 900);
    value[METRIC_ENERGY_SAMPLE] = value[METRIC_ENERGY_DATA] - value[METRIC_ENERGY_GAP];
    value[METRIC_LOSS] = value[METRIC_ENERGY_GAP];
    value[METRIC_LANGEVIN_GRAD] = 0.008 * rise * exp(0.2 * (double)n[2][0]) + 1e-6;
    value[METRIC_PARAM_GRAD] = 0.04 * exp(0.5 * (double)n[3][0]);
    value[METRIC_ENERGY_RMS] = 0.03 * exp(0.2 * (double)n[4][0]);
    value[METRIC_SAMPLE_MEAN] = 0.29 + 0.02 * (double)n[5][0];
    value[METRIC_DATA_MEAN] = 0.286;
    value[METRIC_SAMPLE_STD] = 0.36;
    value[METRIC_DATA_STD] = 0.353;
    value[METRIC_FRESH_GAP] = step % 7 == 0 ? NAN : 0.02 + 0.02 * (double)n[6][0];
}

#endif
