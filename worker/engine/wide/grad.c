#include "engine/wide/grad.h"

#include <string.h>

#include "engine/clones.h"

enum { VECTORS_MAX = 3, SLACK = WIDE * VECTORS_MAX };

static size_t round_to(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

struct wide_grad_plan wide_grad_plan_of(const struct wide_node *n)
{
    const struct net_layer *l = n->linear;
    bool flat = n->channels_in == n->in_vectors && l->spec.kind == NET_DENSE;
    struct wide_grad_plan g = {.node = n,
                               .kernel = 1,
                               .stride = 1,
                               .height = 1,
                               .width = 1,
                               .x_width = 1,
                               .x_height = 1,
                               .x_channels = n->channels_in};

    if (!flat) {
        g.kernel = l->spec.kernel;
        g.stride = l->spec.stride;
        g.height = l->out.h;
        g.width = l->out.w;
        g.pad_top = l->pad_top;
        g.pad_left = l->pad_left;
        g.x_width = l->in.w + l->pad_left + l->pad_right;
        g.x_height = l->in.h + l->pad_top + l->pad_bottom;
    }
    g.outputs = l->spec.out;
    g.padded_outputs = round_to(g.outputs, WIDE_GRAD_OUTPUTS);
    g.run = g.kernel * g.x_channels;
    g.padded = round_to(g.run, WIDE);
    g.by_sample = g.kernel * g.padded * g.padded_outputs < g.x_width * g.x_height * g.x_channels;
    return g;
}

static size_t x_floats(const struct wide_grad_plan *g)
{
    return round_to(g->x_width * g->x_height * g->x_channels, WIDE);
}

static size_t dz_floats(const struct wide_grad_plan *g)
{
    return g->height * g->width * g->padded_outputs;
}

static size_t sum_floats(const struct wide_grad_plan *g)
{
    return g->kernel * g->padded_outputs * g->padded;
}

size_t wide_grad_scratch(const struct wide_grad_plan *g, size_t bundles)
{
    size_t samples = bundles * WIDE;

    return round_to(samples * (x_floats(g) + dz_floats(g)) + sum_floats(g) + SLACK, WIDE);
}

/* ---- turning round ---- */

/* (positions, channels, WIDE) of a bundle to rows of positions of each
 * sample: out[s * sample + row * row_step + column * column_step + c]. */
static void turn(const struct wide_isa *isa, const float *in, size_t height, size_t width,
                 size_t channels, float *out, size_t sample, size_t row_step, size_t column_step)
{
    for (size_t h = 0; h < height; h++)
        for (size_t w = 0; w < width; w++, in += channels * WIDE)
            isa->turn(in, channels, out + h * row_step + w * column_step, sample);
}

static void turn_x(const struct wide_grad_plan *g, const struct wide_isa *isa, const float *x,
                   float *out)
{
    size_t row = g->x_width * g->x_channels;
    size_t height = g->x_height > 1 ? g->node->linear->in.h : 1;
    size_t width = g->x_width > 1 ? g->node->linear->in.w : 1;

    turn(isa, x, height, width, g->x_channels, out + g->pad_top * row + g->pad_left * g->x_channels,
         x_floats(g), row, g->x_channels);
}

static void turn_dz(const struct wide_grad_plan *g, const struct wide_isa *isa, const float *dz,
                    float *out)
{
    turn(isa, dz, g->height, g->width, g->outputs, out, dz_floats(g), g->width * g->padded_outputs,
         g->padded_outputs);
}

/* ---- sums ---- */

struct turned {
    const float *x, *dz;
    float *sum;
    size_t first, count; /* samples */
};

static void run_row(const struct wide_grad_plan *g, const struct wide_isa *isa,
                    const struct turned *t, size_t ky, size_t o)
{
    size_t row = g->x_width * g->x_channels;
    struct wide_grad job = {
        .sum_stride = g->padded,
        .samples = t->count,
        .height = g->height,
        .width = g->width,
        .x_sample = x_floats(g),
        .x_row = g->stride * row,
        .x_column = g->stride * g->x_channels,
        .dz_sample = dz_floats(g),
        .dz_row = g->width * g->padded_outputs,
        .dz_column = g->padded_outputs,
    };
    const float *x = t->x + t->first * x_floats(g) + ky * row;
    float *sum = t->sum + (ky * g->padded_outputs + o) * g->padded;

    job.dz = t->dz + t->first * dz_floats(g) + o;
    for (size_t at = 0; at < g->padded;) {
        size_t left = (g->padded - at) / WIDE, vectors = left < VECTORS_MAX ? left : VECTORS_MAX;
        job.x = x + at;
        job.sum = sum + at;
        isa->grad[vectors](&job);
        at += vectors * WIDE;
    }
}

static void run_rows(const struct wide_grad_plan *g, const struct wide_isa *isa,
                     const struct turned *t)
{
    for (size_t ky = 0; ky < g->kernel; ky++)
        for (size_t o = 0; o < g->outputs; o += WIDE_GRAD_OUTPUTS)
            run_row(g, isa, t, ky, o);
}

static void run_all(const struct wide_grad_plan *g, const struct wide_isa *isa, struct turned t,
                    size_t samples)
{
    t.count = g->by_sample ? 1 : samples;
    for (t.first = 0; t.first < samples; t.first += t.count)
        run_rows(g, isa, &t);
}

/* ---- onto the vector ---- */

/* to[j * step + i * hop] += from[i * inner + j]: a table, turned round. */
ENGINE_CLONES static void add_turned(const float *from, size_t outer, size_t inner, float *to,
                                     size_t step, size_t hop)
{
    for (size_t i = 0; i < outer; i++)
        for (size_t j = 0; j < inner; j++)
            to[j * step + i * hop] += from[i * inner + j];
}

/* Sums (kernel row, output, tap, position, channel) to their parameters
 * (output, channel, position, kernel row, tap); positions where a layer takes
 * all of a flattened image. */
static void add_weights(const struct wide_grad_plan *g, const float *sum, float *grad)
{
    const struct net_layer *l = g->node->linear;
    struct net_shape stored = g->node->stored_in;
    bool flattened = l->spec.kind == NET_DENSE || g->x_channels != stored.c;
    size_t positions = flattened ? stored.h * stored.w : 1, channels = g->x_channels / positions;
    size_t k = g->kernel, taps = k * k;

    for (size_t o = 0; o < g->outputs; o++)
        for (size_t tap = 0; tap < taps; tap++) {
            const float *row = sum + (tap / k * g->padded_outputs + o) * g->padded;
            add_turned(row + tap % k * g->x_channels, positions, channels,
                       grad + l->offset + o * g->x_channels * taps + tap, positions * taps, taps);
        }
}

ENGINE_CLONES static void add_biases(const struct wide_grad_plan *g, const float *dz,
                                     size_t samples, float *grad)
{
    const struct net_layer *l = g->node->linear;
    float *to = grad + l->offset + l->weights;

    for (size_t o = 0; o < g->outputs; o += WIDE_GRAD_OUTPUTS) {
        float sum[WIDE_GRAD_OUTPUTS] = {0};
        for (size_t i = 0; i < samples * g->height * g->width; i++)
            for (size_t j = 0; j < WIDE_GRAD_OUTPUTS; j++)
                sum[j] += dz[i * g->padded_outputs + o + j];
        for (size_t j = 0; j < WIDE_GRAD_OUTPUTS && o + j < g->outputs; j++)
            to[o + j] += sum[j];
    }
}

void wide_grad_add(const struct wide_grad_plan *g, const struct wide_isa *isa, size_t bundles,
                   const float *x, const float *dz, float *scratch, float *grad)
{
    size_t samples = bundles * WIDE;
    float *x_turned = scratch, *dz_turned = x_turned + samples * x_floats(g) + SLACK;
    float *sum = dz_turned + samples * dz_floats(g);

    memset(scratch, 0, wide_grad_scratch(g, bundles) * sizeof *scratch);
    for (size_t b = 0; b < bundles; b++) {
        turn_x(g, isa, x + b * g->node->in_vectors * WIDE, x_turned + b * WIDE * x_floats(g));
        turn_dz(g, isa, dz + b * g->node->out_vectors * WIDE, dz_turned + b * WIDE * dz_floats(g));
    }
    run_all(g, isa, (struct turned){.x = x_turned, .dz = dz_turned, .sum = sum}, samples);
    add_weights(g, sum, grad);
    add_biases(g, dz_turned, samples, grad);
}
