/* Rows of jobs and their texts. */
#include <stdio.h>
#include <string.h>

#include "store/store.h"
#include "store/store_private.h"

static const char *const intent_names[] = {
    [INTENT_NONE] = "",
    [INTENT_PAUSE] = "pause",
    [INTENT_CANCEL] = "cancel",
    [INTENT_ROLLBACK] = "rollback",
    [INTENT_PAUSE_NOSPACE] = "pause-nospace",
    [INTENT_KILL] = "kill",
};
enum { INTENT_COUNT = sizeof intent_names / sizeof intent_names[0] };

static enum store_intent intent_from_name(const char *name)
{
    for (int i = 0; i < INTENT_COUNT; i++)
        if (strcmp(intent_names[i], name) == 0)
            return (enum store_intent)i;
    return INTENT_NONE;
}

static enum ebm_status check_job(const struct store_job *j, struct ebm_error *err)
{
    if ((unsigned)j->state >= JOB_STATE_COUNT)
        return ebm_fail(err, EBM_EINVAL, "job %lld: no state %d", (long long)j->id, (int)j->state);
    if ((unsigned)j->intent >= INTENT_COUNT)
        return ebm_fail(err, EBM_EINVAL, "job %lld: no intent %d", (long long)j->id,
                        (int)j->intent);
    return EBM_OK;
}

static enum ebm_status no_job(int64_t id, struct ebm_error *err)
{
    return ebm_fail(err, EBM_ENOTFOUND, "no job %lld", (long long)id);
}

static void note_change(struct store *s, int64_t id)
{
    buf_put(&s->changed_jobs, &id, sizeof id);
}

void store_job_changed(struct store *s, struct buf *ids)
{
    *ids = s->changed_jobs;
    buf_init(&s->changed_jobs);
}

/* For changes of one row: a change of none means that the job is not there. */
static enum ebm_status run_on_job(struct store *s, struct db_query *q, int64_t id,
                                  struct ebm_error *err)
{
    enum ebm_status status = db_run(q, err);
    return status == EBM_OK && db_changes(s->db) == 0 ? no_job(id, err) : status;
}

/* State to attempt: columns that inserts and updates share. */
static void put_first_columns(struct db_query *q, const struct store_job *j)
{
    db_put_text(q, job_state_name(j->state));
    db_put_text(q, intent_names[j->intent]);
    db_put_int(q, j->priority);
    db_put_int(q, j->after);
    db_put_int(q, j->ranks);
    db_put_int(q, j->threads);
    db_put_int(q, (int64_t)j->step);
    db_put_int(q, (int64_t)j->total_steps);
    db_put_int(q, j->attempt);
    db_put_int(q, j->restarts_used);
    db_put_int(q, j->max_restarts);
    db_put_int(q, j->rollbacks_used);
    db_put_int(q, j->noise_epoch);
    db_put_int(q, j->parent_job);
    db_put_int(q, j->parent_checkpoint);
    db_put_int(q, j->not_before_ms);
}

static void put_last_columns(struct db_query *q, const struct store_job *j)
{
    db_put_int(q, j->started_ms);
    db_put_int(q, j->ended_ms);
    db_put_text(q, j->reason);
    db_put_text(q, j->plan_cause);
    db_put_text(q, j->plan_actor);
    db_put_int(q, j->plan_checkpoint);
}

static void get_rest(struct db_query *q, struct store_job *j)
{
    j->intent = intent_from_name(db_get_word(q));
    j->priority = (int32_t)db_get_int(q);
    j->after = db_get_int(q);
    j->ranks = (uint32_t)db_get_int(q);
    j->threads = (uint32_t)db_get_int(q);
    j->step = (uint64_t)db_get_int(q);
    j->total_steps = (uint64_t)db_get_int(q);
    j->attempt = (uint32_t)db_get_int(q);
    j->restarts_used = (uint32_t)db_get_int(q);
    j->max_restarts = (uint32_t)db_get_int(q);
    j->rollbacks_used = (uint32_t)db_get_int(q);
    j->noise_epoch = (uint32_t)db_get_int(q);
    j->parent_job = db_get_int(q);
    j->parent_checkpoint = db_get_int(q);
    j->not_before_ms = db_get_int(q);
    j->submitted_ms = db_get_int(q);
    j->started_ms = db_get_int(q);
    j->ended_ms = db_get_int(q);
    db_get_text(q, j->reason, sizeof j->reason);
    db_get_text(q, j->plan_cause, sizeof j->plan_cause);
    db_get_text(q, j->plan_actor, sizeof j->plan_actor);
    j->plan_checkpoint = db_get_int(q);
}

/* Reads a row whose state is in the mask; false: it is not. */
static bool get_job(struct db_query *q, unsigned states, struct store_job *j)
{
    j->id = db_get_int(q);
    db_get_text(q, j->name, sizeof j->name);
    j->state = job_state_from_name(db_get_word(q));
    if (states != 0 && (states & 1u << j->state) == 0)
        return false;
    get_rest(q, j);
    return true;
}

static enum ebm_status find_by_key(struct store *s, const char *key, int64_t *id,
                                   struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_JOB_BY_KEY);
    db_put_text(&q, key);
    return db_run_int(&q, id, err);
}

static enum ebm_status insert_row(struct store *s, const struct store_job *j, const char *key,
                                  int64_t *id, struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_JOB_INSERT);
    db_put_text(&q, j->name);
    put_first_columns(&q, j);
    db_put_int(&q, j->submitted_ms);
    put_last_columns(&q, j);
    db_put_text(&q, key);
    return db_run_int(&q, id, err);
}

static enum ebm_status insert_text(struct store *s, int64_t id, const char *source,
                                   const char *spec, struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_JOB_TEXT_INSERT);
    db_put_int(&q, id);
    db_put_text(&q, source);
    db_put_text(&q, spec);
    return db_run(&q, err);
}

enum ebm_status store_job_insert(struct store *s, struct store_job *j, const char *key,
                                 const char *source, const char *spec, struct ebm_error *err)
{
    int64_t id = 0;
    enum ebm_status status = check_job(j, err);
    if (status != EBM_OK)
        return status;
    if (key[0] != '\0') {
        status = find_by_key(s, key, &j->id, err);
        if (status != EBM_ENOTFOUND)
            return status == EBM_OK ? EBM_EEXIST : status;
    }
    status = db_op_begin(s->db, err);
    if (status != EBM_OK)
        return status;
    status = insert_row(s, j, key, &id, err);
    if (status == EBM_OK)
        status = insert_text(s, id, source, spec, err);
    status = db_op_end(s->db, status, err);
    if (status == EBM_OK) {
        j->id = id;
        note_change(s, id);
    }
    return status;
}

enum ebm_status store_job_get(struct store *s, int64_t id, struct store_job *out,
                              struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_JOB_GET);
    db_put_int(&q, id);
    bool found = db_step(&q);
    if (found)
        get_job(&q, 0, out);
    enum ebm_status status = db_end(&q, err);
    return status == EBM_OK && !found ? no_job(id, err) : status;
}

enum ebm_status store_job_update(struct store *s, const struct store_job *j, struct ebm_error *err)
{
    enum ebm_status status = check_job(j, err);
    if (status != EBM_OK)
        return status;
    struct db_query q = db_query(s->db, SQL_JOB_UPDATE);
    db_put_int(&q, j->id);
    put_first_columns(&q, j);
    put_last_columns(&q, j);
    status = run_on_job(s, &q, j->id, err);
    if (status == EBM_OK)
        note_change(s, j->id);
    return status;
}

enum ebm_status store_job_set_step(struct store *s, int64_t id, uint64_t step,
                                   struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_JOB_SET_STEP);
    db_put_int(&q, id);
    db_put_int(&q, (int64_t)step);
    return run_on_job(s, &q, id, err);
}

enum ebm_status store_job_set_spec(struct store *s, int64_t id, const char *spec,
                                   struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_JOB_TEXT_SET_SPEC);
    db_put_int(&q, id);
    db_put_text(&q, spec);
    return run_on_job(s, &q, id, err);
}

enum ebm_status store_job_texts(struct store *s, int64_t id, struct buf *source, struct buf *spec,
                                struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_JOB_TEXT_GET);
    db_put_int(&q, id);
    bool found = db_step(&q);
    if (found) {
        db_get_buf(&q, source);
        db_get_buf(&q, spec);
    }
    enum ebm_status status = db_end(&q, err);
    return status == EBM_OK && !found ? no_job(id, err) : status;
}

static enum ebm_status visit_jobs(struct db_query *q, unsigned states,
                                  bool (*visit)(void *arg, const struct store_job *j), void *arg,
                                  struct ebm_error *err)
{
    struct store_job j;
    bool more = true;

    while (more && db_step(q))
        if (get_job(q, states, &j))
            more = visit(arg, &j);
    return db_end(q, err);
}

/* Whether only jobs that are not over are asked for: they have an index. */
static bool wants_open_only(unsigned states)
{
    unsigned final = 0;
    for (int i = 0; i < JOB_STATE_COUNT; i++)
        if (job_state_is_final((enum job_state)i))
            final |= 1u << i;
    return states != 0 && (states & final) == 0;
}

enum ebm_status store_job_each(struct store *s, int64_t after, unsigned states,
                               bool (*visit)(void *arg, const struct store_job *j), void *arg,
                               struct ebm_error *err)
{
    struct db_query q = db_query(s->db, wants_open_only(states) ? SQL_JOB_PAGE_OPEN : SQL_JOB_PAGE);
    db_put_int(&q, after);
    return visit_jobs(&q, states, visit, arg, err);
}

/* ---- the queue ---- */

static void get_queued(struct db_query *q, struct store_queued *out)
{
    out->id = db_get_int(q);
    out->priority = (int32_t)db_get_int(q);
    out->slots = (uint32_t)db_get_int(q);
    out->not_before_ms = db_get_int(q);
    out->after = db_get_int(q);
    out->after_state = job_state_from_name(db_get_word(q));
}

enum ebm_status store_job_queue(struct store *s,
                                bool (*visit)(void *arg, const struct store_queued *q), void *arg,
                                struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_JOB_QUEUE);
    struct store_queued job;
    bool more = true;

    while (more && db_step(&q)) {
        get_queued(&q, &job);
        more = visit(arg, &job);
    }
    return db_end(&q, err);
}

enum ebm_status store_job_queued(struct store *s, const struct store_job *j,
                                 struct store_queued *out, struct ebm_error *err)
{
    *out = (struct store_queued){.id = j->id,
                                 .after_state = JOB_STATE_COUNT,
                                 .priority = j->priority,
                                 .slots = j->ranks * j->threads,
                                 .not_before_ms = j->not_before_ms};
    if (j->after == 0 || j->attempt > 0)
        return EBM_OK;
    out->after = j->after;
    struct db_query q = db_query(s->db, SQL_JOB_STATE);
    db_put_int(&q, j->after);
    if (db_step(&q))
        out->after_state = job_state_from_name(db_get_word(&q));
    return db_end(&q, err);
}

enum ebm_status store_job_counts(struct store *s, uint64_t counts[JOB_STATE_COUNT],
                                 struct ebm_error *err)
{
    memset(counts, 0, JOB_STATE_COUNT * sizeof counts[0]);
    struct db_query q = db_query(s->db, SQL_JOB_COUNTS);
    while (db_step(&q)) {
        enum job_state state = job_state_from_name(db_get_word(&q));
        if (state < JOB_STATE_COUNT)
            counts[state] = (uint64_t)db_get_int(&q);
    }
    return db_end(&q, err);
}
