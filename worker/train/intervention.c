#include "train/intervention.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "stability/baseline.h"
#include "train/snapshot.h"

enum { PROGRESS_LOG_MS = 10000 };

#define OUTLIER      4.0 /* deviations of a slot's energy from the buffer's median */
#define OUTLIER_MEAN 6.0 /* the same of the mean of its elements */

/* ---- functions of the step ---- */

double intervention_factor(const struct spec *s, double factor, uint64_t step)
{
    uint64_t hold = (uint64_t)s->intervention.at_step + (uint64_t)s->intervention.ramp_after;

    if (factor == 1 || step < (uint64_t)s->intervention.at_step)
        return 1;
    if (step < hold)
        return factor;
    double way = (double)(step - hold) / (double)s->intervention.ramp_steps;
    return way < 1 ? pow(factor, 1 - way) : 1;
}

struct spec_sampler intervention_sampler(const struct spec *s, uint64_t step)
{
    struct spec_sampler sampler = s->sampler;

    sampler.steps = llround((double)s->sampler.steps *
                            intervention_factor(s, s->intervention.steps_factor, step));
    double size = intervention_factor(s, s->intervention.step_size_factor, step);
    sampler.step_size *= size;
    sampler.noise_std *= sqrt(size); /* else smaller steps make chains hotter */
    return sampler;
}

double intervention_lr(const struct spec *s, uint64_t step)
{
    return s->optimizer.lr * intervention_factor(s, s->intervention.lr_factor, step);
}

uint64_t intervention_batch(const struct spec *s, uint64_t step)
{
    return step + (uint64_t)s->intervention.skip_batches;
}

/* ---- the purge ---- */

/* What a slot is judged by, and where its values lie among all slots'. */
struct yard {
    float *energy, *mean; /* owned, (stripe) each, one block */
    struct centre {
        double energy, energy_spread, mean, mean_spread;
    } centre;
};

static double slot_mean(const struct replay *r, size_t at)
{
    double sum = 0;

    for (size_t i = 0; i < r->dim; i++)
        sum += (double)r->sample[at * r->dim + i];
    return sum / (double)r->dim;
}

/* Rank 0: median and spread of v (n), of what is finite in it. */
static void find_centre(float *v, size_t n, double *median, double *spread)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (isfinite(v[i]))
            v[kept++] = v[i];
    *median = *spread = 0;
    if (kept > 0)
        baseline_of(v, kept, median, spread);
}

/* Collective. v: this rank's part. */
static enum ebm_status centre_of(struct trainer *t, const float *v, double *median, double *spread,
                                 struct ebm_error *err)
{
    size_t ranks = comm_size(t->comm), *part = calloc(ranks, sizeof *part);
    float *whole = comm_rank(t->comm) == 0 ? calloc(t->replay.slots, sizeof *whole) : NULL;
    bool has = part != NULL && (whole != NULL || comm_rank(t->comm) != 0);
    enum ebm_status st = comm_agree(
        t->comm, has ? EBM_OK : ebm_fail(err, EBM_ENOMEM, "no memory to purge the buffer"), err);

    for (size_t r = 0; st == EBM_OK && r < ranks; r++) {
        struct tree_range held = tree_share(t->replay.slots, ranks, r);
        part[r] = (held.end - held.first) * sizeof *v;
    }
    if (st == EBM_OK)
        st = comm_gather(t->comm, v, part, whole, err);
    if (st == EBM_OK && whole != NULL)
        find_centre(whole, t->replay.slots, median, spread);
    free(part);
    free(whole);
    return st;
}

/* Collective. */
static enum ebm_status survey(struct trainer *t, struct yard *y, struct ebm_error *err)
{
    const struct replay *r = &t->replay;
    size_t held = r->stripe.end - r->stripe.first;

    y->energy = calloc(2 * held + 1, sizeof *y->energy);
    enum ebm_status st = comm_agree(
        t->comm,
        y->energy != NULL ? EBM_OK : ebm_fail(err, EBM_ENOMEM, "no memory to purge the buffer"),
        err);
    if (st != EBM_OK)
        return st;
    y->mean = y->energy + held;
    for (size_t i = 0; i < held; i++) {
        y->energy[i] = r->written[i] > 0 ? r->energy[i] : NAN;
        y->mean[i] = (float)slot_mean(r, i);
    }
    st = centre_of(t, y->energy, &y->centre.energy, &y->centre.energy_spread, err);
    if (st == EBM_OK)
        st = centre_of(t, y->mean, &y->centre.mean, &y->centre.mean_spread, err);
    return st == EBM_OK ? comm_broadcast(t->comm, &y->centre, sizeof y->centre, err) : st;
}

/* NaN stands out where it was written; never-written slots have no energy. */
static bool stands_out(const struct trainer *t, const struct yard *y, size_t at)
{
    double energy = fabs((double)y->energy[at] - y->centre.energy);
    double mean = fabs((double)y->mean[at] - y->centre.mean);

    if (!(mean <= OUTLIER_MEAN * y->centre.mean_spread))
        return true;
    return t->replay.written[at] > 0 && !(energy <= OUTLIER * y->centre.energy_spread);
}

/* Marks what goes in gone (stripe); returns their number. */
static uint64_t mark(const struct trainer *t, const struct yard *y, bool *gone)
{
    size_t held = t->replay.stripe.end - t->replay.stripe.first;
    uint64_t n = 0;

    for (size_t i = 0; i < held; i++) {
        gone[i] = t->spec->intervention.purge == PURGE_ALL || stands_out(t, y, i);
        n += gone[i];
    }
    return n;
}

/* ---- the burn-in ---- */

/* Slots [first, end) of one tile's worth of the whole buffer; those that are
 * held here and purged run their chains, in the place in the tile that their
 * number gives them, so that the result is the same on any rank. */
static enum ebm_status warm_tile(struct trainer *t, size_t first, const bool *gone, float *x,
                                 float *energy, struct ebm_error *err)
{
    struct replay *r = &t->replay;
    size_t n = r->slots - first < t->tile ? r->slots - first : t->tile, mine = 0;
    struct spec_sampler sampler = intervention_sampler(t->spec, t->step);
    struct engine_chain chain = {
        .sampler = &sampler,
        .noise = rng_key_make(t->spec->seed, RNG_BURN_IN, t->spec->noise_epoch),
        .iteration = (uint32_t)t->step,
        .first_chain = (uint32_t)first,
        .x = x,
        .n = n,
    };

    memset(x, 0, n * t->dim * sizeof *x);
    sampler.steps *= t->spec->intervention.burn_in;
    for (size_t i = 0; i < n; i++) {
        size_t slot = first + i, at = slot - r->stripe.first;
        if (slot < r->stripe.first || slot >= r->stripe.end || !gone[at])
            continue;
        memcpy(x + i * t->dim, r->sample + at * t->dim, t->dim * sizeof *x);
        mine++;
    }
    if (mine == 0)
        return EBM_OK;
    enum ebm_status st = t->ops->langevin(t->engine, 0, &chain, err);
    if (st == EBM_OK)
        st = t->ops->energy(t->engine, 0, x, n, energy, err);
    for (size_t i = 0; st == EBM_OK && i < n; i++) {
        size_t slot = first + i, at = slot - r->stripe.first;
        if (slot < r->stripe.first || slot >= r->stripe.end || !gone[at])
            continue;
        memcpy(r->sample + at * t->dim, x + i * t->dim, t->dim * sizeof *x);
        r->energy[at] = energy[i];
    }
    return st;
}

static enum ebm_status burn_in(struct trainer *t, const bool *gone, struct ebm_error *err)
{
    const struct replay *r = &t->replay;
    float *x = calloc(t->tile * (t->dim + 1), sizeof *x);
    int64_t told = clock_mono_ms();
    enum ebm_status st =
        x != NULL ? EBM_OK : ebm_fail(err, EBM_ENOMEM, "no memory to warm up the buffer");

    for (size_t first = r->stripe.first / t->tile * t->tile; st == EBM_OK && first < r->stripe.end;
         first += t->tile) {
        st = warm_tile(t, first, gone, x, x + t->tile * t->dim, err);
        if (comm_rank(t->comm) == 0 && clock_mono_ms() - told >= PROGRESS_LOG_MS) {
            told = clock_mono_ms();
            log_info("burn-in", "slots=%zu of=%zu", first, r->stripe.end);
        }
    }
    free(x);
    return st;
}

/* ---- the beginning ---- */

static bool begins(const struct trainer *t)
{
    const struct spec *s = t->spec;

    return t->step > 0 && t->step == (uint64_t)s->intervention.at_step &&
           s->intervention.purge != PURGE_NONE;
}

/* Not collective. */
static enum ebm_status renew(struct trainer *t, const struct yard *y, uint64_t *purged,
                             struct ebm_error *err)
{
    struct replay *r = &t->replay;
    size_t held = r->stripe.end - r->stripe.first;
    bool *gone = calloc(held + 1, sizeof *gone);
    enum ebm_status st = EBM_OK;

    if (gone == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory to purge the buffer");
    *purged = mark(t, y, gone);
    r->centre = y->centre.energy;
    for (size_t i = 0; i < held; i++)
        if (gone[i])
            replay_refill(r, r->stripe.first + i, t->step);
    if (t->spec->intervention.burn_in > 0)
        st = burn_in(t, gone, err);
    free(gone);
    return st;
}

/* Collective. */
static enum ebm_status purge(struct trainer *t, uint64_t *purged, struct ebm_error *err)
{
    struct yard y = {0};
    enum ebm_status st = survey(t, &y, err);

    if (st == EBM_OK)
        st = comm_agree(t->comm, renew(t, &y, purged, err), err);
    if (st == EBM_OK)
        st = snapshot_share_ages(t, err);
    free(y.energy);
    return st;
}

enum ebm_status intervention_begin(struct trainer *t, uint64_t *purged, struct ebm_error *err)
{
    enum ebm_status st = EBM_OK;

    *purged = 0;
    if (!begins(t))
        return EBM_OK;
    if (t->spec->sampler.init == CHAIN_REPLAY)
        st = purge(t, purged, err);
    /* What comes with a whole purge changes what is healthy, buffer or not. */
    if (st == EBM_OK && t->spec->intervention.purge == PURGE_ALL)
        detector_forget(&t->detector, t->step);
    return st;
}
