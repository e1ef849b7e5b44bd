/* The loss of an energy-based model and its figures.
 *
 *   mean E(x+) - mean E(x-) + l2 * (mean E(x+)^2 + mean E(x-)^2)
 *
 * Source: Du & Mordatch 2019, section 3.3 with their energy regularisation. */
#ifndef EBM_EBM_LOSS_H
#define EBM_EBM_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/wire.h"

/* dLoss/dE of one side's energies, for engine_ops.grad_params. */
struct loss_side {
    double sign; /* +1 data, -1 samples */
    double energy_l2;
    size_t batch; /* B, global */
};
void loss_weigh(void *side, const float *energy, float *weight, size_t n);

/* The doubles that travel with the gradient: one set a shard, summed. */
enum loss_sum {
    SUM_ENERGY_DATA,
    SUM_ENERGY_SAMPLE,
    SUM_SQUARE_DATA,
    SUM_SQUARE_SAMPLE,
    SUM_LANGEVIN_GRAD, /* over chains and Langevin steps */
    SUM_X,             /* over sample elements, with the next two */
    SUM_XX,
    SUM_AT_BOUND,
    SUM_DATA_X, /* over data elements, with the next one */
    SUM_DATA_XX,
    SUM_ENERGY_FRESH, /* of the chains that began from noise, with their number */
    SUM_FRESH,
    SUM_REPLACED,     /* slots that got noise at the end of the step before, or were too old */
    SUM_BAD_ENERGIES, /* not finite */
    SUM_BAD_SAMPLES,  /* with an element that is not finite */
    SUM_ERRORS,       /* shards that could not be computed */
    SUM_ORDER,        /* enum sink_order; from rank 0 alone */
    SUM_COUNT
};
enum loss_max { MAX_ENERGY, MAX_COUNT }; /* largest |E| */

/* What the sums are over. */
struct loss_scale {
    size_t batch, dim, langevin_steps; /* B, D, K */
    double energy_l2, max_energy;
};

/* Adds one side's energies (n), with its largest |E|. */
void loss_add_energies(double *sums, double *maxima, double sign, const float *energy, size_t n);
/* Adds the moments of samples x (n, D); lo > hi: there is no bound. */
void loss_add_samples(double *sums, const float *x, size_t n, size_t dim, float lo, float hi);
/* Adds the moments of data x (n, D). */
void loss_add_data(double *sums, const float *x, size_t n, size_t dim);
/* Adds the energies (n) of the chains that began from noise. */
void loss_add_fresh(double *sums, const float *energy, const bool *fresh, size_t n);

/* The metrics that follow from the sums of the whole batch and the norm of
 * the whole gradient; those of time and of the detector are left alone. */
void loss_figures(const struct loss_scale *scale, const double *sums, double gradient_norm,
                  double value[METRIC_COUNT]);

/* Whether the step must not be taken; then why says which figure, of which
 * step (from 1). */
bool loss_is_bad(const struct loss_scale *scale, const double *sums, double gradient_norm,
                 uint64_t step, char *why, size_t size);

#endif
