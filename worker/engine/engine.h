/* The engine seam: one table of operations on a described net.
 *
 * Nothing above it knows which engine runs. All tensors are float, row-major,
 * a sample is (C,H,W). An engine works in tiles of `tile` samples, a number
 * that depends on the net alone; a result for a sample depends on the net,
 * the parameters, its own input and its place in the tile only (a matrix
 * product may add its last rows in another order), never on its neighbours,
 * how many they are, the rank count or the number of threads. So are sums
 * over a tile: fixed order.
 *
 * Shape letters: T tile, D = C*H*W of a sample, P parameters, K Langevin
 * steps. */
#ifndef EBM_ENGINE_ENGINE_H
#define EBM_ENGINE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "net/net.h"
#include "spec/spec.h"

struct engine;

enum { ENGINE_TILES_MAX = 4 }; /* of a call of langevin */

/* Sums over the samples of a tile. */
struct engine_norms {
    double grad_sum;    /* of all steps: ||dE/dx||_2, unclipped */
    double grad_last;   /* of the last step */
    double energy_last; /* E(x) at the start of it */
};

/* One Langevin chain for each of n samples, all K steps: of a tile, or of
 * several whole ones and what is left. */
struct engine_chain {
    const struct spec_sampler *sampler;
    struct rng_key noise; /* RNG_LANGEVIN key */
    uint32_t iteration;   /* counter a */
    uint32_t first_chain; /* counter b of x[0]; x[i] is chain first_chain + i */
    float *x;             /* (n, D), in place */
    size_t n;             /* 1..chains */
    struct engine_norms norms[ENGINE_TILES_MAX]; /* out: (ceil(n / T)) */
};

struct engine_options {
    size_t threads; /* lanes, >= 1 */
    size_t samples; /* whose chains a lane runs in a step; 0: no more than a tile */
    /* Of the operands of grad_input and langevin; the state, sums, noise and
     * everything else is float. An engine may know fp32 alone. */
    enum spec_precision precision;
};

struct engine_ops {
    const char *name; /* "wide", "onednn" */

    /* Builds for this net. Owned by the caller. */
    enum ebm_status (*create)(const struct net *net, const struct engine_options *options,
                              struct engine **out, struct ebm_error *err);
    void (*destroy)(struct engine *e); /* takes NULL */

    /* Why this processor runs it slower than others would, a sentence; NULL
     * when there is nothing to say. May be NULL. */
    const char *(*notice)(const struct engine *e);

    /* T of this engine for this net. */
    size_t (*tile)(const struct engine *e);

    /* How many samples are best given to langevin at once, a multiple of T:
     * what it does for several tiles together may be done with the same
     * weights while they are near. The results are those of tile by tile. */
    size_t (*chains)(const struct engine *e);

    /* New parameters (P), packed once for all later calls. Not thread-safe
     * against the operations below. */
    enum ebm_status (*set_params)(struct engine *e, const float *params, struct ebm_error *err);

    /* The operations take a lane, 0..threads-1: calls on different lanes may
     * run at the same time. n is 1..T, of langevin 1..chains. Nothing is
     * allocated in them. */

    /* energy (n) of x (n, D). */
    enum ebm_status (*energy)(struct engine *e, size_t lane, const float *x, size_t n,
                              float *energy, struct ebm_error *err);

    /* energy (n) and dE/dx (n, D), with the operands of langevin. */
    enum ebm_status (*grad_input)(struct engine *e, size_t lane, const float *x, size_t n,
                                  float *energy, float *grad, struct ebm_error *err);

    /* grad (P) += sum over i of weight[i] * dE(x_i)/dparams, where weight may
     * be a function of the energies: the caller fills weight (n) from energy
     * (n) in `weigh`, called between the forward and the backward pass. */
    enum ebm_status (*grad_params)(struct engine *e, size_t lane, const float *x, size_t n,
                                   void (*weigh)(void *arg, const float *energy, float *weight,
                                                 size_t n),
                                   void *arg, float *energy, float *grad, struct ebm_error *err);

    /* x <- x - step_size/2 * clip(dE/dx) + noise_std * N(0,I), then clamp;
     * K times (Nijkamp et al. 2020, eq. 7, with step and noise decoupled as
     * Du & Mordatch 2019). */
    enum ebm_status (*langevin)(struct engine *e, size_t lane, struct engine_chain *chain,
                                struct ebm_error *err);
};

/* The engines of this build; NULL when the name is none. "auto" is the best. */
const struct engine_ops *engine_find(const char *name);
/* The i-th, the best first; NULL past the end. */
const struct engine_ops *engine_at(size_t i);

#endif
