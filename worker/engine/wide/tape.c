#include "engine/wide/tape.h"

#include <stdlib.h>
#include <string.h>

/* ---- building ---- */

static size_t take(size_t *total, size_t bytes)
{
    size_t at = *total;

    *total += (bytes + WIDE_ALIGN - 1) / WIDE_ALIGN * WIDE_ALIGN;
    return at;
}

static size_t tensor_bytes(const struct wide_tape *t, size_t vectors)
{
    return t->bundles * vectors * WIDE * sizeof(float);
}

/* What lies between two nodes: how it is stored, and what the layers call it. */
struct edge {
    struct net_shape stored, logical;
    size_t at, vectors;
    uint32_t *order; /* owned: see wide_pass_build */
};

static enum wide_activation activation_of(enum net_kind kind)
{
    return kind == NET_SWISH ? WIDE_SWISH : WIDE_LEAKY;
}

static bool is_activation(const struct net_layer *l)
{
    return l->weights == 0 && l->spec.kind != NET_FLATTEN;
}

static bool same_shape(struct net_shape a, struct net_shape b)
{
    return a.c == b.c && a.h == b.h && a.w == b.w;
}

/* The layer sees (N,1,1), channel by channel, where (C,H,W) is stored
 * position by position. */
static enum ebm_status make_order(struct edge *e, struct ebm_error *err)
{
    size_t pixels = e->stored.h * e->stored.w, n = e->stored.c * pixels;
    uint32_t *order = realloc(e->order, n * sizeof *order);

    if (order == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for the plan of a net");
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)(i % e->stored.c * pixels + i / e->stored.c);
    e->order = order;
    return EBM_OK;
}

/* Sums of few terms are cheap, and feel the rounding of each: they stay in
 * float. */
enum { FEW_TERMS = 16 };

static enum wide_operands operands_of(const struct wide_tape *t, const struct net_layer *l,
                                      enum wide_direction d)
{
    size_t taps = l->spec.kind == NET_CONV ? l->spec.kernel * l->spec.kernel : 1;
    size_t forward = l->spec.kind == NET_CONV ? l->in.c : net_shape_size(l->in);
    size_t terms = (d == WIDE_BY_TAP ? 1 : taps) * (d == WIDE_FORWARD ? forward : l->spec.out);

    return terms < FEW_TERMS ? WIDE_FLOAT : t->operands;
}

static enum ebm_status build_passes(struct wide_tape *t, struct wide_node *n, const uint32_t *order,
                                    enum wide_use use, struct ebm_error *err)
{
    enum wide_direction back = wide_pass_back(n->linear);

    n->by_tap = back == WIDE_BY_TAP;
    const enum wide_operands forward_bf16 = operands_of(t, n->linear, WIDE_FORWARD);
    const enum wide_operands back_bf16 = operands_of(t, n->linear, back);
    const bool with_float = use & WIDE_USE_FLOAT;
    const struct {
        struct wide_pass *pass;
        enum wide_direction direction;
        enum wide_operands operands;
        size_t *weights;
        bool wanted;
    } passes[] = {
        {&n->forward, WIDE_FORWARD, WIDE_FLOAT, &n->weights,
         with_float || forward_bf16 == WIDE_FLOAT},
        {&n->backward, back, WIDE_FLOAT, &n->weights_back, with_float || back_bf16 == WIDE_FLOAT},
        {&n->forward_bf16, WIDE_FORWARD, forward_bf16, &n->weights_bf16,
         forward_bf16 != WIDE_FLOAT},
        {&n->backward_bf16, back, back_bf16, &n->weights_back_bf16, back_bf16 != WIDE_FLOAT}};
    enum ebm_status st = EBM_OK;

    for (size_t i = 0; st == EBM_OK && i < sizeof passes / sizeof passes[0]; i++) {
        if (!passes[i].wanted)
            continue;
        st = wide_pass_build(passes[i].pass, t->isa, passes[i].operands, n->linear,
                             passes[i].direction, order, t->bundles, err);
        if (st == EBM_OK)
            *passes[i].weights = take(&t->store_bytes, wide_pass_bytes(passes[i].pass));
    }
    return st;
}

/* The activation right behind a linear layer is done with its sums. */
static void take_activation(struct wide_tape *t, struct wide_node *n, const struct net_layer *l)
{
    n->activation = activation_of(l->spec.kind);
    n->slope = l->spec.slope;
    n->derivative = take(&t->arena_bytes, tensor_bytes(t, n->out_vectors));
}

static void put_out(struct wide_tape *t, struct wide_node *n, struct edge *e, struct net_shape out)
{
    n->channels = out.c;
    n->out_vectors = e->vectors = net_shape_size(out);
    n->out = e->at = take(&t->arena_bytes, tensor_bytes(t, n->out_vectors));
    e->stored = e->logical = out;
}

/* Operands can be written position by position, unless an odd number of
 * channels meets a layer that pairs them over the end of a position. */
static void settle_operand(struct wide_tape *t, struct wide_node *n, bool flat)
{
    size_t pixels = n->stored_in.h * n->stored_in.w;
    struct wide_node *before = n > t->node ? n - 1 : NULL;

    n->late = before == NULL || (flat && pixels > 1 && n->stored_in.c % 2 != 0);
    if (!n->late && operands_of(t, n->linear, WIDE_FORWARD) != WIDE_FLOAT)
        before->gives_operand = true;
}

static enum ebm_status add_linear(struct wide_tape *t, const struct net_layer *l, struct edge *e,
                                  enum wide_use use, struct ebm_error *err)
{
    struct wide_node *n = &t->node[t->nodes++];
    /* A dense layer takes all of a position after another, as they are stored. */
    bool flat = l->spec.kind == NET_DENSE || !same_shape(e->stored, l->in);
    bool turned = flat && e->stored.h * e->stored.w > 1;

    *n = (struct wide_node){.linear = l,
                            .stored_in = e->stored,
                            .channels_in = flat ? e->vectors : l->in.c,
                            .in = e->at,
                            .in_vectors = e->vectors};
    settle_operand(t, n, flat);
    enum ebm_status st = turned ? make_order(e, err) : EBM_OK;
    if (st == EBM_OK)
        st = build_passes(t, n, turned ? e->order : NULL, use, err);
    put_out(t, n, e, l->out);
    return st;
}

static void add_activation(struct wide_tape *t, const struct net_layer *l, struct edge *e)
{
    struct wide_node *n = &t->node[t->nodes++];
    struct net_shape logical = e->logical;

    *n = (struct wide_node){.in = e->at, .in_vectors = e->vectors, .stored_in = e->stored};
    put_out(t, n, e, e->stored);
    take_activation(t, n, l);
    e->logical = logical;
}

/* A net that only flattens: its input is the energy. */
static void add_identity(struct wide_tape *t, struct edge *e)
{
    const struct net_layer same = {.spec = {.kind = NET_LEAKY_RELU, .slope = 1.0f}};

    add_activation(t, &same, e);
}

static enum ebm_status build_nodes(struct wide_tape *t, struct edge *e, enum wide_use use,
                                   struct ebm_error *err)
{
    const struct net *net = &t->net;
    enum ebm_status st = EBM_OK;

    for (size_t i = 0; st == EBM_OK && i < net->layers; i++) {
        const struct net_layer *l = &net->layer[i];
        if (l->weights > 0) {
            st = add_linear(t, l, e, use, err);
            if (i + 1 < net->layers && is_activation(&net->layer[i + 1]))
                take_activation(t, &t->node[t->nodes - 1], &net->layer[++i]);
        } else if (is_activation(l)) {
            add_activation(t, l, e);
        }
        e->logical = net->layer[i].out;
    }
    if (st == EBM_OK && t->nodes == 0)
        add_identity(t, e);
    return st;
}

static size_t most_near(const struct wide_tape *t)
{
    size_t most = 0;

    for (size_t i = 0; i < t->nodes; i++) {
        const struct wide_pass *pass[] = {&t->node[i].forward, &t->node[i].backward,
                                          &t->node[i].forward_bf16, &t->node[i].backward_bf16};
        for (size_t k = 0; k < 4; k++)
            if (wide_pass_exists(pass[k]) && wide_pass_near(pass[k]) > most)
                most = wide_pass_near(pass[k]);
    }
    return most;
}

/* Nodes whose sums become operands at once. */
static void settle_derivatives(struct wide_tape *t)
{
    for (size_t i = 0; i < t->nodes; i++) {
        struct wide_node *n = &t->node[i];
        n->short_derivative = wide_in_pairs(t->operands) && n->linear != NULL && n->gives_operand &&
                              n->activation != WIDE_LINEAR;
    }
}

/* What a layer reads as operands is needed no longer when the next one has its
 * own, and on the way back nothing of it: two places that stay near are enough. */
static void place_flows(struct wide_tape *t)
{
    size_t most = t->x_vectors;

    for (size_t i = 0; i < t->nodes; i++)
        most = t->node[i].out_vectors > most ? t->node[i].out_vectors : most;
    t->energy = t->node[t->nodes - 1].out;
    for (int i = 0; i < 2; i++) {
        t->flow[i] = take(&t->arena_bytes, tensor_bytes(t, most));
        if (t->operands != WIDE_FLOAT) /* a channel alone makes a pair with nothing */
            t->flow_operand[i] = take(&t->arena_bytes, tensor_bytes(t, most));
    }
    for (size_t i = 0; i < t->nodes; i++)
        t->node[i].operand = t->flow_operand[i % 2];
    t->noise = take(&t->arena_bytes, (t->x_vectors + 3) * WIDE * sizeof(float));
    t->near = take(&t->arena_bytes, most_near(t) * WIDE * sizeof(float));
}

static enum wide_operands operands_for(const struct wide_isa *isa, bool bf16)
{
    if (!bf16)
        return WIDE_FLOAT;
    if (isa->to_pairs == NULL)
        return WIDE_ROUNDED;
    return isa->tiles != NULL ? WIDE_TILES : WIDE_PAIRS;
}

enum ebm_status wide_tape_build(struct wide_tape *t, const struct wide_isa *isa,
                                const struct net *net, size_t bundles, enum wide_use use,
                                struct ebm_error *err)
{
    struct edge e = {.stored = net->in, .logical = net->in};

    memset(t, 0, sizeof *t);
    t->isa = isa;
    t->net = *net;
    t->bundles = bundles;
    t->operands = operands_for(isa, use & WIDE_USE_BF16);
    t->x_vectors = e.vectors = net_shape_size(net->in);
    t->x = e.at = take(&t->arena_bytes, tensor_bytes(t, t->x_vectors));
    enum ebm_status st = build_nodes(t, &e, use, err);
    free(e.order);
    if (st == EBM_OK)
        settle_derivatives(t), place_flows(t);
    else
        wide_tape_fini(t);
    return st;
}

void wide_tape_fini(struct wide_tape *t)
{
    for (size_t i = 0; i < t->nodes; i++) {
        wide_pass_fini(&t->node[i].forward);
        wide_pass_fini(&t->node[i].backward);
        wide_pass_fini(&t->node[i].forward_bf16);
        wide_pass_fini(&t->node[i].backward_bf16);
    }
    memset(t, 0, sizeof *t);
}

void wide_tape_pack(const struct wide_tape *t, const float *params, size_t threads,
                    unsigned char *store)
{
    for (size_t i = 0; i < t->nodes; i++) {
        const struct wide_node *n = &t->node[i];
        const struct {
            const struct wide_pass *pass;
            size_t weights;
        } packs[] = {{&n->forward, n->weights},
                     {&n->backward, n->weights_back},
                     {&n->forward_bf16, n->weights_bf16},
                     {&n->backward_bf16, n->weights_back_bf16}};
        for (size_t k = 0; n->linear != NULL && k < sizeof packs / sizeof packs[0]; k++)
            if (wide_pass_exists(packs[k].pass))
                wide_pass_pack(packs[k].pass, params, threads, store + packs[k].weights);
    }
}
