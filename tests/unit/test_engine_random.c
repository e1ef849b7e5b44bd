/* Nets drawn at random, with odd numbers of everything: in bf16 all
 * instruction sets agree with each other, and in fp32 with the reference.
 * Activations are smooth: at a kink, rounding alone decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dice.h"
#include "ref_net.h"

enum { NETS = 150, LAYERS = 10, PARAMS_MOST = 30000, SAMPLES = 5 };

struct drawn {
    struct net_shape in;
    struct net_layer_spec layer[LAYERS];
    size_t layers;
};

static void draw_layer(struct drawn *d, uint64_t *dice, enum net_kind kind)
{
    d->layer[d->layers++] = (struct net_layer_spec){.kind = kind,
                                                    .out = 1 + dice_below(dice, 45),
                                                    .kernel = 1 + dice_below(dice, 6),
                                                    .stride = 1 + dice_below(dice, 3)};
    d->layer[d->layers++] = (struct net_layer_spec){.kind = NET_SWISH};
}

static void draw(struct drawn *d, uint64_t *dice)
{
    static const size_t channels[] = {1, 2, 3, 5, 8, 16, 17};
    uint32_t convs = dice_below(dice, 3), denses = dice_below(dice, 3);

    *d = (struct drawn){
        {channels[dice_below(dice, 7)], 1 + dice_below(dice, 9), 1 + dice_below(dice, 9)},
        {{.kind = NET_CONV}},
        0};
    for (uint32_t i = 0; i < convs; i++)
        draw_layer(d, dice, NET_CONV);
    for (uint32_t i = 0; i < denses; i++)
        draw_layer(d, dice, NET_DENSE);
    d->layer[d->layers++] = (struct net_layer_spec){.kind = NET_DENSE, .out = 1};
}

/* The input gradients of the engine that is selected; the caller frees. */
static float *gradients(const struct drawn *d, size_t *n, double **exact)
{
    struct ref_case c;
    struct ebm_error err;
    float energy[SAMPLES];

    ref_case_open(&c, d->in, d->layer, d->layers, 1);
    *n = SAMPLES * c.d;
    float *x = ref_samples(&c, 9, SAMPLES), *grad = calloc(*n, sizeof *grad);
    double *wide = calloc(*n, sizeof *wide);
    *exact = calloc(*n, sizeof **exact);
    ref_widen(x, *n, wide);
    for (size_t i = 0; i < SAMPLES; i++)
        ref_gradients(&c.net, c.exact, wide + i * c.d, 0.0, *exact + i * c.d, NULL);
    assert_true(c.tile >= SAMPLES);
    assert_int_equal(c.ops->grad_input(c.engine, 0, x, SAMPLES, energy, grad, &err), EBM_OK);
    ref_case_close(&c);
    free(x);
    free(wide);
    return grad;
}

static void check(const struct drawn *d, enum spec_precision precision, double tolerance)
{
    ref_set_precision(precision);
    for (size_t e = 0; ref_engine_select(e); e++) {
        double *exact;
        size_t n;
        float *grad = gradients(d, &n, &exact);
        double off = ref_distance(grad, exact, n);
        if (!(off < tolerance))
            fail_msg("%s: %zux%zux%zu, %zu layers: off by %g", ref_engine_name(), d->in.c, d->in.h,
                     d->in.w, d->layers, off);
        free(grad);
        free(exact);
    }
    ref_set_precision(PRECISION_FP32);
}

static void all_instruction_sets_agree(void **state)
{
    uint64_t dice = 21;
    size_t taken = 0;

    (void)state;
    while (taken < NETS) {
        struct drawn d;
        struct net net;
        draw(&d, &dice);
        if (net_settle(&net, d.in, d.layer, d.layers, NULL, NULL) != EBM_OK ||
            net.params > PARAMS_MOST)
            continue;
        taken++;
        check(&d, PRECISION_FP32, 1e-4);
        check(&d, PRECISION_BF16, 0.06);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_instruction_sets_agree)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
