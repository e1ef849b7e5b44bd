#include "engine/wide/pass.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
    if (b->direction == WIDE_BY_TAP) { /* every output position by itself */
        b->rows = (struct axis){1, 1, 0, l->out.h, l->out.h};
        b->columns = (struct axis){1, 1, 0, l->out.w, l->out.w};
    }
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
    if (b->direction == WIDE_BY_TAP)
        b->p->outputs *= l->spec.kernel * l->spec.kernel;
    b->step = wide_in_pairs(b->p->operands) ? (b->source_channels + 1) / 2 : b->source_channels;
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

/* Which positions of a kind, by where sixteen pairs from the first one on lie:
 * within the source of their bundle, or beyond it. */
enum part { PART_ALL, PART_WITHIN, PART_BEYOND };

static bool is_in(const struct builder *b, enum part part, size_t source)
{
    bool within = source * b->step + WIDE_TILE <= b->source_positions * b->step;

    return part == PART_ALL || within == (part == PART_WITHIN);
}

static void place_group(const struct builder *b, const struct sorted *y, const struct sorted *x,
                        size_t ky, size_t kx, enum part part, struct wide_place *place,
                        uint32_t *count)
{
    for (size_t g = 0; g < b->bundles; g++)
        for (size_t h = 0; h < b->out_height; h++)
            for (size_t w = 0; w < b->out_width; w++) {
                size_t from = y->span[h].source * b->source_width + x->span[w].source;
                if (y->kind[h] != ky || x->kind[w] != kx || !is_in(b, part, from))
                    continue;
                size_t source = g * b->source_positions + from;
                size_t position = g * b->p->positions + h * b->out_width + w;
                place[(*count)++] =
                    (struct wide_place){(uint32_t)(source * b->step), (uint32_t)position};
            }
}

/* A short run is read as it lies, with weights of 0 for what is behind it: but
 * nothing is read of another bundle, whose samples are others. */
static bool is_parted(const struct builder *b, const struct wide_group *g)
{
    return b->p->operands == WIDE_TILES && wide_tiling_is_short(g, b->p->run);
}

static void fill_group(const struct builder *b, const struct sorted *y, const struct sorted *x,
                       size_t ky, size_t kx, uint32_t *runs, uint32_t *places)
{
    struct wide_pass *p = b->p;
    struct wide_group of_all = {.first_run = *runs};

    of_all.runs = (uint32_t)put_runs(b, &y->span[y->first[ky]], &x->span[x->first[kx]],
                                     p->run + of_all.first_run);
    *runs += of_all.runs;
    const bool parted = is_parted(b, &of_all);
    const enum part last = parted ? PART_BEYOND : PART_ALL;
    for (enum part part = parted ? PART_WITHIN : PART_ALL; part <= last; part++) {
        struct wide_group *g = &p->group[p->groups];
        *g = of_all;
        g->first = *places;
        g->beyond = part == PART_BEYOND;
        place_group(b, y, x, ky, kx, part, p->place, places);
        g->count = *places - g->first;
        p->groups += g->count > 0;
    }
}

static void fill_groups(const struct builder *b, const struct sorted *y, const struct sorted *x)
{
    uint32_t places = 0, runs = 0;

    for (size_t ky = 0; ky < y->kinds; ky++)
        for (size_t kx = 0; kx < x->kinds; kx++)
            fill_group(b, y, x, ky, kx, &runs, &places);
}

static enum ebm_status build_groups(const struct builder *b, struct ebm_error *err)
{
    struct wide_pass *p = b->p;
    struct sorted y = {0}, x = {0};
    bool ok =
        sort_axis(b, &b->rows, b->out_height, &y) && sort_axis(b, &b->columns, b->out_width, &x);

    if (ok) {
        p->group = calloc(2 * y.kinds * x.kinds, sizeof *p->group); /* in two parts */
        p->run = calloc(y.kinds * x.kinds * b->rows.kernel, sizeof *p->run);
        p->place = calloc(p->positions * b->bundles, sizeof *p->place);
        ok = p->group != NULL && p->run != NULL && p->place != NULL;
    }
    if (ok)
        fill_groups(b, &y, &x);
    if (ok && p->operands == WIDE_TILES)
        ok = wide_tiling_build(&p->tiling, p->group, p->groups, p->run);
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

    if (p->strips) /* all taps */
        return (uint32_t)left;
    if (p->operands == WIDE_TILES)
        return left < WIDE_TILE_OUTPUTS ? (uint32_t)left : WIDE_TILE_OUTPUTS;
    for (size_t i = 0; i < p->groups; i++)
        largest = p->group[i].count > largest ? p->group[i].count : largest;
    if (width > 8 && largest >= 2)
        width = 8;
    if (p->operands != WIDE_PAIRS && p->isa->sum[3][1] != NULL && left == 3)
        return 3;
    if (b->direction == WIDE_BY_TAP && p->operands != WIDE_PAIRS && p->isa->sum[9][1] != NULL &&
        left % 9 == 0 && left <= 27)
        return 9; /* taps of 3x3; elsewhere the next block would begin within a pair */
    while (width > left)
        width /= 2;
    return width;
}

/* Numbers, or pairs, of a block's weights. */
static size_t block_numbers(const struct wide_pass *p, size_t width)
{
    if (p->operands == WIDE_TILES)
        return p->tiling.tiles * WIDE_TILE * wide_halves(width) * WIDE_TILE;
    return (p->rows * width + WIDE - 1) / WIDE * WIDE;
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
        p->packed += block_numbers(p, block->width);
    }
    return EBM_OK;
}

static size_t taps_of(const struct builder *b)
{
    return b->layer->spec.kind == NET_CONV ? b->layer->spec.kernel * b->layer->spec.kernel : 1;
}

/* The parameter that leads from the layer's input channel i at a tap to its
 * output channel o, as a sum of what o, and what i and the tap, add. */
static size_t add_of_output(const struct builder *b, size_t o)
{
    return o * (b->layer->weights / b->layer->spec.out);
}

static size_t add_of_input(const struct builder *b, size_t i)
{
    return (b->order != NULL ? b->order[i] : i) * taps_of(b);
}

static void fill_rows(const struct builder *b)
{
    struct wide_pass *p = b->p;
    bool forward = b->direction == WIDE_FORWARD;

    for (size_t row = 0; row < p->rows; row++) {
        size_t tap = row / b->step, k = b->columns.kernel;
        size_t ky = tap_at(&b->rows, b->direction, tap / k);
        size_t kx = tap_at(&b->columns, b->direction, tap % k);
        for (size_t n = 0; n < p->numbers; n++) {
            size_t c = row % b->step * p->numbers + n;
            uint32_t *at = &p->row_at[row * p->numbers + n];
            *at = WIDE_NO_ROW; /* a pair's second, of an odd number of channels */
            if (c < b->source_channels)
                *at = (uint32_t)(b->layer->offset + ky * k + kx +
                                 (forward ? add_of_input(b, c) : add_of_output(b, c)));
        }
    }
}

static void fill_outputs(const struct builder *b)
{
    struct wide_pass *p = b->p;
    size_t channels = b->layer->in.c;

    for (size_t o = 0; o < p->outputs; o++) {
        size_t add = b->direction == WIDE_FORWARD    ? add_of_output(b, o)
                     : b->direction == WIDE_BACKWARD ? add_of_input(b, o)
                                                     : add_of_input(b, o % channels) + o / channels;
        p->output_at[o] = (uint32_t)add;
    }
}

static enum ebm_status build_weights(const struct builder *b, struct ebm_error *err)
{
    struct wide_pass *p = b->p;

    p->numbers = wide_in_pairs(p->operands) ? 2 : 1;
    p->row_at = calloc(p->rows * p->numbers, sizeof *p->row_at);
    p->output_at = calloc(p->outputs, sizeof *p->output_at);
    if (p->row_at == NULL || p->output_at == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for the plan of a layer");
    fill_rows(b);
    fill_outputs(b);
    return EBM_OK;
}

enum wide_direction wide_pass_back(const struct net_layer *l)
{
    enum { CHANNELS = 4, SUMS = 256, TERMS = 8 };
    size_t taps = l->spec.kernel * l->spec.kernel;
    bool by_tap = l->spec.kind == NET_CONV && l->in.c <= CHANNELS && taps > 1 &&
                  taps * l->in.c <= SUMS && l->spec.out >= TERMS;

    return by_tap ? WIDE_BY_TAP : WIDE_BACKWARD;
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
    p->strips = direction == WIDE_BY_TAP && layer->in.c == 1 && operands != WIDE_TILES &&
                operands != WIDE_PAIRS &&
                wide_pass_strip(isa, layer->spec.kernel, layer->spec.stride) != NULL;
    enum ebm_status st = build_groups(&b, err);
    if (st == EBM_OK)
        st = build_blocks(&b, err);
    if (st == EBM_OK)
        st = build_weights(&b, err);
    p->weights_outer = direction != WIDE_BY_TAP && /* whose sums are taken whole */
                       p->packed > b.step * b.source_positions * bundles * WIDE;
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
    free(p->row_at);
    free(p->output_at);
    wide_tiling_fini(&p->tiling);
    memset(p, 0, sizeof *p);
}
