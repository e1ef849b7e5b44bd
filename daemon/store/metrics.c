#include "store/metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "sql/sql.h"
#include "store/db.h"
#include "store/metrics_private.h"

const struct db_options metrics_options = {
    .sql = &sql_metrics,
    .pragmas = SQL_METRICS_PRAGMAS,
    .application_id = 0x45424d4d,
};

enum ebm_status metrics_open(const struct home *home, struct metrics **out, struct ebm_error *err)
{
    *out = NULL;
    struct metrics *m = calloc(1, sizeof *m);
    if (m == NULL)
        return ebm_fail(err, EBM_ENOMEM, "metrics: out of memory");
    snprintf(m->path, sizeof m->path, "%s/metrics.db", home->state);
    enum ebm_status status = db_open(m->path, &metrics_options, &m->db, err);
    if (status != EBM_OK) {
        metrics_close(m);
        return status;
    }
    *out = m;
    return EBM_OK;
}

void metrics_close(struct metrics *m)
{
    if (m == NULL)
        return;
    db_close(m->db);
    free(m);
}

uint64_t metrics_bytes(const struct metrics *m)
{
    return db_bytes(m->path);
}

static enum ebm_status insert_row(struct metrics *m, int64_t job, uint32_t attempt,
                                  const struct metrics_row *row, struct ebm_error *err)
{
    struct db_query q = db_query(m->db, SQL_METRIC_INSERT);
    db_put_int(&q, job);
    db_put_int(&q, attempt);
    db_put_int(&q, (int64_t)row->seq);
    db_put_int(&q, (int64_t)row->step);
    db_put_int(&q, row->time_ms);
    for (int i = 0; i < METRIC_COUNT; i++)
        db_put_real(&q, row->value[i]);
    return db_run(&q, err);
}

static enum ebm_status check_rows(int64_t job, uint32_t attempt, const struct metrics_row *rows,
                                  size_t n, struct ebm_error *err)
{
    if (job <= 0 || attempt == 0)
        return ebm_fail(err, EBM_EINVAL, "metrics: no job %lld, attempt %u", (long long)job,
                        attempt);
    /* The position that metrics_query.after_row names has 32 bits for seq. */
    for (size_t i = 0; i < n; i++)
        if (rows[i].seq == 0 || rows[i].seq > UINT32_MAX)
            return ebm_fail(err, EBM_EINVAL, "metrics: row number %llu is not in 1 to %u",
                            (unsigned long long)rows[i].seq, UINT32_MAX);
    return EBM_OK;
}

enum ebm_status metrics_append(struct metrics *m, int64_t job, uint32_t attempt,
                               const struct metrics_row *rows, size_t n, struct ebm_error *err)
{
    enum ebm_status status = check_rows(job, attempt, rows, n, err);
    if (status != EBM_OK || n == 0)
        return status;
    status = db_begin(m->db, err);
    if (status != EBM_OK)
        return status;
    for (size_t i = 0; i < n && status == EBM_OK; i++)
        status = insert_row(m, job, attempt, &rows[i], err);
    if (status == EBM_OK)
        return db_commit(m->db, err);
    db_rollback(m->db);
    return status;
}

enum ebm_status metrics_have(struct metrics *m, int64_t job, uint32_t attempt, uint64_t *seq,
                             struct ebm_error *err)
{
    int64_t found = 0;
    struct db_query q = db_query(m->db, SQL_METRIC_HAVE);
    db_put_int(&q, job);
    db_put_int(&q, attempt);
    enum ebm_status status = db_run_int(&q, &found, err);
    *seq = (uint64_t)found;
    return status == EBM_ENOTFOUND ? EBM_OK : status;
}

/* ---- reading ---- */

struct reading {
    const struct metrics_query *query;
    bool (*visit)(void *arg, const struct metrics_row *row);
    void *arg;
    uint32_t left;
    bool stopped;
};

static void visit_row(struct db_query *q, struct reading *r)
{
    struct metrics_row row;

    row.seq = (uint64_t)db_get_int(q);
    row.attempt = (uint32_t)db_get_int(q);
    row.step = (uint64_t)db_get_int(q);
    row.time_ms = db_get_int(q);
    for (int i = 0; i < METRIC_COUNT; i++)
        row.value[i] = db_get_real(q);
    r->left--;
    r->stopped = !r->visit(r->arg, &row) || r->left == 0;
}

static enum ebm_status visit_rows(struct db_query *q, struct reading *r, struct ebm_error *err)
{
    while (!r->stopped && db_step(q))
        visit_row(q, r);
    return db_end(q, err);
}

static uint32_t after_attempt(const struct metrics_query *query)
{
    return (uint32_t)(query->after_row >> 32);
}

static uint32_t after_seq(const struct metrics_query *query)
{
    return (uint32_t)query->after_row;
}

static enum ebm_status read_attempt(struct metrics *m, uint32_t attempt, struct reading *r,
                                    struct ebm_error *err)
{
    uint64_t first = attempt == after_attempt(r->query) ? (uint64_t)after_seq(r->query) + 1 : 0;
    struct db_query q = db_query(m->db, SQL_METRIC_PAGE);
    db_put_int(&q, r->query->job);
    db_put_int(&q, attempt);
    db_put_int(&q, (int64_t)first);
    db_put_int(&q, (int64_t)r->query->since_step);
    db_put_int(&q, r->left);
    return visit_rows(&q, r, err);
}

/* The first attempt from this one on that has rows; EBM_ENOTFOUND: none. */
static enum ebm_status next_attempt(struct metrics *m, int64_t job, uint32_t from, int64_t *attempt,
                                    struct ebm_error *err)
{
    struct db_query q = db_query(m->db, SQL_METRIC_NEXT_ATTEMPT);
    db_put_int(&q, job);
    db_put_int(&q, from);
    return db_run_int(&q, attempt, err);
}

/* Attempt by attempt, so that each can jump to its first row of the step. */
static enum ebm_status read_all(struct metrics *m, struct reading *r, struct ebm_error *err)
{
    int64_t attempt = after_attempt(r->query);

    while (!r->stopped) {
        enum ebm_status status = next_attempt(m, r->query->job, (uint32_t)attempt, &attempt, err);
        if (status != EBM_OK)
            return status == EBM_ENOTFOUND ? EBM_OK : status;
        status = read_attempt(m, (uint32_t)attempt, r, err);
        if (status != EBM_OK)
            return status;
        attempt++;
    }
    return EBM_OK;
}

static enum ebm_status read_newest(struct metrics *m, struct reading *r, struct ebm_error *err)
{
    const struct metrics_query *query = r->query;
    struct db_query q =
        db_query(m->db, query->attempt != 0 ? SQL_METRIC_NEWEST_ATTEMPT : SQL_METRIC_NEWEST);
    db_put_int(&q, query->job);
    db_put_int(&q, (int64_t)query->since_step);
    db_put_int(&q, after_attempt(query));
    db_put_int(&q, after_seq(query));
    db_put_int(&q, r->left);
    if (query->attempt != 0)
        db_put_int(&q, query->attempt);
    return visit_rows(&q, r, err);
}

enum ebm_status metrics_each(struct metrics *m, const struct metrics_query *q,
                             bool (*visit)(void *arg, const struct metrics_row *row), void *arg,
                             struct ebm_error *err)
{
    struct reading r = {
        .query = q, .visit = visit, .arg = arg, .left = q->limit != 0 ? q->limit : UINT32_MAX};

    if (q->newest)
        return read_newest(m, &r, err);
    if (q->attempt == 0)
        return read_all(m, &r, err);
    /* A position in a later attempt leaves nothing of this one. */
    if (q->attempt < after_attempt(q))
        return EBM_OK;
    return read_attempt(m, q->attempt, &r, err);
}
