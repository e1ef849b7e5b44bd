/* Which slots of the replay buffer the chains of an iteration start from.
 * B chains of the global batch, N slots. Every rank computes the same. */
#ifndef EBM_EBM_DRAW_H
#define EBM_EBM_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

struct draw {
    size_t batch, slots;
    double reinit_prob;
    struct rng_key key; /* RNG_REPLAY */
    uint32_t *slot;     /* owned, (B): distinct */
    bool *fresh;     /* owned, (B): the chain starts from noise; its slot is written all the same */
    uint32_t *table; /* owned: the slots drawn so far, hashed, 0 = empty, else slot + 1 */
    size_t mask;
};

/* batch <= slots <= UINT32_MAX - 1. */
enum ebm_status draw_init(struct draw *d, size_t batch, size_t slots, double reinit_prob,
                          uint64_t seed, uint32_t noise_epoch, struct ebm_error *err);
void draw_fini(struct draw *d);

/* Fills slot and fresh: each set of B slots is as likely as another (Floyd's
 * algorithm: Bentley & Floyd 1987). */
void draw_make(struct draw *d, uint64_t iteration);

#endif
