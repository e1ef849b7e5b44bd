/* A training run from its start to its outcome: the loop around
 * trainer_step, with checkpoints, pictures, metrics and orders. */
#ifndef EBM_TRAIN_RUN_H
#define EBM_TRAIN_RUN_H

#include "agent/sink.h"
#include "train/trainer.h"

struct run_config {
    const struct spec *spec;
    const struct net *net;
    const struct engine_ops *ops;
    size_t threads;
    const struct train_hooks *hooks; /* may be NULL */
    const char *evidence_dir;        /* of a divergence; the same on all ranks; NULL: none */
};

/* How a run ended: a word of sink.h's finish, or "fenced". */
struct run_ending {
    const char *outcome;
    char reason[480];
    uint64_t step;
    uint64_t onset; /* of a divergence: the first step that is not trusted; else 0 */
};

/* Collective. Trains to an outcome; an error of any rank becomes the outcome
 * "failed" with its text on all ranks, or "corrupt" when the checkpoint to
 * start from is not what it should be. sink: rank 0's, NULL on the others.
 * Nothing is told to sink->finish: that is the caller's. */
void run_train(const struct run_config *config, struct comm *comm, const struct sink_handle *sink,
               struct run_ending *ending);

#endif
