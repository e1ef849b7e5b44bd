#include "net/net.h"

#include <stdio.h>
#include <string.h>

/* Every product of sizes stays below this: offsets fit oneDNN's and MPI's
 * 32-bit counts. */
static const size_t SIZE_LIMIT = (size_t)1 << 31;

static const char *const kind_names[NET_KIND_COUNT] = {
    [NET_CONV] = "conv",   [NET_DENSE] = "dense", [NET_FLATTEN] = "flatten",
    [NET_SWISH] = "swish", [NET_RELU] = "relu",   [NET_LEAKY_RELU] = "leaky_relu",
};

const char *net_kind_name(enum net_kind k)
{
    return (unsigned)k < NET_KIND_COUNT ? kind_names[k] : "unknown";
}

size_t net_shape_size(struct net_shape s)
{
    return s.c * s.h * s.w;
}

/* *product *= by; false past SIZE_LIMIT or with a zero. */
static bool multiply(size_t *product, size_t by)
{
    if (by == 0 || *product == 0 || *product > SIZE_LIMIT / by)
        return false;
    *product *= by;
    return true;
}

static bool shape_fits(struct net_shape s)
{
    size_t n = 1;
    return multiply(&n, s.c) && multiply(&n, s.h) && multiply(&n, s.w);
}

/* "same" along one side: out = ceil(in / stride), less padding before. */
static size_t settle_side(size_t in, size_t kernel, size_t stride, size_t *before, size_t *after)
{
    size_t out = (in + stride - 1) / stride;
    size_t covered = (out - 1) * stride + kernel;
    size_t total = covered > in ? covered - in : 0;

    *before = total / 2;
    *after = total - total / 2;
    return out;
}

static const char *settle_conv(struct net_layer *l)
{
    const struct net_layer_spec *s = &l->spec;
    size_t weights = 1;

    if (s->out == 0 || s->kernel == 0 || s->stride == 0)
        return "out, kernel and stride must be at least 1";
    if (s->kernel > SIZE_LIMIT || s->stride > SIZE_LIMIT)
        return "kernel or stride is too large";
    l->out.c = s->out;
    l->out.h = settle_side(l->in.h, s->kernel, s->stride, &l->pad_top, &l->pad_bottom);
    l->out.w = settle_side(l->in.w, s->kernel, s->stride, &l->pad_left, &l->pad_right);
    if (!multiply(&weights, s->out) || !multiply(&weights, l->in.c) ||
        !multiply(&weights, s->kernel) || !multiply(&weights, s->kernel))
        return "it has more than 2^31 weights";
    l->weights = weights;
    l->biases = s->out;
    return NULL;
}

static const char *settle_dense(struct net_layer *l)
{
    size_t weights = net_shape_size(l->in);

    if (l->spec.out == 0)
        return "out must be at least 1";
    if (!multiply(&weights, l->spec.out))
        return "it has more than 2^31 weights";
    l->out = (struct net_shape){l->spec.out, 1, 1};
    l->weights = weights;
    l->biases = l->spec.out;
    return NULL;
}

static double layer_flop(const struct net_layer *l)
{
    if (l->spec.kind == NET_CONV)
        return 2.0 * (double)l->weights * (double)l->out.h * (double)l->out.w;
    return l->spec.kind == NET_DENSE ? 2.0 * (double)l->weights : 0.0;
}

/* Settles l->out and the counts from l->in; a sentence when it cannot. */
static const char *settle_layer(struct net_layer *l)
{
    const char *why = NULL;

    l->out = l->in;
    if (l->spec.kind == NET_CONV)
        why = settle_conv(l);
    else if (l->spec.kind == NET_DENSE)
        why = settle_dense(l);
    else if (l->spec.kind == NET_FLATTEN)
        l->out = (struct net_shape){net_shape_size(l->in), 1, 1};
    else if ((unsigned)l->spec.kind >= NET_KIND_COUNT)
        why = "there is no such layer";
    else if (l->spec.kind == NET_LEAKY_RELU && !(l->spec.slope >= 0.0f && l->spec.slope <= 1.0f))
        why = "slope must be from 0 to 1";
    if (why == NULL && !shape_fits(l->out))
        why = "its output has more than 2^31 numbers";
    return why;
}

/* "layer 3 (conv, line 12): why" */
static enum ebm_status refuse(const struct net_layer_spec *s, size_t index, size_t *bad,
                              const char *why, struct ebm_error *err)
{
    char line[32] = "";

    if (bad != NULL)
        *bad = index;
    if (s->line != 0)
        snprintf(line, sizeof line, ", line %u", s->line);
    return ebm_fail(err, EBM_EINVAL, "layer %zu (%s%s): %s", index + 1, net_kind_name(s->kind),
                    line, why);
}

static enum ebm_status check_input(struct net_shape in, const struct net_layer_spec *spec,
                                   size_t layers, size_t *bad, struct ebm_error *err)
{
    if (bad != NULL)
        *bad = 0;
    if (spec == NULL || layers == 0)
        return ebm_fail(err, EBM_EINVAL, "a net needs at least one layer");
    if (layers > NET_LAYERS_MAX)
        return ebm_fail(err, EBM_EINVAL, "a net of %zu layers: at most %d", layers, NET_LAYERS_MAX);
    if (!shape_fits(in))
        return ebm_fail(err, EBM_EINVAL, "the input (%zu,%zu,%zu) is empty or too large", in.c,
                        in.h, in.w);
    return EBM_OK;
}

/* The last layer gives the energy: one number. */
static enum ebm_status check_output(const struct net *net, size_t *bad, struct ebm_error *err)
{
    const struct net_layer *last = &net->layer[net->layers - 1];
    char why[160];

    if (net_shape_size(last->out) == 1)
        return EBM_OK;
    snprintf(why, sizeof why,
             "the net must end in one number, the energy, but this gives (%zu,%zu,%zu): end with "
             "'dense: 1'",
             last->out.c, last->out.h, last->out.w);
    return refuse(&last->spec, net->layers - 1, bad, why, err);
}

enum ebm_status net_settle(struct net *net, struct net_shape in, const struct net_layer_spec *spec,
                           size_t layers, size_t *bad_layer, struct ebm_error *err)
{
    enum ebm_status st = check_input(in, spec, layers, bad_layer, err);

    if (st != EBM_OK)
        return st;
    memset(net, 0, sizeof *net);
    net->in = in;
    for (size_t i = 0; i < layers; i++) {
        struct net_layer *l = &net->layer[i];
        l->spec = spec[i];
        l->in = i == 0 ? in : net->layer[i - 1].out;
        l->offset = net->params;
        const char *why = settle_layer(l);
        if (why == NULL && l->weights + l->biases > SIZE_LIMIT - net->params)
            why = "the net has more than 2^31 parameters";
        if (why != NULL)
            return refuse(&spec[i], i, bad_layer, why, err);
        net->params += l->weights + l->biases;
        net->forward_flop += layer_flop(l);
    }
    net->layers = layers;
    return check_output(net, bad_layer, err);
}

/* "conv 3x3 /2" */
static void describe(const struct net_layer_spec *s, char *out, size_t size)
{
    if (s->kind == NET_CONV)
        snprintf(out, size, "conv %zux%zu, stride %zu", s->kernel, s->kernel, s->stride);
    else if (s->kind == NET_LEAKY_RELU)
        snprintf(out, size, "leaky_relu %.3g", (double)s->slope);
    else
        snprintf(out, size, "%s", net_kind_name(s->kind));
}

/* 393345 as "393,345". */
static void group_digits(size_t n, char *out, size_t size)
{
    char raw[24];
    int length = snprintf(raw, sizeof raw, "%zu", n);
    size_t at = 0;

    for (int i = 0; i < length && at + 2 < size; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = raw[i];
    }
    out[at] = '\0';
}

static void print_row(struct buf *out, const char *number, const char *kind, struct net_shape shape,
                      size_t params)
{
    char text[64], count[32] = "";

    snprintf(text, sizeof text, "%zu x %zu x %zu", shape.c, shape.h, shape.w);
    if (params > 0)
        group_digits(params, count, sizeof count);
    buf_printf(out, "%6s  %-20s  %-18s  %12s", number, kind, text, count);
    while (out->size > 0 && out->data[out->size - 1] == ' ')
        out->data[--out->size] = '\0';
    buf_puts(out, "\n");
}

void net_print(const struct net *net, struct buf *out)
{
    char number[24], kind[64], count[32];

    buf_printf(out, "%6s  %-20s  %-18s  %12s\n", "LAYER", "KIND", "OUTPUT (C x H x W)",
               "PARAMETERS");
    print_row(out, "", "input", net->in, 0);
    for (size_t i = 0; i < net->layers; i++) {
        const struct net_layer *l = &net->layer[i];
        snprintf(number, sizeof number, "%zu", i + 1);
        describe(&l->spec, kind, sizeof kind);
        print_row(out, number, kind, l->out, l->weights + l->biases);
    }
    group_digits(net->params, count, sizeof count);
    buf_printf(out, "\n%s parameters, %.2f MFLOP for the energy of one sample\n", count,
               net->forward_flop / 1e6);
}
