#include "keeper.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "jobs.h"
#include "recovery.h"
#include "replan.h"

enum { PICTURES_KEPT = 50 };

/* ---- judging ---- */

static bool collect(void *arg, const struct store_checkpoint *c)
{
    const struct retention_row row = {.c = *c};

    buf_put(arg, &row, sizeof row);
    return true;
}

static struct retention_row *rows_of(const struct buf *b, size_t *n)
{
    *n = b->size / sizeof(struct retention_row);
    return (struct retention_row *)(void *)b->data;
}

static enum ebm_status mark_referenced(struct daemon *d, const struct buf *b, struct ebm_error *err)
{
    size_t n;
    struct retention_row *row = rows_of(b, &n);
    enum ebm_status rc = EBM_OK;

    for (size_t i = 0; rc == EBM_OK && i < n; i++)
        rc = store_checkpoint_referenced(d->store, row[i].c.id, &row[i].referenced, err);
    return rc;
}

static void mark_line(const struct lineage *line, const struct buf *b)
{
    size_t n;
    struct retention_row *row = rows_of(b, &n);

    for (size_t i = 0; i < n; i++)
        row[i].on_line = lineage_has(line, row[i].c.attempt, row[i].c.step);
}

static bool find_diverged(void *arg, const struct store_attempt *a)
{
    if (strcmp(a->outcome, "diverged") == 0)
        *(struct store_attempt *)arg = *a;
    return true;
}

/* Attempts are visited from the first on, so the last one that diverged counts. */
static enum ebm_status mark_evidence(struct daemon *d, int64_t job, const struct buf *b,
                                     struct ebm_error *err)
{
    struct store_attempt a = {.attempt = 0};
    struct lineage line = {0};
    size_t n;
    struct retention_row *row = rows_of(b, &n);
    enum ebm_status rc = store_attempt_each(d->store, job, find_diverged, &a, err);

    if (rc == EBM_OK && a.attempt > 0)
        rc = lineage_read(d->store, job, a.attempt, &line, err);
    if (rc == EBM_OK)
        retention_mark_evidence(row, n, &line, recovery_onset(&a));
    lineage_fini(&line);
    return rc;
}

static enum ebm_status read_rows(struct daemon *d, int64_t job, const struct lineage *line,
                                 struct buf *out, struct ebm_error *err)
{
    enum ebm_status rc = store_checkpoint_each(d->store, job, false, collect, out, err);

    if (rc == EBM_OK && !buf_ok(out))
        rc = ebm_fail(err, EBM_ENOMEM, "out of memory for the checkpoints of a job");
    if (rc != EBM_OK)
        return rc;
    mark_line(line, out);
    rc = mark_referenced(d, out, err);
    return rc == EBM_OK ? mark_evidence(d, job, out, err) : rc;
}

static void choose(const struct buf *b, const struct spec *s)
{
    size_t n;
    struct retention_row *row = rows_of(b, &n);

    retention_choose(row, n, (uint32_t)s->checkpoint.keep_last, (uint32_t)s->checkpoint.keep_best);
}

enum ebm_status keeper_judge(struct daemon *d, const struct store_job *job, struct buf *out,
                             struct ebm_error *err)
{
    struct lineage line = {0};
    struct spec spec;
    enum ebm_status rc = replan_read_spec(d, job->id, &spec, err);

    if (rc == EBM_OK)
        rc = lineage_read(d->store, job->id, job->attempt, &line, err);
    if (rc == EBM_OK)
        rc = read_rows(d, job->id, &line, out, err);
    if (rc == EBM_OK)
        choose(out, &spec);
    lineage_fini(&line);
    return rc;
}

/* ---- acting ---- */

/* How far the run has come without a suspicion that stands. Only a heartbeat
 * tells: rows and checkpoints may come before it, and without a live attempt
 * nobody knows. */
static uint64_t clean_until(const struct daemon *d, const struct store_job *job)
{
    const struct live *l = live_find(&d->live, job->id);

    if (l == NULL)
        return 0;
    uint64_t since = l->standing.suspect_since;
    return since > 0 && since <= l->judged ? since - 1 : l->judged;
}

static enum ebm_status promote(struct daemon *d, const struct store_job *job,
                               const struct lineage *line, uint64_t clean, const struct buf *b,
                               struct ebm_error *err)
{
    uint64_t step = clean_until(d, job);
    size_t n;
    struct retention_row *row = rows_of(b, &n);
    enum ebm_status rc = EBM_OK;

    for (size_t i = 0; rc == EBM_OK && i < n; i++) {
        struct store_checkpoint *c = &row[i].c;
        if (!retention_has_proved(c, line, step, clean))
            continue;
        strcpy(c->health, "healthy");
        rc = store_checkpoint_update(d->store, c, err);
        if (rc == EBM_OK)
            rc = jobs_log(d, job, "health", err,
                          "checkpoint c%" PRId64 " (step %" PRIu64 ") has proved healthy", c->id,
                          c->step);
    }
    return rc;
}

/* Effect: id is the checkpoint. What fails now goes with the sweep at the
 * next start. */
static void delete_bytes(struct daemon *d, int64_t id, int64_t number)
{
    struct ebm_error err;

    (void)number;
    if (vault_delete(d->vault, id, 0, &err) != EBM_OK)
        log_warn("vault", "checkpoint=%" PRId64 " error=\"%s\"", id, err.text);
}

/* Effect: id is the job. */
static void trim_pictures(struct daemon *d, int64_t id, int64_t number)
{
    struct buf rows, steps;
    struct ebm_error err;

    (void)number;
    buf_init(&rows);
    buf_init(&steps);
    enum ebm_status rc = store_checkpoint_each(d->store, id, false, collect, &rows, &err);
    size_t n;
    const struct retention_row *row = rows_of(&rows, &n);
    for (size_t i = 0; i < n; i++)
        buf_put(&steps, &row[i].c.step, sizeof row[i].c.step);
    if (rc == EBM_OK && buf_ok(&rows) && buf_ok(&steps))
        rc = metrics_picture_trim(d->metrics, id, (const uint64_t *)(const void *)steps.data, n,
                                  PICTURES_KEPT, &err);
    if (rc != EBM_OK)
        log_warn("pictures", "job=%" PRId64 " error=\"%s\"", id, err.text);
    buf_fini(&rows);
    buf_fini(&steps);
}

static enum ebm_status drop_unkept(struct daemon *d, const struct buf *b, struct ebm_error *err)
{
    size_t n;
    struct retention_row *row = rows_of(b, &n);
    enum ebm_status rc = EBM_OK;

    for (size_t i = 0; rc == EBM_OK && i < n; i++) {
        struct store_checkpoint *c = &row[i].c;
        if (row[i].keep)
            continue;
        c->deleted = true;
        rc = store_checkpoint_update(d->store, c, err);
        log_debug("retired", "job=%" PRId64 " checkpoint=%" PRId64 " step=%" PRIu64, c->job, c->id,
                  c->step);
        outbox_put_effect(&d->outbox, delete_bytes, c->id, 0);
    }
    return rc;
}

enum ebm_status keeper_tend(struct daemon *d, const struct store_job *job, struct ebm_error *err)
{
    struct lineage line = {0};
    struct spec spec;
    struct buf rows;
    enum ebm_status rc = replan_read_spec(d, job->id, &spec, err);

    buf_init(&rows);
    if (rc == EBM_OK)
        rc = lineage_read(d->store, job->id, job->attempt, &line, err);
    if (rc == EBM_OK)
        rc = read_rows(d, job->id, &line, &rows, err);
    if (rc == EBM_OK)
        rc = promote(d, job, &line, retention_clean_stretch((uint64_t)spec.checkpoint.every_steps),
                     &rows, err);
    if (rc == EBM_OK) {
        choose(&rows, &spec);
        rc = drop_unkept(d, &rows, err);
    }
    if (rc == EBM_OK && rows.size > 0)
        outbox_put_effect(&d->outbox, trim_pictures, job->id, 0);
    lineage_fini(&line);
    buf_fini(&rows);
    return rc;
}
