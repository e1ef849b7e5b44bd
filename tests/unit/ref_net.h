/* A net in double precision, by the definitions and nothing else: what the
 * engines are checked against. */
#ifndef EBM_TESTS_REF_NET_H
#define EBM_TESTS_REF_NET_H

#include <stddef.h>

#include "engine/engine.h"
#include "net/net.h"

/* E of one sample x (D) with parameters (P). */
double ref_energy(const struct net *net, const double *params, const double *x);

/* E, and where not NULL: gx (D) = dE/dx, gp (P) += weight * dE/dparams. */
double ref_gradients(const struct net *net, const double *params, const double *x, double weight,
                     double *gx, double *gp);

/* Chooses the engine of the cases that are opened from now on: the i-th of
 * every engine on every instruction set of this machine. False past the last. */
bool ref_engine_select(size_t i);
/* Its name, as "wide avx2". */
const char *ref_engine_name(void);
/* Whether the large nets, the presets, are for it too: for all would take long. */
bool ref_engine_takes(const char *net);

/* A net with an engine on it and parameters of the size that training starts
 * from. Aborts the test by assertion on any failure. */
struct ref_case {
    struct net net;
    const struct engine_ops *ops;
    struct engine *engine;
    float *params; /* (P) */
    double *exact; /* (P) the same numbers */
    size_t d, tile;
};

/* Operands of the cases that are opened from now on. */
void ref_set_precision(enum spec_precision precision);
/* Whose chains a lane runs (engine_options). */
void ref_set_samples(size_t n);

void ref_case_open(struct ref_case *c, struct net_shape in, const struct net_layer_spec *spec,
                   size_t layers, size_t lanes);
void ref_case_close(struct ref_case *c);

/* n samples, uniform in (0, 1), (n, D); the caller frees. */
float *ref_samples(const struct ref_case *c, uint32_t seed, size_t n);

/* out = in as double. */
void ref_widen(const float *in, size_t n, double *out);

/* max |a - b| over the larger of max |b| and 1e-3. */
double ref_distance(const float *a, const double *b, size_t n);

/* All nets that the engine tests go over; false past the last. */
bool ref_net_case(size_t i, char *name, size_t size, struct net_shape *in,
                  struct net_layer_spec *spec, size_t *layers);

#endif
