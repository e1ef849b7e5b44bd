/* A trainer above the quadratic engine: after mpi_main.h. */
#ifndef EBM_TESTS_TRAINER_STAGE_H
#define EBM_TESTS_TRAINER_STAGE_H

#include <stdlib.h>

#include "quadratic_engine.h"
#include "train/trainer.h"

struct stage {
    struct spec spec;
    struct net net;
    struct train_hooks hooks;
    struct trainer trainer;
};

static void spec_make(struct spec *s)
{
    static const char text[] = "name: t\n"
                               "seed: 5\n"
                               "data: { dataset: toy/rings, noise_std: 0.02, batch_size: 32 }\n"
                               "model: { layers: [ dense: {out: 1} ] }\n"
                               "sampler: { steps: 4, step_size: 0.2, noise_std: 0.1 }\n"
                               "replay: { size: 70, reinit_prob: 0.1 }\n"
                               "train: { steps: 100 }\n";
    static struct spec_problems problems;

    assert_int_equal(spec_parse(text, sizeof text - 1, NULL, 0, s, &problems, NULL), EBM_OK);
}

static void stage_open(struct stage *s, const struct engine_ops *ops)
{
    struct ebm_error err;

    assert_int_equal(spec_settle_net(&s->spec, &s->net, NULL, &err), EBM_OK);
    assert_int_equal(trainer_init(&s->trainer, &s->spec, &s->net, ops, 1, comm, &s->hooks, &err),
                     EBM_OK);
}

static int tear_down(void **state)
{
    struct stage *s = *state;

    trainer_fini(&s->trainer);
    free(s);
    return 0;
}

#endif
