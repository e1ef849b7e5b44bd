/* The Langevin update of one sample, apart from any net. */
#ifndef EBM_ENGINE_LANGEVIN_H
#define EBM_ENGINE_LANGEVIN_H

#include <stddef.h>

#include "spec/spec.h"

/* x <- clamp(x - step_size/2 * clip(grad) + noise_std * noise), element by
 * element; x (n), grad (n), noise (n), N(0,1), which may be NULL where
 * noise_std is 0. NaN and infinity are kept where they can be: a diverging
 * chain must be seen.
 * Source: Nijkamp et al. 2020, "On the anatomy of MCMC-based maximum
 * likelihood learning of energy-based models", eq. 7, with step and noise
 * decoupled as in Du & Mordatch 2019. */
void langevin_update(float *x, const float *grad, size_t n, const struct spec_sampler *sampler,
                     const float *noise);

/* ||v||_2 of v (n), in double, summed in an order that n alone decides. */
double langevin_norm(const float *v, size_t n);

#endif
