#include <assert.h>
#include <string.h>

#include "engine/wide/tape.h"

/* ---- operands ---- */

static float *at(struct wide_memory m, size_t bytes)
{
    return (float *)(void *)(m.arena + bytes);
}

/* The pair that this vector begins. */
static uint32_t *pair_at(void *operand, size_t vector)
{
    assert(vector % 2 == 0);
    return (uint32_t *)operand + vector / 2 * WIDE;
}

/* n vectors from this one of the tensor on, which begins a pair. */
static void put_operand(const struct wide_tape *t, const float *in, void *operand, size_t vector,
                        size_t n)
{
    if (wide_in_pairs(t->operands))
        t->isa->to_pairs(in, pair_at(operand, vector), n);
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
    wide_forward_pairs_fn *forward_pairs;
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

/* Both at once; of a pair's channels, the first is even (wide_sums). */
static void finish_pairs(void *arg, const struct wide_sums *s)
{
    const struct finish *f = arg;
    size_t step = operand_step(f->t, f->channels);
    bool whole = s->channels == f->channels && f->channels == step;

    for (size_t i = 0, n = 1; i < s->count; i += n) {
        size_t position = s->place[i].position;
        n = whole ? wide_sums_run(s, i) : 1;
        f->forward_pairs(f->slope, s->sum + i * s->channels * WIDE,
                         pair_at(f->operand, position * step + s->channel),
                         (uint16_t *)(void *)f->derivative +
                             (position * f->channels + s->channel) * WIDE,
                         n * s->channels);
    }
}

static struct finish finish_of(const struct wide_tape *t, struct wide_memory m,
                               const struct wide_node *n)
{
    return (struct finish){.t = t,
                           .forward = t->isa->forward[n->activation],
                           .forward_pairs = t->isa->forward_pairs[n->activation],
                           .slope = n->slope,
                           .channels = n->channels,
                           .y = at(m, n->out),
                           .derivative = at(m, n->derivative)};
}

static const float *bias_of(struct wide_memory m, const struct net_layer *l)
{
    return m.params + l->offset + l->weights;
}

static void forward_linear(const struct wide_tape *t, struct wide_memory m,
                           const struct wide_node *n, bool bf16)
{
    struct finish f = finish_of(t, m, n);
    bool operands = bf16 && wide_pass_exists(&n->forward_bf16), gives = bf16 && n->gives_operand;
    wide_finish_fn *finish = !gives                ? finish_float
                             : n->short_derivative ? finish_pairs
                                                   : finish_operand;

    if (operands && n->late)
        put_operands(t, at(m, n->in), at(m, n->operand), n->in_vectors, n->channels_in);
    if (gives)
        f.operand = at(m, n[1].operand);
    wide_pass_run(operands ? &n->forward_bf16 : &n->forward, at(m, operands ? n->operand : n->in),
                  m.store + (operands ? n->weights_bf16 : n->weights), bias_of(m, n->linear),
                  at(m, t->near), (struct wide_ahead){0}, finish, &f);
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
    const float *derivative; /* NULL: none */
    bool is_short;           /* the derivative, as bf16 */
    size_t channels;         /* of the pass's positions */
    float *g;
    void *operand;
};

/* g = sum times the derivative, n vectors from this number of the tensor on. */
static void times_derivative(const struct finish_back *f, const float *sum, size_t from, float *g,
                             size_t n)
{
    const struct wide_isa *isa = f->t->isa;

    if (f->derivative == NULL)
        memmove(g, sum, n * WIDE * sizeof *g);
    else if (f->is_short)
        isa->backward_short(sum, (const uint16_t *)(const void *)f->derivative + from, g, n);
    else
        isa->backward(sum, f->derivative + from, g, n);
}

static void back_float(void *arg, const struct wide_sums *s)
{
    const struct finish_back *f = arg;
    bool whole = s->channels == f->channels;

    for (size_t i = 0, n = 1; i < s->count; i += n) {
        size_t to = (s->place[i].position * f->channels + s->channel) * WIDE;
        const float *sum = s->sum + i * s->channels * WIDE;
        n = whole ? wide_sums_run(s, i) : 1;
        times_derivative(f, sum, to, f->g + to, n * s->channels);
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
        times_derivative(f, sum, to, sum, n * s->channels);
    }
    put_sums(f->t, s, f->channels, f->operand);
}

/* Both at once, where the derivative is short. */
static void back_pairs(void *arg, const struct wide_sums *s)
{
    const struct finish_back *f = arg;
    size_t step = operand_step(f->t, f->channels);
    bool whole = s->channels == f->channels && f->channels == step;

    for (size_t i = 0, n = 1; i < s->count; i += n) {
        size_t position = s->place[i].position;
        n = whole ? wide_sums_run(s, i) : 1;
        f->t->isa->backward_pairs(s->sum + i * s->channels * WIDE,
                                  (const uint16_t *)(const void *)f->derivative +
                                      (position * f->channels + s->channel) * WIDE,
                                  pair_at(f->operand, position * step + s->channel),
                                  n * s->channels);
    }
}

static bool has_derivative(const struct wide_node *n)
{
    return n != NULL && n->activation != WIDE_LINEAR;
}

static void end_by_tap(const struct finish_back *f, const struct wide_node *n, bool to_operand)
{
    times_derivative(f, f->g, 0, f->g, f->t->bundles * n->in_vectors);
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
        .derivative = has_derivative(before) ? at(f->m, before->derivative) : NULL,
        .is_short = bf16 && before != NULL && before->short_derivative,
        .channels = n->channels_in,
        .g = at(f->m, t->flow[next]),
        .operand = at(f->m, t->flow_operand[next]),
    };
    bool operands = bf16 && wide_pass_exists(&n->backward_bf16);
    bool to_operand =
        bf16 && before != NULL && wide_pass_exists(&before->backward_bf16) && !n->late;
    const struct wide_pass *pass = operands ? &n->backward_bf16 : &n->backward;
    const void *source = at(f->m, operands ? t->flow_operand[f->now] : t->flow[f->now]);
    const void *weights = f->m.store + (operands ? n->weights_back_bf16 : n->weights_back);

    if (operands && !f->is_operand)
        put_operands(t, at(f->m, t->flow[f->now]), at(f->m, t->flow_operand[f->now]),
                     n->out_vectors, n->channels);
    if (n->by_tap) {
        wide_pass_by_tap(pass, n->linear, t->bundles, source, weights, at(f->m, t->near), finish.g);
        end_by_tap(&finish, n, to_operand);
    } else {
        struct wide_ahead ahead = {finish.derivative,
                                   WIDE * (finish.is_short ? sizeof(uint16_t) : sizeof(float))};
        wide_pass_run(pass, source, weights, NULL, at(f->m, t->near), ahead,
                      !to_operand       ? back_float
                      : finish.is_short ? back_pairs
                                        : back_operand,
                      &finish);
    }
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
