#include "engine/onednn/engine_onednn.h"

#include <stdlib.h>
#include <string.h>

#include "engine/langevin.h"
#include "engine/onednn/lane.h"

/* Shape letters: T tile, D floats of a sample, P parameters, K steps. */

/* Samples in a tile. With convolutions 8: each image alone fills the vector
 * kernels, and the tensors of 8 images stay near the core. A net of dense
 * layers alone is matrix products with T rows, and all its weights are read
 * for each tile: 16 rows read them half as often. */
enum { TILE_CONV = 8, TILE_DENSE = 16 };

struct engine {
    struct net net;
    struct onednn onednn;
    struct plan plan;
    void *store; /* parameters, plain and packed: see plan.h */
    struct lane *lane;
    size_t lanes;
    bool ready; /* parameters are there */
};

static size_t tile_for(const struct net *net)
{
    for (size_t i = 0; i < net->layers; i++)
        if (net->layer[i].spec.kind == NET_CONV)
            return TILE_CONV;
    return TILE_DENSE;
}

static void onednn_engine_destroy(struct engine *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; e->lane != NULL && i < e->lanes; i++)
        if (e->lane[i].plan != NULL)
            lane_fini(&e->lane[i]);
    free(e->lane);
    free(e->store);
    plan_fini(&e->plan);
    onednn_close(&e->onednn);
    free(e);
}

static enum ebm_status build(struct engine *e, size_t threads, struct ebm_error *err)
{
    enum ebm_status st = onednn_open(&e->onednn, err);

    if (st == EBM_OK)
        st = plan_build(&e->plan, &e->onednn, &e->net, tile_for(&e->net), err);
    if (st != EBM_OK)
        return st;
    e->store = aligned_alloc(POINT_ALIGN, e->plan.store_bytes);
    e->lane = calloc(threads, sizeof *e->lane);
    if (e->store == NULL || e->lane == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for %zu lanes", threads);
    memset(e->store, 0, e->plan.store_bytes);
    e->lanes = threads;
    for (size_t i = 0; i < threads && st == EBM_OK; i++)
        st = lane_init(&e->lane[i], &e->onednn, &e->plan, e->store, err);
    return st;
}

static enum ebm_status onednn_engine_create(const struct net *net,
                                            const struct engine_options *options,
                                            struct engine **out, struct ebm_error *err)
{
    struct engine *e;

    *out = NULL;
    if (net->layers == 0 || options->threads == 0)
        return ebm_fail(err, EBM_EINVAL, "an engine needs a settled net and at least one thread");
    e = calloc(1, sizeof *e);
    if (e == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for an engine");
    e->net = *net;
    int before = onednn_serial_begin();
    enum ebm_status st = build(e, options->threads, err);
    onednn_serial_end(before);
    if (st == EBM_OK)
        *out = e;
    else
        onednn_engine_destroy(e);
    return st;
}

static size_t onednn_engine_tile(const struct engine *e)
{
    return e->plan.tile;
}

bool engine_onednn_impl(const struct engine *e, size_t i, char *out, size_t size)
{
    return plan_describe(&e->plan, i, out, size);
}

static enum ebm_status onednn_engine_set_params(struct engine *e, const float *params,
                                                struct ebm_error *err)
{
    memcpy((unsigned char *)e->store + e->plan.params, params, e->net.params * sizeof *params);
    int before = onednn_serial_begin();
    enum ebm_status st = lane_run(&e->lane[0], LANE_PACK, NULL, err);
    onednn_serial_end(before);
    e->ready = st == EBM_OK;
    return st;
}

static size_t sample_size(const struct engine *e)
{
    return net_shape_size(e->net.in);
}

static enum ebm_status check_call(const struct engine *e, size_t lane, size_t n,
                                  struct ebm_error *err)
{
    if (!e->ready)
        return ebm_fail(err, EBM_ESTATE, "the engine has no parameters yet");
    if (lane >= e->lanes || n == 0 || n > e->plan.tile)
        return ebm_fail(err, EBM_EINVAL, "lane %zu of %zu, %zu samples of a tile of %zu", lane,
                        e->lanes, n, e->plan.tile);
    return EBM_OK;
}

/* Samples into the tile; the rest of it is 0, so that a partial tile computes
 * the same for its samples as a full one. */
static void load_x(struct engine *e, struct lane *l, const float *x, size_t n)
{
    size_t d = sample_size(e);
    float *tile = lane_at(l, e->plan.x);

    memcpy(tile, x, n * d * sizeof *x);
    memset(tile + n * d, 0, (e->plan.tile - n) * d * sizeof *x);
}

static enum ebm_status onednn_engine_energy(struct engine *e, size_t lane, const float *x, size_t n,
                                            float *energy, struct ebm_error *err)
{
    enum ebm_status st = check_call(e, lane, n, err);

    if (st != EBM_OK)
        return st;
    struct lane *l = &e->lane[lane];
    load_x(e, l, x, n);
    int before = onednn_serial_begin();
    st = lane_run(l, LANE_FORWARD, NULL, err);
    onednn_serial_end(before);
    memcpy(energy, lane_at(l, e->plan.energy), n * sizeof *energy);
    return st;
}

/* Seeds of n ones: dE/denergy. */
static void seed_ones(struct engine *e, struct lane *l, size_t n)
{
    float *seed = lane_at(l, e->plan.seed);

    for (size_t i = 0; i < e->plan.tile; i++)
        seed[i] = i < n ? 1.0f : 0.0f;
}

static enum ebm_status run_input(struct lane *l, struct ebm_error *err)
{
    enum ebm_status st = lane_run(l, LANE_FORWARD, NULL, err);

    return st == EBM_OK ? lane_run(l, LANE_BACKWARD_INPUT, NULL, err) : st;
}

static enum ebm_status onednn_engine_grad_input(struct engine *e, size_t lane, const float *x,
                                                size_t n, float *energy, float *grad,
                                                struct ebm_error *err)
{
    enum ebm_status st = check_call(e, lane, n, err);

    if (st != EBM_OK)
        return st;
    struct lane *l = &e->lane[lane];
    load_x(e, l, x, n);
    seed_ones(e, l, n);
    int before = onednn_serial_begin();
    st = run_input(l, err);
    onednn_serial_end(before);
    memcpy(energy, lane_at(l, e->plan.energy), n * sizeof *energy);
    memcpy(grad, lane_at(l, e->plan.grad_input), n * sample_size(e) * sizeof *grad);
    return st;
}

static enum ebm_status
onednn_engine_grad_params(struct engine *e, size_t lane, const float *x, size_t n,
                          void (*weigh)(void *arg, const float *energy, float *weight, size_t n),
                          void *arg, float *energy, float *grad, struct ebm_error *err)
{
    enum ebm_status st = check_call(e, lane, n, err);

    if (st != EBM_OK)
        return st;
    struct lane *l = &e->lane[lane];
    float *seed = lane_at(l, e->plan.seed);
    load_x(e, l, x, n);
    memset(seed, 0, e->plan.tile * sizeof *seed);
    int before = onednn_serial_begin();
    st = lane_run(l, LANE_FORWARD, NULL, err);
    if (st == EBM_OK) {
        memcpy(energy, lane_at(l, e->plan.energy), n * sizeof *energy);
        weigh(arg, energy, seed, n);
        st = lane_run(l, LANE_BACKWARD_PARAMS, grad, err);
    }
    onednn_serial_end(before);
    return st;
}

/* Norms and update of all samples after step k's gradient. */
static void langevin_step(struct engine *e, struct lane *l, struct engine_chain *c, uint32_t k)
{
    size_t d = sample_size(e);
    float *x = lane_at(l, e->plan.x);
    const float *grad = lane_at(l, e->plan.grad_input), *energy = lane_at(l, e->plan.energy);
    struct engine_norms *norms = &c->norms[0];
    bool noisy = c->sampler->noise_std != 0.0;

    norms->grad_last = norms->energy_last = 0.0;
    for (size_t i = 0; i < c->n; i++) {
        norms->grad_last += langevin_norm(grad + i * d, d);
        norms->energy_last += (double)energy[i];
        if (noisy)
            rng_normal(c->noise, c->iteration, c->first_chain + (uint32_t)i, k, 0, d, l->noise);
        langevin_update(x + i * d, grad + i * d, d, c->sampler, noisy ? l->noise : NULL);
    }
    norms->grad_sum += norms->grad_last;
}

static enum ebm_status onednn_engine_langevin(struct engine *e, size_t lane, struct engine_chain *c,
                                              struct ebm_error *err)
{
    enum ebm_status st = check_call(e, lane, c->n, err);

    if (st != EBM_OK)
        return st;
    struct lane *l = &e->lane[lane];
    load_x(e, l, c->x, c->n);
    seed_ones(e, l, c->n);
    c->norms[0] = (struct engine_norms){0};
    int before = onednn_serial_begin();
    for (int64_t k = 0; k < c->sampler->steps && st == EBM_OK; k++) {
        st = run_input(l, err);
        if (st == EBM_OK)
            langevin_step(e, l, c, (uint32_t)k);
    }
    onednn_serial_end(before);
    if (st == EBM_OK)
        memcpy(c->x, lane_at(l, e->plan.x), c->n * sample_size(e) * sizeof *c->x);
    return st;
}

const struct engine_ops engine_onednn = {
    .name = "onednn",
    .create = onednn_engine_create,
    .destroy = onednn_engine_destroy,
    .tile = onednn_engine_tile,
    .chains = onednn_engine_tile,
    .set_params = onednn_engine_set_params,
    .energy = onednn_engine_energy,
    .grad_input = onednn_engine_grad_input,
    .grad_params = onednn_engine_grad_params,
    .langevin = onednn_engine_langevin,
};
