#include "train/run.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "train/evidence.h"
#include "train/intervention.h"
#include "train/sheet.h"
#include "train/snapshot.h"

enum { PROGRESS_LOG_MS = 10000, OUTLOOK_MS = 200, POINTS_SHOWN = 4096 };

struct run {
    const struct run_config *config;
    const struct sink_handle *sink; /* rank 0's, else NULL */
    struct trainer trainer;
    uint64_t total;
    uint64_t kept_step; /* of the newest checkpoint, written or started from */
    double gap_sum;     /* of |energy_gap| since then, for the score */
    uint64_t gap_count;
    int64_t log_ms; /* of the last progress line, with the next three */
    uint64_t log_step;
    double step_s, outside_s; /* since then: of steps, and outside chains and gradient passes */
    enum detector_verdict verdict; /* of the step before */
    int64_t outlook_ms;            /* when the sink was told of it last */
    struct evidence evidence;      /* rank 0's */
    bool bad_start;                /* the checkpoint to start from is not what it should be */
};

static void tell_progress(struct run *r, const char *phase)
{
    if (r->sink != NULL)
        r->sink->ops->progress(r->sink->sink, r->trainer.step, phase);
}

static void log_progress(struct run *r, const double *value)
{
    int64_t now = clock_mono_ms();
    uint64_t step = r->trainer.step;

    if (r->sink == NULL || (now - r->log_ms < PROGRESS_LOG_MS && step != r->total))
        return;
    double seconds = (double)(now - r->log_ms) / 1000;
    double rate = seconds > 0 ? (double)(step - r->log_step) / seconds : 0;
    log_info("progress",
             "step=%" PRIu64 " total=%" PRIu64
             " rate=%.2f/s loss=%.4g gap=%.4g langevin_grad=%.4g outside=%.2f%%",
             step, r->total, rate, value[METRIC_LOSS], value[METRIC_ENERGY_GAP],
             value[METRIC_LANGEVIN_GRAD], 100 * r->outside_s / r->step_s);
    r->log_ms = now;
    r->log_step = step;
    r->step_s = r->outside_s = 0;
}

static double or_zero(double v)
{
    return isnan(v) ? 0 : v;
}

static void tell_outlook(struct run *r, const struct step_result *result)
{
    const struct trainer *t = &r->trainer;
    struct standing s = {
        .suspicion = result->value[METRIC_SUSPICION],
        .langevin_low = or_zero(result->value[METRIC_LANGEVIN_LOW]),
        .langevin_high = or_zero(result->value[METRIC_LANGEVIN_HIGH]),
        .suspect_since = detector_suspect_since(&t->detector),
    };

    snprintf(s.word, sizeof s.word, "%s", outlook_word(&t->detector, &t->limits, result->verdict));
    snprintf(s.signal, sizeof s.signal, "%s", detector_signal_name(result->signal));
    outlook_say(&t->detector, &t->limits, result->verdict, result->signal, s.suspicion,
                result->reason, s.outlook);
    r->sink->ops->verdict(r->sink->sink, &s);
}

/* Rank 0: the sink often enough for people, the log when the verdict changes. */
static void tell_verdict(struct run *r, const struct step_result *result)
{
    bool same = result->verdict == r->verdict && !result->skipped;

    if (r->sink == NULL)
        return;
    if (!same || clock_mono_ms() - r->outlook_ms >= OUTLOOK_MS) {
        r->outlook_ms = clock_mono_ms();
        tell_outlook(r, result);
    }
    if (same)
        return;
    r->verdict = result->verdict;
    log_info("stability", "step=%" PRIu64 " verdict=%s onset=%" PRIu64 " reason=\"%s\"",
             r->trainer.step, detector_verdict_name(result->verdict), result->onset,
             result->reason);
}

static void take_metrics(struct run *r, const struct step_result *result)
{
    /* A step that was not taken has a row as well: it says why. */
    struct sink_row row = {.step = r->trainer.step + result->bad, .time_ms = clock_wall_ms()};

    memcpy(row.value, result->value, sizeof row.value);
    r->gap_sum += fabs(result->value[METRIC_ENERGY_GAP]);
    r->gap_count++;
    r->step_s += result->value[METRIC_STEP_SECONDS];
    r->outside_s += result->outside_s;
    if (r->sink != NULL) {
        r->sink->ops->metrics(r->sink->sink, &row);
        evidence_put(&r->evidence, &row);
    }
    log_progress(r, result->value);
}

/* Collective. Not twice for one step. */
static enum ebm_status take_checkpoint(struct run *r, struct ebm_error *err)
{
    uint8_t digest[DIGEST_BYTES];
    struct buf blob;

    if (r->kept_step == r->trainer.step)
        return EBM_OK;
    tell_progress(r, "checkpointing");
    buf_init(&blob);
    int64_t begin = clock_mono_ms();
    enum ebm_status st = snapshot_take(&r->trainer, &blob, err);
    if (st == EBM_OK && r->sink != NULL) {
        double score = r->gap_count > 0 ? r->gap_sum / (double)r->gap_count : 0;
        spec_math_digest(r->config->spec, digest);
        log_info("checkpoint", "step=%" PRIu64 " bytes=%zu score=%.5g stall_ms=%" PRId64,
                 r->trainer.step, blob.size, score, clock_mono_ms() - begin);
        r->sink->ops->checkpoint(r->sink->sink, r->trainer.step, score, digest, &blob);
    }
    buf_fini(&blob);
    r->kept_step = r->trainer.step;
    r->gap_sum = 0;
    r->gap_count = 0;
    return st;
}

/* Samples in a picture: pictures.count, but a cloud of points needs many. */
static size_t picture_count(const struct run *r)
{
    const struct trainer *t = &r->trainer;
    size_t have = t->replay.slots > 0 ? t->replay.slots : t->batch;
    size_t want = (size_t)r->config->spec->pictures.count;

    if (sheet_of_points(r->config->net->in) && want < POINTS_SHOWN)
        want = POINTS_SHOWN;
    return want < have ? want : have;
}

/* Rank 0. A picture that cannot be made is no reason to end a run. */
static void give_picture(struct run *r, const float *x, size_t n)
{
    struct ebm_error err;
    struct buf png;

    buf_init(&png);
    if (sheet_draw(r->config->spec, r->config->net->in, x, n, &png, &err) == EBM_OK)
        r->sink->ops->picture(r->sink->sink, r->trainer.step, &png);
    else
        log_warn("picture", "step=%" PRIu64 " error=\"%s\"", r->trainer.step, err.text);
    buf_fini(&png);
}

/* Collective. */
static enum ebm_status take_picture(struct run *r, struct ebm_error *err)
{
    struct trainer *t = &r->trainer;
    size_t n = picture_count(r);
    float *x = NULL;
    enum ebm_status st = EBM_OK;

    if (r->sink != NULL) {
        x = malloc(n * t->dim * sizeof *x);
        if (x == NULL)
            st = ebm_fail(err, EBM_ENOMEM, "no memory for a picture of %zu samples", n);
    }
    st = comm_agree(t->comm, st, err);
    if (st == EBM_OK)
        st = snapshot_samples(t, n, x, err);
    if (st == EBM_OK && r->sink != NULL)
        give_picture(r, x, n);
    free(x);
    return st;
}

static void end_as(const struct run *r, struct run_ending *ending, const char *outcome,
                   const char *reason)
{
    ending->outcome = outcome;
    ending->step = r->trainer.step;
    snprintf(ending->reason, sizeof ending->reason, "%s", reason);
}

/* It went through; whether it came to something is another matter. */
static void end_well(const struct run *r, struct run_ending *ending)
{
    char doubt[DETECTOR_DOUBT_MAX];

    detector_doubt(&r->trainer.detector, &r->trainer.limits, doubt);
    end_as(r, ending, "succeeded", doubt);
}

/* What an order asks for once the step it came with is done. */
static const struct {
    bool checkpoint;
    const char *outcome; /* NULL: go on */
    const char *reason;
} obey[] = {
    [SINK_GO_ON] = {false, NULL, ""},
    [SINK_CHECKPOINT] = {true, NULL, ""},
    [SINK_PAUSE] = {true, "paused", "paused on request"},
    [SINK_CANCEL] = {true, "cancelled", "cancelled on request"},
    [SINK_STOP] = {false, "stopped", "stopped on request"},
    [SINK_FENCED] = {false, "fenced", "a newer attempt of this job exists"},
};

/* Collective. Checkpoint and picture that are due after a step. */
static enum ebm_status take_results(struct run *r, enum sink_order order, struct ebm_error *err)
{
    const struct spec *s = r->config->spec;
    uint64_t step = r->trainer.step;
    bool stops = obey[order].outcome != NULL && !obey[order].checkpoint;
    bool checkpoint =
        obey[order].checkpoint ||
        (!stops && (step == r->total || step % (uint64_t)s->checkpoint.every_steps == 0));
    bool picture = checkpoint || (!stops && s->pictures.every_steps > 0 &&
                                  step % (uint64_t)s->pictures.every_steps == 0);
    enum ebm_status st = EBM_OK;

    if (picture)
        st = take_picture(r, err);
    if (st == EBM_OK && checkpoint)
        st = take_checkpoint(r, err);
    if (st == EBM_OK && order == SINK_CHECKPOINT && r->sink != NULL)
        r->sink->ops->order_done(r->sink->sink, order);
    if (st == EBM_OK && picture)
        tell_progress(r, "training");
    return st;
}

/* Collective. One turn of the loop; sets the ending when it is over. */
static enum ebm_status turn(struct run *r, struct run_ending *ending, struct ebm_error *err)
{
    struct step_result result;
    enum sink_order order = SINK_GO_ON;

    if (r->sink != NULL)
        order = r->sink->ops->order(r->sink->sink);
    enum ebm_status st = trainer_step(&r->trainer, order, &result, err);
    if (st != EBM_OK)
        return st;
    if (result.bad) {
        end_as(r, ending, "diverged", result.reason);
        ending->onset = result.onset;
        take_metrics(r, &result);
        if (r->config->evidence_dir != NULL)
            evidence_write(r->sink != NULL ? &r->evidence : NULL, &r->trainer, &result,
                           r->config->evidence_dir);
        return EBM_OK;
    }
    tell_verdict(r, &result);
    take_metrics(r, &result);
    tell_progress(r, "training");
    st = take_results(r, result.order, err);
    if (st == EBM_OK && obey[result.order].outcome != NULL)
        end_as(r, ending, obey[result.order].outcome, obey[result.order].reason);
    return st;
}

static enum ebm_status settle_total(struct run *r, struct ebm_error *err)
{
    r->total = spec_total_steps(r->config->spec, dataset_samples(r->trainer.data));
    if (r->total == 0)
        return ebm_fail(err, EBM_EINVAL,
                        "data.batch_size (%" PRId64 ") is more than the %" PRIu64 " samples",
                        r->config->spec->data.batch_size, dataset_samples(r->trainer.data));
    /* The step is a 32-bit counter of the random numbers. */
    if (r->total > UINT32_MAX)
        return ebm_fail(err, EBM_EINVAL, "train: %" PRIu64 " steps are more than %" PRIu32,
                        r->total, UINT32_MAX);
    return EBM_OK;
}

/* Collective. Loads the data and builds the net, on all ranks or none. */
static enum ebm_status open_trainer(struct run *r, struct comm *comm, struct ebm_error *err)
{
    const struct run_config *c = r->config;
    enum ebm_status st =
        trainer_init(&r->trainer, c->spec, c->net, c->ops, c->threads, comm, c->hooks, err);

    if (st == EBM_OK)
        st = settle_total(r, err);
    st = comm_agree(comm, st, err);
    if (st == EBM_OK && r->trainer.shards < comm_size(comm) && r->sink != NULL)
        log_warn("idle",
                 "ranks=%zu shards=%zu msg=\"more ranks than shards of the batch: some have "
                 "nothing to compute\"",
                 comm_size(comm), r->trainer.shards);
    return st;
}

/* Collective. */
static enum ebm_status intervene(struct run *r, struct ebm_error *err)
{
    uint64_t purged = 0;
    enum ebm_status st = intervention_begin(&r->trainer, &purged, err);

    if (purged > 0)
        log_info("purge", "step=%" PRIu64 " slots=%" PRIu64 " held=%zu", r->trainer.step, purged,
                 r->trainer.replay.stripe.end - r->trainer.replay.stripe.first);
    return st;
}

/* Collective. Asks the sink where to start, which may take long, and goes
 * there. */
static enum ebm_status start(struct run *r, struct comm *comm, struct ebm_error *err)
{
    enum ebm_status st = EBM_OK;
    struct buf blob;

    buf_init(&blob);
    tell_progress(r, "loading");
    if (r->sink != NULL)
        st = r->sink->ops->start(r->sink->sink, (uint32_t)comm_size(comm), &blob, err);
    enum ebm_status met = comm_meet(comm, st == EBM_OK ? err : NULL);
    st = comm_agree(comm, st != EBM_OK ? st : met, err);
    r->bad_start = st == EBM_ECORRUPT || st == EBM_ENOTFOUND;
    uint64_t bytes = blob.size;
    if (st == EBM_OK)
        st = comm_broadcast(comm, &bytes, sizeof bytes, err);
    if (st == EBM_OK)
        st = open_trainer(r, comm, err);
    if (st == EBM_OK && bytes > 0) {
        st = snapshot_load(&r->trainer, &blob, err);
        r->bad_start = st == EBM_ECORRUPT;
        if (st == EBM_OK)
            st = intervene(r, err);
    }
    buf_fini(&blob);
    r->kept_step = r->trainer.step;
    return st;
}

static void log_training(const struct run *r)
{
    const struct engine_ops *ops = r->config->ops;
    const char *notice = ops->notice != NULL ? ops->notice(r->trainer.engine) : NULL;

    log_info("training",
             "from=%" PRIu64 " total=%" PRIu64 " params=%zu ranks=%zu threads=%zu shards=%zu "
             "tile=%zu engine=%s",
             r->trainer.step, r->total, r->config->net->params, comm_size(r->trainer.comm),
             r->config->threads, r->trainer.shards, r->trainer.tile, ops->name);
    if (notice != NULL)
        log_warn("slow", "msg=\"%s\"", notice);
}

static enum ebm_status train(struct run *r, struct run_ending *ending, struct ebm_error *err)
{
    enum ebm_status st = EBM_OK;

    if (r->sink != NULL)
        log_training(r);
    tell_progress(r, "training");
    r->log_ms = clock_mono_ms();
    r->log_step = r->trainer.step;
    while (st == EBM_OK && ending->outcome == NULL && r->trainer.step < r->total)
        st = turn(r, ending, err);
    if (st == EBM_OK && ending->outcome == NULL)
        end_well(r, ending);
    return st;
}

void run_train(const struct run_config *config, struct comm *comm, const struct sink_handle *sink,
               struct run_ending *ending)
{
    struct run r = {.config = config, .sink = sink};
    struct ebm_error err = {0};

    *ending = (struct run_ending){0};
    enum ebm_status st = sink != NULL ? evidence_init(&r.evidence, &err) : EBM_OK;
    st = comm_agree(comm, st, &err);
    if (st == EBM_OK)
        st = start(&r, comm, &err);
    if (st == EBM_OK)
        st = train(&r, ending, &err);
    if (st == EBM_ESTALE)
        end_as(&r, ending, "fenced", err.text);
    else if (st != EBM_OK && r.bad_start)
        end_as(&r, ending, "corrupt", err.text);
    else if (st != EBM_OK)
        end_as(&r, ending, "failed", err.text);
    tell_progress(&r, "finishing");
    trainer_fini(&r.trainer);
    evidence_fini(&r.evidence);
}
