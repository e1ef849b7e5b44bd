/* The training step: trainer_step. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "train/intervention.h"
#include "train/trainer.h"

#define LOST 10.0f /* ranges of a sample's elements */

/* One shard's items of the global batch. */
static struct tree_range shard_items(const struct trainer *t, size_t shard)
{
    size_t end = (shard + 1) * t->tile;

    return (struct tree_range){shard * t->tile, end < t->batch ? end : t->batch};
}

static void read_data(const struct trainer *t, struct tree_range items, float *x)
{
    uint64_t batch = intervention_batch(t->spec, t->step);

    for (size_t i = items.first; i < items.end; i++)
        dataset_read(t->data, batch, i, t->sample[i - t->chains.first],
                     x + (i - items.first) * t->dim);
}

/* What no chain can have left in the buffer: not finite, or LOST ranges away. */
static bool is_lost(const struct trainer *t, const float *x)
{
    float far = LOST * (t->hi - t->lo), middle = (t->lo + t->hi) / 2;

    for (size_t i = 0; i < t->dim; i++)
        if (!(fabsf(x[i] - middle) <= far))
            return true;
    return false;
}

/* Such slots do not continue; their number is counted in sums. */
static void drop_lost(const struct trainer *t, struct tree_range items, const float *x,
                      double *sums)
{
    bool *fresh = t->replay.draw.fresh;

    for (size_t i = items.first; i < items.end; i++) {
        if (fresh[i] || !is_lost(t, x + (i - items.first) * t->dim))
            continue;
        fresh[i] = true;
        sums[SUM_REPLACED]++;
    }
}

/* Where the shard's chains start. Those that continue have come by
 * replay_fetch. */
static void start_chains(const struct trainer *t, struct tree_range items, const float *data,
                         float *x, double *sums)
{
    struct rng_key key = rng_key_make(t->spec->seed, RNG_CHAIN_INIT, t->spec->noise_epoch);
    enum spec_chain_init init = t->spec->sampler.init;

    if (init == CHAIN_REPLAY && t->spec->replay.quarantine > 0)
        drop_lost(t, items, x, sums);
    if (init == CHAIN_DATA)
        memcpy(x, data, (items.end - items.first) * t->dim * sizeof *x);
    for (size_t i = items.first; init != CHAIN_DATA && i < items.end; i++)
        if (init == CHAIN_NOISE || t->replay.draw.fresh[i])
            replay_noise(key, (uint32_t)t->step, (uint32_t)i, t->lo, t->hi,
                         x + (i - items.first) * t->dim, t->dim);
}

static void *slot_of(const struct trainer *t, size_t shard)
{
    return t->slots + (shard - t->mine.first) * tree_vector_bytes(t->vector);
}

static double *sums_of(const struct trainer *t, size_t shard)
{
    return tree_vector_sums(t->vector, slot_of(t, shard));
}

/* Of these shards. */
static enum ebm_status run_chains(const struct trainer *t, size_t lane, struct tree_range shards,
                                  struct ebm_error *err)
{
    size_t first = shard_items(t, shards.first).first, end = shard_items(t, shards.end - 1).end;
    struct engine_chain chain = {
        .sampler = &t->sampler,
        .noise = rng_key_make(t->spec->seed, RNG_LANGEVIN, t->spec->noise_epoch),
        .iteration = (uint32_t)t->step,
        .first_chain = (uint32_t)first,
        .x = t->x + (first - t->chains.first) * t->dim,
        .n = end - first,
    };
    double begin = clock_mono_s();
    enum ebm_status st = t->ops->langevin(t->engine, lane, &chain, err);

    t->lane[lane].engine_s += clock_mono_s() - begin;
    for (size_t s = shards.first; s < shards.end; s++)
        sums_of(t, s)[SUM_LANGEVIN_GRAD] += chain.norms[s - shards.first].grad_sum;
    return st;
}

/* Adds one side's gradient, and its energies (n), which stay in `energy`. */
static enum ebm_status add_side(const struct trainer *t, size_t lane, double sign, const float *x,
                                size_t n, void *slot, float *energy, struct ebm_error *err)
{
    struct loss_side side = {sign, t->spec->objective.energy_l2, t->batch};
    double begin = clock_mono_s();
    enum ebm_status st = t->ops->grad_params(t->engine, lane, x, n, loss_weigh, &side, energy,
                                             tree_vector_floats(slot), err);

    t->lane[lane].engine_s += clock_mono_s() - begin;
    loss_add_energies(tree_vector_sums(t->vector, slot), tree_vector_maxima(t->vector, slot), sign,
                      energy, n);
    return st;
}

/* The hooks, where they apply. */
static const struct train_hooks *hooks_of(const struct trainer *t)
{
    static const struct train_hooks none;

    return t->hooks != NULL && t->spec->noise_epoch == 0 ? t->hooks : &none;
}

static bool gets_nan(const struct trainer *t, size_t shard)
{
    const struct train_hooks *h = hooks_of(t);

    return h->nan_step == t->step + 1 && h->nan_rank == comm_rank(t->comm) &&
           shard == t->mine.first;
}

/* Every fifth slot, by its number in the whole buffer. */
static void poison_buffer(struct trainer *t)
{
    for (size_t s = t->replay.stripe.first; s < t->replay.stripe.end; s++)
        for (size_t i = 0; s % 5 == 0 && i < t->dim; i++)
            t->replay.sample[(s - t->replay.stripe.first) * t->dim + i] = s % 2 == 0 ? 1e3f : -1e3f;
}

/* A shard's data, and where its chains start. */
static void begin_shard(const struct trainer *t, size_t shard, float *data)
{
    struct tree_range items = shard_items(t, shard);

    memset(slot_of(t, shard), 0, tree_vector_bytes(t->vector));
    read_data(t, items, data);
    start_chains(t, items, data, t->x + (items.first - t->chains.first) * t->dim,
                 sums_of(t, shard));
}

/* Its data and where its chains ended, to its vector. */
static enum ebm_status end_shard(const struct trainer *t, size_t lane, size_t shard,
                                 const float *data)
{
    struct tree_range items = shard_items(t, shard);
    size_t n = items.end - items.first, at = items.first - t->chains.first;
    void *slot = slot_of(t, shard);
    double *sums = sums_of(t, shard);
    struct lane *l = &t->lane[lane];
    const float *x = t->x + at * t->dim;
    bool clamp = t->spec->sampler.clamp_on;
    enum ebm_status st = add_side(t, lane, +1, data, n, slot, l->energy, &l->err);

    if (st == EBM_OK)
        st = add_side(t, lane, -1, x, n, slot, t->energy + at, &l->err);
    loss_add_data(sums, data, n, t->dim);
    loss_add_samples(sums, x, n, t->dim, clamp ? t->lo : 1, clamp ? t->hi : 0);
    if (t->spec->sampler.init == CHAIN_REPLAY)
        loss_add_fresh(sums, t->energy + at, t->replay.draw.fresh + items.first, n);
    if (gets_nan(t, shard))
        tree_vector_floats(slot)[0] = NAN;
    return st;
}

/* Shards whose chains run together; what becomes of each is the same. */
static enum ebm_status run_together(const struct trainer *t, size_t lane, struct tree_range shards)
{
    float *data = t->lane[lane].data;
    size_t each = t->tile * t->dim;

    for (size_t s = shards.first; s < shards.end; s++)
        begin_shard(t, s, data + (s - shards.first) * each);
    enum ebm_status st = run_chains(t, lane, shards, &t->lane[lane].err);
    for (size_t s = shards.first; st == EBM_OK && s < shards.end; s++)
        st = end_shard(t, lane, s, data + (s - shards.first) * each);
    return st;
}

/* All own shards; an error is kept for the sum. Chains are independent, so
 * threads share nothing but the net. */
static void run_shards(struct trainer *t)
{
    size_t own = t->mine.end - t->mine.first;
    long calls = (long)((own + t->together - 1) / t->together);

    for (size_t i = 0; i < t->threads; i++) {
        t->lane[i].err.code = EBM_OK;
        t->lane[i].engine_s = 0;
    }
#pragma omp parallel for num_threads((int)t->threads) schedule(static) if (t->threads > 1)
    for (long i = 0; i < calls; i++) {
        size_t lane = (size_t)omp_get_thread_num();
        size_t first = t->mine.first + (size_t)i * t->together, end = first + t->together;
        if (t->lane[lane].err.code != EBM_OK)
            continue;
        t->lane[lane].err.code = run_together(
            t, lane, (struct tree_range){first, end < t->mine.end ? end : t->mine.end});
    }
    for (size_t i = 0; i < t->threads && t->failure.code == EBM_OK; i++)
        if (t->lane[i].err.code != EBM_OK)
            t->failure = t->lane[i].err;
}

/* Data, chains and gradients of this rank, into its slots. */
static enum ebm_status compute(struct trainer *t, enum sink_order order, struct ebm_error *err)
{
    size_t items = t->chains.end - t->chains.first, own = t->mine.end - t->mine.first;
    enum ebm_status st = EBM_OK;

    t->sampler = intervention_sampler(t->spec, t->step);
    dataset_plan(t->data, intervention_batch(t->spec, t->step), t->chains.first, items, t->sample);
    if (t->spec->sampler.init == CHAIN_REPLAY) {
        replay_draw(&t->replay, t->step);
        st = replay_fetch(&t->replay, t->chains.first, t->x, err);
    }
    if (st == EBM_OK && t->failure.code == EBM_OK)
        run_shards(t);
    if (st == EBM_OK && own > 0 && t->failure.code != EBM_OK)
        tree_vector_sums(t->vector, t->slots)[SUM_ERRORS] = 1;
    if (st == EBM_OK && own > 0) {
        tree_vector_sums(t->vector, t->slots)[SUM_REPLACED] += (double)t->replay.replaced;
        t->replay.replaced = 0;
    }
    if (st == EBM_OK && comm_rank(t->comm) == 0)
        tree_vector_sums(t->vector, t->slots)[SUM_ORDER] = (double)order;
    return st != EBM_OK
               ? st
               : comm_reduce(t->comm, &t->plan, t->vector, t->slots, t->mine.first, t->result, err);
}

/* The learning rate of the step that is about to be taken. */
static double learning_rate(const struct trainer *t)
{
    const struct train_hooks *h = hooks_of(t);
    double lr = intervention_lr(t->spec, t->step);
    bool burst = h->burst_step > 0 && t->step + 1 >= h->burst_step &&
                 t->step + 1 < h->burst_step + h->burst_steps;

    return burst ? lr * 100 : lr;
}

/* What the buffer will not keep: energies far from those of the data, which no
 * poisoned slot moves, as it would the samples' own mean. */
static void settle_quarantine(struct trainer *t, const double *value)
{
    const struct baseline *energy = &t->detector.baseline[SIGNAL_ENERGY];
    bool warm = t->detector.healthy >= t->limits.warmup;

    t->replay.centre = value[METRIC_ENERGY_DATA];
    t->replay.limit = warm ? t->spec->replay.quarantine * exp(energy->median) : 0;
}

/* Parameters, moments and buffer; only after the step was found good. */
static enum ebm_status apply(struct trainer *t, double norm, struct ebm_error *err)
{
    t->opt.lr = learning_rate(t);
    optimizer_step(&t->opt, t->params, tree_vector_floats(t->result),
                   optimizer_clip(&t->opt, norm));
    t->step++;
    t->failure.code = trainer_params_changed(t, &t->failure);
    if (t->spec->sampler.init != CHAIN_REPLAY)
        return EBM_OK;
    enum ebm_status st = replay_store(&t->replay, t->step, t->chains.first, t->x, t->energy, err);
    if (hooks_of(t)->poison_step == t->step)
        poison_buffer(t);
    return st;
}

/* Seconds of a step that lasted so long, less the engine's. */
static double outside(const struct trainer *t, double seconds)
{
    double engine = 0;

    for (size_t i = 0; i < t->threads; i++)
        engine = fmax(engine, t->lane[i].engine_s);
    return seconds - engine;
}

/* A failure travels in the sum, so that a step costs no more than that. With
 * more ranks than shards some put nothing into it, and all ask all. */
static enum ebm_status agree_on_failure(struct trainer *t, bool told, struct ebm_error *err)
{
    if (!told && t->shards >= comm_size(t->comm))
        return EBM_OK;
    if (t->failure.code != EBM_OK)
        *err = t->failure;
    return comm_agree(t->comm, t->failure.code, err);
}

static struct loss_scale scale_of(const struct trainer *t)
{
    return (struct loss_scale){
        .batch = t->batch,
        .dim = t->dim,
        .langevin_steps = (size_t)t->sampler.steps,
        .energy_l2 = t->spec->objective.energy_l2,
        .max_energy = t->spec->stability.max_energy,
    };
}

static void delay(const struct trainer *t)
{
    int ms = t->hooks != NULL && comm_rank(t->comm) == 0 ? t->hooks->step_delay_ms : 0;
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    if (ms > 0)
        nanosleep(&pause, NULL);
}

static double or_nan(double x)
{
    return x > 0 ? x : NAN;
}

/* Before anything is touched; the same on all ranks. */
static void judge(struct trainer *t, const struct loss_scale *scale, const double *sums,
                  double norm, struct step_result *out)
{
    struct detector_judgement j;

    loss_figures(scale, sums, norm, out->value);
    detector_feed(&t->detector, &t->limits, t->step + 1, out->value, &j);
    out->bad = loss_is_bad(scale, sums, norm, t->step + 1, out->reason, sizeof out->reason);
    if (!out->bad)
        snprintf(out->reason, sizeof out->reason, "%s", j.reason);
    out->bad |= j.verdict == VERDICT_TRIP;
    out->skipped = j.verdict == VERDICT_SKIP;
    out->verdict = out->bad ? VERDICT_TRIP : j.verdict;
    out->onset = j.onset;
    out->signal = j.signal;
    out->value[METRIC_LANGEVIN_LOW] = or_nan(j.langevin_low);
    out->value[METRIC_LANGEVIN_HIGH] = or_nan(j.langevin_high);
    out->value[METRIC_SUSPICION] = j.suspicion;
}

enum ebm_status trainer_step(struct trainer *t, enum sink_order order, struct step_result *out,
                             struct ebm_error *err)
{
    double begin = clock_mono_s();

    delay(t);
    *out = (struct step_result){0};
    enum ebm_status st = compute(t, order, err);
    if (st != EBM_OK)
        return st;
    struct loss_scale scale = scale_of(t);
    const double *sums = tree_vector_sums(t->vector, t->result);
    st = agree_on_failure(t, sums[SUM_ERRORS] > 0, err);
    if (st != EBM_OK)
        return st;
    double norm = optimizer_norm(tree_vector_floats(t->result), t->net->params);
    out->order = (enum sink_order)sums[SUM_ORDER];
    judge(t, &scale, sums, norm, out);
    settle_quarantine(t, out->value);
    if (out->skipped)
        t->step++;
    else if (!out->bad)
        st = apply(t, norm, err);
    double seconds = clock_mono_s() - begin;
    out->value[METRIC_STEP_SECONDS] = seconds;
    out->outside_s = outside(t, seconds);
    out->value[METRIC_CHAIN_STEPS_PER_SECOND] =
        (double)scale.batch * (double)scale.langevin_steps / seconds;
    return st;
}
