#include "recovery.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"
#include "replan.h"
#include "retention.h"
#include "stability/ladder.h"
#include "target.h"

/* Whether a fork can go back to where it began: a person chose that one. */
static bool is_usable(const struct store_checkpoint *c)
{
    return c->id != 0 && strcmp(c->health, "poisoned") != 0;
}

/* ---- the incident ---- */

struct furthest {
    uint32_t before; /* attempts from here on do not count */
    uint64_t step;
    bool any;
};

static bool look(void *arg, const struct store_attempt *a)
{
    struct furthest *f = arg;

    /* A person who goes back begins anew from there. */
    if (a->attempt <= f->before && strcmp(a->cause, "rollback") == 0 &&
        strcmp(a->actor, "ebmd") != 0)
        *f = (struct furthest){.before = f->before};
    if (a->attempt >= f->before || strcmp(a->outcome, "diverged") != 0)
        return true;
    f->any = true;
    if (a->last_step > f->step)
        f->step = a->last_step;
    return true;
}

enum ebm_status recovery_is_new(struct daemon *d, const struct store_attempt *a,
                                uint64_t clean_steps, bool *is_new, struct ebm_error *err)
{
    struct furthest f = {.before = a->attempt};
    enum ebm_status rc = store_attempt_each(d->store, a->job, look, &f, err);

    *is_new = !f.any || a->last_step >= f.step + clean_steps;
    return rc;
}

/* ---- checkpoints of the line, rising by (step, id) ---- */

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

static enum ebm_status read_rows(struct daemon *d, int64_t job, struct line_rows *r,
                                 struct ebm_error *err)
{
    enum ebm_status rc = store_checkpoint_each(d->store, job, false, collect, r, err);

    if (rc == EBM_OK && !buf_ok(&r->rows))
        rc = ebm_fail(err, EBM_ENOMEM, "out of memory for the checkpoints of a job");
    return rc;
}

static struct store_checkpoint *rows_of(const struct line_rows *r, size_t *n)
{
    *n = r->rows.size / sizeof(struct store_checkpoint);
    return (struct store_checkpoint *)(void *)r->rows.data;
}

static enum ebm_status make_suspect(struct daemon *d, const struct store_job *job,
                                    struct store_checkpoint *c, struct ebm_error *err)
{
    if (strcmp(c->health, "suspect") == 0 || strcmp(c->health, "poisoned") == 0)
        return EBM_OK;
    strcpy(c->health, "suspect");
    enum ebm_status rc = store_checkpoint_update(d->store, c, err);
    if (rc != EBM_OK)
        return rc;
    return jobs_log(d, job, "health", err, "checkpoint c%" PRId64 " (step %" PRIu64 ") is suspect",
                    c->id, c->step);
}

static bool on_probation(const struct store_checkpoint *c)
{
    return strcmp(c->health, "probation") == 0;
}

uint64_t recovery_onset(const struct store_attempt *a)
{
    return a->reported_onset > 0 ? a->reported_onset : a->last_step + 1;
}

static enum ebm_status distrust_from(struct daemon *d, const struct store_job *job, uint64_t onset,
                                     struct store_checkpoint *rows, size_t n, struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    for (size_t i = 0; rc == EBM_OK && i < n; i++)
        if (rows[i].step >= onset)
            rc = make_suspect(d, job, &rows[i], err);
    return rc;
}

enum ebm_status recovery_distrust(struct daemon *d, const struct store_job *job,
                                  const struct store_attempt *a, struct ebm_error *err)
{
    struct lineage line = {0};
    struct line_rows r = {.line = &line};
    size_t n;

    buf_init(&r.rows);
    enum ebm_status rc = lineage_read(d->store, job->id, a->attempt, &line, err);
    if (rc == EBM_OK)
        rc = read_rows(d, job->id, &r, err);
    struct store_checkpoint *rows = rows_of(&r, &n);
    if (rc == EBM_OK)
        rc = distrust_from(d, job, recovery_onset(a), rows, n, err);
    lineage_fini(&line);
    buf_fini(&r.rows);
    return rc;
}

/* What the run has proved by coming so far, whether it was noted yet or not:
 * the choice must not depend on when something was. */
static enum ebm_status promote(struct daemon *d, const struct store_job *job, uint64_t onset,
                               uint64_t clean, struct store_checkpoint *rows, size_t n,
                               struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    for (size_t i = 0; rc == EBM_OK && i < n; i++) {
        if (!on_probation(&rows[i]) || rows[i].step + clean >= onset)
            continue;
        strcpy(rows[i].health, "healthy");
        rc = store_checkpoint_update(d->store, &rows[i], err);
        if (rc == EBM_OK)
            rc = jobs_log(d, job, "health", err,
                          "checkpoint c%" PRId64 " (step %" PRIu64 ") has proved healthy",
                          rows[i].id, rows[i].step);
    }
    return rc;
}

/* ---- the target ---- */

/* As target_choose, of the first n; their number where there is none. */
static size_t choose_of(const char *to, const struct store_checkpoint *rows, size_t n)
{
    char why[TARGET_WHY_MAX];
    struct ebm_error none;
    size_t target = n;

    return target_choose(to, rows, n, &target, why, &none) == EBM_OK ? target : n;
}

static size_t count_below(const struct store_checkpoint *rows, size_t n, uint64_t step)
{
    size_t k = 0;

    while (k < n && rows[k].step < step)
        k++;
    return k;
}

/* Rows at and after *target are left behind; n: none is left. */
static size_t choose_target(const struct store_attempt *a, enum ladder_rung rung,
                            const struct store_checkpoint *rows, size_t n)
{
    uint64_t onset = recovery_onset(a);
    uint64_t margin = a->reported_onset > RECOVERY_MARGIN ? RECOVERY_MARGIN : 0;
    size_t within = count_below(rows, n, onset - margin);

    if (rung == LADDER_RELOAD)
        return choose_of("newest", rows, n);
    if (rung == LADDER_OLDER && a->from_step > 0) {
        size_t older = count_below(rows, within, a->from_step);
        size_t target = choose_of("last-healthy", rows, older);
        if (target < older)
            return target;
    }
    size_t target = choose_of("last-healthy", rows, within);
    if (target < within)
        return target;
    within = count_below(rows, n, onset);
    target = choose_of("last-healthy", rows, within);
    return target < within ? target : n;
}

/* What diverged before it proved itself is not trusted again; nor is what
 * came after the one that is. */
static enum ebm_status settle_target(struct daemon *d, const struct store_job *job,
                                     const struct store_attempt *a, enum ladder_rung rung,
                                     struct store_checkpoint *rows, size_t n, size_t *target,
                                     struct ebm_error *err)
{
    if (rung == LADDER_RELOAD) {
        *target = choose_target(a, rung, rows, n);
        return EBM_OK;
    }
    enum ebm_status rc = distrust_from(d, job, recovery_onset(a), rows, n, err);

    for (size_t i = 0; rc == EBM_OK && i < n; i++)
        if (rows[i].id == a->from_checkpoint && on_probation(&rows[i]))
            rc = make_suspect(d, job, &rows[i], err);
    *target = choose_target(a, rung, rows, n);
    for (size_t i = 0; rc == EBM_OK && i < n; i++)
        if (on_probation(&rows[i]) && (*target == n || rows[i].id > rows[*target].id))
            rc = make_suspect(d, job, &rows[i], err);
    return rc;
}

/* As the attempt, but with the start that somebody chose: where it only went
 * on after a crash or a pause says nothing of that checkpoint. */
static enum ebm_status find_chosen_start(struct daemon *d, const struct store_attempt *a,
                                         struct store_attempt *out, struct ebm_error *err)
{
    struct store_attempt x = *a;
    enum ebm_status rc = EBM_OK;

    while (rc == EBM_OK && x.attempt > 1 &&
           (strcmp(x.cause, "restart") == 0 || strcmp(x.cause, "resume") == 0))
        rc = store_attempt_get(d->store, a->job, x.attempt - 1, &x, err);
    *out = *a;
    out->from_checkpoint = x.from_checkpoint;
    out->from_step = x.from_step;
    return rc;
}

static enum ebm_status find_start(struct daemon *d, const struct store_job *job,
                                  const struct store_attempt *a, enum ladder_rung rung,
                                  uint64_t clean, struct store_checkpoint *out,
                                  struct ebm_error *err)
{
    struct lineage line = {0};
    struct line_rows r = {.line = &line};
    struct store_attempt begun;
    size_t n = 0, target = 0;

    *out = (struct store_checkpoint){.id = 0};
    buf_init(&r.rows);
    enum ebm_status rc = lineage_read(d->store, job->id, a->attempt, &line, err);
    if (rc == EBM_OK)
        rc = read_rows(d, job->id, &r, err);
    struct store_checkpoint *rows = rows_of(&r, &n);
    if (rc == EBM_OK)
        rc = promote(d, job, recovery_onset(a), clean, rows, n, err);
    if (rc == EBM_OK)
        rc = find_chosen_start(d, a, &begun, err);
    if (rc == EBM_OK)
        rc = settle_target(d, job, &begun, rung, rows, n, &target, err);
    if (rc == EBM_OK && target < n)
        *out = rows[target];
    else if (rc == EBM_OK)
        rc = jobs_origin(d, job->id, &line, out, err);
    if (!is_usable(out))
        out->id = 0;
    lineage_fini(&line);
    buf_fini(&r.rows);
    return rc;
}

/* ---- the plan ---- */

static void tell(const struct store_checkpoint *from, enum ladder_rung rung,
                 const struct ladder_change *change, char *say, size_t size)
{
    char where[64] = "to the start", what[256];

    if (from->id != 0)
        snprintf(where, sizeof where, "to c%" PRId64 ", step %" PRIu64, from->id, from->step);
    ladder_describe(change, what, sizeof what);
    snprintf(say, size, "%s, by \"%s\"%s%s", where, ladder_name(rung), what[0] != '\0' ? ", " : "",
             what);
}

static enum ebm_status plan_change(struct daemon *d, struct store_job *job,
                                   const struct store_checkpoint *from,
                                   const struct ladder_change *change, struct ebm_error *err)
{
    const char *set[LADDER_SETS_MAX];
    const struct replan plan = {
        .cause = "rollback",
        .actor = "ebmd",
        .from = from->id != 0 ? from : NULL,
        .set = set,
        .sets = change->sets,
        .new_noise = true,
    };

    for (size_t i = 0; i < change->sets; i++)
        set[i] = change->set[i];
    return replan(d, job, &plan, err);
}

enum ebm_status recovery_plan(struct daemon *d, struct store_job *job,
                              const struct store_attempt *a, uint32_t rung, char *say, size_t size,
                              struct ebm_error *err)
{
    struct ladder_change change;
    struct store_checkpoint from;
    struct spec spec;
    float lo, hi;
    enum ebm_status rc = replan_read_spec(d, job->id, &spec, err);

    if (rc != EBM_OK)
        return rc;
    enum ladder_rung step = ladder_at(spec.stability.ladder, rung);
    rc = find_start(d, job, a, step, retention_clean_stretch((uint64_t)spec.checkpoint.every_steps),
                    &from, err);
    if (rc != EBM_OK)
        return rc;
    spec_sample_range(&spec, &lo, &hi);
    const struct ladder_case the_case = {
        .again = rung > 0,
        .diverged = a->last_step,
        .at_step = from.id != 0 ? from.step : 0,
        .range = (double)(hi - lo),
    };
    ladder_plan(&spec, step, &the_case, &change);
    tell(&from, step, &change, say, size);
    return plan_change(d, job, &from, &change, err);
}
