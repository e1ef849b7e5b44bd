/* Times the engine on one lane: ms per Langevin step of a batch and per
 * parameter-gradient pass, with nominal GFLOP/s (padding taps counted).
 *
 *   bench_engine [PRESET|all] [STEPS] [--impl]
 *
 * --impl lists the implementation that oneDNN took for each primitive. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/onednn/engine_onednn.h"

enum { BATCH = 128, REPEATS = 5 };

struct bench {
    const struct engine_ops *ops;
    struct engine *engine;
    struct net net;
    float *x, *params, *grad;
    size_t d, tile;
    int64_t steps;
};

static void die(const struct ebm_error *err)
{
    fprintf(stderr, "bench_engine: %s\n", err->text);
    exit(1);
}

static void ones(void *arg, const float *energy, float *weight, size_t n)
{
    (void)arg;
    (void)energy;
    for (size_t i = 0; i < n; i++)
        weight[i] = 1.0f;
}

/* The tiles of a batch, one after another. */
static void run_chain(struct bench *b, bool noise)
{
    struct spec_sampler sampler = {.steps = b->steps,
                                   .step_size = 20.0,
                                   .noise_std = noise ? 0.005 : 0.0,
                                   .gradient_clip = 0.03,
                                   .clamp_on = true,
                                   .clamp = {0.0, 1.0}};
    struct ebm_error err;

    for (size_t at = 0; at < BATCH; at += b->tile) {
        struct engine_chain chain = {.sampler = &sampler,
                                     .noise = rng_key_make(1, RNG_LANGEVIN, 0),
                                     .first_chain = (uint32_t)at,
                                     .x = b->x + at * b->d,
                                     .n = BATCH - at < b->tile ? BATCH - at : b->tile};
        if (b->ops->langevin(b->engine, 0, &chain, &err) != EBM_OK)
            die(&err);
    }
}

static void run_params(struct bench *b)
{
    float energy[BATCH];
    struct ebm_error err;

    for (size_t at = 0; at < BATCH; at += b->tile)
        if (b->ops->grad_params(b->engine, 0, b->x + at * b->d,
                                BATCH - at < b->tile ? BATCH - at : b->tile, ones, NULL, energy,
                                b->grad, &err) != EBM_OK)
            die(&err);
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static void measure(struct bench *b, const char *name)
{
    double chain = 1e9, quiet = 1e9, params = 1e9;

    run_chain(b, true);
    for (int r = 0; r < REPEATS; r++) {
        double t0 = clock_mono_s();
        run_chain(b, true);
        double t1 = clock_mono_s();
        run_chain(b, false);
        double t2 = clock_mono_s();
        run_params(b);
        chain = least(chain, (t1 - t0) / (double)b->steps);
        quiet = least(quiet, (t2 - t1) / (double)b->steps);
        params = least(params, clock_mono_s() - t2);
    }
    double flop = 2.0 * b->net.forward_flop * BATCH;
    printf("%-11s T=%-3zu %7zu parameters  step %7.3f ms (%5.1f GFLOP/s, noise %6.3f ms)  "
           "parameter gradient %7.3f ms (%5.1f GFLOP/s)\n",
           name, b->tile, b->net.params, chain * 1e3, flop / chain * 1e-9, (chain - quiet) * 1e3,
           params * 1e3, 1.5 * flop / params * 1e-9);
}

static void list_impl(const struct bench *b)
{
    char text[160];

    for (size_t i = 0; engine_onednn_impl(b->engine, i, text, sizeof text); i++)
        printf("    %s\n", text);
}

static void *take_memory(size_t floats)
{
    float *p = calloc(floats, sizeof *p);

    if (p == NULL) {
        fprintf(stderr, "bench_engine: no memory\n");
        exit(1);
    }
    return p;
}

static void setup(struct bench *b, const char *preset, struct net_shape in)
{
    struct net_layer_spec spec[NET_LAYERS_MAX];
    struct ebm_error err;
    size_t layers;

    if (!net_preset(preset, spec, &layers)) {
        fprintf(stderr, "bench_engine: no preset %s\n", preset);
        exit(2);
    }
    b->ops = engine_find("auto");
    if (net_settle(&b->net, in, spec, layers, NULL, &err) != EBM_OK ||
        b->ops->create(&b->net, &(struct engine_options){.threads = 1}, &b->engine, &err) != EBM_OK)
        die(&err);
    b->tile = b->ops->tile(b->engine);
    b->d = net_shape_size(in);
    b->x = take_memory(BATCH * b->d);
    b->params = take_memory(b->net.params);
    b->grad = take_memory(b->net.params);
    rng_uniform(rng_key_make(1, RNG_SAMPLES, 0), 0, 0, 0, 0, BATCH * b->d, b->x);
    rng_normal(rng_key_make(1, RNG_INIT, 0), 0, 0, 0, 0, b->net.params, b->params);
    for (size_t i = 0; i < b->net.params; i++)
        b->params[i] *= 0.05f;
    if (b->ops->set_params(b->engine, b->params, &err) != EBM_OK)
        die(&err);
}

static void teardown(struct bench *b)
{
    b->ops->destroy(b->engine);
    free(b->x);
    free(b->params);
    free(b->grad);
}

int main(int argc, char **argv)
{
    static const struct net_shape image = {1, 28, 28}, point = {2, 1, 1};
    const char *only = argc > 1 ? argv[1] : "all", *name;
    int64_t steps = argc > 2 ? atoll(argv[2]) : 20;
    bool impl = argc > 3 && strcmp(argv[3], "--impl") == 0;

    for (size_t i = 0; (name = net_preset_name(i, NULL)) != NULL; i++) {
        struct bench b = {.steps = steps > 0 ? steps : 1};
        if (strcmp(only, "all") != 0 && strcmp(only, name) != 0)
            continue;
        setup(&b, name, strcmp(name, "mlp") == 0 ? point : image);
        measure(&b, name);
        if (impl)
            list_impl(&b);
        teardown(&b);
    }
    return 0;
}
