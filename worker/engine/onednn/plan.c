#include "engine/onednn/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shape letters: T tile, C H W of a sample, O outputs of a layer. */

enum {
    PAGE = POINT_STEP * (int)sizeof(float), /* tensors begin at multiples, so no tails */
    GRADS = 3,                              /* gradient buffers that take turns */
    REORDERS_MAX = 16 * NET_LAYERS_MAX
};

/* A tensor between two layers. */
struct edge {
    onednn_layout layout;
    size_t at; /* in the arena */
};

/* What became of one layer of the net. */
struct node {
    enum { NODE_NONE, NODE_POINT, NODE_LINEAR } kind;
    const struct net_layer *layer;
    struct edge in;  /* as the layer before gave it */
    struct edge src; /* linear: the same numbers in the layout of its forward pass, seen with the
                        dimensions that the layer wants */
    struct edge out;
    size_t saved; /* point */
    struct onednn_linear linear;
    size_t packed, packed_back; /* linear: in the store */
};

struct plan_parts {
    struct onednn *o; /* borrowed */
    struct node node[NET_LAYERS_MAX];
    struct onednn_primitive reorder[REORDERS_MAX];
    size_t reorders;
    onednn_layout relayout[2 * REORDERS_MAX]; /* layouts of the reorders */
    size_t relayouts;
    struct edge energy;
    size_t grad[GRADS];    /* in the arena */
    size_t weights, plain; /* in the arena: weight gradients as they come, and in plain
                              layout with the biases */
    size_t grad_bytes, scratch_bytes, weights_bytes, plain_bytes;
};

/* A gradient on its way back. */
struct flow {
    onednn_layout layout;
    size_t at;
    size_t slot; /* of parts->grad that it lies in; GRADS when in none */
};

static size_t round_up(size_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

static size_t take(size_t *total, size_t bytes)
{
    size_t at = *total;

    *total += round_up(bytes);
    return at;
}

static void at_least(size_t *bytes, size_t want)
{
    *bytes = want > *bytes ? want : *bytes;
}

/* Tapes. */

static enum ebm_status tape_add(struct plan_tape *tape, const struct plan_op *op,
                                struct ebm_error *err)
{
    if (tape->count == tape->capacity) {
        size_t capacity = tape->capacity > 0 ? 2 * tape->capacity : 16;
        struct plan_op *grown = realloc(tape->op, capacity * sizeof *grown);
        if (grown == NULL)
            return ebm_fail(err, EBM_ENOMEM, "no memory for a tape of %zu operations", capacity);
        tape->op = grown;
        tape->capacity = capacity;
    }
    tape->op[tape->count++] = *op;
    return EBM_OK;
}

static struct plan_op call_op(size_t layer, const char *what, const struct onednn_primitive *p)
{
    return (struct plan_op){.kind = PLAN_CALL, .layer = layer, .what = what, .primitive = p};
}

static void op_arg(struct plan_op *op, int name, enum plan_memory memory, size_t at,
                   const onednn_layout *layout)
{
    op->arg[op->args] = name;
    op->tensor[op->args] = (struct plan_tensor){memory, at, layout};
    op->args++;
}

/* Adds the call with its scratchpad. */
static enum ebm_status add_call(struct plan *p, struct plan_tape *tape, struct plan_op *op,
                                struct ebm_error *err)
{
    size_t scratch = onednn_bytes(&op->primitive->scratch);

    at_least(&p->parts->scratch_bytes, scratch);
    if (scratch > 0)
        op_arg(op, DNNL_ARG_SCRATCHPAD, PLAN_ARENA, 0, &op->primitive->scratch);
    return tape_add(tape, op, err);
}

/* A layout that lives as long as the plan. */
static const onednn_layout *keep_layout(struct plan_parts *parts, const onednn_layout *l)
{
    if (parts->relayouts == 2 * REORDERS_MAX)
        return NULL;
    parts->relayout[parts->relayouts] = *l;
    return &parts->relayout[parts->relayouts++];
}

static enum ebm_status add_reorder(struct plan *p, struct plan_tape *tape, size_t layer,
                                   const char *what, struct plan_tensor from, struct plan_tensor to,
                                   struct ebm_error *err)
{
    struct plan_parts *parts = p->parts;
    struct onednn_primitive *r = &parts->reorder[parts->reorders];
    const onednn_layout *kept_from = keep_layout(parts, from.layout);
    const onednn_layout *kept_to = keep_layout(parts, to.layout);

    if (kept_to == NULL || parts->reorders == REORDERS_MAX)
        return ebm_fail(err, EBM_EINVAL, "more than %d changes of layout", REORDERS_MAX);
    enum ebm_status st = onednn_reorder_create(parts->o, kept_from, kept_to, r, err);
    if (st != EBM_OK)
        return st;
    parts->reorders++;
    struct plan_op op = call_op(layer, what, r);
    op_arg(&op, DNNL_ARG_FROM, from.memory, from.at, kept_from);
    op_arg(&op, DNNL_ARG_TO, to.memory, to.at, kept_to);
    return add_call(p, tape, &op, err);
}

static struct plan_tensor in_arena(const struct edge *e)
{
    return (struct plan_tensor){PLAN_ARENA, e->at, &e->layout};
}

/* *e in this layout: itself, or a new tensor and the reorder to it. */
static enum ebm_status edge_as(struct plan *p, size_t layer, struct edge *e,
                               const onednn_layout *want, struct ebm_error *err)
{
    struct edge to = {.layout = *want};

    if (onednn_same(&e->layout, want))
        return EBM_OK;
    to.at = take(&p->arena_bytes, onednn_bytes(want));
    enum ebm_status st = add_reorder(p, &p->forward, layer, "forward, layout of the input",
                                     in_arena(e), in_arena(&to), err);
    *e = to;
    return st;
}

/* Forward. */

static onednn_layout plain_like(const onednn_layout *l)
{
    return onednn_plain(l->ndims, l->dims);
}

static onednn_layout plain_shape(size_t tile, struct net_shape s)
{
    const dnnl_dim_t dims[4] = {(dnnl_dim_t)tile, (dnnl_dim_t)s.c, (dnnl_dim_t)s.h,
                                (dnnl_dim_t)s.w};

    return onednn_plain(4, dims);
}

/* A conv sees (C,H,W) of its own: after a flatten or a dense layer the plain
 * numbers are given other dimensions. */
static enum ebm_status reshape(struct plan *p, size_t layer, struct edge *e, struct net_shape want,
                               struct ebm_error *err)
{
    onednn_layout plain = plain_like(&e->layout), shaped = plain_shape(p->tile, want);

    if (e->layout.ndims == 4 && memcmp(e->layout.dims, shaped.dims, 4 * sizeof shaped.dims[0]) == 0)
        return EBM_OK;
    enum ebm_status st = edge_as(p, layer, e, &plain, err);
    e->layout = shaped;
    return st;
}

static enum ebm_status forward_call(struct plan *p, size_t layer, struct node *n,
                                    struct ebm_error *err)
{
    struct onednn_linear *l = &n->linear;
    size_t bias = p->params + (n->layer->offset + n->layer->weights) * sizeof(float);
    struct plan_op op = call_op(layer, "forward", &l->forward);

    op_arg(&op, DNNL_ARG_SRC, PLAN_ARENA, n->src.at, &l->f.src);
    op_arg(&op, DNNL_ARG_WEIGHTS, PLAN_STORE, n->packed, &l->f.weights);
    op_arg(&op, DNNL_ARG_BIAS, PLAN_STORE, bias, &l->bias);
    op_arg(&op, DNNL_ARG_DST, PLAN_ARENA, n->out.at, &l->f.dst);
    return add_call(p, &p->forward, &op, err);
}

/* Both packings, or one where the passes agree. */
static enum ebm_status pack_weights(struct plan *p, size_t layer, struct node *n,
                                    struct ebm_error *err)
{
    struct onednn_linear *l = &n->linear;
    struct plan_tensor plain = {PLAN_STORE, p->params + n->layer->offset * sizeof(float),
                                &l->plain_weights};
    struct plan_tensor front = {PLAN_STORE, 0, &l->f.weights},
                       back = {PLAN_STORE, 0, &l->bd.weights};

    front.at = n->packed = take(&p->store_bytes, onednn_bytes(&l->f.weights));
    enum ebm_status st =
        add_reorder(p, &p->pack, layer, "weights for the forward pass", plain, front, err);
    n->packed_back = n->packed;
    if (st != EBM_OK || onednn_same(&l->f.weights, &l->bd.weights))
        return st;
    back.at = n->packed_back = take(&p->store_bytes, onednn_bytes(&l->bd.weights));
    return add_reorder(p, &p->pack, layer, "weights for the backward pass", plain, back, err);
}

/* The buffers that take turns must hold the largest. */
static void measure_linear(struct plan_parts *parts, const struct node *n)
{
    const struct onednn_linear *l = &n->linear;

    at_least(&parts->grad_bytes, onednn_bytes(&l->bd.src));
    at_least(&parts->grad_bytes, onednn_bytes(&l->bd.dst));
    at_least(&parts->grad_bytes, onednn_bytes(&l->bw.src));
    at_least(&parts->grad_bytes, onednn_bytes(&l->bw.dst));
    at_least(&parts->grad_bytes, onednn_bytes(&l->f.dst));
    at_least(&parts->weights_bytes, onednn_bytes(&l->bw.weights));
    at_least(&parts->plain_bytes, (n->layer->weights + n->layer->biases) * sizeof(float));
}

static enum ebm_status create_linear(struct plan *p, size_t layer, struct node *n,
                                     struct ebm_error *err)
{
    enum ebm_status st = EBM_OK;

    n->kind = NODE_LINEAR;
    n->src = n->in;
    if (n->layer->spec.kind == NET_CONV)
        st = reshape(p, layer, &n->src, n->layer->in, err);
    if (st == EBM_OK)
        st = onednn_linear_create(p->parts->o, n->layer, &n->src.layout, &n->linear, err);
    return st;
}

static enum ebm_status forward_linear(struct plan *p, size_t layer, struct node *n,
                                      struct ebm_error *err)
{
    enum ebm_status st = create_linear(p, layer, n, err);

    if (st != EBM_OK)
        return st;
    measure_linear(p->parts, n);
    st = edge_as(p, layer, &n->src, &n->linear.f.src, err);
    if (st == EBM_OK)
        st = pack_weights(p, layer, n, err);
    n->out.layout = n->linear.f.dst;
    n->out.at = take(&p->arena_bytes, onednn_bytes(&n->out.layout));
    return st == EBM_OK ? forward_call(p, layer, n, err) : st;
}

static struct plan_op point_op(enum plan_op_kind kind, size_t layer, const struct node *n)
{
    return (struct plan_op){
        .kind = kind,
        .layer = layer,
        .point = point_find(n->layer->spec.kind),
        .slope = n->layer->spec.slope,
        .count = round_up(onednn_bytes(&n->in.layout)) / sizeof(float),
    };
}

/* The derivative takes the place of the input, which nobody reads again; but
 * x itself must stay. */
static enum ebm_status forward_point(struct plan *p, size_t layer, struct node *n,
                                     struct ebm_error *err)
{
    size_t bytes = onednn_bytes(&n->in.layout);
    struct plan_op op = point_op(PLAN_POINT_FORWARD, layer, n);

    n->kind = NODE_POINT;
    n->out = n->in;
    n->out.at = take(&p->arena_bytes, bytes);
    n->saved = n->in.at == p->x ? take(&p->arena_bytes, bytes) : n->in.at;
    at_least(&p->parts->grad_bytes, bytes);
    op.what = "forward";
    op.place[0] = n->in.at;
    op.place[1] = n->saved;
    op.place[2] = n->out.at;
    return tape_add(&p->forward, &op, err);
}

static enum ebm_status forward_layer(struct plan *p, size_t layer, struct edge *edge,
                                     struct ebm_error *err)
{
    struct node *n = &p->parts->node[layer];
    enum ebm_status st = EBM_OK;

    n->layer = &p->net->layer[layer];
    n->in = n->out = *edge;
    if (n->layer->weights > 0)
        st = forward_linear(p, layer, n, err);
    else if (point_find(n->layer->spec.kind).forward != NULL)
        st = forward_point(p, layer, n, err);
    *edge = n->out;
    if (st != EBM_OK)
        ebm_prefix(err, "layer %zu (%s)", layer + 1, net_kind_name(n->layer->spec.kind));
    return st;
}

static enum ebm_status build_forward(struct plan *p, struct ebm_error *err)
{
    struct edge edge = {.layout = plain_shape(p->tile, p->net->in)};
    enum ebm_status st = EBM_OK;

    /* Dense layers on points (C,1,1) want rows, not images. */
    if (p->net->in.h == 1 && p->net->in.w == 1)
        edge.layout = onednn_plain(2, edge.layout.dims);
    edge.at = p->x = take(&p->arena_bytes, onednn_bytes(&edge.layout));
    at_least(&p->parts->grad_bytes, onednn_bytes(&edge.layout));
    for (size_t i = 0; i < p->net->layers && st == EBM_OK; i++)
        st = forward_layer(p, i, &edge, err);
    if (st != EBM_OK)
        return st;
    p->parts->energy = edge;
    onednn_layout plain = plain_like(&edge.layout);
    st = edge_as(p, p->net->layers - 1, &edge, &plain, err);
    p->energy = edge.at;
    return st;
}

/* Backward. */

static struct flow flow_next(const struct plan_parts *parts, const struct flow *g,
                             const onednn_layout *layout)
{
    size_t slot = (g->slot + 1) % GRADS;

    if (g->slot == GRADS)
        slot = 0;
    return (struct flow){*layout, parts->grad[slot], slot};
}

/* *g in this layout, in its own place or the next. */
static enum ebm_status flow_as(struct plan *p, struct plan_tape *tape, size_t layer, struct flow *g,
                               const onednn_layout *want, struct ebm_error *err)
{
    struct flow to;

    if (onednn_same(&g->layout, want))
        return EBM_OK;
    to = flow_next(p->parts, g, want);
    enum ebm_status st = add_reorder(p, tape, layer, "backward, layout of the gradient",
                                     (struct plan_tensor){PLAN_ARENA, g->at, &g->layout},
                                     (struct plan_tensor){PLAN_ARENA, to.at, &to.layout}, err);
    *g = to;
    return st;
}

/* From the layer's own dimensions back to those of the tensor before it. */
static enum ebm_status unshape(struct plan *p, struct plan_tape *tape, size_t layer,
                               const struct node *n, struct flow *g, struct ebm_error *err)
{
    const onednn_layout *in = &n->in.layout;
    onednn_layout plain = plain_like(&g->layout);

    if (g->layout.ndims == in->ndims &&
        memcmp(g->layout.dims, in->dims, (size_t)in->ndims * sizeof in->dims[0]) == 0)
        return EBM_OK;
    enum ebm_status st = flow_as(p, tape, layer, g, &plain, err);
    g->layout = plain_like(in);
    return st;
}

static enum ebm_status backward_data(struct plan *p, struct plan_tape *tape, size_t layer,
                                     const struct node *n, struct flow *g, struct ebm_error *err)
{
    const struct onednn_linear *l = &n->linear;
    enum ebm_status st = flow_as(p, tape, layer, g, &l->bd.dst, err);

    if (st != EBM_OK)
        return st;
    struct flow to = flow_next(p->parts, g, &l->bd.src);
    struct plan_op op = call_op(layer, "backward data", &l->backward_data);
    op_arg(&op, DNNL_ARG_DIFF_DST, PLAN_ARENA, g->at, &l->bd.dst);
    op_arg(&op, DNNL_ARG_WEIGHTS, PLAN_STORE, n->packed_back, &l->bd.weights);
    op_arg(&op, DNNL_ARG_DIFF_SRC, PLAN_ARENA, to.at, &l->bd.src);
    *g = to;
    st = add_call(p, tape, &op, err);
    return st == EBM_OK ? unshape(p, tape, layer, n, g, err) : st;
}

/* Where a layer's weight gradients come first. */
static size_t weight_gradients(const struct plan *p, const struct onednn_linear *l)
{
    return onednn_same(&l->bw.weights, &l->plain_weights) ? p->parts->plain : p->parts->weights;
}

static enum ebm_status backward_weights_call(struct plan *p, size_t layer, const struct node *n,
                                             size_t src, size_t dst, struct ebm_error *err)
{
    const struct onednn_linear *l = &n->linear;
    struct plan_op op = call_op(layer, "backward weights", &l->backward_weights);
    size_t bias = p->parts->plain + n->layer->weights * sizeof(float);

    op_arg(&op, DNNL_ARG_SRC, PLAN_ARENA, src, &l->bw.src);
    op_arg(&op, DNNL_ARG_DIFF_DST, PLAN_ARENA, dst, &l->bw.dst);
    op_arg(&op, DNNL_ARG_DIFF_WEIGHTS, PLAN_ARENA, weight_gradients(p, l), &l->bw.weights);
    op_arg(&op, DNNL_ARG_DIFF_BIAS, PLAN_ARENA, bias, &l->bias);
    return add_call(p, &p->backward_params, &op, err);
}

/* Weight gradients to the plain layout, then both onto the vector. */
static enum ebm_status add_grad(struct plan *p, size_t layer, const struct node *n,
                                struct ebm_error *err)
{
    const struct onednn_linear *l = &n->linear;
    struct plan_tensor from = {PLAN_ARENA, weight_gradients(p, l), &l->bw.weights};
    struct plan_tensor to = {PLAN_ARENA, p->parts->plain, &l->plain_weights};
    struct plan_op op = {.kind = PLAN_ADD_GRAD, .layer = layer, .what = "gradient sum"};
    enum ebm_status st = EBM_OK;

    if (from.at != to.at)
        st = add_reorder(p, &p->backward_params, layer, "backward weights, plain layout", from, to,
                         err);
    op.place[0] = p->parts->plain;
    op.count = n->layer->weights + n->layer->biases;
    op.param = n->layer->offset;
    return st == EBM_OK ? tape_add(&p->backward_params, &op, err) : st;
}

/* Parameter gradients of a layer from *g, which stays as it is or moves to
 * the pass's layout. The input, where it must be reordered, goes to the slot
 * that neither *g nor the result of a following backward_data needs. */
static enum ebm_status backward_weights(struct plan *p, size_t layer, const struct node *n,
                                        struct flow *g, struct ebm_error *err)
{
    const struct onednn_linear *l = &n->linear;
    enum ebm_status st = flow_as(p, &p->backward_params, layer, g, &l->bw.dst, err);
    struct flow src = {n->src.layout, n->src.at, g->slot};

    if (st == EBM_OK)
        st = flow_as(p, &p->backward_params, layer, &src, &l->bw.src, err);
    if (st == EBM_OK)
        st = backward_weights_call(p, layer, n, src.at, g->at, err);
    return st == EBM_OK ? add_grad(p, layer, n, err) : st;
}

static enum ebm_status backward_point(struct plan *p, struct plan_tape *tape, size_t layer,
                                      const struct node *n, struct flow *g, struct ebm_error *err)
{
    struct plan_op op = point_op(PLAN_POINT_BACKWARD, layer, n);
    enum ebm_status st = flow_as(p, tape, layer, g, &n->in.layout, err);

    op.what = "backward";
    op.place[0] = n->saved;
    op.place[1] = g->at;
    return st == EBM_OK ? tape_add(tape, &op, err) : st;
}

static enum ebm_status backward_layer(struct plan *p, struct plan_tape *tape, size_t layer,
                                      bool input_wanted, struct flow *g, struct ebm_error *err)
{
    const struct node *n = &p->parts->node[layer];
    enum ebm_status st = EBM_OK;

    if (n->kind == NODE_LINEAR && tape == &p->backward_params)
        st = backward_weights(p, layer, n, g, err);
    if (st == EBM_OK && n->kind == NODE_LINEAR && input_wanted)
        st = backward_data(p, tape, layer, n, g, err);
    if (st == EBM_OK && n->kind == NODE_POINT && input_wanted)
        st = backward_point(p, tape, layer, n, g, err);
    if (st != EBM_OK)
        ebm_prefix(err, "layer %zu (%s)", layer + 1, net_kind_name(n->layer->spec.kind));
    return st;
}

/* The first layer with parameters: below it no gradient is wanted by
 * backward_params. */
static size_t lowest_layer(const struct plan *p, const struct plan_tape *tape)
{
    size_t i = 0;

    if (tape == &p->backward_input)
        return 0;
    while (i < p->net->layers && p->parts->node[i].kind != NODE_LINEAR)
        i++;
    return i;
}

/* The seed is copied to where an activation at the very end may scale it. */
static enum ebm_status copy_seed(struct plan *p, struct plan_tape *tape, struct flow *g,
                                 struct ebm_error *err)
{
    struct flow seed = {plain_like(&p->parts->energy.layout), p->seed, GRADS};

    *g = flow_next(p->parts, &seed, &p->parts->energy.layout);
    return add_reorder(p, tape, p->net->layers - 1, "seed of the backward pass",
                       (struct plan_tensor){PLAN_ARENA, seed.at, &seed.layout},
                       (struct plan_tensor){PLAN_ARENA, g->at, &g->layout}, err);
}

static enum ebm_status build_backward(struct plan *p, struct plan_tape *tape, struct ebm_error *err)
{
    size_t lowest = lowest_layer(p, tape);
    bool to_x = tape == &p->backward_input;
    struct flow g;
    enum ebm_status st = copy_seed(p, tape, &g, err);

    for (size_t i = p->net->layers; i-- > lowest && st == EBM_OK;)
        st = backward_layer(p, tape, i, to_x || i > lowest, &g, err);
    if (st != EBM_OK || !to_x)
        return st;
    st = flow_as(p, tape, 0, &g, &p->parts->node[0].in.layout, err);
    p->grad_input = g.at;
    return st;
}

/* The forward tape has measured what the backward tapes need. */
static void place_backward(struct plan *p)
{
    struct plan_parts *parts = p->parts;

    at_least(&parts->grad_bytes, onednn_bytes(&parts->energy.layout));
    p->seed = take(&p->arena_bytes, p->tile * sizeof(float));
    for (size_t i = 0; i < GRADS; i++)
        parts->grad[i] = take(&p->arena_bytes, parts->grad_bytes);
    parts->weights = take(&p->arena_bytes, parts->weights_bytes);
    parts->plain = take(&p->arena_bytes, parts->plain_bytes);
}

static struct plan_tape *tape_at(struct plan *p, size_t i)
{
    struct plan_tape *tapes[] = {&p->pack, &p->forward, &p->backward_input, &p->backward_params};

    return i < sizeof tapes / sizeof tapes[0] ? tapes[i] : NULL;
}

/* One scratchpad serves all calls; its size is known when all are there. */
static void place_scratch(struct plan *p)
{
    size_t at = take(&p->arena_bytes, p->parts->scratch_bytes);
    struct plan_tape *tape;

    for (size_t t = 0; (tape = tape_at(p, t)) != NULL; t++)
        for (size_t i = 0; i < tape->count; i++)
            for (size_t a = 0; a < tape->op[i].args; a++)
                if (tape->op[i].arg[a] == DNNL_ARG_SCRATCHPAD)
                    tape->op[i].tensor[a].at = at;
}

enum ebm_status plan_build(struct plan *p, struct onednn *o, const struct net *net, size_t tile,
                           struct ebm_error *err)
{
    memset(p, 0, sizeof *p);
    p->net = net;
    p->tile = tile;
    p->parts = calloc(1, sizeof *p->parts);
    if (p->parts == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for the plan of a net");
    p->parts->o = o;
    p->params = take(&p->store_bytes, net->params * sizeof(float));
    enum ebm_status st = build_forward(p, err);
    if (st == EBM_OK) {
        place_backward(p);
        st = build_backward(p, &p->backward_input, err);
    }
    if (st == EBM_OK)
        st = build_backward(p, &p->backward_params, err);
    if (st == EBM_OK)
        place_scratch(p);
    else
        plan_fini(p);
    return st;
}

void plan_fini(struct plan *p)
{
    struct plan_tape *tape;

    for (size_t t = 0; (tape = tape_at(p, t)) != NULL; t++)
        free(tape->op);
    if (p->parts != NULL) {
        for (size_t i = 0; i < p->parts->reorders; i++)
            onednn_primitive_destroy(&p->parts->reorder[i]);
        for (size_t i = 0; i < NET_LAYERS_MAX; i++)
            onednn_linear_destroy(&p->parts->node[i].linear);
        free(p->parts);
    }
    memset(p, 0, sizeof *p);
}

void plan_op_name(const struct plan *p, const struct plan_op *op, char *out, size_t size)
{
    snprintf(out, size, "layer %zu (%s) %s", op->layer + 1,
             net_kind_name(p->net->layer[op->layer].spec.kind), op->what);
}

bool plan_describe(const struct plan *p, size_t i, char *out, size_t size)
{
    const struct plan_tape *tapes[] = {&p->forward, &p->backward_input, &p->backward_params,
                                       &p->pack};

    for (size_t t = 0; t < sizeof tapes / sizeof tapes[0]; t++)
        for (size_t k = 0; k < tapes[t]->count; k++) {
            const struct plan_op *op = &tapes[t]->op[k];
            char name[96];
            if (op->kind != PLAN_CALL || i-- > 0)
                continue;
            plan_op_name(p, op, name, sizeof name);
            snprintf(out, size, "%s: %s", name, op->primitive->impl);
            return true;
        }
    return false;
}
