/* The order of a finite data set: a new permutation in every epoch. */
#ifndef EBM_DATA_ORDER_H
#define EBM_DATA_ORDER_H

#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

struct order {
    uint64_t samples; /* of the set, N */
    struct rng_key key;
    uint64_t epoch;  /* whose permutation is held; UINT64_MAX at first */
    uint32_t *index; /* owned, (N) */
};

/* samples: 1 .. UINT32_MAX. */
enum ebm_status order_init(struct order *o, uint64_t samples, uint64_t seed, struct ebm_error *err);
void order_fini(struct order *o);

/* The sample at a position of the endless sequence of epochs: a function of
 * the seed and the position. Rising positions are cheap. */
uint32_t order_at(struct order *o, uint64_t position);

#endif
