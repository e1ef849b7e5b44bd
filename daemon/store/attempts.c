/* Rows of attempts: appended, ended once, never changed after. */
#include "store/store.h"
#include "store/store_private.h"

static enum ebm_status no_attempt(int64_t job, uint32_t attempt, struct ebm_error *err)
{
    return ebm_fail(err, EBM_ENOTFOUND, "no attempt %u of job %lld", attempt, (long long)job);
}

static enum ebm_status insert_row(struct store *s, const struct store_attempt *a, int64_t fence,
                                  struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_ATTEMPT_INSERT);
    db_put_int(&q, a->job);
    db_put_int(&q, a->attempt);
    db_put_int(&q, fence);
    db_put_text(&q, a->token);
    db_put_text(&q, a->cause);
    db_put_text(&q, a->actor);
    db_put_int(&q, a->from_checkpoint);
    db_put_int(&q, (int64_t)a->from_step);
    db_put_int(&q, (int64_t)a->last_step);
    db_put_int(&q, a->started_ms);
    db_put_int(&q, a->ended_ms);
    db_put_text(&q, a->outcome);
    db_put_text(&q, a->reason);
    db_put_text(&q, a->overrides);
    db_put_text(&q, a->host);
    db_put_int(&q, a->shepherd_pid);
    db_put_int(&q, (int64_t)a->shepherd_start);
    db_put_text(&q, a->reported);
    db_put_text(&q, a->reported_reason);
    db_put_int(&q, (int64_t)a->reported_onset);
    enum ebm_status status = db_run(&q, err);
    if (status == EBM_EEXIST)
        return ebm_fail(err, EBM_EEXIST, "job %lld: attempt %u exists, or another one is live",
                        (long long)a->job, a->attempt);
    return status == EBM_ENOTFOUND ? ebm_fail(err, EBM_ENOTFOUND, "no job %lld", (long long)a->job)
                                   : status;
}

static enum ebm_status insert_text(struct store *s, const struct store_attempt *a, const char *spec,
                                   struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_ATTEMPT_TEXT_INSERT);
    db_put_int(&q, a->job);
    db_put_int(&q, a->attempt);
    db_put_text(&q, spec);
    return db_run(&q, err);
}

enum ebm_status store_attempt_insert(struct store *s, struct store_attempt *a, const char *spec,
                                     struct ebm_error *err)
{
    enum ebm_status status = db_op_begin(s->db, err);
    if (status != EBM_OK)
        return status;
    status = store_counter_next(s, "fence", &s->highest_fence, err);
    if (status == EBM_OK)
        status = insert_row(s, a, s->highest_fence, err);
    if (status == EBM_OK)
        status = insert_text(s, a, spec, err);
    status = db_op_end(s->db, status, err);
    if (status == EBM_OK)
        a->fence = (uint64_t)s->highest_fence;
    return status;
}

static void get_attempt(struct db_query *q, struct store_attempt *a)
{
    a->job = db_get_int(q);
    a->attempt = (uint32_t)db_get_int(q);
    a->fence = (uint64_t)db_get_int(q);
    db_get_text(q, a->token, sizeof a->token);
    db_get_text(q, a->cause, sizeof a->cause);
    db_get_text(q, a->actor, sizeof a->actor);
    a->from_checkpoint = db_get_int(q);
    a->from_step = (uint64_t)db_get_int(q);
    a->last_step = (uint64_t)db_get_int(q);
    a->started_ms = db_get_int(q);
    a->ended_ms = db_get_int(q);
    db_get_text(q, a->outcome, sizeof a->outcome);
    db_get_text(q, a->reason, sizeof a->reason);
    db_get_text(q, a->overrides, sizeof a->overrides);
    db_get_text(q, a->host, sizeof a->host);
    a->shepherd_pid = db_get_int(q);
    a->shepherd_start = (uint64_t)db_get_int(q);
    db_get_text(q, a->reported, sizeof a->reported);
    db_get_text(q, a->reported_reason, sizeof a->reported_reason);
    a->reported_onset = (uint64_t)db_get_int(q);
}

enum ebm_status store_attempt_get(struct store *s, int64_t job, uint32_t attempt,
                                  struct store_attempt *out, struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_ATTEMPT_GET);
    db_put_int(&q, job);
    db_put_int(&q, attempt);
    bool found = db_step(&q);
    if (found)
        get_attempt(&q, out);
    enum ebm_status status = db_end(&q, err);
    return status == EBM_OK && !found ? no_attempt(job, attempt, err) : status;
}

enum ebm_status store_attempt_spec(struct store *s, int64_t job, uint32_t attempt, struct buf *out,
                                   struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_ATTEMPT_TEXT_GET);
    db_put_int(&q, job);
    db_put_int(&q, attempt);
    bool found = db_step(&q);
    if (found)
        db_get_buf(&q, out);
    enum ebm_status status = db_end(&q, err);
    return status == EBM_OK && !found ? no_attempt(job, attempt, err) : status;
}

/* A change of no row: the attempt is over, or was never there. */
static enum ebm_status run_on_live(struct store *s, struct db_query *q,
                                   const struct store_attempt *a, struct ebm_error *err)
{
    struct store_attempt old;
    enum ebm_status status = db_run(q, err);
    if (status != EBM_OK || db_changes(s->db) != 0)
        return status;
    status = store_attempt_get(s, a->job, a->attempt, &old, err);
    if (status != EBM_OK)
        return status;
    return ebm_fail(err, EBM_ESTATE, "attempt %u of job %lld has ended (%s) and is never changed",
                    a->attempt, (long long)a->job, old.outcome);
}

enum ebm_status store_attempt_update(struct store *s, const struct store_attempt *a,
                                     struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_ATTEMPT_UPDATE);
    db_put_int(&q, a->job);
    db_put_int(&q, a->attempt);
    db_put_int(&q, (int64_t)a->last_step);
    db_put_text(&q, a->host);
    db_put_int(&q, a->shepherd_pid);
    db_put_int(&q, (int64_t)a->shepherd_start);
    db_put_text(&q, a->reported);
    db_put_text(&q, a->reported_reason);
    db_put_int(&q, (int64_t)a->reported_onset);
    return run_on_live(s, &q, a, err);
}

enum ebm_status store_attempt_end(struct store *s, const struct store_attempt *a,
                                  struct ebm_error *err)
{
    if (a->ended_ms == 0 || a->outcome[0] == '\0')
        return ebm_fail(err, EBM_EINVAL, "attempt %u of job %lld: an end needs a time and outcome",
                        a->attempt, (long long)a->job);
    struct db_query q = db_query(s->db, SQL_ATTEMPT_END);
    db_put_int(&q, a->job);
    db_put_int(&q, a->attempt);
    db_put_int(&q, (int64_t)a->last_step);
    db_put_int(&q, a->ended_ms);
    db_put_text(&q, a->outcome);
    db_put_text(&q, a->reason);
    return run_on_live(s, &q, a, err);
}

enum ebm_status store_attempt_each(struct store *s, int64_t job,
                                   bool (*visit)(void *arg, const struct store_attempt *a),
                                   void *arg, struct ebm_error *err)
{
    struct store_attempt a;
    bool more = true;
    struct db_query q = db_query(s->db, SQL_ATTEMPT_PAGE);

    db_put_int(&q, job);
    while (more && db_step(&q)) {
        get_attempt(&q, &a);
        more = visit(arg, &a);
    }
    return db_end(&q, err);
}
