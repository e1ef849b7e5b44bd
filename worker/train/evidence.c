#include "train/evidence.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fsio.h"
#include "base/log.h"
#include "stability/baseline.h"
#include "train/hints.h"
#include "train/intervention.h"
#include "train/sheet.h"
#include "train/snapshot.h"

enum { PATH_BYTES = 1200 };

enum ebm_status evidence_init(struct evidence *e, struct ebm_error *err)
{
    *e = (struct evidence){.row = calloc(EVIDENCE_ROWS, sizeof *e->row)};
    return e->row != NULL ? EBM_OK : ebm_fail(err, EBM_ENOMEM, "no memory for the last figures");
}

void evidence_fini(struct evidence *e)
{
    free(e->row);
    *e = (struct evidence){0};
}

void evidence_put(struct evidence *e, const struct sink_row *row)
{
    e->row[e->rows++ % EVIDENCE_ROWS] = *row;
}

static void save(const char *dir, const char *name, const struct buf *b)
{
    char path[PATH_BYTES];
    struct ebm_error err;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (!buf_ok(b) || fsio_write_atomic(path, b->data, b->size, 0644, &err) != EBM_OK)
        log_warn("evidence", "file=%s error=\"%s\"", name, buf_ok(b) ? err.text : "no memory");
}

/* ---- figures ---- */

static void write_rows(const struct evidence *e, const char *dir)
{
    uint64_t first = e->rows > EVIDENCE_ROWS ? e->rows - EVIDENCE_ROWS : 0;
    struct buf b;

    buf_init(&b);
    buf_printf(&b, "step,time_ms");
    for (size_t m = 0; m < METRIC_COUNT; m++)
        buf_printf(&b, ",%s", wire_metric_names[m]);
    buf_printf(&b, "\n");
    for (uint64_t i = first; i < e->rows; i++) {
        const struct sink_row *r = &e->row[i % EVIDENCE_ROWS];
        buf_printf(&b, "%" PRIu64 ",%" PRId64, r->step, r->time_ms);
        for (size_t m = 0; m < METRIC_COUNT; m++)
            buf_printf(&b, ",%.9g", r->value[m]);
        buf_printf(&b, "\n");
    }
    save(dir, "evidence.csv", &b);
    buf_fini(&b);
}

/* ---- words ---- */

/* The signals as they stood against their limits. */
static void put_signals(const struct trainer *t, const double *value, struct buf *b)
{
    struct detector_reading r;

    buf_printf(b, "\n%-28s %14s %14s %14s   %s\n", "sign", "at this step", "healthy",
               "of its limit", "beyond it");
    for (int s = 0; s < SIGNAL_COUNT; s++) {
        unsigned need, window;
        const char *what = detector_signal_what((enum detector_signal)s, &need, &window);
        detector_read(&t->detector, &t->limits, value, (enum detector_signal)s, &r);
        if (isnan(r.share))
            buf_printf(b, "%-28s %14.6g %14s\n", what, r.now, "not known yet");
        else
            buf_printf(b, "%-28s %14.6g %14.6g %12.0f %%   %u of %u steps\n", what, r.now,
                       r.healthy, 100 * r.share, r.over, window);
    }
}

/* What made the step: the factors of a recovery are in it. */
static void put_settings(const struct trainer *t, struct buf *b)
{
    const struct spec_sampler s = intervention_sampler(t->spec, t->step);

    buf_printf(b,
               "learning rate %.6g, gradient clip %.6g; %" PRId64
               " Langevin steps of size %.6g, noise %.6g, clip %.6g (a clip of 0: none)\n\n",
               intervention_lr(t->spec, t->step), t->spec->optimizer.gradient_clip, s.steps,
               s.step_size, s.noise_std, s.gradient_clip);
}

static void write_words(const struct trainer *t, const struct step_result *r, const char *dir)
{
    struct buf b;

    buf_init(&b);
    buf_printf(&b, "step      %" PRIu64 "\nonset     %" PRIu64 "\nwhy       %s\n", t->step + 1,
               r->onset, r->reason);
    buf_printf(&b, "healthy   %" PRIu64 " steps seen; noise epoch %" PRIu32 "\n\n",
               t->detector.healthy, t->spec->noise_epoch);
    put_settings(t, &b);
    buf_printf(&b, "%-28s %14s %14s\n", "figure", "at this step", "data, or band");
    buf_printf(&b, "%-28s %14.6g\n", "energy gap", r->value[METRIC_ENERGY_GAP]);
    buf_printf(&b, "%-28s %14.6g\n", "energy of the data", r->value[METRIC_ENERGY_DATA]);
    buf_printf(&b, "%-28s %14.6g\n", "energy of the samples", r->value[METRIC_ENERGY_SAMPLE]);
    buf_printf(&b, "%-28s %14.6g %14.6g .. %.6g\n", "r_t", r->value[METRIC_LANGEVIN_GRAD],
               r->value[METRIC_LANGEVIN_LOW], r->value[METRIC_LANGEVIN_HIGH]);
    buf_printf(&b, "%-28s %14.6g\n", "parameter gradient", r->value[METRIC_PARAM_GRAD]);
    buf_printf(&b, "%-28s %14.6g %14.6g\n", "mean of the samples", r->value[METRIC_SAMPLE_MEAN],
               r->value[METRIC_DATA_MEAN]);
    buf_printf(&b, "%-28s %14.6g %14.6g\n", "deviation of the samples", r->value[METRIC_SAMPLE_STD],
               r->value[METRIC_DATA_STD]);
    buf_printf(&b, "%-28s %14.6g\n", "fresh chains over the others", r->value[METRIC_FRESH_GAP]);
    buf_printf(&b, "%-28s %14.6g\n", "share at a clamp bound", r->value[METRIC_SATURATION]);
    put_signals(t, r->value, &b);
    hints_write(&t->detector, &t->limits, r->value, &b);
    buf_printf(&b, "\nevidence.csv: the last steps; evidence.png: the samples whose energies are "
                   "farthest from their median, worst first\n");
    save(dir, "evidence.txt", &b);
    buf_fini(&b);
}

/* ---- samples ---- */

struct odd {
    size_t chain;
    float away;
};

static int by_away(const void *a, const void *b)
{
    const struct odd *x = a, *y = b;

    if (x->away != y->away)
        return x->away > y->away ? -1 : 1;
    return x->chain < y->chain ? -1 : x->chain > y->chain;
}

/* Chains from the farthest energy on; not finite is farthest. */
static void rank_chains(const float *energy, float *scratch, struct odd *odd, size_t n)
{
    double median = 0, deviation;
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (isfinite(energy[i]))
            scratch[kept++] = energy[i];
    if (kept > 0)
        baseline_of(scratch, kept, &median, &deviation);
    for (size_t i = 0; i < n; i++) {
        float away = fabsf(energy[i] - (float)median);
        odd[i] = (struct odd){i, isfinite(away) ? away : INFINITY};
    }
    qsort(odd, n, sizeof *odd, by_away);
}

/* Rank 0. x (B, D), energy (B), both of the whole batch. */
static enum ebm_status draw_worst(const struct trainer *t, const float *x, const float *energy,
                                  struct buf *png, struct ebm_error *err)
{
    size_t n = t->batch < EVIDENCE_SAMPLES ? t->batch : EVIDENCE_SAMPLES;
    float *worst = calloc(n * t->dim + t->batch, sizeof *worst);
    struct odd *odd = calloc(t->batch, sizeof *odd);
    enum ebm_status st = EBM_OK;

    if (worst == NULL || odd == NULL) {
        st = ebm_fail(err, EBM_ENOMEM, "no memory for the worst samples");
    } else {
        rank_chains(energy, worst + n * t->dim, odd, t->batch);
        for (size_t i = 0; i < n; i++)
            memcpy(worst + i * t->dim, x + odd[i].chain * t->dim, t->dim * sizeof *worst);
        st = sheet_draw(t->spec, t->net->in, worst, n, png, err);
    }
    free(worst);
    free(odd);
    return st;
}

/* Collective. */
static enum ebm_status write_samples(struct trainer *t, const char *dir, struct ebm_error *err)
{
    bool root = comm_rank(t->comm) == 0;
    float *x = root ? calloc(t->batch * (t->dim + 1), sizeof *x) : NULL;
    enum ebm_status st = !root || x != NULL
                             ? EBM_OK
                             : ebm_fail(err, EBM_ENOMEM, "no memory for the batch's samples");
    struct buf png;

    buf_init(&png);
    st = comm_agree(t->comm, st, err);
    if (st == EBM_OK)
        st = snapshot_chains(t, x, root ? x + t->batch * t->dim : NULL, err);
    if (st == EBM_OK && root)
        st = draw_worst(t, x, x + t->batch * t->dim, &png, err);
    if (st == EBM_OK && root)
        save(dir, "evidence.png", &png);
    buf_fini(&png);
    free(x);
    return st;
}

void evidence_write(const struct evidence *e, struct trainer *t, const struct step_result *result,
                    const char *dir)
{
    struct ebm_error err = {0};

    if (e != NULL) {
        write_rows(e, dir);
        write_words(t, result, dir);
    }
    if (write_samples(t, dir, &err) != EBM_OK && e != NULL)
        log_warn("evidence", "error=\"%s\"", err.text);
}
