/* Optimizers: Adam and SGD with momentum, and the clip by global norm.
 * P parameters. All ranks hold the same state and take the same step. */
#ifndef EBM_OPT_OPT_H
#define EBM_OPT_OPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "spec/spec.h"

struct optimizer {
    const struct spec *spec; /* borrowed: kind and constants */
    size_t params;           /* P */
    double lr;               /* of the next step; optimizer.lr at first */
    size_t threads;          /* that share a step; 1 at first */
    uint64_t t;              /* steps taken with these moments */
    float *m;                /* owned, (P): Adam's first moment, or SGD's velocity */
    float *v;                /* owned, (P): Adam's second moment; zero for SGD */
};

enum ebm_status optimizer_init(struct optimizer *o, const struct spec *spec, size_t params,
                               struct ebm_error *err);
void optimizer_fini(struct optimizer *o);

/* The L2 norm of a vector, summed in double in a fixed order. */
double optimizer_norm(const float *x, size_t n);

/* The factor that brings a gradient of this norm within optimizer.gradient_clip. */
double optimizer_clip(const struct optimizer *o, double norm);

/* One step along scale * gradient (P).
 * Adam: Kingma & Ba 2015, algorithm 1, both moments corrected for bias.
 * SGD: m <- momentum * m + g; p <- p - lr * m (Polyak 1964). */
void optimizer_step(struct optimizer *o, float *params, const float *gradient, double scale);

#endif
