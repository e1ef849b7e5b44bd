#include "ref_net.h"

#include "engine/wide/kernel.h"
#include "engine/wide/wide.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shape letters: C H W of a layer's input, O its outputs, K its kernel. */

static void *take(size_t n)
{
    double *p = calloc(n > 0 ? n : 1, sizeof *p);

    if (p == NULL)
        abort();
    return p;
}

/* Every multiply-add of a conv: out[o] meets in[i] by weight[w]. */
struct visit {
    const struct net_layer *l;
    const double *weight, *in;
    double *out;        /* forward */
    const double *gout; /* backward */
    double *gin, *gweight, scale;
};

static void meet(const struct visit *v, size_t o, size_t i, size_t w)
{
    if (v->out != NULL)
        v->out[o] += v->weight[w] * v->in[i];
    if (v->gin != NULL)
        v->gin[i] += v->weight[w] * v->gout[o];
    if (v->gweight != NULL)
        v->gweight[w] += v->scale * v->in[i] * v->gout[o];
}

/* The window of one output: input rows and columns may lie in the padding. */
static void visit_window(const struct visit *v, size_t o, size_t y, size_t x)
{
    const struct net_layer *l = v->l;
    size_t k = l->spec.kernel, at = (o * l->out.h + y) * l->out.w + x;

    for (size_t c = 0; c < l->in.c; c++)
        for (size_t a = 0; a < k; a++)
            for (size_t b = 0; b < k; b++) {
                size_t row = y * l->spec.stride + a - l->pad_top; /* wraps above the edge */
                size_t col = x * l->spec.stride + b - l->pad_left;
                if (row < l->in.h && col < l->in.w)
                    meet(v, at, (c * l->in.h + row) * l->in.w + col,
                         ((o * l->in.c + c) * k + a) * k + b);
            }
}

static void visit_all(const struct visit *v)
{
    const struct net_layer *l = v->l;
    size_t inputs = net_shape_size(l->in);

    if (l->spec.kind == NET_CONV) {
        for (size_t o = 0; o < l->out.c; o++)
            for (size_t y = 0; y < l->out.h; y++)
                for (size_t x = 0; x < l->out.w; x++)
                    visit_window(v, o, y, x);
        return;
    }
    for (size_t o = 0; o < l->out.c; o++)
        for (size_t i = 0; i < inputs; i++)
            meet(v, o, i, o * inputs + i);
}

static double activation(const struct net_layer_spec *s, double x, double *derivative)
{
    double slope = s->kind == NET_LEAKY_RELU ? (double)s->slope : 0.0;

    if (s->kind == NET_SWISH) {
        double sigmoid = 1.0 / (1.0 + exp(-x));
        *derivative = sigmoid * (1.0 + x * (1.0 - sigmoid));
        return x * sigmoid;
    }
    *derivative = x > 0.0 ? 1.0 : slope;
    return x > 0.0 ? x : slope * x;
}

static bool is_pointwise(enum net_kind k)
{
    return k == NET_SWISH || k == NET_RELU || k == NET_LEAKY_RELU;
}

static void layer_forward(const struct net_layer *l, const double *params, const double *in,
                          double *out)
{
    size_t outputs = net_shape_size(l->out), area = l->out.h * l->out.w;
    const double *weight = params + l->offset, *bias = weight + l->weights;
    double unused;

    if (l->weights > 0) {
        for (size_t i = 0; i < outputs; i++)
            out[i] = bias[i / area];
        visit_all(&(struct visit){.l = l, .weight = weight, .in = in, .out = out});
        return;
    }
    for (size_t i = 0; i < outputs; i++)
        out[i] = is_pointwise(l->spec.kind) ? activation(&l->spec, in[i], &unused) : in[i];
}

static void layer_backward(const struct net_layer *l, const double *params, const double *in,
                           const double *gout, double *gin, double weight, double *gp)
{
    size_t outputs = net_shape_size(l->out), area = l->out.h * l->out.w;

    if (l->weights > 0) {
        visit_all(&(struct visit){.l = l,
                                  .weight = params + l->offset,
                                  .in = in,
                                  .gout = gout,
                                  .gin = gin,
                                  .gweight = gp != NULL ? gp + l->offset : NULL,
                                  .scale = weight});
        for (size_t i = 0; gp != NULL && i < outputs; i++)
            gp[l->offset + l->weights + i / area] += weight * gout[i];
        return;
    }
    for (size_t i = 0; i < outputs; i++) {
        double derivative = 1.0;
        if (is_pointwise(l->spec.kind))
            activation(&l->spec, in[i], &derivative);
        gin[i] = gout[i] * derivative;
    }
}

double ref_gradients(const struct net *net, const double *params, const double *x, double weight,
                     double *gx, double *gp)
{
    double *value[NET_LAYERS_MAX + 1], *grad[NET_LAYERS_MAX + 1], energy;

    for (size_t i = 0; i <= net->layers; i++) {
        size_t n = net_shape_size(i == 0 ? net->in : net->layer[i - 1].out);
        value[i] = take(n);
        grad[i] = take(n);
    }
    memcpy(value[0], x, net_shape_size(net->in) * sizeof *x);
    for (size_t i = 0; i < net->layers; i++)
        layer_forward(&net->layer[i], params, value[i], value[i + 1]);
    energy = value[net->layers][0];
    grad[net->layers][0] = 1.0;
    for (size_t i = net->layers; i-- > 0 && (gx != NULL || gp != NULL);)
        layer_backward(&net->layer[i], params, value[i], grad[i + 1], grad[i], weight, gp);
    if (gx != NULL)
        memcpy(gx, grad[0], net_shape_size(net->in) * sizeof *gx);
    for (size_t i = 0; i <= net->layers; i++) {
        free(value[i]);
        free(grad[i]);
    }
    return energy;
}

double ref_energy(const struct net *net, const double *params, const double *x)
{
    return ref_gradients(net, params, x, 0.0, NULL, NULL);
}

/* Cases. */

/* Uniform with the variance of He et al. 2015, biases not 0 so that they are
 * tested too. */
static void init_params(struct ref_case *c)
{
    struct rng_key key = rng_key_make(11, RNG_INIT, 0);

    for (size_t i = 0; i < c->net.layers; i++) {
        const struct net_layer *l = &c->net.layer[i];
        if (l->weights == 0)
            continue;
        float bound = (float)sqrt(6.0 / ((double)l->weights / (double)l->biases));
        rng_uniform(key, (uint32_t)i, 0, 0, 0, l->weights + l->biases, c->params + l->offset);
        for (size_t p = l->offset; p < l->offset + l->weights + l->biases; p++)
            c->params[p] =
                (2.0f * c->params[p] - 1.0f) * (p < l->offset + l->weights ? bound : 0.2f);
    }
}

static void must(enum ebm_status st, const struct ebm_error *err)
{
    if (st == EBM_OK)
        return;
    fprintf(stderr, "%s\n", err->text);
    abort();
}

/* ---- engines ---- */

static const struct {
    const char *name, *isa, *shown;
} engines[] = {{"onednn", NULL, "onednn"},
               {"wide", "portable", "wide portable"},
               {"wide", "avx2", "wide avx2"},
               {"wide", "avx512", "wide avx512"},
               {"wide", "avx512-bf16", "wide avx512-bf16"},
               {"wide", "avx512-amx", "wide avx512-amx"}};
enum { ENGINES = sizeof engines / sizeof engines[0] };

static size_t engine;
static enum spec_precision precision;
static size_t samples;

bool ref_engine_select(size_t i)
{
    for (engine = 0; engine < ENGINES; engine++) {
        bool here = engines[engine].isa == NULL || wide_select(engines[engine].isa);
        if (here && i-- == 0)
            return true;
    }
    wide_select(NULL);
    engine = 0;
    return false;
}

const char *ref_engine_name(void)
{
    return engines[engine].shown;
}

bool ref_engine_takes(const char *net)
{
    const char *name;
    bool large = false;

    for (size_t i = 0; (name = net_preset_name(i, NULL)) != NULL; i++)
        large = large || strcmp(name, net) == 0;
    return !large || engine == 0 || strcmp(engines[engine].isa, wide_isa_best()->name) == 0;
}

void ref_set_precision(enum spec_precision p)
{
    precision = p;
}

void ref_set_samples(size_t n)
{
    samples = n;
}

void ref_case_open(struct ref_case *c, struct net_shape in, const struct net_layer_spec *spec,
                   size_t layers, size_t lanes)
{
    const struct engine_options options = {lanes, samples, precision};
    struct ebm_error err;

    memset(c, 0, sizeof *c);
    must(net_settle(&c->net, in, spec, layers, NULL, &err), &err);
    c->ops = engine_find(engines[engine].name);
    must(c->ops->create(&c->net, &options, &c->engine, &err), &err);
    c->d = net_shape_size(in);
    c->tile = c->ops->tile(c->engine);
    c->params = take(c->net.params);
    c->exact = take(c->net.params);
    init_params(c);
    ref_widen(c->params, c->net.params, c->exact);
    must(c->ops->set_params(c->engine, c->params, &err), &err);
}

void ref_case_close(struct ref_case *c)
{
    c->ops->destroy(c->engine);
    free(c->params);
    free(c->exact);
}

float *ref_samples(const struct ref_case *c, uint32_t seed, size_t n)
{
    float *x = take(n * c->d);

    rng_uniform(rng_key_make(seed, RNG_SAMPLES, 0), 0, 0, 0, 0, n * c->d, x);
    return x;
}

void ref_widen(const float *in, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (double)in[i];
}

double ref_distance(const float *a, const double *b, size_t n)
{
    double most = 1e-3, off = 0.0;

    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs(b[i]));
        off = isfinite(a[i]) ? fmax(off, fabs((double)a[i] - b[i])) : INFINITY;
    }
    return off / most;
}

/* The nets. */

#define CONV(o, k, s)                                                                              \
    {                                                                                              \
        .kind = NET_CONV, .out = (o), .kernel = (k), .stride = (s)                                 \
    }
#define DENSE(o)                                                                                   \
    {                                                                                              \
        .kind = NET_DENSE, .out = (o)                                                              \
    }
#define SWISH                                                                                      \
    {                                                                                              \
        .kind = NET_SWISH                                                                          \
    }
#define RELU                                                                                       \
    {                                                                                              \
        .kind = NET_RELU                                                                           \
    }
#define LEAKY                                                                                      \
    {                                                                                              \
        .kind = NET_LEAKY_RELU, .slope = 0.2f                                                      \
    }
#define FLATTEN                                                                                    \
    {                                                                                              \
        .kind = NET_FLATTEN                                                                        \
    }

enum { LAYERS_MAX = 12 };

static const struct named_net {
    const char *name;
    struct net_shape in;
    struct net_layer_spec layer[LAYERS_MAX];
    size_t layers;
} named[] = {
    {"one dense", {2, 1, 1}, {DENSE(1)}, 1},
    {"dense, swish", {2, 1, 1}, {DENSE(40), SWISH, DENSE(33), SWISH, DENSE(1)}, 5},
    {"dense, relu", {3, 1, 1}, {DENSE(64), RELU, DENSE(64), RELU, DENSE(1)}, 5},
    {"dense, leaky", {5, 1, 1}, {DENSE(17), LEAKY, DENSE(1)}, 3},
    {"dense on an image", {3, 5, 7}, {DENSE(20), SWISH, DENSE(1)}, 3},
    {"flatten, dense", {3, 5, 7}, {FLATTEN, DENSE(20), SWISH, DENSE(1)}, 4},
    {"ends in swish", {1, 7, 7}, {CONV(8, 3, 2), LEAKY, DENSE(1), SWISH}, 4},
    {"ends in leaky", {2, 1, 1}, {DENSE(1), LEAKY}, 2},
    {"begins with swish", {1, 7, 9}, {SWISH, CONV(16, 3, 2), RELU, DENSE(1)}, 4},
    {"begins with relu twice", {16, 5, 5}, {LEAKY, SWISH, CONV(20, 3, 1), SWISH, DENSE(1)}, 5},
    {"swish twice", {3, 9, 9}, {CONV(20, 3, 2), SWISH, SWISH, DENSE(1)}, 4},
    {"ends in conv", {1, 4, 4}, {CONV(16, 3, 2), SWISH, CONV(16, 3, 2), SWISH, CONV(1, 1, 1)}, 5},
    {"flatten, conv",
     {3, 4, 5},
     {CONV(6, 3, 2), SWISH, FLATTEN, CONV(20, 1, 1), RELU, DENSE(1)},
     6},
    {"dense, conv", {3, 4, 5}, {DENSE(12), SWISH, CONV(20, 3, 1), SWISH, DENSE(1)}, 5},
    {"two convs, no activation", {1, 9, 7}, {CONV(20, 3, 2), CONV(33, 3, 2), DENSE(1)}, 3},
    {"flatten in the middle",
     {1, 9, 9},
     {CONV(20, 3, 3), SWISH, FLATTEN, SWISH, DENSE(5), SWISH, DENSE(1)},
     7},
    {"wide conv", {16, 8, 8}, {CONV(64, 3, 1), SWISH, CONV(64, 3, 2), SWISH, DENSE(1)}, 5},
    {"an odd image",
     {1, 17, 13},
     {CONV(7, 3, 1), SWISH, CONV(5, 5, 2), SWISH, CONV(11, 3, 2), SWISH, DENSE(1)},
     7},
    {"an odd image in colour",
     {3, 15, 19},
     {CONV(11, 5, 2), SWISH, CONV(17, 3, 2), SWISH, DENSE(10), SWISH, DENSE(1)},
     7},
    {"an odd image of 16 channels",
     {16, 9, 13},
     {CONV(18, 3, 2), SWISH, CONV(16, 4, 3), RELU, DENSE(1)},
     5},
    /* Runs of source pairs of many lengths: whole, overlapping, gathered. */
    {"tiles, long runs", {40, 6, 5}, {CONV(50, 3, 1), SWISH, CONV(34, 2, 2), RELU, DENSE(1)}, 5},
    {"tiles, short runs", {9, 8, 7}, {CONV(24, 3, 1), SWISH, CONV(48, 1, 1), RELU, DENSE(1)}, 5},
    {"tiles, dense", {70, 1, 1}, {DENSE(65), SWISH, DENSE(31), RELU, DENSE(2), DENSE(1)}, 6},
    /* Pairs of channels, where blocks of outputs could begin within one. */
    {"pairs, blocks of few terms", {5, 1, 1}, {DENSE(42), SWISH, DENSE(18), SWISH, DENSE(1)}, 5},
    {"pairs, an image's blocks",
     {16, 3, 5},
     {DENSE(34), SWISH, CONV(27, 6, 1), SWISH, DENSE(1)},
     5},
    /* Pairs over the end of a position, where only the way back is in bf16. */
    {"pairs, a small image flattened",
     {1, 9, 6},
     {CONV(1, 5, 3), SWISH, DENSE(29), SWISH, DENSE(1)},
     5},
    {"pairs, flattened by tap",
     {1, 1, 3},
     {CONV(1, 4, 1), SWISH, FLATTEN, CONV(16, 2, 1), SWISH, DENSE(1)},
     6},
    {"kernel 7, stride 1", {1, 12, 11}, {CONV(16, 7, 1), SWISH, CONV(8, 7, 2), SWISH, DENSE(1)}, 5},
    {"kernel 7, stride 2", {1, 13, 21}, {CONV(16, 7, 2), SWISH, DENSE(1)}, 3},
    {"by tap under an activation",
     {2, 9, 9},
     {SWISH, CONV(3, 3, 1), SWISH, CONV(24, 5, 2), SWISH, DENSE(1)},
     6},
    {"nothing to learn", {1, 1, 1}, {SWISH}, 1},
    {"nothing to do", {1, 1, 1}, {FLATTEN}, 1},
};

enum { NAMED = sizeof named / sizeof named[0] };

static const size_t channels[] = {1, 3, 16}, kernels[] = {1, 2, 3, 4, 5}, strides[] = {1, 2, 3};
enum { CHANNELS = 3, KERNELS = 5, STRIDES = 3, GRID = CHANNELS * KERNELS * STRIDES };

static bool preset_case(size_t i, char *name, size_t size, struct net_shape *in,
                        struct net_layer_spec *spec, size_t *layers)
{
    const char *preset = net_preset_name(i, NULL);

    if (preset == NULL)
        return false;
    snprintf(name, size, "%s", preset);
    *in = strcmp(preset, "mlp") == 0 ? (struct net_shape){2, 1, 1} : (struct net_shape){1, 28, 28};
    return net_preset(preset, spec, layers);
}

/* Two convs and a dense: every channel count, kernel and stride, odd sizes. */
static void grid_case(size_t i, char *name, size_t size, struct net_shape *in,
                      struct net_layer_spec *spec, size_t *layers)
{
    size_t c = channels[i % CHANNELS], k = kernels[i / CHANNELS % KERNELS];
    size_t s = strides[i / CHANNELS / KERNELS];
    const struct net_layer_spec net[] = {CONV(16, k, s), SWISH, CONV(20, k, s), LEAKY, DENSE(1)};

    snprintf(name, size, "%zu channels, kernel %zu, stride %zu", c, k, s);
    *in = (struct net_shape){c, 11, 9};
    memcpy(spec, net, sizeof net);
    *layers = sizeof net / sizeof net[0];
}

bool ref_net_case(size_t i, char *name, size_t size, struct net_shape *in,
                  struct net_layer_spec *spec, size_t *layers)
{
    if (i < NAMED) {
        snprintf(name, size, "%s", named[i].name);
        *in = named[i].in;
        *layers = named[i].layers;
        memcpy(spec, named[i].layer, sizeof named[i].layer);
        return true;
    }
    i -= NAMED;
    if (i < GRID) {
        grid_case(i, name, size, in, spec, layers);
        return true;
    }
    return preset_case(i - GRID, name, size, in, spec, layers);
}
