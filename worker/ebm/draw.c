#include "ebm/draw.h"

#include <stdlib.h>
#include <string.h>

enum { DRAW_SLOT, DRAW_FRESH }; /* counter c */

enum ebm_status draw_init(struct draw *d, size_t batch, size_t slots, double reinit_prob,
                          uint64_t seed, uint32_t noise_epoch, struct ebm_error *err)
{
    size_t size = 4;

    *d = (struct draw){.batch = batch,
                       .slots = slots,
                       .reinit_prob = reinit_prob,
                       .key = rng_key_make(seed, RNG_REPLAY, noise_epoch)};
    if (batch > slots || slots >= UINT32_MAX)
        return ebm_fail(err, EBM_EINVAL, "cannot draw %zu of %zu replay slots", batch, slots);
    while (size < 2 * batch)
        size *= 2;
    d->mask = size - 1;
    d->slot = calloc(batch, sizeof *d->slot);
    d->fresh = calloc(batch, sizeof *d->fresh);
    d->table = calloc(size, sizeof *d->table);
    if (d->slot != NULL && d->fresh != NULL && d->table != NULL)
        return EBM_OK;
    draw_fini(d);
    return ebm_fail(err, EBM_ENOMEM, "no memory to draw %zu slots", batch);
}

void draw_fini(struct draw *d)
{
    free(d->slot);
    free(d->fresh);
    free(d->table);
    *d = (struct draw){0};
}

/* False when it was in. */
static bool insert(struct draw *d, uint32_t slot)
{
    size_t at = slot * (size_t)2654435761u & d->mask;

    for (; d->table[at] != 0; at = (at + 1) & d->mask)
        if (d->table[at] == slot + 1)
            return false;
    d->table[at] = slot + 1;
    return true;
}

void draw_make(struct draw *d, uint64_t iteration)
{
    uint32_t a = (uint32_t)iteration;

    memset(d->table, 0, (d->mask + 1) * sizeof *d->table);
    for (size_t i = 0; i < d->batch; i++) {
        uint32_t top = (uint32_t)(d->slots - d->batch + i);
        uint32_t slot = rng_below(d->key, a, (uint32_t)i, DRAW_SLOT, top + 1);
        float u;
        if (!insert(d, slot)) {
            slot = top;
            insert(d, slot);
        }
        d->slot[i] = slot;
        rng_uniform(d->key, a, (uint32_t)i, DRAW_FRESH, 0, 1, &u);
        d->fresh[i] = u < d->reinit_prob;
    }
}
