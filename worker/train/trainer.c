#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

enum { ALIGN = 64 };

void trainer_start_params(const struct net *net, uint64_t seed, float *params)
{
    struct rng_key key = rng_key_make(seed, RNG_INIT, 0);

    for (size_t l = 0; l < net->layers; l++) {
        const struct net_layer *layer = &net->layer[l];
        size_t n = layer->weights + layer->biases;
        if (n == 0)
            continue;
        size_t fan_in = layer->weights / (layer->biases > 0 ? layer->biases : layer->spec.out);
        float bound = 1.0f / sqrtf((float)fan_in), *p = params + layer->offset;
        rng_uniform(key, (uint32_t)l, 0, 0, 0, n, p);
        for (size_t i = 0; i < n; i++)
            p[i] = bound * (2 * p[i] - 1);
    }
}

static void *aligned_zero(size_t bytes)
{
    bytes = (bytes + ALIGN) / ALIGN * ALIGN;
    void *p = aligned_alloc(ALIGN, bytes);
    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

static size_t round_up(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static enum ebm_status open_lanes(struct trainer *t, struct ebm_error *err)
{
    size_t data = round_up(t->together * t->tile * t->dim), each = data + round_up(t->tile);

    t->lane = calloc(t->threads, sizeof *t->lane);
    t->lane_block = aligned_zero(t->threads * each * sizeof(float));
    if (t->lane == NULL || t->lane_block == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for %zu compute threads", t->threads);
    for (size_t i = 0; i < t->threads; i++) {
        t->lane[i].data = t->lane_block + i * each;
        t->lane[i].energy = t->lane[i].data + data;
    }
    return EBM_OK;
}

static enum ebm_status open_batch(struct trainer *t, struct ebm_error *err)
{
    size_t own = t->mine.end - t->mine.first, chains = t->chains.end - t->chains.first;

    t->slots = aligned_zero(own * tree_vector_bytes(t->vector));
    /* One rank sums its slots up in place. */
    t->result = comm_size(t->comm) == 1 ? t->slots : aligned_zero(tree_vector_bytes(t->vector));
    t->x = aligned_zero(chains * t->dim * sizeof *t->x);
    t->energy = aligned_zero(chains * sizeof *t->energy);
    t->sample = aligned_zero(chains * sizeof *t->sample);
    if (t->slots == NULL || t->result == NULL || t->x == NULL || t->energy == NULL ||
        t->sample == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for %zu shards of %zu parameters", own,
                        t->net->params);
    return EBM_OK;
}

struct tree_range trainer_chains(const struct trainer *t, size_t rank)
{
    struct tree_range r = tree_share(t->shards, comm_size(t->comm), rank);

    r.first = r.first * t->tile < t->batch ? r.first * t->tile : t->batch;
    r.end = r.end * t->tile < t->batch ? r.end * t->tile : t->batch;
    return r;
}

/* Sizes that follow from the engine's tile. */
static void lay_out(struct trainer *t)
{
    size_t ranks = comm_size(t->comm), rank = comm_rank(t->comm);

    t->tile = t->ops->tile(t->engine);
    t->together = t->ops->chains(t->engine) / t->tile;
    t->shards = (t->batch + t->tile - 1) / t->tile;
    t->mine = tree_share(t->shards, ranks, rank);
    t->chains = trainer_chains(t, rank);
    t->vector = (struct tree_vector){t->net->params, SUM_COUNT, MAX_COUNT};
}

static enum ebm_status check_shape(const struct trainer *t, struct ebm_error *err)
{
    struct net_shape data = dataset_shape(t->data), in = t->net->in;

    if (data.c == in.c && data.h == in.h && data.w == in.w)
        return EBM_OK;
    return ebm_fail(err, EBM_EINVAL,
                    "the data are %zu x %zu x %zu, the net's input %zu x %zu x %zu", data.c, data.h,
                    data.w, in.c, in.h, in.w);
}

static enum ebm_status open_parts(struct trainer *t, struct ebm_error *err)
{
    const size_t lanes = comm_size(t->comm) * t->threads;
    const struct engine_options options = {t->threads, (t->batch + lanes - 1) / lanes,
                                           t->spec->sampler.precision};
    enum ebm_status st = dataset_open(t->spec, &t->data, err);

    if (st == EBM_OK)
        st = check_shape(t, err);
    if (st == EBM_OK)
        st = t->ops->create(t->net, &options, &t->engine, err);
    if (st != EBM_OK)
        return st;
    lay_out(t);
    st = optimizer_init(&t->opt, t->spec, t->net->params, err);
    t->opt.threads = t->threads;
    if (st == EBM_OK)
        st = tree_plan_init(&t->plan, t->shards, comm_size(t->comm), comm_rank(t->comm), err);
    if (st == EBM_OK)
        st = open_batch(t, err);
    if (st == EBM_OK)
        st = open_lanes(t, err);
    if (st == EBM_OK && t->spec->sampler.init == CHAIN_REPLAY)
        st = replay_init(&t->replay, t->comm, t->spec, t->dim, t->tile, t->lo, t->hi, err);
    if (st == EBM_OK) {
        t->params = aligned_zero(t->net->params * sizeof *t->params);
        if (t->params == NULL)
            st = ebm_fail(err, EBM_ENOMEM, "no memory for %zu parameters", t->net->params);
    }
    return st;
}

enum ebm_status trainer_init(struct trainer *t, const struct spec *spec, const struct net *net,
                             const struct engine_ops *ops, size_t threads, struct comm *comm,
                             const struct train_hooks *hooks, struct ebm_error *err)
{
    *t = (struct trainer){.spec = spec,
                          .net = net,
                          .comm = comm,
                          .ops = ops,
                          .hooks = hooks,
                          .threads = threads,
                          .dim = net_shape_size(net->in),
                          .batch = (size_t)spec->data.batch_size};
    spec_sample_range(spec, &t->lo, &t->hi);
    detector_init(&t->detector);
    detector_limits_of(spec, &t->limits);
    enum ebm_status st = open_parts(t, err);
    if (st == EBM_OK) {
        trainer_start_params(net, spec->seed, t->params);
        st = trainer_params_changed(t, err);
    }
    if (st != EBM_OK)
        trainer_fini(t);
    return st;
}

void trainer_fini(struct trainer *t)
{
    replay_fini(&t->replay);
    optimizer_fini(&t->opt);
    tree_plan_fini(&t->plan);
    if (t->engine != NULL)
        t->ops->destroy(t->engine);
    dataset_close(t->data);
    free(t->params);
    if (t->result != t->slots)
        free(t->result);
    free(t->slots);
    free(t->x);
    free(t->energy);
    free(t->sample);
    free(t->lane);
    free(t->lane_block);
    *t = (struct trainer){0};
}

enum ebm_status trainer_params_changed(struct trainer *t, struct ebm_error *err)
{
    return t->ops->set_params(t->engine, t->params, err);
}
