#include "engine/wide/wide.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/wide/grad.h"
#include "engine/wide/tape.h"

/* Bundles in a tile. One keeps the images of a convolution near the core. A
 * net of dense layers alone reads all its weights for each tile: two bundles
 * read them half as often. */
enum { BUNDLES_CONV = 1, BUNDLES_DENSE = 2 };

/* Memory of one tile. */
struct wide_lane {
    unsigned char *arena;
    float *seed;    /* (bundle, WIDE) */
    float *scratch; /* of parameter gradients */
    float *grad;    /* (P), borrowed for a call */
};

struct engine {
    struct wide_tape tape;
    struct wide_grad_plan plan[NET_LAYERS_MAX]; /* of linear nodes */
    unsigned char *store;
    struct wide_lane *lane;
    size_t lanes;
    bool ready; /* parameters are there */
};

static const struct wide_isa *selected;

bool wide_select(const char *isa)
{
    selected = isa != NULL ? wide_isa_find(isa) : NULL;
    return isa == NULL || selected != NULL;
}

const char *wide_isa_name(const struct engine *e)
{
    return e->tape.isa->name;
}

/* ---- life ---- */

static size_t bundles_for(const struct net *net)
{
    for (size_t i = 0; i < net->layers; i++)
        if (net->layer[i].spec.kind == NET_CONV)
            return BUNDLES_CONV;
    return BUNDLES_DENSE;
}

static void *take_zeroed(size_t bytes)
{
    bytes = (bytes + WIDE_ALIGN - 1) / WIDE_ALIGN * WIDE_ALIGN;
    void *p = aligned_alloc(WIDE_ALIGN, bytes);
    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

static void wide_destroy(struct engine *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; e->lane != NULL && i < e->lanes; i++) {
        free(e->lane[i].arena);
        free(e->lane[i].seed);
        free(e->lane[i].scratch);
    }
    free(e->lane);
    free(e->store);
    wide_tape_fini(&e->tape);
    free(e);
}

static size_t plan_grads(struct engine *e)
{
    size_t most = 0;

    for (size_t i = 0; i < e->tape.nodes; i++) {
        if (e->tape.node[i].linear == NULL)
            continue;
        e->plan[i] = wide_grad_plan_of(&e->tape.node[i]);
        size_t want = wide_grad_scratch(&e->plan[i], e->tape.bundles);
        most = want > most ? want : most;
    }
    return most;
}

static enum ebm_status open_lanes(struct engine *e, size_t threads, struct ebm_error *err)
{
    size_t scratch = plan_grads(e);
    bool ok = true;

    e->lane = calloc(threads, sizeof *e->lane);
    e->store = take_zeroed(e->tape.store_bytes);
    ok = e->lane != NULL && e->store != NULL;
    e->lanes = ok ? threads : 0;
    for (size_t i = 0; ok && i < threads; i++) {
        struct wide_lane *l = &e->lane[i];
        l->arena = take_zeroed(e->tape.arena_bytes);
        l->seed = take_zeroed(e->tape.bundles * WIDE * sizeof *l->seed);
        l->scratch = take_zeroed(scratch * sizeof *l->scratch);
        ok = l->arena != NULL && l->seed != NULL && l->scratch != NULL;
    }
    return ok ? EBM_OK
              : ebm_fail(err, EBM_ENOMEM, "no memory for %zu lanes of %zu bytes", threads,
                         e->tape.arena_bytes + scratch * sizeof(float));
}

static enum ebm_status wide_create(const struct net *net, const struct engine_options *options,
                                   struct engine **out, struct ebm_error *err)
{
    bool bf16 = options->precision == PRECISION_BF16;

    *out = NULL;
    if (net->layers == 0 || options->threads == 0)
        return ebm_fail(err, EBM_EINVAL, "an engine needs a settled net and at least one thread");
    struct engine *e = calloc(1, sizeof *e);
    if (e == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for an engine");
    enum ebm_status st = wide_tape_build(&e->tape, selected != NULL ? selected : wide_isa_best(),
                                         net, bundles_for(net), bf16, err);
    if (st == EBM_OK)
        st = open_lanes(e, options->threads, err);
    if (st == EBM_OK)
        *out = e;
    else
        wide_destroy(e);
    return st;
}

static const char *wide_notice(const struct engine *e)
{
    const struct wide_isa *isa = e->tape.isa;

    if (e->tape.operands == WIDE_ROUNDED)
        return "sampler.precision is bf16, but this processor has no fast products of bf16: "
               "operands are rounded to it, at the speed of fp32";
    if (strncmp(isa->name, "avx512", 6) != 0)
        return "this processor has no AVX-512: the same numbers, to rounding, several times slower";
    return NULL;
}

static size_t wide_tile(const struct engine *e)
{
    return e->tape.bundles * WIDE;
}

static enum ebm_status wide_set_params(struct engine *e, const float *params, struct ebm_error *err)
{
    (void)err;
    memcpy(e->store + e->tape.params, params, e->tape.net.params * sizeof *params);
    wide_tape_pack(&e->tape, e->store);
    e->ready = true;
    return EBM_OK;
}

/* ---- samples in and out ---- */

static enum ebm_status check_call(const struct engine *e, size_t lane, size_t n,
                                  struct ebm_error *err)
{
    if (!e->ready)
        return ebm_fail(err, EBM_ESTATE, "the engine has no parameters yet");
    if (lane >= e->lanes || n == 0 || n > wide_tile(e))
        return ebm_fail(err, EBM_EINVAL, "lane %zu of %zu, %zu samples of a tile of %zu", lane,
                        e->lanes, n, wide_tile(e));
    return EBM_OK;
}

static float *arena(const struct wide_lane *l, size_t at)
{
    return (float *)(void *)(l->arena + at);
}

static struct wide_memory memory(const struct engine *e, const struct wide_lane *l)
{
    return (struct wide_memory){l->arena, e->store};
}

/* x (n, C, H, W) to bundles; what is missing of a tile is 0. */
static void load_x(const struct engine *e, struct wide_lane *l, const float *x, size_t n)
{
    const struct net *net = &e->tape.net;
    size_t channels = net->in.c, pixels = net->in.h * net->in.w, d = channels * pixels;
    float *to = arena(l, e->tape.x);

    for (size_t s = 0; s < wide_tile(e); s++) {
        float *bundle = to + s / WIDE * d * WIDE + s % WIDE;
        for (size_t c = 0; c < channels; c++)
            for (size_t p = 0; p < pixels; p++)
                bundle[(p * channels + c) * WIDE] = s < n ? x[s * d + c * pixels + p] : 0.0f;
    }
}

static void store_x(const struct engine *e, const float *from, float *x, size_t n)
{
    const struct net *net = &e->tape.net;
    size_t channels = net->in.c, pixels = net->in.h * net->in.w, d = channels * pixels;

    for (size_t s = 0; s < n; s++) {
        const float *bundle = from + s / WIDE * d * WIDE + s % WIDE;
        for (size_t c = 0; c < channels; c++)
            for (size_t p = 0; p < pixels; p++)
                x[s * d + c * pixels + p] = bundle[(p * channels + c) * WIDE];
    }
}

static void seed_ones(const struct engine *e, struct wide_lane *l, size_t n)
{
    for (size_t i = 0; i < wide_tile(e); i++)
        l->seed[i] = i < n ? 1.0f : 0.0f;
}

/* ---- operations ---- */

static enum ebm_status wide_energy(struct engine *e, size_t lane, const float *x, size_t n,
                                   float *energy, struct ebm_error *err)
{
    enum ebm_status st = check_call(e, lane, n, err);

    if (st != EBM_OK)
        return st;
    struct wide_lane *l = &e->lane[lane];
    load_x(e, l, x, n);
    wide_tape_forward(&e->tape, memory(e, l), false);
    memcpy(energy, arena(l, e->tape.energy), n * sizeof *energy);
    return EBM_OK;
}

static enum ebm_status wide_grad_input(struct engine *e, size_t lane, const float *x, size_t n,
                                       float *energy, float *grad, struct ebm_error *err)
{
    enum ebm_status st = check_call(e, lane, n, err);

    if (st != EBM_OK)
        return st;
    struct wide_lane *l = &e->lane[lane];
    load_x(e, l, x, n);
    seed_ones(e, l, n);
    bool bf16 = e->tape.operands != WIDE_FLOAT;
    wide_tape_forward(&e->tape, memory(e, l), bf16);
    const float *g = wide_tape_backward(&e->tape, memory(e, l), bf16, l->seed);
    memcpy(energy, arena(l, e->tape.energy), n * sizeof *energy);
    store_x(e, g, grad, n);
    return EBM_OK;
}

struct visit {
    const struct engine *e;
    struct wide_lane *l;
};

static void add_gradient(void *arg, const struct wide_node *n, const float *gradient)
{
    const struct visit *v = arg;
    size_t i = (size_t)(n - v->e->tape.node);

    wide_grad_add(&v->e->plan[i], v->e->tape.isa, v->e->tape.bundles, arena(v->l, n->in), gradient,
                  v->l->scratch, v->l->grad);
}

static enum ebm_status
wide_grad_params(struct engine *e, size_t lane, const float *x, size_t n,
                 void (*weigh)(void *arg, const float *energy, float *weight, size_t n), void *arg,
                 float *energy, float *grad, struct ebm_error *err)
{
    enum ebm_status st = check_call(e, lane, n, err);

    if (st != EBM_OK)
        return st;
    struct wide_lane *l = &e->lane[lane];
    struct visit v = {e, l};
    load_x(e, l, x, n);
    memset(l->seed, 0, wide_tile(e) * sizeof *l->seed);
    wide_tape_forward(&e->tape, memory(e, l), false);
    memcpy(energy, arena(l, e->tape.energy), n * sizeof *energy);
    weigh(arg, energy, l->seed, n);
    l->grad = grad;
    wide_tape_visit(&e->tape, memory(e, l), l->seed, add_gradient, &v);
    return EBM_OK;
}

/* The update of all bundles after step k's gradient. */
static void langevin_step(const struct engine *e, struct wide_lane *l, struct engine_chain *c,
                          uint32_t k, const float *grad)
{
    const struct wide_tape *t = &e->tape;
    double squares[WIDE];
    struct wide_update u = {.sampler = c->sampler,
                            .noise = c->noise,
                            .iteration = c->iteration,
                            .step = k,
                            .channels = t->net.in.c,
                            .pixels = t->net.in.h * t->net.in.w,
                            .squares = squares,
                            .scratch = arena(l, t->noise)};
    const float *energy = arena(l, t->energy);

    c->grad_norm_last = c->last_energy_sum = 0.0;
    for (size_t b = 0; b * WIDE < c->n; b++) {
        u.first_chain = c->first_chain + (uint32_t)(b * WIDE);
        u.x = arena(l, t->x) + b * t->x_vectors * WIDE;
        u.grad = grad + b * t->x_vectors * WIDE;
        t->isa->update(&u);
        for (size_t s = 0; s < WIDE && b * WIDE + s < c->n; s++) {
            c->grad_norm_last += sqrt(squares[s]);
            c->last_energy_sum += (double)energy[b * WIDE + s];
        }
    }
    c->grad_norm_sum += c->grad_norm_last;
}

static enum ebm_status wide_langevin(struct engine *e, size_t lane, struct engine_chain *c,
                                     struct ebm_error *err)
{
    enum ebm_status st = check_call(e, lane, c->n, err);
    bool bf16 = e->tape.operands != WIDE_FLOAT;

    if (st != EBM_OK)
        return st;
    struct wide_lane *l = &e->lane[lane];
    load_x(e, l, c->x, c->n);
    seed_ones(e, l, c->n);
    c->grad_norm_sum = c->grad_norm_last = c->last_energy_sum = 0.0;
    for (int64_t k = 0; k < c->sampler->steps; k++) {
        wide_tape_forward(&e->tape, memory(e, l), bf16);
        langevin_step(e, l, c, (uint32_t)k,
                      wide_tape_backward(&e->tape, memory(e, l), bf16, l->seed));
    }
    store_x(e, arena(l, e->tape.x), c->x, c->n);
    return EBM_OK;
}

const struct engine_ops engine_wide = {
    .name = "wide",
    .create = wide_create,
    .destroy = wide_destroy,
    .notice = wide_notice,
    .tile = wide_tile,
    .set_params = wide_set_params,
    .energy = wide_energy,
    .grad_input = wide_grad_input,
    .grad_params = wide_grad_params,
    .langevin = wide_langevin,
};
