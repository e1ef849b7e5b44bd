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

/* Vectors of a bundle's operands. */
static size_t operand_vectors(const struct wide_tape *t, size_t positions, size_t channels)
{
    return wide_in_pairs(t->operands) ? positions * ((channels + 1) / 2) : positions * channels;
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
                                    struct ebm_error *err)
{
    enum wide_direction back = wide_pass_back(n->linear);

    n->by_tap = back == WIDE_BY_TAP;
    struct {
        struct wide_pass *pass;
        enum wide_direction direction;
        enum wide_operands operands;
        size_t *weights;
    } want[] = {
        {&n->forward, WIDE_FORWARD, WIDE_FLOAT, &n->weights},
        {&n->backward, back, WIDE_FLOAT, &n->weights_back},
        {&n->forward_bf16, WIDE_FORWARD, operands_of(t, n->linear, WIDE_FORWARD), &n->weights_bf16},
        {&n->backward_bf16, back, operands_of(t, n->linear, back), &n->weights_back_bf16}};
    enum ebm_status st = EBM_OK;

    for (size_t i = 0; st == EBM_OK && i < sizeof want / sizeof want[0]; i++) {
        if (i >= 2 && want[i].operands == WIDE_FLOAT)
            continue;
        st = wide_pass_build(want[i].pass, t->isa, want[i].operands, n->linear, want[i].direction,
                             order, t->bundles, err);
        if (st == EBM_OK)
            *want[i].weights = take(&t->store_bytes, wide_pass_bytes(want[i].pass));
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

    if (operands_of(t, n->linear, WIDE_FORWARD) == WIDE_FLOAT)
        return;
    n->operand =
        take(&t->arena_bytes,
             tensor_bytes(t, operand_vectors(t, n->in_vectors / n->channels_in, n->channels_in)));
    n->late = before == NULL || (flat && pixels > 1 && n->stored_in.c % 2 != 0);
    if (!n->late)
        before->gives_operand = true;
}

static enum ebm_status add_linear(struct wide_tape *t, const struct net_layer *l, struct edge *e,
                                  struct ebm_error *err)
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
        st = build_passes(t, n, turned ? e->order : NULL, err);
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

static enum ebm_status build_nodes(struct wide_tape *t, struct edge *e, struct ebm_error *err)
{
    const struct net *net = &t->net;
    enum ebm_status st = EBM_OK;

    for (size_t i = 0; st == EBM_OK && i < net->layers; i++) {
        const struct net_layer *l = &net->layer[i];
        if (l->weights > 0) {
            st = add_linear(t, l, e, err);
            if (i + 1 < net->layers && is_activation(&net->layer[i + 1]))
                take_activation(t, &t->node[t->nodes - 1], &net->layer[++i]);
        } else if (is_activation(l)) {
            add_activation(t, l, e);
        }
        e->logical = net->layer[i].out;
    }
    return st;
}

static bool has_pass(const struct wide_pass *p)
{
    return p->blocks > 0;
}

static size_t most_near(const struct wide_tape *t)
{
    size_t most = 0;

    for (size_t i = 0; i < t->nodes; i++) {
        const struct wide_pass *pass[] = {&t->node[i].forward, &t->node[i].backward,
                                          &t->node[i].forward_bf16, &t->node[i].backward_bf16};
        for (size_t k = 0; k < 4; k++)
            if (has_pass(pass[k]) && wide_pass_near(pass[k]) > most)
                most = wide_pass_near(pass[k]);
    }
    return most;
}

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
                                const struct net *net, size_t bundles, bool bf16,
                                struct ebm_error *err)
{
    struct edge e = {.stored = net->in, .logical = net->in};

    memset(t, 0, sizeof *t);
    t->isa = isa;
    t->net = *net;
    t->bundles = bundles;
    t->operands = operands_for(isa, bf16);
    t->params = take(&t->store_bytes, net->params * sizeof(float));
    t->x_vectors = e.vectors = net_shape_size(net->in);
    t->x = e.at = take(&t->arena_bytes, tensor_bytes(t, t->x_vectors));
    enum ebm_status st = build_nodes(t, &e, err);
    free(e.order);
    if (st == EBM_OK)
        place_flows(t);
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

void wide_tape_pack(const struct wide_tape *t, unsigned char *store)
{
    const float *params = (const float *)(const void *)(store + t->params);

    for (size_t i = 0; i < t->nodes; i++) {
        const struct wide_node *n = &t->node[i];
        if (n->linear == NULL)
            continue;
        wide_pass_pack(&n->forward, params, store + n->weights);
        wide_pass_pack(&n->backward, params, store + n->weights_back);
        if (has_pass(&n->forward_bf16))
            wide_pass_pack(&n->forward_bf16, params, store + n->weights_bf16);
        if (has_pass(&n->backward_bf16))
            wide_pass_pack(&n->backward_bf16, params, store + n->weights_back_bf16);
    }
}

/* ---- operands ---- */

static float *at(struct wide_memory m, size_t bytes)
{
    return (float *)(void *)(m.arena + bytes);
}

/* n vectors from this one of the tensor on, which begins a pair. */
static void put_operand(const struct wide_tape *t, const float *in, void *operand, size_t vector,
                        size_t n)
{
    if (wide_in_pairs(t->operands))
        t->isa->to_pairs(in, (uint32_t *)operand + vector / 2 * WIDE, n);
    else
        t->isa->round(in, (float *)operand + vector * WIDE, n);
}

/* Vectors as operands count them: a position's last channel may be paired
 * with nothing. */
static size_t operand_step(const struct wide_tape *t, size_t channels)
{
    return wide_in_pairs(t->operands) ? (channels + 1) / 2 * 2 : channels;
}

static void put_operands(const struct wide_tape *t, const float *in, void *operand, size_t vectors,
                         size_t channels)
{
    for (size_t p = 0; p < t->bundles * vectors / channels; p++)
        put_operand(t, in + p * channels * WIDE, operand, p * operand_step(t, channels), channels);
}

/* Sums to operands of a tensor of so many channels; a flat layer's are those
 * of all positions, which then are even. */
static void put_sums(const struct wide_tape *t, const struct wide_sums *s, size_t channels,
                     void *operand)
{
    size_t step = operand_step(t, channels);
    bool whole = s->channels == channels && channels == step;

    for (size_t i = 0, n = 1; i < s->count; i += n) {
        n = whole ? wide_sums_run(s, i) : 1;
        put_operand(t, s->sum + i * s->channels * WIDE, operand,
                    s->place[i].position * step + s->channel, n * s->channels);
    }
}

/* ---- forward ---- */

/* Sums on their way through an activation. */
struct finish {
    const struct wide_tape *t;
    wide_forward_fn *forward;
    float slope;
    size_t channels;
    float *y, *derivative;
    void *operand;
};

static void finish_float(void *arg, const struct wide_sums *s)
{
    const struct finish *f = arg;
    bool whole = s->channels == f->channels;

    for (size_t i = 0, n = 1; i < s->count; i += n) {
        size_t to = (s->place[i].position * f->channels + s->channel) * WIDE;
        n = whole ? wide_sums_run(s, i) : 1;
        f->forward(f->slope, s->sum + i * s->channels * WIDE, f->y + to, f->derivative + to,
                   n * s->channels);
    }
}

static void finish_operand(void *arg, const struct wide_sums *s)
{
    const struct finish *f = arg;
    bool whole = s->channels == f->channels;

    for (size_t i = 0, n = 1; i < s->count; i += n) {
        size_t to = (s->place[i].position * f->channels + s->channel) * WIDE;
        float *sum = s->sum + i * s->channels * WIDE;
        n = whole ? wide_sums_run(s, i) : 1;
        f->forward(f->slope, sum, sum, f->derivative + to, n * s->channels);
    }
    put_sums(f->t, s, f->channels, f->operand);
}

static struct finish finish_of(const struct wide_tape *t, struct wide_memory m,
                               const struct wide_node *n)
{
    return (struct finish){.t = t,
                           .forward = t->isa->forward[n->activation],
                           .slope = n->slope,
                           .channels = n->channels,
                           .y = at(m, n->out),
                           .derivative = at(m, n->derivative)};
}

static const float *bias_of(const struct wide_tape *t, struct wide_memory m,
                            const struct net_layer *l)
{
    return (const float *)(const void *)(m.store + t->params) + l->offset + l->weights;
}

static void forward_linear(const struct wide_tape *t, struct wide_memory m,
                           const struct wide_node *n, bool bf16)
{
    struct finish f = finish_of(t, m, n);
    bool operands = bf16 && has_pass(&n->forward_bf16), gives = bf16 && n->gives_operand;

    if (operands && n->late)
        put_operands(t, at(m, n->in), at(m, n->operand), n->in_vectors, n->channels_in);
    if (gives)
        f.operand = at(m, n[1].operand);
    wide_pass_run(operands ? &n->forward_bf16 : &n->forward, at(m, operands ? n->operand : n->in),
                  m.store + (operands ? n->weights_bf16 : n->weights), bias_of(t, m, n->linear),
                  at(m, t->near), NULL, gives ? finish_operand : finish_float, &f);
}

/* An activation alone: its input is the sum. */
static void forward_alone(const struct wide_tape *t, struct wide_memory m,
                          const struct wide_node *n, bool bf16)
{
    t->isa->forward[n->activation](n->slope, at(m, n->in), at(m, n->out), at(m, n->derivative),
                                   t->bundles * n->out_vectors);
    if (bf16 && n->gives_operand)
        put_operands(t, at(m, n->out), at(m, n[1].operand), n->out_vectors, n->channels);
}

void wide_tape_forward(const struct wide_tape *t, struct wide_memory m, bool bf16)
{
    for (size_t i = 0; i < t->nodes; i++) {
        const struct wide_node *n = &t->node[i];
        if (n->linear == NULL)
            forward_alone(t, m, n, bf16);
        else
            forward_linear(t, m, n, bf16);
    }
}

/* ---- backward ---- */

/* A gradient on its way back: as float, or as operands. */
struct flow {
    const struct wide_tape *t;
    struct wide_memory m;
    int now; /* of t->flow and t->flow_operand */
    bool is_operand;
};

/* Gradients of a layer's inputs are multiplied by the derivative of the
 * activation that made them, while they are near. */
struct finish_back {
    const struct wide_tape *t;
    const struct net_layer *layer;
    const float *derivative; /* NULL: none */
    size_t channels;         /* of the pass's positions */
    float *g;
    void *operand;
};

static void back_float(void *arg, const struct wide_sums *s)
{
    const struct finish_back *f = arg;
    bool whole = s->channels == f->channels;

    for (size_t i = 0, n = 1; i < s->count; i += n) {
        size_t to = (s->place[i].position * f->channels + s->channel) * WIDE;
        const float *sum = s->sum + i * s->channels * WIDE;
        n = whole ? wide_sums_run(s, i) : 1;
        if (f->derivative != NULL)
            f->t->isa->backward(sum, f->derivative + to, f->g + to, n * s->channels);
        else
            memcpy(f->g + to, sum, n * s->channels * WIDE * sizeof *sum);
    }
}

static void back_operand(void *arg, const struct wide_sums *s)
{
    const struct finish_back *f = arg;
    bool whole = s->channels == f->channels;

    for (size_t i = 0, n = 1; f->derivative != NULL && i < s->count; i += n) {
        size_t to = (s->place[i].position * f->channels + s->channel) * WIDE;
        float *sum = s->sum + i * s->channels * WIDE;
        n = whole ? wide_sums_run(s, i) : 1;
        f->t->isa->backward(sum, f->derivative + to, sum, n * s->channels);
    }
    put_sums(f->t, s, f->channels, f->operand);
}

static bool has_derivative(const struct wide_node *n)
{
    return n != NULL && n->activation != WIDE_LINEAR;
}

static void back_by_tap(void *arg, const struct wide_sums *s)
{
    const struct finish_back *f = arg;

    wide_pass_scatter(f->t->isa, f->layer, s, f->g);
}

static void end_by_tap(const struct finish_back *f, const struct wide_node *n, bool to_operand)
{
    if (f->derivative != NULL)
        f->t->isa->backward(f->g, f->derivative, f->g, f->t->bundles * n->in_vectors);
    if (to_operand)
        put_operands(f->t, f->g, f->operand, n->in_vectors, n->channels_in);
}

static void back_linear(struct flow *f, const struct wide_node *n, const struct wide_node *before,
                        bool bf16)
{
    const struct wide_tape *t = f->t;
    int next = 1 - f->now;
    struct finish_back finish = {
        .t = t,
        .layer = n->linear,
        .derivative = has_derivative(before) ? at(f->m, before->derivative) : NULL,
        .channels = n->channels_in,
        .g = at(f->m, t->flow[next]),
        .operand = at(f->m, t->flow_operand[next]),
    };
    bool operands = bf16 && has_pass(&n->backward_bf16);
    bool to_operand = bf16 && before != NULL && has_pass(&before->backward_bf16) && !n->late;
    const struct wide_pass *pass = operands ? &n->backward_bf16 : &n->backward;
    const void *source = at(f->m, operands ? t->flow_operand[f->now] : t->flow[f->now]);
    const void *weights = f->m.store + (operands ? n->weights_back_bf16 : n->weights_back);

    if (operands && !f->is_operand)
        put_operands(t, at(f->m, t->flow[f->now]), at(f->m, t->flow_operand[f->now]),
                     n->out_vectors, n->channels);
    if (n->by_tap)
        memset(finish.g, 0, tensor_bytes(t, n->in_vectors));
    wide_pass_run(pass, source, weights, NULL, at(f->m, t->near),
                  n->by_tap ? NULL : finish.derivative,
                  n->by_tap    ? back_by_tap
                  : to_operand ? back_operand
                               : back_float,
                  &finish);
    if (n->by_tap)
        end_by_tap(&finish, n, to_operand);
    f->now = next;
    f->is_operand = to_operand;
}

static void multiply(const struct flow *f, const struct wide_node *n)
{
    float *g = at(f->m, f->t->flow[f->now]);

    if (has_derivative(n))
        f->t->isa->backward(g, at(f->m, n->derivative), g, f->t->bundles * n->out_vectors);
}

static struct flow begin_flow(const struct wide_tape *t, struct wide_memory m, const float *seed)
{
    struct flow f = {.t = t, .m = m};

    memcpy(at(m, t->flow[0]), seed, t->bundles * WIDE * sizeof *seed);
    multiply(&f, &t->node[t->nodes - 1]);
    return f;
}

const float *wide_tape_backward(const struct wide_tape *t, struct wide_memory m, bool bf16,
                                const float *seed)
{
    struct flow f = begin_flow(t, m, seed);

    for (size_t i = t->nodes; i-- > 0;) {
        const struct wide_node *n = &t->node[i], *before = i > 0 ? &t->node[i - 1] : NULL;
        if (n->linear != NULL)
            back_linear(&f, n, before, bf16);
        else
            multiply(&f, before);
    }
    return at(m, t->flow[f.now]);
}

void wide_tape_visit(const struct wide_tape *t, struct wide_memory m, const float *seed,
                     wide_visit_fn *visit, void *arg)
{
    struct flow f = begin_flow(t, m, seed);
    size_t low = 0;

    while (low < t->nodes && t->node[low].linear == NULL)
        low++;
    for (size_t i = t->nodes; i-- > low;) {
        const struct wide_node *n = &t->node[i], *before = i > 0 ? &t->node[i - 1] : NULL;
        if (n->linear != NULL)
            visit(arg, n, at(m, t->flow[f.now]));
        if (n->linear != NULL && i > low)
            back_linear(&f, n, before, false);
        else if (n->linear == NULL)
            multiply(&f, before);
    }
}
