#include "engine/wide/pass.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t none = UINT32_MAX; /* in a map: the number is 0 */

/* ---- geometry ---- */

/* One axis of the layer, at one output position of the pass: the taps that
 * count, as they lie in the source. */
struct span {
    uint32_t source; /* of the first tap */
    uint32_t tap;    /* rank of the first tap among the packed ones */
    uint32_t count;
};

/* The axis: source and output sizes of the pass, and the layer's kernel. */
struct axis {
    size_t kernel, stride, pad; /* pad: before the first input */
    size_t in, out;             /* of the layer, not of the pass */
};

/* Forward, output o reads inputs o * stride - pad + k. */
static struct span forward_span(const struct axis *a, size_t o)
{
    size_t at = o * a->stride; /* before the padding is taken off */
    size_t first = at < a->pad ? a->pad - at : 0;
    size_t end = a->in + a->pad - at < a->kernel ? a->in + a->pad - at : a->kernel;

    if (first >= end)
        return (struct span){0};
    return (struct span){(uint32_t)(at + first - a->pad), (uint32_t)first, (uint32_t)(end - first)};
}

/* Taps of a remainder: remainder, remainder + stride ... below the kernel. */
static size_t count_taps(const struct axis *a, size_t remainder)
{
    return remainder < a->kernel ? (a->kernel - remainder + a->stride - 1) / a->stride : 0;
}

/* Backward, input i is read by outputs (i + pad - k) / stride, for the taps k
 * of the right remainder. Taps are packed remainder by remainder, and within
 * one falling, so that the outputs rise. */
static struct span backward_span(const struct axis *a, size_t i)
{
    size_t remainder = (i + a->pad) % a->stride, taps = count_taps(a, remainder), rank = 0;
    struct span s = {0};

    for (size_t r = 0; r < remainder; r++)
        rank += count_taps(a, r);
    for (size_t t = 0; t < taps; t++) {
        size_t k = remainder + (taps - 1 - t) * a->stride;
        if (i + a->pad < k || (i + a->pad - k) / a->stride >= a->out)
            continue;
        if (s.count++ == 0) {
            s.source = (uint32_t)((i + a->pad - k) / a->stride);
            s.tap = (uint32_t)(rank + t);
        }
    }
    return s;
}

/* The kernel tap that is packed at this rank. */
static size_t tap_at(const struct axis *a, enum wide_direction d, size_t rank)
{
    size_t remainder = 0;

    if (d == WIDE_FORWARD)
        return rank;
    for (; rank >= count_taps(a, remainder); remainder++)
        rank -= count_taps(a, remainder);
    return remainder + (count_taps(a, remainder) - 1 - rank) * a->stride;
}

/* ---- building ---- */

/* What a pass is built from. */
struct builder {
    struct wide_pass *p;
    const struct net_layer *layer;
    enum wide_direction direction;
    const uint32_t *order;
    size_t bundles;
    struct axis rows, columns;
    size_t source_channels; /* of the layer, before pairs are made */
    size_t step;            /* vectors (or pairs) of a source position */
    size_t source_width, source_positions;
    size_t out_height, out_width;
};

static void settle_axes(struct builder *b)
{
    const struct net_layer *l = b->layer;
    bool dense = l->spec.kind == NET_DENSE;

    b->rows = (struct axis){l->spec.kernel, l->spec.stride, l->pad_top, l->in.h, l->out.h};
    b->columns = (struct axis){l->spec.kernel, l->spec.stride, l->pad_left, l->in.w, l->out.w};
    if (dense) /* one position whose channels are all inputs */
        b->rows = b->columns = (struct axis){1, 1, 0, 1, 1};
}

static void settle_sizes(struct builder *b)
{
    const struct net_layer *l = b->layer;
    bool dense = l->spec.kind == NET_DENSE, forward = b->direction == WIDE_FORWARD;
    size_t inputs = dense ? net_shape_size(l->in) : l->in.c;

    b->source_channels = forward ? inputs : l->spec.out;
    b->p->outputs = forward ? l->spec.out : inputs;
    b->step = b->p->operands == WIDE_PAIRS ? (b->source_channels + 1) / 2 : b->source_channels;
    b->source_width = forward ? b->columns.in : b->columns.out;
    b->source_positions = b->source_width * (forward ? b->rows.in : b->rows.out);
    b->out_height = forward ? b->rows.out : b->rows.in;
    b->out_width = forward ? b->columns.out : b->columns.in;
    b->p->positions = b->out_height * b->out_width;
    b->p->rows = b->rows.kernel * b->columns.kernel * b->step;
}

static struct span span_at(const struct builder *b, const struct axis *a, size_t at)
{
    return b->direction == WIDE_FORWARD ? forward_span(a, at) : backward_span(a, at);
}

static bool same_terms(const struct span *a, const struct span *b)
{
    return a->tap == b->tap && a->count == b->count;
}

/* Runs of a position whose spans these are. */
static size_t put_runs(const struct builder *b, const struct span *y, const struct span *x,
                       struct wide_run *run)
{
    for (uint32_t k = 0; x->count > 0 && k < y->count; k++)
        run[k] = (struct wide_run){
            .source = (uint32_t)(k * b->source_width * b->step),
            .weight = (uint32_t)(((y->tap + k) * b->columns.kernel + x->tap) * b->step),
            .count = (uint32_t)(x->count * b->step)};
    return x->count > 0 ? y->count : 0;
}

/* Positions are sorted into groups: spans of rows and of columns that agree
 * with an earlier one take its number. */
static size_t sort_spans(const struct builder *b, const struct axis *a, size_t n, struct span *span,
                         uint32_t *kind, size_t *first)
{
    size_t kinds = 0;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        span[i] = span_at(b, a, i);
        while (k < kinds && !same_terms(&span[first[k]], &span[i]))
            k++;
        if (k == kinds)
            first[kinds++] = i;
        kind[i] = (uint32_t)k;
    }
    return kinds;
}

struct sorted {
    struct span *span;
    uint32_t *kind;
    size_t *first;
    size_t kinds;
};

static bool sort_axis(const struct builder *b, const struct axis *a, size_t n, struct sorted *out)
{
    *out = (struct sorted){calloc(n, sizeof *out->span), calloc(n, sizeof *out->kind),
                           calloc(n, sizeof *out->first), 0};
    if (out->span == NULL || out->kind == NULL || out->first == NULL)
        return false;
    out->kinds = sort_spans(b, a, n, out->span, out->kind, out->first);
    return true;
}

static void sorted_fini(struct sorted *s)
{
    free(s->span);
    free(s->kind);
    free(s->first);
}

static void place_group(const struct builder *b, const struct sorted *y, const struct sorted *x,
                        size_t ky, size_t kx, struct wide_place *place, uint32_t *count)
{
    for (size_t g = 0; g < b->bundles; g++)
        for (size_t h = 0; h < b->out_height; h++)
            for (size_t w = 0; w < b->out_width; w++) {
                if (y->kind[h] != ky || x->kind[w] != kx)
                    continue;
                size_t source = g * b->source_positions + y->span[h].source * b->source_width +
                                x->span[w].source;
                size_t position = g * b->p->positions + h * b->out_width + w;
                place[(*count)++] =
                    (struct wide_place){(uint32_t)(source * b->step), (uint32_t)position};
            }
}

static void fill_groups(const struct builder *b, const struct sorted *y, const struct sorted *x)
{
    struct wide_pass *p = b->p;
    uint32_t places = 0, runs = 0;

    for (size_t ky = 0; ky < y->kinds; ky++)
        for (size_t kx = 0; kx < x->kinds; kx++) {
            struct wide_group *c = &p->group[p->groups++];
            *c = (struct wide_group){.first_run = runs, .first = places};
            c->runs = (uint32_t)put_runs(b, &y->span[y->first[ky]], &x->span[x->first[kx]],
                                         p->run + runs);
            runs += c->runs;
            place_group(b, y, x, ky, kx, p->place, &places);
            c->count = places - c->first;
        }
}

static enum ebm_status build_groups(const struct builder *b, struct ebm_error *err)
{
    struct wide_pass *p = b->p;
    struct sorted y = {0}, x = {0};
    bool ok =
        sort_axis(b, &b->rows, b->out_height, &y) && sort_axis(b, &b->columns, b->out_width, &x);

    if (ok) {
        p->group = calloc(y.kinds * x.kinds, sizeof *p->group);
        p->run = calloc(y.kinds * x.kinds * b->rows.kernel, sizeof *p->run);
        p->place = calloc(p->positions * b->bundles, sizeof *p->place);
        ok = p->group != NULL && p->run != NULL && p->place != NULL;
    }
    if (ok)
        fill_groups(b, &y, &x);
    sorted_fini(&y);
    sorted_fini(&x);
    return ok ? EBM_OK : ebm_fail(err, EBM_ENOMEM, "no memory for the plan of a layer");
}

/* ---- weights ---- */

/* The widest kernel that there is for so many outputs. A block of 8 with two
 * positions at once needs fewer loads than one of 16; but where positions
 * stand alone, 16. */
static uint32_t choose_width(const struct builder *b, size_t left)
{
    const struct wide_pass *p = b->p;
    size_t largest = 0;
    uint32_t width = (uint32_t)p->isa->block;

    for (size_t i = 0; i < p->groups; i++)
        largest = p->group[i].count > largest ? p->group[i].count : largest;
    if (width > 8 && largest >= 2)
        width = 8;
    if (left == 3 && p->operands == WIDE_FLOAT && p->isa->sum[3][1] != NULL)
        return 3;
    while (width > left)
        width /= 2;
    return width;
}

static enum ebm_status build_blocks(const struct builder *b, struct ebm_error *err)
{
    struct wide_pass *p = b->p;

    p->block = calloc(p->outputs, sizeof *p->block);
    if (p->block == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for the plan of a layer");
    for (uint32_t at = 0; at < p->outputs; at += p->block[p->blocks++].width) {
        struct wide_block *block = &p->block[p->blocks];
        *block = (struct wide_block){at, choose_width(b, p->outputs - at), (uint32_t)p->packed};
        p->packed += p->rows * block->width;
        p->packed = (p->packed + WIDE - 1) / WIDE * WIDE;
    }
    return EBM_OK;
}

/* The parameter that leads from the layer's input channel i at a tap to its
 * output channel o. */
static uint32_t parameter(const struct builder *b, size_t o, size_t i, size_t ky, size_t kx)
{
    const struct net_layer *l = b->layer;
    size_t inputs = l->spec.kind == NET_DENSE ? net_shape_size(l->in) : l->in.c;
    size_t at = o * inputs + i;

    if (l->spec.kind != NET_DENSE)
        at = (at * l->spec.kernel + ky) * l->spec.kernel + kx;
    return (uint32_t)(l->offset + at);
}

/* Source channel c, output channel o of the pass. */
static uint32_t map_one(const struct builder *b, size_t row, size_t c, size_t o)
{
    size_t taps = row / b->step;
    size_t ky = tap_at(&b->rows, b->direction, taps / b->columns.kernel);
    size_t kx = tap_at(&b->columns, b->direction, taps % b->columns.kernel);
    bool forward = b->direction == WIDE_FORWARD;
    size_t in = forward ? c : o, out = forward ? o : c;

    if (c >= b->source_channels)
        return none;
    return parameter(b, out, b->order != NULL ? b->order[in] : in, ky, kx);
}

static void map_block(const struct builder *b, const struct wide_block *block)
{
    const struct wide_pass *p = b->p;
    size_t numbers = p->operands == WIDE_PAIRS ? 2 : 1;

    for (size_t row = 0; row < p->rows; row++)
        for (size_t o = 0; o < block->width; o++)
            for (size_t n = 0; n < numbers; n++) {
                size_t c = row % b->step * numbers + n;
                p->map[(block->packed + row * block->width + o) * numbers + n] =
                    map_one(b, row, c, block->first + o);
            }
}

static enum ebm_status build_map(const struct builder *b, struct ebm_error *err)
{
    struct wide_pass *p = b->p;
    size_t n = p->packed * (p->operands == WIDE_PAIRS ? 2 : 1);

    p->map = malloc(n * sizeof *p->map);
    if (p->map == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for the weights of a layer");
    memset(p->map, 0xff, n * sizeof *p->map);
    for (size_t i = 0; i < p->blocks; i++)
        map_block(b, &p->block[i]);
    return EBM_OK;
}

enum ebm_status wide_pass_build(struct wide_pass *p, const struct wide_isa *isa,
                                enum wide_operands operands, const struct net_layer *layer,
                                enum wide_direction direction, const uint32_t *order,
                                size_t bundles, struct ebm_error *err)
{
    struct builder b = {
        .p = p, .layer = layer, .direction = direction, .order = order, .bundles = bundles};

    *p = (struct wide_pass){.isa = isa, .operands = operands};
    settle_axes(&b);
    settle_sizes(&b);
    enum ebm_status st = build_groups(&b, err);
    if (st == EBM_OK)
        st = build_blocks(&b, err);
    if (st == EBM_OK)
        st = build_map(&b, err);
    p->weights_outer = p->packed > b.step * b.source_positions * bundles * WIDE;
    if (st != EBM_OK)
        wide_pass_fini(p);
    return st;
}

void wide_pass_fini(struct wide_pass *p)
{
    free(p->group);
    free(p->place);
    free(p->run);
    free(p->block);
    free(p->map);
    memset(p, 0, sizeof *p);
}

/* ---- packing ---- */

size_t wide_pass_bytes(const struct wide_pass *p)
{
    return p->packed * sizeof(float);
}

static uint32_t bf16_bits(float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return bits >> 16 | 0x40u; /* NaN stays one */
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

static void pack_floats(const struct wide_pass *p, const float *params, float *out)
{
    for (size_t i = 0; i < p->packed; i++)
        out[i] = p->map[i] != none ? params[p->map[i]] : 0.0f;
}

static void pack_rounded(const struct wide_pass *p, const float *params, float *out)
{
    pack_floats(p, params, out);
    for (size_t i = 0; i < p->packed; i++) {
        uint32_t bits = bf16_bits(out[i]) << 16;
        memcpy(&out[i], &bits, sizeof bits);
    }
}

static void pack_pairs(const struct wide_pass *p, const float *params, uint32_t *out)
{
    for (size_t i = 0; i < p->packed; i++) {
        uint32_t low = p->map[2 * i], high = p->map[2 * i + 1];
        out[i] = (low != none ? bf16_bits(params[low]) : 0) |
                 (high != none ? bf16_bits(params[high]) << 16 : 0);
    }
}

void wide_pass_pack(const struct wide_pass *p, const float *params, void *packed)
{
    if (p->operands == WIDE_PAIRS)
        pack_pairs(p, params, packed);
    else if (p->operands == WIDE_ROUNDED)
        pack_rounded(p, params, packed);
    else
        pack_floats(p, params, packed);
}

/* ---- running ---- */

struct running {
    const struct wide_pass *p;
    const char *source, *weights;
    const float *bias;
    float *near;
    wide_finish_fn *finish;
    void *arg;
    const float *ahead; /* tensor that finish will read, or NULL */
};

/* What finish reads comes meanwhile. */
static void fetch_ahead(const struct running *r, const struct wide_sums *s)
{
    for (size_t i = 0; r->ahead != NULL && i < s->count; i++) {
        const float *at =
            r->ahead + ((size_t)s->place[i].position * r->p->outputs + s->channel) * WIDE;
        for (size_t c = 0; c < s->channels; c++)
            __builtin_prefetch(at + c * WIDE, 0, 2);
    }
}

static wide_sum_fn *kernel(const struct wide_pass *p, size_t width, size_t positions)
{
    return p->operands == WIDE_PAIRS ? p->isa->pair[width][positions]
                                     : p->isa->sum[width][positions];
}

/* So many positions at once, as many as there is a kernel for. */
static size_t choose_positions(const struct wide_pass *p, size_t width, size_t left)
{
    size_t n = left < WIDE_POSITIONS_MAX ? left : WIDE_POSITIONS_MAX;

    while (kernel(p, width, n) == NULL)
        n--;
    return n;
}

/* One block of outputs at all of the positions. */
static void run_block(const struct running *r, const struct wide_group *c,
                      const struct wide_block *block, const struct wide_sums *s)
{
    const struct wide_pass *p = r->p;
    struct wide_sum job = {.run = p->run + c->first_run,
                           .runs = c->runs,
                           .weight = r->weights + block->packed * sizeof(float),
                           .bias = r->bias != NULL ? r->bias + block->first : NULL};
    float *sum = s->sum + (block->first - s->channel) * WIDE;

    for (size_t at = 0; at < s->count;) {
        size_t n = choose_positions(p, block->width, s->count - at);
        for (size_t i = 0; i < n; i++) {
            job.source[i] = r->source + (size_t)s->place[at + i].source * WIDE * sizeof(float);
            job.sum[i] = sum + (at + i) * s->channels * WIDE;
        }
        kernel(p, block->width, n)(&job);
        at += n;
    }
}

/* Positions whose sums stay near, all channels. */
static size_t near_positions(const struct wide_pass *p)
{
    size_t n = WIDE_NEAR / p->outputs;

    return n < WIDE_POSITIONS_MAX ? WIDE_POSITIONS_MAX : n;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void run_places_outer(const struct running *r)
{
    const struct wide_pass *p = r->p;
    size_t most = near_positions(p);

    for (size_t c = 0; c < p->groups; c++)
        for (size_t at = 0; at < p->group[c].count; at += most) {
            struct wide_sums s = {.sum = r->near,
                                  .place = p->place + p->group[c].first + at,
                                  .count = least(most, p->group[c].count - at),
                                  .channels = p->outputs};
            fetch_ahead(r, &s);
            for (size_t b = 0; b < p->blocks; b++)
                run_block(r, &p->group[c], &p->block[b], &s);
            r->finish(r->arg, &s);
        }
}

/* Channels that a block of weights stays near for. */
static void run_weights_outer(const struct running *r)
{
    const struct wide_pass *p = r->p;

    for (size_t b = 0; b < p->blocks; b++)
        for (size_t c = 0; c < p->groups; c++)
            for (size_t at = 0; at < p->group[c].count; at += WIDE_NEAR / WIDE_OUTPUTS_MAX) {
                struct wide_sums s = {
                    .sum = r->near,
                    .place = p->place + p->group[c].first + at,
                    .count = least(WIDE_NEAR / WIDE_OUTPUTS_MAX, p->group[c].count - at),
                    .channel = p->block[b].first,
                    .channels = p->block[b].width};
                fetch_ahead(r, &s);
                run_block(r, &p->group[c], &p->block[b], &s);
                r->finish(r->arg, &s);
            }
}

size_t wide_sums_run(const struct wide_sums *s, size_t i)
{
    size_t n = 1;

    while (i + n < s->count && s->place[i + n].position == s->place[i].position + n)
        n++;
    return n;
}

size_t wide_pass_near(const struct wide_pass *p)
{
    size_t n = near_positions(p) * p->outputs;

    return p->weights_outer || n < WIDE_NEAR ? WIDE_NEAR : n;
}

void wide_pass_run(const struct wide_pass *p, const void *source, const void *weights,
                   const float *bias, float *near, const float *ahead, wide_finish_fn *finish,
                   void *arg)
{
    const struct running r = {p, source, weights, bias, near, finish, arg, ahead};

    if (p->weights_outer)
        run_weights_outer(&r);
    else
        run_places_outer(&r);
}
