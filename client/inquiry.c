#include "inquiry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pages.h"

const Ebm__Job *inquiry_job(const struct inquiry *q)
{
    return q->shown.reply->jobs[0];
}

void inquiry_free(struct inquiry *q)
{
    if (q == NULL)
        return;
    rejudge_fini(&q->judge);
    answer_fini(&q->shown);
    answer_fini(&q->history);
    free(q->inherited);
    free(q->attempt);
    free(q);
}

/* ---- specs ---- */

static enum ebm_status check_sets(const char *const *sets, size_t n, struct ebm_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(sets[i], "stability.", 10) != 0)
            return ebm_fail(err, EBM_EINVAL,
                            "option '--set %.60s': only stability.* changes how a run is judged",
                            sets[i]);
    return EBM_OK;
}

static enum ebm_status parse_spec(struct inquiry *q, const char *text, struct spec *out,
                                  struct ebm_error *err)
{
    size_t n;
    const char **sets = args_values(&q->call->args, "set", &n);

    if (sets == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory");
    enum ebm_status rc = check_sets(sets, n, err);
    if (rc == EBM_OK)
        rc = spec_parse(text, strlen(text), sets, n, out, &q->problems, err);
    if (rc == EBM_EINVAL && q->problems.count > 0)
        rc = ebm_fail(err, EBM_EINVAL, "%s", q->problems.item[0].text);
    free(sets);
    return rc;
}

/* Onto out->limits and out->forgets: those of the attempt's own spec, and on
 * top of it what is asked for. *s holds the spec of the attempt before. */
static enum ebm_status judge_by(struct inquiry *q, const char *text, struct spec *s,
                                struct rejudge_attempt *out, struct ebm_error *err)
{
    if (text[0] != '\0') {
        enum ebm_status rc = parse_spec(q, text, s, err);
        if (rc != EBM_OK)
            return rc;
    }
    detector_limits_of(s, &out->limits);
    /* As intervention_begin of the worker. */
    out->forgets = out->from_step > 0 && s->intervention.purge == PURGE_ALL &&
                   (uint64_t)s->intervention.at_step == out->from_step;
    return EBM_OK;
}

/* ---- attempts ---- */

static enum ebm_status ask_history(struct inquiry *q, struct ebm_error *err)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__History m = EBM__HISTORY__INIT;

    m.job = q->job;
    m.specs = true;
    r.body_case = EBM__REQUEST__BODY_HISTORY;
    r.history = &m;
    return call_ask(q->call, &r, &q->history, err);
}

static enum ebm_status read_attempts(struct inquiry *q, struct spec *spec, struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    for (size_t i = 0; rc == EBM_OK && i < q->history.reply->n_attempts; i++) {
        const Ebm__Attempt *a = q->history.reply->attempts[i];
        q->attempt[i] = (struct rejudge_attempt){
            .attempt = a->attempt,
            .from_attempt = a->from_job == q->job ? a->from_attempt : 0,
            .from_step = a->from_step,
            .last_step = a->last_step,
            .diverged = strcmp(a->outcome, "diverged") == 0,
            .onset = a->onset,
            .reason = a->reason,
        };
        rc = judge_by(q, a->spec, spec, &q->attempt[i], err);
    }
    return rc;
}

static enum ebm_status read_history(struct inquiry *q, struct ebm_error *err)
{
    enum ebm_status rc = ask_history(q, err);

    if (rc != EBM_OK)
        return rc;
    struct spec *spec = calloc(1, sizeof *spec);
    q->attempt = calloc(q->history.reply->n_attempts + 1, sizeof *q->attempt);
    rc = spec == NULL || q->attempt == NULL
             ? ebm_fail(err, EBM_ENOMEM, "out of memory for %zu attempts",
                        q->history.reply->n_attempts)
             : read_attempts(q, spec, err);
    free(spec);
    return rc;
}

/* ---- rows ---- */

static enum ebm_status judge_row(void *arg, const Ebm__Metric *row, struct ebm_error *err)
{
    if (row->n_value != METRIC_COUNT)
        return EBM_OK;
    return rejudge_row(arg, row->attempt, row->step, row->value, err);
}

static enum ebm_status judge_rows(struct inquiry *q, size_t n, struct ebm_error *err)
{
    Ebm__Metrics m = EBM__METRICS__INIT;

    if (n == 0)
        return EBM_OK;
    m.job = q->job;
    m.limit = PAGES_METRICS;
    enum ebm_status rc = rejudge_init(&q->judge, q->attempt, n, err);
    if (rc == EBM_OK)
        rc = pages_walk_metrics(q->call, &m, judge_row, &q->judge, err);
    return rc == EBM_OK ? rejudge_end(&q->judge, err) : rc;
}

/* ---- the job and its ancestors ---- */

static enum ebm_status inherit(struct inquiry *q, struct ebm_error *err);

/* Its attempts, ready to be judged. */
static enum ebm_status begin(struct call *c, uint64_t job, struct inquiry **out,
                             struct ebm_error *err)
{
    struct inquiry *q = *out = calloc(1, sizeof *q);

    if (q == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for job %" PRIu64, job);
    q->call = c;
    q->job = job;
    enum ebm_status rc = call_show(c, job, &q->shown, err);
    if (rc == EBM_OK)
        rc = parse_spec(q, inquiry_job(q)->spec, &q->spec, err);
    if (rc == EBM_OK)
        rc = read_history(q, err);
    return rc == EBM_OK ? inherit(q, err) : rc;
}

/* What the detector of that attempt of another job knew after that step. */
static enum ebm_status learn(struct call *c, const Ebm__Attempt *from, struct detector *out,
                             struct ebm_error *err)
{
    struct inquiry *q = NULL;
    enum ebm_status rc = begin(c, from->from_job, &q, err);
    size_t n = 0;

    /* Up to it, and one that goes back to there and has no rows. */
    while (rc == EBM_OK && n < q->history.reply->n_attempts &&
           q->attempt[n].attempt <= from->from_attempt)
        n++;
    if (rc == EBM_OK) {
        q->attempt[n] = (struct rejudge_attempt){.attempt = UINT32_MAX,
                                                 .from_attempt = from->from_attempt,
                                                 .from_step = from->from_step};
        rc = judge_rows(q, n + 1, err);
    }
    if (rc == EBM_OK)
        *out = q->judge.now;
    inquiry_free(q);
    return rc;
}

/* All attempts that start from another job's checkpoint start from the same. */
static enum ebm_status inherit(struct inquiry *q, struct ebm_error *err)
{
    for (size_t i = 0; i < q->history.reply->n_attempts; i++) {
        const Ebm__Attempt *a = q->history.reply->attempts[i];
        if (a->from_job == 0 || a->from_job == q->job)
            continue;
        if (q->inherited == NULL) {
            q->inherited = calloc(1, sizeof *q->inherited);
            if (q->inherited == NULL)
                return ebm_fail(err, EBM_ENOMEM, "out of memory for a detector");
            enum ebm_status rc = learn(q->call, a, q->inherited, err);
            if (rc != EBM_OK)
                return rc;
        }
        q->attempt[i].inherited = q->inherited;
    }
    return EBM_OK;
}

enum ebm_status inquiry_make(struct call *c, uint64_t job, struct inquiry **out,
                             struct ebm_error *err)
{
    enum ebm_status rc = begin(c, job, out, err);

    return rc == EBM_OK ? judge_rows(*out, (*out)->history.reply->n_attempts, err) : rc;
}
