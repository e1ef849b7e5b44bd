/* The state of a run between the ranks and one blob. */
#ifndef EBM_TRAIN_SNAPSHOT_H
#define EBM_TRAIN_SNAPSHOT_H

#include "base/buf.h"
#include "train/trainer.h"

/* Collective. Appends the whole state to rank 0's blob; the others' is not
 * touched and may be NULL. An error is the same on all ranks. */
enum ebm_status snapshot_take(struct trainer *t, struct buf *blob, struct ebm_error *err);

/* Collective. Sets the state from rank 0's blob, which is checked first. An
 * error is the same on all ranks, and the trainer is not to be used then. */
enum ebm_status snapshot_load(struct trainer *t, const struct buf *blob, struct ebm_error *err);

/* Collective. All slots' ages (replay.drawn, on every rank) from what each
 * rank knows of its own (replay.written), as after a load. */
enum ebm_status snapshot_share_ages(struct trainer *t, struct ebm_error *err);

/* Collective. The samples of the first n slots (the last chains, when there
 * is no buffer) to rank 0: x (n, D); NULL elsewhere. n: at most slots, or B. */
enum ebm_status snapshot_samples(struct trainer *t, size_t n, float *x, struct ebm_error *err);

/* Collective. The chains of the batch as they ended in the last step, and
 * their energies, to rank 0: x (B, D), energy (B); NULL elsewhere. */
enum ebm_status snapshot_chains(struct trainer *t, float *x, float *energy, struct ebm_error *err);

#endif
