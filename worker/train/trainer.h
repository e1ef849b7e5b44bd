/* One rank's part of a training run: the state that decides the future, and
 * the step that moves it.
 *
 * A step on every rank: draw slots, fetch chains, run each own shard (data,
 * Langevin chains, energies, gradient), sum everything over the tree, judge,
 * and only then change parameters, moments and buffer. After the sum all
 * ranks hold the same bits and decide the same.
 *
 * B global batch, T shard size = the engine's tile, S shards, D elements of a
 * sample, P parameters. */
#ifndef EBM_TRAIN_TRAINER_H
#define EBM_TRAIN_TRAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/sink.h"
#include "comm/comm.h"
#include "data/dataset.h"
#include "ebm/loss.h"
#include "ebm/replay.h"
#include "engine/engine.h"
#include "net/net.h"
#include "opt/opt.h"
#include "spec/spec.h"
#include "stability/detector.h"

enum { TRAINER_REASON = 240 };

/* For tests of what happens when a step goes wrong. */
struct train_hooks {
    /* All but the delay: only in noise epoch 0; a step of 0 is never. */
    uint64_t nan_step; /* the step whose gradient gets a NaN */
    size_t nan_rank;
    uint64_t poison_step; /* after which a fifth of the buffer is +-1e3 */
    uint64_t burst_step;  /* from which the learning rate is a hundredfold, for burst_steps */
    uint64_t burst_steps;
    int step_delay_ms; /* rank 0 sleeps so long in each step */
};

/* What one compute thread needs. */
struct lane {
    float *data;     /* (together * T, D), into one block */
    float *energy;   /* (T) */
    double engine_s; /* of this step, in chains and gradient passes */
    struct ebm_error err;
};

struct trainer {
    const struct spec *spec; /* borrowed, as the next four */
    const struct net *net;
    struct comm *comm;
    const struct engine_ops *ops;
    const struct train_hooks *hooks;
    size_t threads;
    struct engine *engine;
    struct dataset *data;
    struct optimizer opt;
    struct replay replay;        /* empty unless sampler.init is replay */
    uint64_t step;               /* steps taken */
    struct spec_sampler sampler; /* of this step: K may differ from the spec's */
    float *params;               /* owned, (P) */
    size_t dim, batch, tile, shards;
    size_t together;          /* shards whose chains are one call of the engine */
    float lo, hi;             /* of the noise that chains begin from */
    struct tree_range mine;   /* shards */
    struct tree_range chains; /* items of the global batch in them */
    struct tree_plan plan;
    struct tree_vector vector;
    unsigned char *slots, *result; /* owned: a vector for each own shard, and the sum */
    float *x;                      /* owned, (chains, D): where they start, then end */
    float *energy;                 /* owned, (chains) */
    uint64_t *sample;              /* owned, (chains): of the data */
    struct lane *lane;             /* owned, (threads) */
    float *lane_block;             /* owned */
    struct detector detector;      /* the same on all ranks */
    struct detector_limits limits;
    struct ebm_error failure; /* of this rank, to be told in the next sum; code OK: none */
};

/* Not collective. Loads the data and sets the parameters to their start. The
 * trainer is in place and holds nothing when this fails. */
enum ebm_status trainer_init(struct trainer *t, const struct spec *spec, const struct net *net,
                             const struct engine_ops *ops, size_t threads, struct comm *comm,
                             const struct train_hooks *hooks, struct ebm_error *err);
void trainer_fini(struct trainer *t);

/* Not collective. After params were changed from outside. */
enum ebm_status trainer_params_changed(struct trainer *t, struct ebm_error *err);

/* Not collective. The items of the global batch whose chains a rank runs. */
struct tree_range trainer_chains(const struct trainer *t, size_t rank);

struct step_result {
    enum sink_order order; /* rank 0's, on every rank */
    bool bad;              /* the step was not taken: the run has diverged */
    bool skipped;          /* the step was not taken, as a lone bad one; it counts */
    uint64_t onset;        /* of a divergence: the first step that is not trusted */
    enum detector_verdict verdict;
    enum detector_signal signal; /* nearest to its limit */
    char reason[TRAINER_REASON]; /* why it is not OK */
    double value[METRIC_COUNT];
    /* Of METRIC_STEP_SECONDS, what this rank's busiest lane did not spend in
     * chains and gradient passes: data, figures, the sum and the wait for
     * others in it, the optimizer, packing, the buffer. */
    double outside_s;
};

/* Collective. One step; order is rank 0's, the others' is not looked at. An
 * error is the same on all ranks. Allocates nothing. */
enum ebm_status trainer_step(struct trainer *t, enum sink_order order, struct step_result *out,
                             struct ebm_error *err);

/* The start of the parameters: weights and biases uniform within
 * 1/sqrt(fan-in) (LeCun et al. 1998, section 4.6, as PyTorch's layers do). */
void trainer_start_params(const struct net *net, uint64_t seed, float *params);

#endif
