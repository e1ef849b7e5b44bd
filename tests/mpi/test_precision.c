/* Chains in bf16 follow the gradients of fp32: where training begins, and
 * after a hundred steps of it, on data and on the chains' own samples. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi_main.h"
#include "train/trainer.h"

enum { STEPS = 120 };

static const struct {
    const char *preset, *dataset;
    int batch, steps;
    /* The cosine of bf16 and fp32 input gradients over a batch is no less, at
     * the start and once trained. At the start of mlp many ReLUs of its
     * second layer are near their kink, where rounding takes the other of two
     * gradients; its first layer stays in float. */
    double start, trained;
} cases[] = {{"conv-seed", "fashion-mnist", 32, 5, 0.999, 0.999},
             {"conv-small", "fashion-mnist", 32, 5, 0.999, 0.999},
             {"mlp", "toy/moons", 128, 2, 0.998, 0.999}};
enum { CASES = sizeof cases / sizeof cases[0] };

struct stage {
    struct spec spec;
    struct net net;
    struct trainer trainer;
    struct train_hooks hooks;
};

static void open_stage(struct stage *s, size_t i)
{
    static struct spec_problems problems;
    struct ebm_error err;
    char text[400];
    bool toy = strncmp(cases[i].dataset, "toy/", 4) == 0;

    int n = snprintf(text, sizeof text,
                     "data: { dataset: %s, batch_size: %d }\n"
                     "model: { preset: %s }\n"
                     "sampler: { steps: %d%s }\n"
                     "replay: { size: 512 }\n"
                     "optimizer: { lr: 5e-4, gradient_clip: 0.1 }\n"
                     "train: { steps: %d }\n",
                     cases[i].dataset, cases[i].batch, cases[i].preset, cases[i].steps,
                     toy ? ", step_size: 0.1, noise_std: 0.1" : "", STEPS);
    memset(s, 0, sizeof *s);
    assert_int_equal(spec_parse(text, (size_t)n, NULL, 0, &s->spec, &problems, &err), EBM_OK);
    assert_int_equal(spec_settle_net(&s->spec, &s->net, NULL, &err), EBM_OK);
    if (trainer_init(&s->trainer, &s->spec, &s->net, engine_find("auto"), 1, comm, &s->hooks,
                     &err) != EBM_OK)
        fail_msg("%s", err.text);
}

static void train(struct trainer *t)
{
    struct step_result result;
    struct ebm_error err;

    while (t->step < STEPS) {
        assert_int_equal(trainer_step(t, SINK_GO_ON, &result, &err), EBM_OK);
        if (result.bad)
            fail_msg("%s", result.reason);
    }
}

/* dE/dx (n, D) of x (n, D), by an engine of its own. */
static void gradients(const struct trainer *t, enum spec_precision precision, const float *x,
                      size_t n, float *grad)
{
    const struct engine_options options = {.threads = 1, .precision = precision};
    struct engine *e;
    struct ebm_error err;
    float energy[64];

    assert_int_equal(t->ops->create(t->net, &options, &e, &err), EBM_OK);
    assert_int_equal(t->ops->set_params(e, t->params, &err), EBM_OK);
    for (size_t at = 0; at < n; at += t->tile) {
        size_t part = n - at < t->tile ? n - at : t->tile;
        assert_true(part <= sizeof energy / sizeof energy[0]);
        assert_int_equal(
            t->ops->grad_input(e, 0, x + at * t->dim, part, energy, grad + at * t->dim, &err),
            EBM_OK);
    }
    t->ops->destroy(e);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static void check(const struct trainer *t, size_t which, const char *what, const float *x)
{
    double least = t->step == 0 ? cases[which].start : cases[which].trained;
    size_t n = t->batch;
    float *exact = calloc(2 * n * t->dim, sizeof *exact), *rounded = exact + n * t->dim;

    assert_non_null(exact);
    gradients(t, PRECISION_FP32, x, n, exact);
    gradients(t, PRECISION_BF16, x, n, rounded);
    double same = cosine(exact, rounded, n * t->dim);
    print_message("%s after %d steps, on %s: %.6f\n", cases[which].preset, (int)t->step, what,
                  same);
    if (!(same >= least))
        fail_msg("%s after %d steps, on %s: the cosine is %.6f, not %.3f", cases[which].preset,
                 (int)t->step, what, same, least);
    free(exact);
}

/* On data, on noise, and on what the chains have made of it. */
static void check_all(const struct trainer *t, size_t which)
{
    size_t n = t->batch;
    float *x = calloc(n * t->dim, sizeof *x);
    uint64_t *sample = calloc(n, sizeof *sample);

    assert_true(x != NULL && sample != NULL);
    dataset_plan(t->data, t->step, 0, n, sample);
    for (size_t i = 0; i < n; i++)
        dataset_read(t->data, t->step, i, sample[i], x + i * t->dim);
    check(t, which, "data", x);
    rng_uniform(rng_key_make(3, RNG_SAMPLES, 0), 0, 0, 0, 0, n * t->dim, x);
    check(t, which, "noise", x);
    if (t->step > 0)
        check(t, which, "samples", t->x);
    free(x);
    free(sample);
}

static void bf16_follows_fp32(void **state)
{
    struct stage *s = malloc(sizeof *s);

    (void)state;
    assert_non_null(s);
    for (size_t i = 0; i < CASES; i++) {
        open_stage(s, i);
        check_all(&s->trainer, i);
        train(&s->trainer);
        check_all(&s->trainer, i);
        trainer_fini(&s->trainer);
    }
    free(s);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(bf16_follows_fp32)};

MPI_TEST_MAIN(tests)
