/* Counter-based random numbers: Philox4x32-10.
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC'11; constants and known answers as in Random123.
 *
 * A number is a pure function of (seed, domain, epoch) through the key and
 * of four 32-bit counters. Nothing is ever "advanced", so ranks, threads and
 * resumed runs see the same numbers whoever computes them. */
#ifndef EBM_BASE_RNG_H
#define EBM_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* What a stream is for; part of the key, so that streams never overlap.
 * Values are part of the checkpoint contract: never renumber. */
enum rng_domain {
    RNG_INIT = 1,        /* parameter initialisation: counter (layer, 0, 0, i/4) */
    RNG_SHUFFLE = 2,     /* data order: (epoch of data, ...) */
    RNG_DATA_NOISE = 3,  /* (iteration, global sample, 0, element/4) */
    RNG_REPLAY = 4,      /* replay draws: (iteration, draw, ...) */
    RNG_CHAIN_INIT = 5,  /* fresh chains: (iteration, global chain, 0, element/4) */
    RNG_LANGEVIN = 6,    /* (iteration, global chain, Langevin step, element/4) */
    RNG_TOY = 7,         /* toy data points: (position lo, position hi, 0, i) */
    RNG_REPLAY_FILL = 8, /* noise in a slot: (slot, step, 0, element/4), step 0: first content */
    RNG_SAMPLES = 9,     /* pictures and evaluation */
    RNG_BURN_IN = 10     /* as RNG_LANGEVIN, of purged slots: (step, slot, Langevin step, ...) */
};

struct rng_key {
    uint32_t k[2];
};

/* The key of a stream. epoch is the noise epoch: recovery raises it to get
 * new numbers from the same seed. */
struct rng_key rng_key_make(uint64_t seed, enum rng_domain domain, uint32_t epoch);

/* One Philox4x32-10 block: 128 bits from a 128-bit counter. */
void rng_block(struct rng_key key, const uint32_t counter[4], uint32_t out[4]);

/* Element e of the vector with counters (a, b, c) is block (a, b, c, e/4),
 * word e%4. These fill out[0..n) with the elements from `first` on; first
 * must be a multiple of 4. The values do not depend on how a range is cut
 * (at multiples of 4), nor on the instruction set. */

/* Uniform in the open interval (0, 1): (word>>9 + 0.5) * 2^-23, exact in float. */
void rng_uniform(struct rng_key key, uint32_t a, uint32_t b, uint32_t c, size_t first, size_t n,
                 float *out);

/* Standard normal by Box-Muller on word pairs (0,1) and (2,3) of a block,
 * with this file's own log and sincos, so that the bits are the same on
 * every machine. */
void rng_normal(struct rng_key key, uint32_t a, uint32_t b, uint32_t c, size_t first, size_t n,
                float *out);

/* The same numbers side by side: out[j][s] is element 4 * block + j of the
 * vector with counters (a, b + s, c), for sixteen s. */
enum { RNG_SIDE = 16 };
void rng_normal_side(struct rng_key key, uint32_t a, uint32_t b, uint32_t c, uint32_t block,
                     float out[4][RNG_SIDE]);

/* Unbiased integer in [0, bound), bound > 0: (a, b, c) and an own retry
 * counter. */
uint32_t rng_below(struct rng_key key, uint32_t a, uint32_t b, uint32_t c, uint32_t bound);

#endif
