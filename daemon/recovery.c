#include "recovery.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"
#include "replan.h"
#include "target.h"

/* Whether a fork can go back to where it began: a person chose that one. */
static bool is_usable(const struct store_checkpoint *c)
{
    return c->id != 0 && strcmp(c->health, "poisoned") != 0;
}

/* Checkpoints of the line, rising by (step, id). */
struct line_rows {
    const struct lineage *line;
    struct buf rows; /* of struct store_checkpoint */
};

static bool collect(void *arg, const struct store_checkpoint *c)
{
    struct line_rows *r = arg;

    if (lineage_has(r->line, c->attempt, c->step))
        buf_put(&r->rows, c, sizeof *c);
    return true;
}

static enum ebm_status distrust(struct daemon *d, const struct store_job *job,
                                struct store_checkpoint *c, struct ebm_error *err)
{
    if (strcmp(c->health, "probation") != 0)
        return EBM_OK;
    strcpy(c->health, "suspect");
    enum ebm_status rc = store_checkpoint_update(d->store, c, err);
    if (rc != EBM_OK)
        return rc;
    return jobs_log(d, job, "health", err, "checkpoint c%" PRId64 " (step %" PRIu64 ") is suspect",
                    c->id, c->step);
}

static enum ebm_status choose(struct daemon *d, const struct store_job *job,
                              const struct store_attempt *a, struct store_checkpoint *rows,
                              size_t n, size_t *target, struct ebm_error *err)
{
    char why[TARGET_WHY_MAX];
    struct ebm_error none;
    enum ebm_status rc = EBM_OK;

    for (size_t i = 0; rc == EBM_OK && i < n; i++)
        if (rows[i].id == a->from_checkpoint)
            rc = distrust(d, job, &rows[i], err);
    if (rc != EBM_OK || target_choose("last-healthy", rows, n, target, why, &none) != EBM_OK)
        *target = n;
    for (size_t i = 0; rc == EBM_OK && i < n; i++)
        if (*target == n || rows[i].id > rows[*target].id)
            rc = distrust(d, job, &rows[i], err);
    return rc;
}

static enum ebm_status plan_from(struct daemon *d, struct store_job *job,
                                 const struct store_attempt *a, const struct lineage *line,
                                 struct ebm_error *err)
{
    struct replan plan = {.cause = "rollback", .actor = "ebmd", .new_noise = true};
    struct line_rows r = {.line = line};
    struct store_checkpoint origin;
    size_t target = 0;

    buf_init(&r.rows);
    enum ebm_status rc = store_checkpoint_each(d->store, job->id, false, collect, &r, err);
    if (rc == EBM_OK && !buf_ok(&r.rows))
        rc = ebm_fail(err, EBM_ENOMEM, "out of memory for the checkpoints of a job");
    struct store_checkpoint *rows = (struct store_checkpoint *)(void *)r.rows.data;
    size_t n = r.rows.size / sizeof *rows;
    if (rc == EBM_OK)
        rc = choose(d, job, a, rows, n, &target, err);
    if (rc == EBM_OK)
        rc = jobs_origin(d, job->id, line, &origin, err);
    if (rc == EBM_OK && target < n)
        plan.from = &rows[target];
    else if (rc == EBM_OK && is_usable(&origin))
        plan.from = &origin;
    if (rc == EBM_OK)
        rc = replan(d, job, &plan, err);
    buf_fini(&r.rows);
    return rc;
}

enum ebm_status recovery_plan(struct daemon *d, struct store_job *job,
                              const struct store_attempt *a, struct ebm_error *err)
{
    struct lineage line = {0};
    enum ebm_status rc = lineage_read(d->store, job->id, a->attempt, &line, err);

    if (rc == EBM_OK)
        rc = plan_from(d, job, a, &line, err);
    lineage_fini(&line);
    return rc;
}
