/* One candidate of the bench: our engine, as a process that waits for orders.
 *
 *   bench_chain SPEC BATCH STEPS THREADS fp32|bf16 [ENGINE]
 *
 * For each line on its standard input it does one piece of work and prints how
 * many seconds that took: "chain" is a Langevin chain of STEPS for the whole
 * batch, "params" the parameter gradient of both sides, "pack" new parameters
 * for the engine, "first" the input gradient of the net's first layer alone
 * and "norms" the gradient norms, both of a chain of STEPS, "figures" the
 * stability figures of a training step beside those.
 * "fma", "dot" and "amx" time 2^32 operations of the processor's own limit on
 * one core: fp32, bf16 products of vectors, and of tiles. */
#include <inttypes.h>
#include <malloc.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fsio.h"
#include "ebm/loss.h"
#include "engine/clones.h"
#include "engine/engine.h"
#include "engine/wide/tape.h"
#include "limits.h"
#include "spec/spec.h"
#include "train/trainer.h"

enum { SPEC_BYTES = 1 << 18 };

struct bench {
    struct spec spec;
    struct net net;
    const struct engine_ops *ops;
    struct engine *engine;
    size_t engine_bytes; /* what its creation took */
    size_t batch, threads, d, tile;
    float *params, *x, *energy;
    float **grad; /* one for each thread */
};

static void die(const char *what, const struct ebm_error *err)
{
    fprintf(stderr, "bench_chain: %s: %s\n", what, err->text);
    exit(1);
}

static void ones(void *arg, const float *energy, float *weight, size_t n)
{
    (void)arg, (void)energy;
    for (size_t i = 0; i < n; i++)
        weight[i] = 1.0f;
}

static void read_spec(struct bench *b, const char *path)
{
    static struct spec_problems problems;
    struct ebm_error err;
    struct buf text;

    buf_init(&text);
    if (fsio_read(path, SPEC_BYTES, &text, &err) != EBM_OK)
        die(path, &err);
    if (spec_parse(buf_text(&text), text.size, NULL, 0, &b->spec, &problems, &err) != EBM_OK) {
        fprintf(stderr, "bench_chain: %s: %s\n", path, problems.item[0].text);
        exit(1);
    }
    buf_fini(&text);
}

static void *take(size_t n)
{
    void *p = aligned_alloc(64, (n + 63) / 64 * 64);
    if (p == NULL)
        abort();
    memset(p, 0, (n + 63) / 64 * 64);
    return p;
}

/* The data set's shape, or CxHxW from the environment, for nets of any input. */
static struct net_shape find_shape(const struct bench *b)
{
    const char *text = getenv("BENCH_SHAPE");
    struct net_shape s = {0};
    struct ebm_error err;
    uint64_t samples;

    if (text != NULL && sscanf(text, "%zux%zux%zu", &s.c, &s.h, &s.w) == 3)
        return s;
    if (spec_dataset_shape(b->spec.data.dataset, &s, &samples, &err) != EBM_OK)
        die("shape", &err);
    return s;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

static void open_engine(struct bench *b, const char *name)
{
    const struct engine_options options = {b->threads, (b->batch + b->threads - 1) / b->threads,
                                           b->spec.sampler.precision};
    struct ebm_error err;

    if (net_settle(&b->net, find_shape(b), b->spec.layers, b->spec.layer_count, NULL, &err) !=
        EBM_OK)
        die("net", &err);
    b->ops = engine_find(name);
    size_t before = heap_bytes();
    if (b->ops == NULL || b->ops->create(&b->net, &options, &b->engine, &err) != EBM_OK)
        die(name, &err);
    b->engine_bytes = heap_bytes() - before;
    b->d = net_shape_size(b->net.in);
    b->tile = b->ops->tile(b->engine);
    b->params = take(b->net.params * sizeof(float));
    trainer_start_params(&b->net, 1, b->params);
    b->ops->set_params(b->engine, b->params, &err);
    b->x = take(b->batch * b->d * sizeof(float));
    b->energy = take(b->batch * sizeof(float));
    b->grad = take(b->threads * sizeof *b->grad);
    for (size_t t = 0; t < b->threads; t++)
        b->grad[t] = take(b->net.params * sizeof(float));
    rng_uniform(rng_key_make(1, RNG_SAMPLES, 0), 0, 0, 0, 0, b->batch * b->d, b->x);
}

/* So many samples of the batch in turns, as a rank's threads take them. */
static void for_each(struct bench *b, size_t samples,
                     void (*work)(struct bench *b, size_t lane, size_t at, size_t n))
{
    long turns = (long)((b->batch + samples - 1) / samples);

#pragma omp parallel for num_threads((int)b->threads) schedule(static)
    for (long i = 0; i < turns; i++) {
        size_t at = (size_t)i * samples;
        work(b, (size_t)omp_get_thread_num(), at,
             b->batch - at < samples ? b->batch - at : samples);
    }
}

static void chain(struct bench *b, size_t lane, size_t at, size_t n)
{
    struct engine_chain c = {.sampler = &b->spec.sampler,
                             .noise = rng_key_make(1, RNG_LANGEVIN, 0),
                             .first_chain = (uint32_t)at,
                             .x = b->x + at * b->d,
                             .n = n};
    struct ebm_error err;

    if (b->ops->langevin(b->engine, lane, &c, &err) != EBM_OK)
        die("chain", &err);
}

static void params(struct bench *b, size_t lane, size_t at, size_t n)
{
    struct ebm_error err;

    for (int side = 0; side < 2; side++)
        if (b->ops->grad_params(b->engine, lane, b->x + at * b->d, n, ones, NULL, b->energy + at,
                                b->grad[lane], &err) != EBM_OK)
            die("params", &err);
}

static void do_chain(struct bench *b)
{
    for_each(b, b->ops->chains(b->engine), chain);
}

static void do_params(struct bench *b)
{
    for_each(b, b->tile, params);
}

static void do_pack(struct bench *b)
{
    struct ebm_error err;

    b->ops->set_params(b->engine, b->params, &err);
}

/* What r_t is made of, as the engine adds it while it updates x: the squares
 * of sixteen samples side by side (n, WIDE). Here in a pass of its own. */
ENGINE_CLONES static void add_squares(const float *g, size_t n, double *squares)
{
    double sum[WIDE] = {0};

    for (size_t i = 0; i < n; i++)
        for (int l = 0; l < WIDE; l++)
            sum[l] += (double)g[i * WIDE + (size_t)l] * (double)g[i * WIDE + (size_t)l];
    memcpy(squares, sum, sizeof sum);
}

static void do_norms(struct bench *b)
{
    volatile double norms = 0;
    double squares[WIDE];

    for (int64_t step = 0; step < b->spec.sampler.steps; step++)
        for (size_t at = 0; at < b->batch; at += WIDE) {
            size_t n = b->batch - at < WIDE ? b->batch - at : WIDE;
            add_squares(b->x + at * b->d, n * b->d / WIDE, squares);
            for (int l = 0; l < WIDE; l++)
                norms += sqrt(squares[l]);
        }
}

/* Moments of the samples, energies of both sides, and what follows from them. */
static void do_figures(struct bench *b)
{
    double sums[SUM_COUNT] = {0}, maxima[MAX_COUNT] = {0}, value[METRIC_COUNT];
    const struct loss_scale scale = {b->batch, b->d, (size_t)b->spec.sampler.steps, 0.1, 1e4};
    char why[TRAINER_REASON];

    for (int sign = -1; sign <= 1; sign += 2)
        loss_add_energies(sums, maxima, sign, b->energy, b->batch);
    loss_add_samples(sums, b->x, b->batch, b->d, 0, 1);
    loss_figures(&scale, sums, 1, value);
    loss_is_bad(&scale, sums, 1, 1, why, sizeof why);
}

static void do_fma(struct bench *b)
{
    (void)b;
    limits_fma();
}

static void do_dot(struct bench *b)
{
    (void)b;
    limits_dot();
}

static void do_amx(struct bench *b)
{
    (void)b;
    limits_amx();
}

/* ---- the first layer's input gradient ---- */

static struct wide_pass first_pass;
static const struct net_layer *first_layer;
static float *first_source, *first_weights, *first_near, *first_grad;

static void open_first(struct bench *b)
{
    struct ebm_error err;
    const struct net_layer *l = &b->net.layer[0];

    while (l->weights == 0)
        l++;
    first_layer = l;
    if (wide_pass_build(&first_pass, wide_isa_best(), WIDE_FLOAT, l, wide_pass_back(l), NULL, 1,
                        &err) != EBM_OK)
        die("first layer", &err);
    first_source = take(net_shape_size(l->out) * WIDE * sizeof(float));
    first_grad = take(net_shape_size(l->in) * WIDE * sizeof(float));
    first_weights = take(wide_pass_bytes(&first_pass));
    first_near = take(wide_pass_near(&first_pass) * WIDE * sizeof(float));
    wide_pass_pack(&first_pass, b->params, 1, first_weights);
}

/* As the engine ends it where there are many channels. */
static void put_first(void *arg, const struct wide_sums *s)
{
    const struct net_layer *l = arg;

    for (size_t i = 0; i < s->count; i++)
        memcpy(first_grad + (s->place[i].position * l->in.c + s->channel) * WIDE,
               s->sum + i * s->channels * WIDE, s->channels * WIDE * sizeof(float));
}

static void do_first(struct bench *b)
{
    if (first_source == NULL)
        open_first(b);
    const struct net_layer *l = first_layer;
    size_t tiles = (b->batch + WIDE - 1) / WIDE;
    for (size_t i = 0; i < tiles * (size_t)b->spec.sampler.steps; i++) {
        if (wide_pass_back(l) == WIDE_BY_TAP)
            wide_pass_by_tap(&first_pass, l, 1, first_source, first_weights, first_near,
                             first_grad);
        else
            wide_pass_run(&first_pass, first_source, first_weights, NULL, first_near,
                          (struct wide_ahead){0}, put_first, (void *)l);
    }
}

static const struct {
    const char *order;
    void (*run)(struct bench *b);
} orders[] = {{"chain", do_chain}, {"params", do_params}, {"pack", do_pack},
              {"first", do_first}, {"norms", do_norms},   {"figures", do_figures},
              {"fma", do_fma},     {"dot", do_dot},       {"amx", do_amx}};

int main(int argc, char **argv)
{
    static struct bench b;
    char line[64];

    if (argc < 6) {
        fputs("usage: bench_chain SPEC BATCH STEPS THREADS fp32|bf16 [ENGINE]\n", stderr);
        return 2;
    }
    read_spec(&b, argv[1]);
    b.batch = strtoul(argv[2], NULL, 10);
    b.spec.sampler.steps = strtol(argv[3], NULL, 10);
    b.threads = strtoul(argv[4], NULL, 10);
    b.spec.sampler.precision = strcmp(argv[5], "bf16") == 0 ? PRECISION_BF16 : PRECISION_FP32;
    open_engine(&b, argc > 6 ? argv[6] : "auto");
    printf("ready params=%zu flop=%.0f isa=%s tile=%zu engine_bytes=%zu dot=%d amx=%d\n",
           b.net.params, 2.0 * b.net.forward_flop, wide_isa_best()->name, b.tile, b.engine_bytes,
           limits_has_dot(), limits_has_amx());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
            if (strcmp(orders[i].order, line) != 0)
                continue;
            double begin = clock_mono_s();
            orders[i].run(&b);
            printf("%.9f\n", clock_mono_s() - begin);
            fflush(stdout);
        }
    }
    b.ops->destroy(b.engine);
    return 0;
}
