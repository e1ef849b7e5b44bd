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

/* Chains in bf16, whose products are cheap, run for several tiles at once where
 * a lane has them: they have a tape of their own then. Convolutions do so where
 * tiles of the processor make reading weights the larger part, and two at most,
 * for their images to stay near. */
enum { TAPE_TILE, TAPE_CHAINS, TAPES };
enum { TOGETHER_CONV = 2, TOGETHER_DENSE = ENGINE_TILES_MAX };

/* Memory of one tile, or of chains. */
struct wide_lane {
    unsigned char *arena[TAPES];
    float *seed;    /* (bundle, WIDE), of the larger */
    float *scratch; /* of parameter gradients */
    float *grad;    /* (P), borrowed for a call */
};

struct engine {
    struct wide_tape tape[TAPES];
    int chains;                                 /* the tape of chains: either */
    struct wide_grad_plan plan[NET_LAYERS_MAX]; /* of linear nodes of TAPE_TILE */
    float *params;
    unsigned char *store[TAPES];
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
    return e->tape[TAPE_TILE].isa->name;
}

/* ---- life ---- */

static bool is_dense(const struct net *net)
{
    for (size_t i = 0; i < net->layers; i++)
        if (net->layer[i].spec.kind == NET_CONV)
            return false;
    return true;
}

/* Tiles of a lane's samples that go together in bf16, without one that is not
 * there. */
static size_t tiles_together(const struct net *net, const struct wide_isa *isa, size_t samples,
                             size_t tile)
{
    size_t tiles = (samples + tile - 1) / tile;
    size_t n = is_dense(net) ? TOGETHER_DENSE : isa->tiles != NULL ? TOGETHER_CONV : 1;

    while (n > 1 && (tiles == 0 || tiles % n != 0))
        n--;
    return n;
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
        for (int k = 0; k < TAPES; k++)
            free(e->lane[i].arena[k]);
        free(e->lane[i].seed);
        free(e->lane[i].scratch);
    }
    free(e->lane);
    for (int k = 0; k < TAPES; k++) {
        free(e->store[k]);
        wide_tape_fini(&e->tape[k]);
    }
    free(e->params);
    free(e);
}

static size_t plan_grads(struct engine *e)
{
    const struct wide_tape *t = &e->tape[TAPE_TILE];
    size_t most = 0;

    for (size_t i = 0; i < t->nodes; i++) {
        if (t->node[i].linear == NULL)
            continue;
        e->plan[i] = wide_grad_plan_of(&t->node[i]);
        size_t want = wide_grad_scratch(&e->plan[i], t->bundles);
        most = want > most ? want : most;
    }
    return most;
}

static bool open_lane(const struct engine *e, size_t scratch, struct wide_lane *l)
{
    bool ok = true;

    for (int k = 0; k <= e->chains; k++) {
        l->arena[k] = take_zeroed(e->tape[k].arena_bytes);
        ok = ok && l->arena[k] != NULL;
    }
    l->seed = take_zeroed(e->tape[e->chains].bundles * WIDE * sizeof *l->seed);
    l->scratch = take_zeroed(scratch * sizeof *l->scratch);
    return ok && l->seed != NULL && l->scratch != NULL;
}

static enum ebm_status open_lanes(struct engine *e, size_t threads, struct ebm_error *err)
{
    size_t scratch = plan_grads(e), each = scratch * sizeof(float);

    e->lane = calloc(threads, sizeof *e->lane);
    e->params = take_zeroed(e->tape[TAPE_TILE].net.params * sizeof *e->params);
    bool ok = e->lane != NULL && e->params != NULL;
    for (int k = 0; k <= e->chains; k++) {
        e->store[k] = take_zeroed(e->tape[k].store_bytes);
        ok = ok && e->store[k] != NULL;
        each += e->tape[k].arena_bytes;
    }
    e->lanes = ok ? threads : 0;
    for (size_t i = 0; ok && i < threads; i++)
        ok = open_lane(e, scratch, &e->lane[i]);
    return ok ? EBM_OK
              : ebm_fail(err, EBM_ENOMEM, "no memory for %zu lanes of %zu bytes", threads, each);
}

static enum ebm_status build_tapes(struct engine *e, const struct net *net,
                                   const struct engine_options *o, struct ebm_error *err)
{
    const struct wide_isa *isa = selected != NULL ? selected : wide_isa_best();
    size_t bundles = is_dense(net) ? BUNDLES_DENSE : BUNDLES_CONV;
    bool bf16 = o->precision == PRECISION_BF16;
    size_t together = bf16 ? tiles_together(net, isa, o->samples, bundles * WIDE) : 1;
    enum wide_use use = bf16 && together == 1 ? WIDE_USE_BOTH : WIDE_USE_FLOAT;
    enum ebm_status st = wide_tape_build(&e->tape[TAPE_TILE], isa, net, bundles, use, err);

    if (st == EBM_OK && together > 1) {
        e->chains = TAPE_CHAINS;
        st = wide_tape_build(&e->tape[TAPE_CHAINS], isa, net, together * bundles, WIDE_USE_BF16,
                             err);
    }
    return st;
}

static enum ebm_status wide_create(const struct net *net, const struct engine_options *options,
                                   struct engine **out, struct ebm_error *err)
{
    *out = NULL;
    if (net->layers == 0 || options->threads == 0)
        return ebm_fail(err, EBM_EINVAL, "an engine needs a settled net and at least one thread");
    struct engine *e = calloc(1, sizeof *e);
    if (e == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for an engine");
    enum ebm_status st = build_tapes(e, net, options, err);
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
    const struct wide_tape *t = &e->tape[e->chains];
    bool slow = strncmp(t->isa->name, "avx512", 6) != 0;

    if (t->operands == WIDE_ROUNDED)
        return slow ? "this processor has no AVX-512, which makes it several times slower, and no "
                      "fast products of bf16: operands are rounded to it, at the speed of fp32"
                    : "sampler.precision is bf16, but this processor has no fast products of bf16: "
                      "operands are rounded to it, at the speed of fp32";
    if (slow)
        return "this processor has no AVX-512: the same numbers, to rounding, several times slower";
    return NULL;
}

static size_t wide_tile(const struct engine *e)
{
    return e->tape[TAPE_TILE].bundles * WIDE;
}

static size_t wide_chains(const struct engine *e)
{
    return e->tape[e->chains].bundles * WIDE;
}

static enum ebm_status wide_set_params(struct engine *e, const float *params, struct ebm_error *err)
{
    (void)err;
    memcpy(e->params, params, e->tape[TAPE_TILE].net.params * sizeof *params);
    for (int k = 0; k <= e->chains; k++)
        wide_tape_pack(&e->tape[k], e->params, e->lanes, e->store[k]);
    e->ready = true;
    return EBM_OK;
}

/* ---- samples in and out ---- */

static enum ebm_status check_call(const struct engine *e, size_t lane, size_t n, size_t most,
                                  struct ebm_error *err)
{
    if (!e->ready)
        return ebm_fail(err, EBM_ESTATE, "the engine has no parameters yet");
    if (lane >= e->lanes || n == 0 || n > most)
        return ebm_fail(err, EBM_EINVAL, "lane %zu of %zu, %zu samples of at most %zu", lane,
                        e->lanes, n, most);
    return EBM_OK;
}

/* A tape with a lane's memory. */
struct desk {
    const struct wide_tape *t;
    struct wide_memory m;
    float *seed;
};

static struct desk desk_of(const struct engine *e, int tape, size_t lane)
{
    const struct wide_lane *l = &e->lane[lane];

    return (struct desk){&e->tape[tape], {l->arena[tape], e->store[tape], e->params}, l->seed};
}

static float *arena(const struct desk *d, size_t at)
{
    return (float *)(void *)(d->m.arena + at);
}

/* x (n, C, H, W) to bundles; what is missing of them is 0. */
static void load_x(const struct desk *desk, const float *x, size_t n)
{
    const struct net *net = &desk->t->net;
    size_t channels = net->in.c, pixels = net->in.h * net->in.w, d = channels * pixels;
    float *to = arena(desk, desk->t->x);

    for (size_t s = 0; s < desk->t->bundles * WIDE; s++) {
        float *bundle = to + s / WIDE * d * WIDE + s % WIDE;
        for (size_t c = 0; c < channels; c++)
            for (size_t p = 0; p < pixels; p++)
                bundle[(p * channels + c) * WIDE] = s < n ? x[s * d + c * pixels + p] : 0.0f;
    }
}

static void store_x(const struct desk *desk, const float *from, float *x, size_t n)
{
    const struct net *net = &desk->t->net;
    size_t channels = net->in.c, pixels = net->in.h * net->in.w, d = channels * pixels;

    for (size_t s = 0; s < n; s++) {
        const float *bundle = from + s / WIDE * d * WIDE + s % WIDE;
        for (size_t c = 0; c < channels; c++)
            for (size_t p = 0; p < pixels; p++)
                x[s * d + c * pixels + p] = bundle[(p * channels + c) * WIDE];
    }
}

static void seed_ones(const struct desk *desk, size_t n)
{
    for (size_t i = 0; i < desk->t->bundles * WIDE; i++)
        desk->seed[i] = i < n ? 1.0f : 0.0f;
}

/* ---- operations ---- */

static enum ebm_status wide_energy(struct engine *e, size_t lane, const float *x, size_t n,
                                   float *energy, struct ebm_error *err)
{
    enum ebm_status st = check_call(e, lane, n, wide_tile(e), err);

    if (st != EBM_OK)
        return st;
    struct desk d = desk_of(e, TAPE_TILE, lane);
    load_x(&d, x, n);
    wide_tape_forward(d.t, d.m, false);
    memcpy(energy, arena(&d, d.t->energy), n * sizeof *energy);
    return EBM_OK;
}

static enum ebm_status wide_grad_input(struct engine *e, size_t lane, const float *x, size_t n,
                                       float *energy, float *grad, struct ebm_error *err)
{
    enum ebm_status st = check_call(e, lane, n, wide_tile(e), err);

    if (st != EBM_OK)
        return st;
    struct desk d = desk_of(e, e->chains, lane);
    bool bf16 = d.t->operands != WIDE_FLOAT;
    load_x(&d, x, n);
    seed_ones(&d, n);
    wide_tape_forward(d.t, d.m, bf16);
    const float *g = wide_tape_backward(d.t, d.m, bf16, d.seed);
    memcpy(energy, arena(&d, d.t->energy), n * sizeof *energy);
    store_x(&d, g, grad, n);
    return EBM_OK;
}

struct visit {
    const struct engine *e;
    const struct desk *d;
    const struct wide_lane *l;
};

static void add_gradient(void *arg, const struct wide_node *n, const float *gradient)
{
    const struct visit *v = arg;
    const struct wide_tape *t = v->d->t;

    wide_grad_add(&v->e->plan[n - t->node], t->isa, t->bundles, arena(v->d, n->in), gradient,
                  v->l->scratch, v->l->grad);
}

static enum ebm_status
wide_grad_params(struct engine *e, size_t lane, const float *x, size_t n,
                 void (*weigh)(void *arg, const float *energy, float *weight, size_t n), void *arg,
                 float *energy, float *grad, struct ebm_error *err)
{
    enum ebm_status st = check_call(e, lane, n, wide_tile(e), err);

    if (st != EBM_OK)
        return st;
    struct desk d = desk_of(e, TAPE_TILE, lane);
    struct visit v = {e, &d, &e->lane[lane]};
    load_x(&d, x, n);
    memset(d.seed, 0, wide_tile(e) * sizeof *d.seed);
    wide_tape_forward(d.t, d.m, false);
    memcpy(energy, arena(&d, d.t->energy), n * sizeof *energy);
    weigh(arg, energy, d.seed, n);
    e->lane[lane].grad = grad;
    wide_tape_visit(d.t, d.m, d.seed, add_gradient, &v);
    return EBM_OK;
}

/* The update of all bundles after step k's gradient. */
static void langevin_step(const struct desk *d, struct engine_chain *c, size_t tile, uint32_t k,
                          const float *grad)
{
    const struct wide_tape *t = d->t;
    double squares[WIDE];
    struct wide_update u = {.sampler = c->sampler,
                            .noise = c->noise,
                            .iteration = c->iteration,
                            .step = k,
                            .channels = t->net.in.c,
                            .pixels = t->net.in.h * t->net.in.w,
                            .squares = squares,
                            .scratch = arena(d, t->noise)};
    const float *energy = arena(d, t->energy);

    for (size_t first = 0; first < c->n; first += WIDE) {
        struct engine_norms *norms = &c->norms[first / tile];
        size_t b = first / WIDE;
        if (first % tile == 0)
            norms->grad_last = norms->energy_last = 0.0;
        u.first_chain = c->first_chain + (uint32_t)first;
        u.x = arena(d, t->x) + b * t->x_vectors * WIDE;
        u.grad = grad + b * t->x_vectors * WIDE;
        t->isa->update(&u);
        for (size_t s = 0; s < WIDE && first + s < c->n; s++) {
            norms->grad_last += sqrt(squares[s]);
            norms->energy_last += (double)energy[first + s];
        }
        if ((first + WIDE) % tile == 0 || first + WIDE >= c->n)
            norms->grad_sum += norms->grad_last;
    }
}

static enum ebm_status wide_langevin(struct engine *e, size_t lane, struct engine_chain *c,
                                     struct ebm_error *err)
{
    enum ebm_status st = check_call(e, lane, c->n, wide_chains(e), err);

    if (st != EBM_OK)
        return st;
    struct desk d = desk_of(e, e->chains, lane);
    bool bf16 = d.t->operands != WIDE_FLOAT;
    load_x(&d, c->x, c->n);
    seed_ones(&d, c->n);
    memset(c->norms, 0, sizeof c->norms);
    for (int64_t k = 0; k < c->sampler->steps; k++) {
        wide_tape_forward(d.t, d.m, bf16);
        langevin_step(&d, c, wide_tile(e), (uint32_t)k, wide_tape_backward(d.t, d.m, bf16, d.seed));
    }
    store_x(&d, arena(&d, d.t->x), c->x, c->n);
    return EBM_OK;
}

const struct engine_ops engine_wide = {
    .name = "wide",
    .create = wide_create,
    .destroy = wide_destroy,
    .notice = wide_notice,
    .tile = wide_tile,
    .chains = wide_chains,
    .set_params = wide_set_params,
    .energy = wide_energy,
    .grad_input = wide_grad_input,
    .grad_params = wide_grad_params,
    .langevin = wide_langevin,
};
