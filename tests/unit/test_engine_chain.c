/* Langevin chains of the engine against chains computed from the reference
 * net, and what no result may depend on: neighbours, tile fill, lane,
 * threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/wide/wide.h"
#include "ref_net.h"

enum { STEPS = 8, LANES = 3, TILE_MAX = 64 };

static const struct rng_key key = {{17, 4}};

static const struct spec_sampler sampler = {.steps = STEPS,
                                            .step_size = 0.2,
                                            .noise_std = 0.05,
                                            .gradient_clip = 0.4,
                                            .clamp_on = true,
                                            .clamp = {0.0, 1.0}};

/* Nets of each build: dense, convolutions with 1, 3 and 16 channels in, odd
 * sizes, presets. */
static bool chain_net(size_t i, struct ref_case *c)
{
    static const char *const names[] = {"dense, relu",
                                        "begins with swish",
                                        "wide conv",
                                        "flatten, conv",
                                        "1 channels, kernel 3, stride 1",
                                        "3 channels, kernel 5, stride 2",
                                        "16 channels, kernel 2, stride 3",
                                        "mlp",
                                        "conv-small"};
    struct net_layer_spec spec[NET_LAYERS_MAX];
    struct net_shape in;
    size_t layers;
    char name[96];

    while (i < sizeof names / sizeof names[0] && !ref_engine_takes(names[i]))
        i++;
    if (i >= sizeof names / sizeof names[0])
        return false;
    for (size_t k = 0; ref_net_case(k, name, sizeof name, &in, spec, &layers); k++)
        if (strcmp(name, names[i]) == 0) {
            ref_case_open(c, in, spec, layers, LANES);
            return true;
        }
    fail_msg("no net %s", names[i]);
    return false;
}

static void for_each_net(void (*check)(struct ref_case *c))
{
    struct ref_case c;

    for (size_t e = 0; ref_engine_select(e); e++)
        for (size_t i = 0; chain_net(i, &c); i++) {
            check(&c);
            ref_case_close(&c);
        }
}

/* The same with operands in bf16, for what does not depend on precision. */
static void for_each_net_and_precision(void (*check)(struct ref_case *c))
{
    for_each_net(check);
    ref_set_precision(PRECISION_BF16);
    for_each_net(check);
    ref_set_precision(PRECISION_FP32);
}

static struct engine_chain chain_of(float *x, size_t n, uint32_t first)
{
    return (struct engine_chain){
        .sampler = &sampler, .noise = key, .iteration = 3, .first_chain = first, .x = x, .n = n};
}

static void run(struct ref_case *c, size_t lane, struct engine_chain *chain)
{
    struct ebm_error err;

    if (c->ops->langevin(c->engine, lane, chain, &err) != EBM_OK)
        fail_msg("%s", err.text);
}

/* What the chain must give, in double; the noise is the engine's. */
struct expected {
    double norm_sum, norm_last, energy_last;
};

static double limit(double v, double lo, double hi)
{
    return fmin(fmax(v, lo), hi);
}

static void expect_chain(const struct ref_case *c, uint32_t chain, double *x, struct expected *out)
{
    float *noise = calloc(c->d, sizeof *noise);
    double *grad = calloc(c->d, sizeof *grad);

    for (uint32_t k = 0; k < STEPS; k++) {
        double energy = ref_gradients(&c->net, c->exact, x, 0.0, grad, NULL), norm = 0.0;
        rng_normal(key, 3, chain, k, 0, c->d, noise);
        for (size_t i = 0; i < c->d; i++) {
            double g = limit(grad[i], -sampler.gradient_clip, sampler.gradient_clip);
            norm += grad[i] * grad[i];
            x[i] = limit(x[i] - sampler.step_size / 2.0 * g + sampler.noise_std * (double)noise[i],
                         sampler.clamp[0], sampler.clamp[1]);
        }
        out->norm_sum += sqrt(norm);
        out->norm_last += k == STEPS - 1 ? sqrt(norm) : 0.0;
        out->energy_last += k == STEPS - 1 ? energy : 0.0;
    }
    free(noise);
    free(grad);
}

static void check_chain(struct ref_case *c)
{
    const size_t n = 3;
    const uint32_t first = 40;
    float *x = ref_samples(c, 8, n);
    double *wide = calloc(n * c->d, sizeof *wide);
    struct engine_chain chain = chain_of(x, n, first);
    struct expected e = {0};

    ref_widen(x, n * c->d, wide);
    for (size_t i = 0; i < n; i++)
        expect_chain(c, first + (uint32_t)i, wide + i * c->d, &e);
    run(c, 0, &chain);
    assert_true(ref_distance(x, wide, n * c->d) < 1e-4);
    assert_true(fabs(chain.norms[0].grad_sum - e.norm_sum) < 1e-4 * e.norm_sum);
    assert_true(fabs(chain.norms[0].grad_last - e.norm_last) < 1e-4 * e.norm_last);
    assert_true(fabs(chain.norms[0].energy_last - e.energy_last) <
                1e-4 * (1.0 + fabs(e.energy_last)));
    free(x);
    free(wide);
}

static void chains_are_the_references(void **state)
{
    (void)state;
    for_each_net(check_chain);
}

/* Chains of several tiles at once are those of one after another. */
static void check_together(struct ref_case *c)
{
    size_t most = c->ops->chains(c->engine), n = most - 3, d = c->d;

    if (most == c->tile)
        return;
    float *one = ref_samples(c, 12, most), *all = calloc(most * d, sizeof *all);

    assert_true(most % c->tile == 0 && most / c->tile <= ENGINE_TILES_MAX);
    memcpy(all, one, most * d * sizeof *all);
    struct engine_chain together = chain_of(all, n, 100);
    run(c, 0, &together);
    for (size_t at = 0; at < n; at += c->tile) {
        size_t here = n - at < c->tile ? n - at : c->tile;
        struct engine_chain alone = chain_of(one + at * d, here, (uint32_t)(100 + at));
        run(c, 0, &alone);
        assert_memory_equal(&together.norms[at / c->tile], &alone.norms[0], sizeof alone.norms[0]);
    }
    assert_memory_equal(all, one, most * d * sizeof *all);
    free(one);
    free(all);
}

/* Tiles that run together may diverge one by one. */
static void check_together_nan(struct ref_case *c)
{
    size_t most = c->ops->chains(c->engine), each = c->tile * c->d, tiles = most / c->tile;

    if (most == c->tile)
        return;
    float *all = ref_samples(c, 12, most);
    struct engine_chain sound = chain_of(all, most, 100);
    run(c, 0, &sound);
    for (size_t lost = 0; lost < tiles; lost++) {
        float *some = ref_samples(c, 12, most);
        for (size_t i = 0; i < each; i++)
            some[lost * each + i] = NAN;
        struct engine_chain chain = chain_of(some, most, 100);
        run(c, 0, &chain);
        for (size_t t = 0; t < tiles; t++)
            if (t != lost)
                assert_memory_equal(some + t * each, all + t * each, each * sizeof *all);
        free(some);
    }
    free(all);
}

static void chains_together_are_chains_alone(void **state)
{
    static const size_t lane_samples[] = {40, 96, 128};

    (void)state;
    ref_set_precision(PRECISION_BF16);
    for (size_t i = 0; i < sizeof lane_samples / sizeof lane_samples[0]; i++) {
        ref_set_samples(lane_samples[i]);
        for_each_net(check_together);
    }
    for_each_net(check_together_nan);
    ref_set_samples(0);
    ref_set_precision(PRECISION_FP32);
}

/* In bf16 dense nets run as many tiles at once as a lane has, convolutions two
 * where the processor has matrix tiles, and neither an odd one. */
static void tiles_go_together_where_they_are_there(void **state)
{
    static const struct {
        enum spec_precision precision;
        size_t samples, dense, conv; /* tiles, with matrix tiles */
    } cases[] = {{PRECISION_BF16, 0, 1, 1},   {PRECISION_BF16, 32, 1, 2},
                 {PRECISION_BF16, 33, 2, 1},  {PRECISION_BF16, 96, 3, 2},
                 {PRECISION_BF16, 128, 4, 2}, {PRECISION_BF16, 160, 1, 2},
                 {PRECISION_BF16, 192, 3, 2}, {PRECISION_FP32, 128, 1, 1}};
    static const struct {
        struct net_shape in;
        struct net_layer_spec layer[3];
        size_t tile;
    } nets[] = {
        {{2, 1, 1},
         {{.kind = NET_DENSE, .out = 24}, {.kind = NET_SWISH}, {.kind = NET_DENSE, .out = 1}},
         32},
        {{1, 5, 5},
         {{.kind = NET_CONV, .out = 16, .kernel = 3, .stride = 1},
          {.kind = NET_SWISH},
          {.kind = NET_DENSE, .out = 1}},
         16}};
    struct ebm_error err;

    (void)state;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            const struct engine_options o = {1, cases[i].samples, cases[i].precision};
            const struct engine_ops *ops = engine_find("wide");
            struct net net;
            struct engine *e;
            assert_int_equal(net_settle(&net, nets[k].in, nets[k].layer, 3, NULL, &err), EBM_OK);
            assert_int_equal(ops->create(&net, &o, &e, &err), EBM_OK);
            bool matrix = strstr(wide_isa_name(e), "amx") != NULL;
            size_t tiles = k == 0 ? cases[i].dense : matrix ? cases[i].conv : 1;
            assert_int_equal(ops->tile(e), nets[k].tile);
            assert_int_equal(ops->chains(e), tiles * nets[k].tile);
            ops->destroy(e);
        }
}

/* Without noise, steps of the engine are steps by its own gradients. */
static void check_quiet(struct ref_case *c)
{
    struct spec_sampler quiet = {.steps = 1, .step_size = 0.5};
    float *x = ref_samples(c, 9, 1), *grad = calloc(c->d, sizeof *grad), energy;
    float *moved = calloc(c->d, sizeof *moved);
    struct ebm_error err;

    memcpy(moved, x, c->d * sizeof *x);
    struct engine_chain chain = chain_of(moved, 1, 0);
    chain.sampler = &quiet;
    assert_int_equal(c->ops->grad_input(c->engine, 0, x, 1, &energy, grad, &err), EBM_OK);
    run(c, 0, &chain);
    for (size_t i = 0; i < c->d; i++)
        assert_true(moved[i] == x[i] - 0.25f * grad[i]);
    assert_true(chain.norms[0].energy_last == (double)energy);
    assert_true(chain.norms[0].grad_sum == chain.norms[0].grad_last);
    free(x);
    free(grad);
    free(moved);
}

static void no_noise_no_clip_no_clamp(void **state)
{
    (void)state;
    for_each_net_and_precision(check_quiet);
}

/* A full tile; then each sample at its place, as the last of a partial tile
 * and among others, on other lanes. */
static void check_neighbours(struct ref_case *c)
{
    float *all = ref_samples(c, 10, c->tile), *start = ref_samples(c, 10, c->tile);
    float *other = ref_samples(c, 20, c->tile);
    struct engine_chain chain = chain_of(all, c->tile, 100);

    run(c, 0, &chain);
    for (size_t i = 0; i < c->tile; i++) {
        struct engine_chain partial = chain_of(other, i + 1, 100);
        memcpy(other + i * c->d, start + i * c->d, c->d * sizeof *other);
        run(c, i % LANES, &partial);
        assert_memory_equal(all + i * c->d, other + i * c->d, c->d * sizeof *all);
    }
    free(all);
    free(start);
    free(other);
}

static void bits_do_not_depend_on_neighbours(void **state)
{
    (void)state;
    for_each_net_and_precision(check_neighbours);
}

/* The same with neighbours that have diverged. */
static void check_nan(struct ref_case *c)
{
    float *x = ref_samples(c, 11, c->tile), *alone = calloc(c->tile * c->d, sizeof *alone);
    float *whole = calloc(c->tile * c->d, sizeof *whole),
          *grad = calloc(c->tile * c->d, sizeof *grad);
    float energy[TILE_MAX], energy_all[TILE_MAX];
    struct ebm_error err;

    assert_int_equal(c->ops->grad_input(c->engine, 0, x, c->tile, energy_all, whole, &err), EBM_OK);
    for (size_t at = 0; at < c->tile; at++) {
        for (size_t i = 0; i < c->tile * c->d; i++)
            alone[i] = NAN;
        memcpy(alone + at * c->d, x + at * c->d, c->d * sizeof *x);
        assert_int_equal(c->ops->grad_input(c->engine, 0, alone, c->tile, energy, grad, &err),
                         EBM_OK);
        assert_true(isfinite(energy[at]) && energy[at] == energy_all[at]);
        assert_memory_equal(whole + at * c->d, grad + at * c->d, c->d * sizeof *grad);
    }
    free(x);
    free(alone);
    free(whole);
    free(grad);
}

static void a_diverged_neighbour_does_no_harm(void **state)
{
    (void)state;
    for_each_net_and_precision(check_nan);
}

static void one_each(void *arg, const float *energy, float *weight, size_t n)
{
    (void)arg;
    (void)energy;
    for (size_t i = 0; i < n; i++)
        weight[i] = 1.0f;
}

/* A chain and a parameter gradient on one lane, as a training step does. */
struct work {
    struct ref_case *c;
    size_t lane;
    float *x, *grad;
    pthread_t thread;
};

static void *work(void *arg)
{
    struct work *w = arg;
    float energy[TILE_MAX];
    struct engine_chain chain = chain_of(w->x, w->c->tile, 7);
    struct ebm_error err;

    run(w->c, w->lane, &chain);
    if (w->c->ops->grad_params(w->c->engine, w->lane, w->x, w->c->tile, one_each, NULL, energy,
                               w->grad, &err) != EBM_OK)
        abort();
    return NULL;
}

static void check_lanes(struct ref_case *c)
{
    struct work w[LANES];

    for (size_t i = 0; i < LANES; i++) {
        w[i] = (struct work){.c = c, .lane = i};
        w[i].x = ref_samples(c, 12, c->tile);
        w[i].grad = calloc(c->net.params, sizeof *w[i].grad);
    }
    work(&w[0]);
    for (size_t i = 1; i < LANES; i++)
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    for (size_t i = 1; i < LANES; i++) {
        pthread_join(w[i].thread, NULL);
        assert_memory_equal(w[0].x, w[i].x, c->tile * c->d * sizeof *w[0].x);
        assert_memory_equal(w[0].grad, w[i].grad, c->net.params * sizeof *w[0].grad);
    }
    for (size_t i = 0; i < LANES; i++) {
        free(w[i].x);
        free(w[i].grad);
    }
}

static void bits_do_not_depend_on_lane_or_thread(void **state)
{
    (void)state;
    for_each_net_and_precision(check_lanes);
}

/* New parameters take effect, and the same ones give the same bits again. */
static void check_new_params(struct ref_case *c)
{
    float *x = ref_samples(c, 13, 1), before, other, after;
    struct ebm_error err;

    assert_int_equal(c->ops->energy(c->engine, 0, x, 1, &before, &err), EBM_OK);
    for (size_t i = 0; i < c->net.params; i++)
        c->params[i] *= 1.5f;
    assert_int_equal(c->ops->set_params(c->engine, c->params, &err), EBM_OK);
    assert_int_equal(c->ops->energy(c->engine, 0, x, 1, &other, &err), EBM_OK);
    for (size_t i = 0; i < c->net.params; i++)
        c->params[i] = (float)c->exact[i];
    assert_int_equal(c->ops->set_params(c->engine, c->params, &err), EBM_OK);
    assert_int_equal(c->ops->energy(c->engine, 1, x, 1, &after, &err), EBM_OK);
    assert_true(other != before);
    assert_true(after == before);
    free(x);
}

static void parameters_are_replaced(void **state)
{
    (void)state;
    for_each_net(check_new_params);
}

/* Long chains hold no more memory than short ones. */
static void check_memory(struct ref_case *c)
{
    float *x = ref_samples(c, 14, c->tile);
    struct engine_chain chain = chain_of(x, c->tile, 0);

    run(c, 0, &chain);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 10; i++)
        run(c, 0, &chain);
    assert_int_equal(mallinfo2().uordblks, before);
    free(x);
}

static void nothing_is_kept_by_a_chain(void **state)
{
    (void)state;
    for_each_net_and_precision(check_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_are_the_references),
        cmocka_unit_test(chains_together_are_chains_alone),
        cmocka_unit_test(tiles_go_together_where_they_are_there),
        cmocka_unit_test(no_noise_no_clip_no_clamp),
        cmocka_unit_test(bits_do_not_depend_on_neighbours),
        cmocka_unit_test(a_diverged_neighbour_does_no_harm),
        cmocka_unit_test(bits_do_not_depend_on_lane_or_thread),
        cmocka_unit_test(parameters_are_replaced),
        cmocka_unit_test(nothing_is_kept_by_a_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
