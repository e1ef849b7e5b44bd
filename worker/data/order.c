#include "data/order.h"

#include <stdlib.h>

enum ebm_status order_init(struct order *o, uint64_t samples, uint64_t seed, struct ebm_error *err)
{
    *o = (struct order){
        .samples = samples, .key = rng_key_make(seed, RNG_SHUFFLE, 0), .epoch = UINT64_MAX};
    if (samples == 0 || samples > UINT32_MAX)
        return ebm_fail(err, EBM_EINVAL, "a data set of %llu samples", (unsigned long long)samples);
    o->index = malloc(samples * sizeof *o->index);
    if (o->index == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for the order of %llu samples",
                        (unsigned long long)samples);
    return EBM_OK;
}

void order_fini(struct order *o)
{
    free(o->index);
    *o = (struct order){0};
}

/* Fisher and Yates, from the top: each permutation is as likely as another. */
static void shuffle(struct order *o, uint64_t epoch)
{
    uint32_t lo = (uint32_t)epoch, hi = (uint32_t)(epoch >> 32);

    for (uint32_t i = 0; i < o->samples; i++)
        o->index[i] = i;
    for (uint32_t i = (uint32_t)o->samples - 1; i > 0; i--) {
        uint32_t j = rng_below(o->key, lo, i, hi, i + 1);
        uint32_t held = o->index[i];
        o->index[i] = o->index[j];
        o->index[j] = held;
    }
    o->epoch = epoch;
}

uint32_t order_at(struct order *o, uint64_t position)
{
    uint64_t epoch = position / o->samples;

    if (epoch != o->epoch)
        shuffle(o, epoch);
    return o->index[position % o->samples];
}
