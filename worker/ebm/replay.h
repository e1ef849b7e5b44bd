/* The replay buffer (persistent chains: Tieleman 2008; Du & Mordatch 2019):
 * one logical buffer of N slots, striped over the ranks. The samples that an
 * iteration needs travel to the ranks that run their chains, and back.
 *
 * D elements of a sample, B chains of the global batch. */
#ifndef EBM_EBM_REPLAY_H
#define EBM_EBM_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "comm/comm.h"
#include "ebm/draw.h"
#include "spec/spec.h"

struct replay {
    struct comm *comm; /* borrowed */
    struct draw draw;
    size_t slots, dim;
    struct tree_range stripe; /* the slots held here */
    float *sample;            /* owned, (stripe, D) */
    uint64_t *written;        /* owned, (stripe): step of the last write, 0 = never */
    uint64_t *drawn;          /* owned, (N): the same of all slots, on every rank */
    uint64_t max_age;         /* steps; a slot drawn later than that is fresh; 0 = off */
    double centre, limit;     /* energies farther from the centre are not kept; limit 0 = off */
    struct rng_key fill;      /* of the noise that such a slot gets */
    float lo, hi;             /* its range */
    uint64_t replaced;        /* by rank 0 for ages, by each for its slots; whoever counts resets */
    float *energy;            /* owned, (stripe): of the sample when it was written */
    uint32_t *chain_rank;     /* owned, (B): who runs chain i */
    float *out, *in;          /* owned, (B, D + 1) each: on their way */
    size_t *out_count, *in_count, *out_at, *in_at; /* owned, (ranks) each, one block */
};

/* Uniform noise within [lo, hi]: how chains begin, and the buffer's first
 * content. counter: as documented for the domain of key. */
void replay_noise(struct rng_key key, uint32_t a, uint32_t b, float lo, float hi, float *x,
                  size_t n);

/* Not collective. shard_size: samples of a shard, which settles who runs a
 * chain. The buffer is filled with noise within [lo, hi]. */
enum ebm_status replay_init(struct replay *r, struct comm *comm, const struct spec *spec,
                            size_t dim, size_t shard_size, float lo, float hi,
                            struct ebm_error *err);
void replay_fini(struct replay *r);

/* Not collective. Draws the slots of the next iteration, `step` steps having
 * been taken; those that are too old are fresh. */
void replay_draw(struct replay *r, uint64_t step);

/* Not collective. Puts noise into a slot that is held here (its number in the
 * whole buffer), as written at this step. */
void replay_refill(struct replay *r, size_t slot, uint64_t step);

/* Collective. Brings the samples that this rank's chains start from to
 * x (n, D), chain `first` being x[0]; those of fresh chains stay as they are. */
enum ebm_status replay_fetch(struct replay *r, size_t first, float *x, struct ebm_error *err);

/* Collective. Writes x (n, D) and its energy (n) back to the drawn slots;
 * what is beyond the limit is replaced by noise. */
enum ebm_status replay_store(struct replay *r, uint64_t step, size_t first, const float *x,
                             const float *energy, struct ebm_error *err);

#endif
