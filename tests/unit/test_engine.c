/* The CPU engine against a net in double precision: energies, gradients by
 * input and by parameters, for every layer kind and many shapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/onednn/engine_onednn.h"
#include "engine/wide/wide.h"
#include "ref_net.h"

static const double TOLERANCE = 1e-4;

typedef void check_fn(struct ref_case *c, const char *name);

static void for_each_net(check_fn *check, size_t lanes)
{
    char name[96];
    struct net_shape in;
    struct net_layer_spec spec[NET_LAYERS_MAX];
    size_t layers;

    for (size_t i = 0; ref_net_case(i, name, sizeof name, &in, spec, &layers); i++) {
        struct ref_case c;
        char shown[160];
        if (!ref_engine_takes(name))
            continue;
        ref_case_open(&c, in, spec, layers, lanes);
        snprintf(shown, sizeof shown, "%s: %s", ref_engine_name(), name);
        check(&c, shown);
        ref_case_close(&c);
    }
}

static void for_each_engine(check_fn *check)
{
    for (size_t i = 0; ref_engine_select(i); i++)
        for_each_net(check, 1);
}

static void assert_near(const float *a, const double *b, size_t n, const char *name,
                        const char *what)
{
    double off = ref_distance(a, b, n);

    if (!(off < TOLERANCE))
        fail_msg("%s: %s is off by %g", name, what, off);
}

/* (E(+h) - E(-h)) / 2h of the reference, along one of its numbers. */
static double difference(const struct ref_case *c, const double *x, double *number)
{
    const double h = 1e-5, at = *number;

    *number = at + h;
    double up = ref_energy(&c->net, c->exact, x);
    *number = at - h;
    double down = ref_energy(&c->net, c->exact, x);
    *number = at;
    return (up - down) / (2.0 * h);
}

static void assert_difference(const struct ref_case *c, const double *x, double *number,
                              double gradient, const char *name)
{
    double d = difference(c, x, number);

    if (fabs(d - gradient) > 1e-6 * (1.0 + fabs(gradient)))
        fail_msg("%s: gradient %g, differences say %g", name, gradient, d);
}

enum { DIFFERENCES_MAX = 100000 }; /* parameters of a net that is worth the time */

static void check_differences(struct ref_case *c, const char *name)
{
    float *sample = ref_samples(c, 3, 1);
    double *x = calloc(c->d, sizeof *x), *gx = calloc(c->d, sizeof *gx);
    double *gp = calloc(c->net.params + 1, sizeof *gp);

    ref_widen(sample, c->d, x);
    if (c->net.params < DIFFERENCES_MAX) {
        ref_gradients(&c->net, c->exact, x, 1.0, gx, gp);
        for (size_t k = 0; k < 6; k++)
            assert_difference(c, x, &x[k * 7919 % c->d], gx[k * 7919 % c->d], name);
        for (size_t i = 0; i < c->net.layers; i++) {
            const struct net_layer *l = &c->net.layer[i];
            size_t weight = l->offset + l->weights / 2, bias = l->offset + l->weights;
            if (l->weights == 0)
                continue;
            assert_difference(c, x, &c->exact[weight], gp[weight], name);
            assert_difference(c, x, &c->exact[bias], gp[bias], name);
        }
    }
    free(sample);
    free(x);
    free(gx);
    free(gp);
}

/* The reference's gradients are true ones: the engine is compared with them. */
static void reference_agrees_with_differences(void **state)
{
    (void)state;
    for_each_net(check_differences, 1);
}

/* n samples: energies and input gradients. */
static void check_input_n(struct ref_case *c, const char *name, size_t n)
{
    float *x = ref_samples(c, 5, n), *energy = calloc(n, sizeof *energy);
    float *alone = calloc(n, sizeof *alone), *grad = calloc(n * c->d, sizeof *grad);
    double *wide = calloc(n * c->d, sizeof *wide), *gx = calloc(n * c->d, sizeof *gx);
    double *e = calloc(n, sizeof *e);
    struct ebm_error err;

    ref_widen(x, n * c->d, wide);
    for (size_t i = 0; i < n; i++)
        e[i] = ref_gradients(&c->net, c->exact, wide + i * c->d, 0.0, gx + i * c->d, NULL);
    assert_int_equal(c->ops->grad_input(c->engine, 0, x, n, energy, grad, &err), EBM_OK);
    assert_int_equal(c->ops->energy(c->engine, 0, x, n, alone, &err), EBM_OK);
    assert_near(energy, e, n, name, "energy");
    assert_memory_equal(energy, alone, n * sizeof *energy);
    for (size_t i = 0; i < n; i++)
        assert_near(grad + i * c->d, gx + i * c->d, c->d, name, "input gradient");
    free(x), free(energy), free(alone), free(grad), free(wide), free(gx), free(e);
}

static void check_input(struct ref_case *c, const char *name)
{
    check_input_n(c, name, c->tile);
    check_input_n(c, name, 1);
    check_input_n(c, name, 3);
}

static void energies_and_input_gradients(void **state)
{
    (void)state;
    for_each_engine(check_input);
}

/* weight = 1 + E, and what was seen. */
struct weighed {
    float energy[64], weight[64];
    size_t n, calls;
};

static void weigh(void *arg, const float *energy, float *weight, size_t n)
{
    struct weighed *w = arg;

    w->calls++;
    w->n = n;
    for (size_t i = 0; i < n; i++) {
        w->energy[i] = energy[i];
        w->weight[i] = weight[i] = 1.0f + energy[i];
    }
}

/* The gradient is added to what was there: 0.25 everywhere. */
static void check_params_n(struct ref_case *c, const char *name, size_t n)
{
    float *x = ref_samples(c, 6, n), *grad = calloc(c->net.params + 1, sizeof *grad);
    double *wide = calloc(n * c->d, sizeof *wide);
    double *gp = calloc(c->net.params + 1, sizeof *gp);
    float energy[64];
    struct weighed seen = {.n = 0};
    struct ebm_error err;

    for (size_t i = 0; i < c->net.params; i++) {
        grad[i] = 0.25f;
        gp[i] = 0.25;
    }
    assert_int_equal(c->ops->grad_params(c->engine, 0, x, n, weigh, &seen, energy, grad, &err),
                     EBM_OK);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.n, n);
    assert_memory_equal(seen.energy, energy, n * sizeof *energy);
    ref_widen(x, n * c->d, wide);
    for (size_t i = 0; i < n; i++)
        ref_gradients(&c->net, c->exact, wide + i * c->d, (double)seen.weight[i], NULL, gp);
    for (size_t i = 0; i < c->net.layers; i++) {
        const struct net_layer *l = &c->net.layer[i];
        assert_near(grad + l->offset, gp + l->offset, l->weights, name, "weight gradient");
        assert_near(grad + l->offset + l->weights, gp + l->offset + l->weights, l->biases, name,
                    "bias gradient");
    }
    free(x), free(grad), free(wide), free(gp);
}

static void check_params(struct ref_case *c, const char *name)
{
    check_params_n(c, name, c->tile);
    check_params_n(c, name, 2);
}

static void parameter_gradients(void **state)
{
    (void)state;
    for_each_engine(check_params);
}

static void check_refusals(const struct engine_ops *ops)
{
    const struct net_layer_spec spec[] = {{.kind = NET_DENSE, .out = 1}};
    struct engine_options options = {.threads = 0};
    float x[2] = {0}, energy[64], grad[2], params[3] = {0};
    struct engine *e = NULL;
    struct ebm_error err;
    struct net net;

    assert_int_equal(net_settle(&net, (struct net_shape){2, 1, 1}, spec, 1, NULL, &err), EBM_OK);
    assert_int_equal(ops->create(&net, &options, &e, &err), EBM_EINVAL);
    assert_null(e);
    options.threads = 1;
    assert_int_equal(ops->create(&net, &options, &e, &err), EBM_OK);
    assert_int_equal(ops->energy(e, 0, x, 1, energy, &err), EBM_ESTATE);
    assert_int_equal(ops->set_params(e, params, &err), EBM_OK);
    assert_int_equal(ops->energy(e, 1, x, 1, energy, &err), EBM_EINVAL);
    assert_int_equal(ops->grad_input(e, 0, x, 0, energy, grad, &err), EBM_EINVAL);
    assert_int_equal(ops->energy(e, 0, x, ops->tile(e) + 1, energy, &err), EBM_EINVAL);
    assert_int_equal(ops->energy(e, 0, x, 1, energy, &err), EBM_OK);
    assert_true(energy[0] == 0.0f);
    ops->destroy(e);
    ops->destroy(NULL);
}

static void bad_calls_are_refused(void **state)
{
    const struct engine_ops *ops;

    (void)state;
    assert_null(engine_find("abacus"));
    assert_ptr_equal(engine_find("auto"), engine_at(0));
    for (size_t i = 0; (ops = engine_at(i)) != NULL; i++) {
        assert_ptr_equal(engine_find(ops->name), ops);
        check_refusals(ops);
    }
}

/* Whoever runs slower than others would is told so, and why. */
static void slow_processors_are_told(void **state)
{
    static const struct {
        const char *isa;
        enum spec_precision precision;
        const char *word; /* NULL: nothing to say */
    } cases[] = {{"portable", PRECISION_FP32, "AVX-512"}, {"avx2", PRECISION_FP32, "AVX-512"},
                 {"portable", PRECISION_BF16, "AVX-512"}, {"avx2", PRECISION_BF16, "no fast"},
                 {"avx512", PRECISION_FP32, NULL},        {"avx512", PRECISION_BF16, "bf16"},
                 {"avx512-bf16", PRECISION_FP32, NULL},   {"avx512-bf16", PRECISION_BF16, NULL},
                 {"avx512-amx", PRECISION_FP32, NULL},    {"avx512-amx", PRECISION_BF16, NULL}};
    const struct net_layer_spec spec[] = {{.kind = NET_DENSE, .out = 1}};
    const struct engine_ops *wide = engine_find("wide");
    struct ebm_error err;
    struct net net;

    (void)state;
    assert_int_equal(net_settle(&net, (struct net_shape){2, 1, 1}, spec, 1, NULL, &err), EBM_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct engine_options options = {.threads = 1, .precision = cases[i].precision};
        struct engine *e;
        if (!wide_select(cases[i].isa))
            continue;
        assert_int_equal(wide->create(&net, &options, &e, &err), EBM_OK);
        const char *notice = wide->notice(e);
        assert_int_equal(notice != NULL, cases[i].word != NULL);
        assert_true(notice == NULL || strstr(notice, cases[i].word) != NULL);
        wide->destroy(e);
    }
    wide_select(NULL);
}

/* bf16 operands: gradients point the same way, by the net's own size. */
static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0.0, aa = 0.0, bb = 0.0;

    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static void check_bf16(struct ref_case *c, const char *name)
{
    float *x = ref_samples(c, 5, c->tile), energy[64];
    float *exact = calloc(c->tile * c->d, sizeof *exact);
    float *rounded = calloc(c->tile * c->d, sizeof *rounded);
    const struct engine_options options = {.threads = 1, .precision = PRECISION_BF16};
    struct engine *e = NULL;
    struct ebm_error err;

    assert_int_equal(c->ops->create(&c->net, &options, &e, &err), EBM_OK);
    assert_int_equal(c->ops->set_params(e, c->params, &err), EBM_OK);
    assert_int_equal(c->ops->grad_input(c->engine, 0, x, c->tile, energy, exact, &err), EBM_OK);
    assert_int_equal(c->ops->grad_input(e, 0, x, c->tile, energy, rounded, &err), EBM_OK);
    double same = cosine(exact, rounded, c->tile * c->d);
    /* A ReLU has two gradients near 0, and rounding may take the other one;
     * nets that were made up for their corners may cancel. */
    double least = strstr(name, "conv-") != NULL ? 0.999 : 0.99;
    if (!(same >= least))
        fail_msg("%s: cosine %.6f of bf16 and fp32 gradients", name, same);
    c->ops->destroy(e);
    free(x);
    free(exact);
    free(rounded);
}

static void bf16_gradients_are_near(void **state)
{
    (void)state;
    for_each_engine(check_bf16);
}

/* oneDNN's reference loops are hundreds of times slower, and silent. */
static void check_impl(struct ref_case *c, const char *name)
{
    char text[160];
    size_t n = 0;

    for (; engine_onednn_impl(c->engine, n, text, sizeof text); n++)
        if (strstr(text, "ref") != NULL)
            fail_msg("%s: %s", name, text);
    assert_true(n > 0);
}

static void no_reference_kernels(void **state)
{
    (void)state;
    assert_true(ref_engine_select(0));
    assert_string_equal(ref_engine_name(), "onednn");
    for_each_net(check_impl, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_calls_are_refused),
        cmocka_unit_test(slow_processors_are_told),
        cmocka_unit_test(reference_agrees_with_differences),
        cmocka_unit_test(energies_and_input_gradients),
        cmocka_unit_test(parameter_gradients),
        cmocka_unit_test(bf16_gradients_are_near),
        cmocka_unit_test(no_reference_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
