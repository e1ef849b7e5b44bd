/* What a recovery changed about a run: pure functions of spec and step, so
 * that every rank and every restart does the same, and the one act at its
 * beginning, the purge of the buffer. */
#ifndef EBM_TRAIN_INTERVENTION_H
#define EBM_TRAIN_INTERVENTION_H

#include "train/trainer.h"

/* A factor at a step: `factor` from at_step on, back to 1 in equal ratios
 * over ramp_steps, ramp_after steps later. */
double intervention_factor(const struct spec *s, double factor, uint64_t step);

/* The spec's sampler and learning rate at a step; the place of its batch in
 * the data. */
struct spec_sampler intervention_sampler(const struct spec *s, uint64_t step);
double intervention_lr(const struct spec *s, uint64_t step);
uint64_t intervention_batch(const struct spec *s, uint64_t step);

/* Collective, when a run starts at t->step: where the intervention begins
 * there, purged slots get noise, and run their chains; with a whole purge,
 * buffer or not, the detector's history begins anew. *purged is the number of
 * this rank's slots. */
enum ebm_status intervention_begin(struct trainer *t, uint64_t *purged, struct ebm_error *err);

#endif
