#include "ebm/replay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void replay_noise(struct rng_key key, uint32_t a, uint32_t b, float lo, float hi, float *x,
                  size_t n)
{
    rng_uniform(key, a, b, 0, 0, n, x);
    for (size_t i = 0; i < n; i++)
        x[i] = lo + (hi - lo) * x[i];
}

static enum ebm_status allocate(struct replay *r, struct ebm_error *err)
{
    size_t ranks = comm_size(r->comm), held = r->stripe.end - r->stripe.first;

    r->sample = calloc(held * r->dim + 1, sizeof *r->sample);
    r->written = calloc(held + 1, sizeof *r->written);
    r->energy = calloc(held + 1, sizeof *r->energy);
    r->drawn = calloc(r->slots, sizeof *r->drawn);
    r->chain_rank = calloc(r->draw.batch, sizeof *r->chain_rank);
    r->out = calloc(r->draw.batch * (r->dim + 1), sizeof *r->out);
    r->in = calloc(r->draw.batch * (r->dim + 1), sizeof *r->in);
    r->out_count = calloc(4 * ranks, sizeof *r->out_count);
    if (r->sample == NULL || r->written == NULL || r->energy == NULL || r->drawn == NULL ||
        r->chain_rank == NULL || r->out == NULL || r->in == NULL || r->out_count == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for %zu of %zu replay slots", held, r->slots);
    r->in_count = r->out_count + ranks;
    r->out_at = r->in_count + ranks;
    r->in_at = r->out_at + ranks;
    return EBM_OK;
}

enum ebm_status replay_init(struct replay *r, struct comm *comm, const struct spec *spec,
                            size_t dim, size_t shard_size, float lo, float hi,
                            struct ebm_error *err)
{
    size_t batch = (size_t)spec->data.batch_size;
    size_t shards = (batch + shard_size - 1) / shard_size;
    struct rng_key key = rng_key_make(spec->seed, RNG_REPLAY_FILL, 0);

    *r = (struct replay){.comm = comm,
                         .slots = (size_t)spec->replay.size,
                         .dim = dim,
                         .fill = rng_key_make(spec->seed, RNG_REPLAY_FILL, spec->noise_epoch),
                         .lo = lo,
                         .hi = hi};
    r->max_age = (uint64_t)ceil(spec->replay.max_age * (double)r->slots / (double)batch);
    r->stripe = tree_share(r->slots, comm_size(comm), comm_rank(comm));
    enum ebm_status st = EBM_OK;
    if (batch * (dim + 1) * sizeof(float) > COMM_EXCHANGE_MAX)
        st = ebm_fail(err, EBM_EINVAL, "data.batch_size: a batch of %zu is over 2 GiB", batch);
    if (st == EBM_OK)
        st = draw_init(&r->draw, batch, r->slots, spec->replay.reinit_prob, spec->seed,
                       spec->noise_epoch, err);
    if (st == EBM_OK)
        st = allocate(r, err);
    if (st != EBM_OK) {
        replay_fini(r);
        return st;
    }
    for (size_t i = 0; i < batch; i++)
        r->chain_rank[i] = (uint32_t)tree_owner(shards, comm_size(comm), i / shard_size);
    for (size_t i = r->stripe.first; i < r->stripe.end; i++)
        replay_noise(key, (uint32_t)i, 0, lo, hi, r->sample + (i - r->stripe.first) * dim, dim);
    return EBM_OK;
}

void replay_fini(struct replay *r)
{
    draw_fini(&r->draw);
    free(r->sample);
    free(r->written);
    free(r->energy);
    free(r->drawn);
    free(r->chain_rank);
    free(r->out);
    free(r->in);
    free(r->out_count);
    *r = (struct replay){0};
}

void replay_draw(struct replay *r, uint64_t step)
{
    draw_make(&r->draw, step);
    for (size_t i = 0; r->max_age > 0 && i < r->draw.batch; i++) {
        uint64_t last = r->drawn[r->draw.slot[i]];
        if (r->draw.fresh[i] || last == 0 || step - last <= r->max_age)
            continue;
        r->draw.fresh[i] = true;
        r->replaced += comm_rank(r->comm) == 0;
    }
}

void replay_refill(struct replay *r, size_t slot, uint64_t step)
{
    size_t at = slot - r->stripe.first;

    replay_noise(r->fill, (uint32_t)slot, (uint32_t)step, r->lo, r->hi, r->sample + at * r->dim,
                 r->dim);
    r->energy[at] = (float)r->centre;
    r->written[at] = step;
}

/* One way of the exchange. Chain i goes from the rank of its slot to the
 * rank of its chain (fetch), or back (store). */
struct way {
    bool to_slots, with_fresh;
};

static size_t slot_rank(const struct replay *r, size_t chain)
{
    return tree_owner(r->slots, comm_size(r->comm), r->draw.slot[chain]);
}

/* The rank that sends chain i's record, and the one that gets it. */
static bool route(const struct replay *r, struct way w, size_t chain, size_t *from, size_t *to)
{
    if (r->draw.fresh[chain] && !w.with_fresh)
        return false;
    *from = w.to_slots ? r->chain_rank[chain] : slot_rank(r, chain);
    *to = w.to_slots ? slot_rank(r, chain) : r->chain_rank[chain];
    return true;
}

/* Counts what goes where, and where each rank's part begins. */
static void count_records(struct replay *r, struct way w)
{
    size_t ranks = comm_size(r->comm), me = comm_rank(r->comm), from, to;

    memset(r->out_count, 0, 4 * ranks * sizeof *r->out_count);
    for (size_t i = 0; i < r->draw.batch; i++) {
        if (!route(r, w, i, &from, &to))
            continue;
        r->out_count[to] += from == me;
        r->in_count[from] += to == me;
    }
    for (size_t k = 1; k < ranks; k++) {
        r->out_at[k] = r->out_at[k - 1] + r->out_count[k - 1];
        r->in_at[k] = r->in_at[k - 1] + r->in_count[k - 1];
    }
}

enum ebm_status replay_fetch(struct replay *r, size_t first, float *x, struct ebm_error *err)
{
    struct way w = {.to_slots = false, .with_fresh = false};
    size_t me = comm_rank(r->comm), dim = r->dim, from, to;

    count_records(r, w);
    for (size_t i = 0; i < r->draw.batch; i++)
        if (route(r, w, i, &from, &to) && from == me)
            memcpy(r->out + r->out_at[to]++ * dim,
                   r->sample + (r->draw.slot[i] - r->stripe.first) * dim, dim * sizeof *x);
    enum ebm_status st =
        comm_exchange(r->comm, dim * sizeof *x, r->out, r->out_count, r->in, r->in_count, err);
    for (size_t i = 0; st == EBM_OK && i < r->draw.batch; i++)
        if (route(r, w, i, &from, &to) && to == me)
            memcpy(x + (i - first) * dim, r->in + r->in_at[from]++ * dim, dim * sizeof *x);
    return st;
}

/* A record on its way back: the sample, then its energy. */
static void put_record(float *record, const float *x, float energy, size_t dim)
{
    memcpy(record, x, dim * sizeof *x);
    record[dim] = energy;
}

static void take_record(struct replay *r, uint64_t step, uint32_t slot, const float *record)
{
    size_t at = slot - r->stripe.first;

    if (r->limit > 0 && !(fabs((double)record[r->dim] - r->centre) <= r->limit)) {
        replay_refill(r, slot, step);
        r->replaced++;
        return;
    }
    memcpy(r->sample + at * r->dim, record, r->dim * sizeof *record);
    r->energy[at] = record[r->dim];
    r->written[at] = step;
}

enum ebm_status replay_store(struct replay *r, uint64_t step, size_t first, const float *x,
                             const float *energy, struct ebm_error *err)
{
    struct way w = {.to_slots = true, .with_fresh = true};
    size_t me = comm_rank(r->comm), dim = r->dim, from, to;

    count_records(r, w);
    for (size_t i = 0; i < r->draw.batch; i++)
        r->drawn[r->draw.slot[i]] = step;
    for (size_t i = 0; i < r->draw.batch; i++)
        if (route(r, w, i, &from, &to) && from == me)
            put_record(r->out + r->out_at[to]++ * (dim + 1), x + (i - first) * dim,
                       energy[i - first], dim);
    enum ebm_status st = comm_exchange(r->comm, (dim + 1) * sizeof *x, r->out, r->out_count, r->in,
                                       r->in_count, err);
    for (size_t i = 0; st == EBM_OK && i < r->draw.batch; i++)
        if (route(r, w, i, &from, &to) && to == me)
            take_record(r, step, r->draw.slot[i], r->in + r->in_at[from]++ * (dim + 1));
    return st;
}
