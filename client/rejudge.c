#include "rejudge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

enum ebm_status rejudge_init(struct rejudge *r, const struct rejudge_attempt *attempt, size_t n,
                             struct ebm_error *err)
{
    *r = (struct rejudge){.attempt = attempt, .attempts = n};
    r->start = calloc(n, sizeof *r->start);
    r->started = calloc(n, sizeof *r->started);
    if (r->start == NULL || r->started == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for %zu attempts", n);
    return EBM_OK;
}

void rejudge_fini(struct rejudge *r)
{
    free(r->start);
    free(r->started);
    free(r->finding);
    memset(r, 0, sizeof *r);
}

const struct detector_limits *rejudge_limits(const struct rejudge *r)
{
    return &r->attempt[r->at].limits;
}

static struct rejudge_finding *add_finding(struct rejudge *r)
{
    if (r->findings == r->capacity) {
        size_t capacity = r->capacity > 0 ? 2 * r->capacity : FIRST_CAPACITY;
        struct rejudge_finding *grown = realloc(r->finding, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        r->finding = grown;
        r->capacity = capacity;
    }
    return memset(&r->finding[r->findings++], 0, sizeof *r->finding);
}

/* ---- from attempt to attempt ---- */

/* Attempts that go back to this one, at a step before `step`, begin with what
 * the detector knows now. */
static void keep_starts(struct rejudge *r, uint64_t step)
{
    uint32_t current = r->attempt[r->at].attempt;

    for (size_t i = r->at + 1; i < r->attempts; i++) {
        if (r->started[i] || r->attempt[i].from_attempt != current ||
            r->attempt[i].from_step >= step)
            continue;
        r->start[i] = r->now;
        r->started[i] = true;
    }
}

/* A divergence that is none now, or was one before. */
static enum ebm_status leave(struct rejudge *r, struct ebm_error *err)
{
    const struct rejudge_attempt *a = &r->attempt[r->at];

    keep_starts(r, UINT64_MAX);
    if (!a->diverged || r->agreed)
        return EBM_OK;
    struct rejudge_finding *f = add_finding(r);
    if (f == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for what stands out");
    f->in = a;
    f->step = r->rows_here > 0 && r->last_step > a->last_step ? r->last_step : a->last_step;
    f->onset = a->onset;
    f->signal = SIGNAL_COUNT;
    f->run_too = true;
    snprintf(f->reason, sizeof f->reason, "%s", a->reason);
    return EBM_OK;
}

static void enter(struct rejudge *r, size_t at)
{
    const struct rejudge_attempt *a = &r->attempt[at];

    r->at = at;
    r->begun = true;
    r->tripped = r->warned = r->agreed = false;
    r->last_step = a->from_step;
    r->rows_here = 0;
    if (r->started[at])
        r->now = r->start[at];
    else if (a->inherited != NULL)
        r->now = *a->inherited;
    else
        detector_init(&r->now);
    if (a->forgets)
        detector_forget(&r->now, a->from_step);
}

/* On to the next attempt, or to the first. */
static enum ebm_status go_on(struct rejudge *r, struct ebm_error *err)
{
    enum ebm_status rc = r->begun ? leave(r, err) : EBM_OK;

    if (rc == EBM_OK)
        enter(r, r->begun ? r->at + 1 : 0);
    return rc;
}

static bool is_known(const struct rejudge *r, uint32_t attempt)
{
    for (size_t i = r->at; i < r->attempts; i++)
        if (r->attempt[i].attempt == attempt)
            return true;
    return false;
}

/* ---- rows ---- */

static bool is_told(struct rejudge *r, const struct detector_judgement *j)
{
    bool warns = j->verdict == VERDICT_WARN;
    bool tells = (warns && !r->warned) || j->verdict == VERDICT_SKIP || j->verdict == VERDICT_TRIP;

    r->warned = warns;
    return tells;
}

/* The step that was not taken may have been counted as the last one: it has a
 * row as well. */
static bool is_end(const struct rejudge_attempt *a, uint64_t step)
{
    return a->diverged && (step == a->last_step || step == a->last_step + 1);
}

static enum ebm_status note(struct rejudge *r, uint64_t step, const struct detector_judgement *j,
                            struct ebm_error *err)
{
    const struct rejudge_attempt *a = &r->attempt[r->at];
    struct rejudge_finding *f = add_finding(r);

    if (f == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for what stands out");
    f->in = a;
    f->step = step;
    f->onset = j->onset;
    f->verdict = j->verdict;
    f->signal = j->signal;
    f->suspicion = j->suspicion;
    f->run_too = j->verdict == VERDICT_TRIP && is_end(a, step);
    r->agreed |= f->run_too;
    snprintf(f->reason, sizeof f->reason, "%s", f->run_too ? a->reason : j->reason);
    r->trips += j->verdict == VERDICT_TRIP;
    r->warnings += j->verdict == VERDICT_WARN;
    r->skips += j->verdict == VERDICT_SKIP;
    return EBM_OK;
}

enum ebm_status rejudge_row(struct rejudge *r, uint32_t attempt, uint64_t step,
                            const double value[METRIC_COUNT], struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    if (!is_known(r, attempt))
        return EBM_OK;
    while (rc == EBM_OK && (!r->begun || r->attempt[r->at].attempt != attempt))
        rc = go_on(r, err);
    if (rc != EBM_OK)
        return rc;
    keep_starts(r, step);
    r->missing += step > r->last_step + 1 ? step - r->last_step - 1 : 0;
    r->last_step = step;
    r->rows++;
    r->rows_here++;
    detector_feed(&r->now, rejudge_limits(r), step, value, &r->last);
    memcpy(r->value, value, sizeof r->value);
    if (r->tripped)
        return EBM_OK;
    if (r->last.verdict != VERDICT_TRIP && r->last.suspicion > r->nearest)
        r->nearest = r->last.suspicion;
    r->tripped = r->last.verdict == VERDICT_TRIP;
    return is_told(r, &r->last) ? note(r, step, &r->last, err) : EBM_OK;
}

enum ebm_status rejudge_end(struct rejudge *r, struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    while (rc == EBM_OK && (!r->begun || r->at + 1 < r->attempts))
        rc = go_on(r, err);
    return rc == EBM_OK ? leave(r, err) : rc;
}
