/* Pictures of samples, beside the metrics. */
#include <stdio.h>

#include "sql/sql.h"
#include "store/db.h"
#include "store/metrics.h"
#include "store/metrics_private.h"

enum ebm_status metrics_picture_put(struct metrics *m, int64_t job, uint32_t attempt, uint64_t step,
                                    const void *png, size_t n, struct ebm_error *err)
{
    if (job <= 0 || attempt == 0 || n == 0)
        return ebm_fail(err, EBM_EINVAL, "picture: no job, attempt or bytes");
    struct db_query q = db_query(m->db, SQL_PICTURE_INSERT);
    db_put_int(&q, job);
    db_put_int(&q, attempt);
    db_put_int(&q, (int64_t)step);
    db_put_blob(&q, png, n);
    return db_run(&q, err);
}

/* What is not there, with the nearest step that has one. */
static enum ebm_status fail_step(struct metrics *m, int64_t job, uint32_t attempt, uint64_t step,
                                 struct ebm_error *err)
{
    struct db_query q = db_query(m->db, SQL_PICTURE_NEAREST);
    char of[32] = "";
    uint64_t nearest = 0;

    db_put_int(&q, job);
    db_put_int(&q, (int64_t)step);
    bool found = db_step(&q);
    if (found)
        nearest = (uint64_t)db_get_int(&q);
    enum ebm_status status = db_end(&q, err);
    if (status != EBM_OK)
        return status;
    if (attempt > 0)
        snprintf(of, sizeof of, ", attempt %u", attempt);
    if (!found)
        return ebm_fail(err, EBM_ENOTFOUND, "no picture of job %lld yet", (long long)job);
    return ebm_fail(err, EBM_ENOTFOUND,
                    "no picture of job %lld%s, step %llu: the nearest is of step %llu",
                    (long long)job, of, (unsigned long long)step, (unsigned long long)nearest);
}

enum ebm_status metrics_picture_get(struct metrics *m, int64_t job, uint32_t attempt, uint64_t step,
                                    struct buf *png, uint64_t *at_step, struct ebm_error *err)
{
    bool any = attempt == 0 && step == 0;
    struct db_query q = db_query(m->db, any ? SQL_PICTURE_NEWEST : SQL_PICTURE_OF_STEP);
    db_put_int(&q, job);
    if (!any) {
        db_put_int(&q, attempt);
        db_put_int(&q, (int64_t)step);
    }
    bool found = db_step(&q);
    if (found) {
        uint64_t at = (uint64_t)db_get_int(&q);
        if (at_step != NULL)
            *at_step = at;
        db_get_buf(&q, png);
    }
    enum ebm_status status = db_end(&q, err);
    if (status != EBM_OK || found)
        return status;
    return fail_step(m, job, attempt, step, err);
}

static bool is_kept(uint64_t step, const uint64_t *keep_steps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (keep_steps[i] == step)
            return true;
    return false;
}

static enum ebm_status delete_picture(struct metrics *m, int64_t id, struct ebm_error *err)
{
    struct db_query q = db_query(m->db, SQL_PICTURE_DELETE);
    db_put_int(&q, id);
    return db_run(&q, err);
}

/* Newest first; the walk is over before the first is deleted. */
static enum ebm_status collect_surplus(struct metrics *m, int64_t job, const uint64_t *keep_steps,
                                       size_t n, uint32_t keep, struct buf *ids,
                                       struct ebm_error *err)
{
    uint32_t seen = 0;
    struct db_query q = db_query(m->db, SQL_PICTURE_IDS);
    db_put_int(&q, job);
    while (db_step(&q)) {
        int64_t id = db_get_int(&q);
        uint64_t step = (uint64_t)db_get_int(&q);
        if (seen++ >= keep && !is_kept(step, keep_steps, n))
            buf_put(ids, &id, sizeof id);
    }
    enum ebm_status status = db_end(&q, err);
    if (status == EBM_OK && !buf_ok(ids))
        status = ebm_fail(err, EBM_ENOMEM, "pictures of job %lld: out of memory", (long long)job);
    return status;
}

static enum ebm_status delete_all(struct metrics *m, const int64_t *ids, size_t n,
                                  struct ebm_error *err)
{
    enum ebm_status status = db_begin(m->db, err);
    if (status != EBM_OK)
        return status;
    for (size_t i = 0; i < n && status == EBM_OK; i++)
        status = delete_picture(m, ids[i], err);
    if (status == EBM_OK)
        return db_commit(m->db, err);
    db_rollback(m->db);
    return status;
}

enum ebm_status metrics_picture_trim(struct metrics *m, int64_t job, const uint64_t *keep_steps,
                                     size_t n, uint32_t keep, struct ebm_error *err)
{
    struct buf ids;

    buf_init(&ids);
    enum ebm_status status = collect_surplus(m, job, keep_steps, n, keep, &ids, err);
    if (status == EBM_OK && ids.size != 0)
        status =
            delete_all(m, (const int64_t *)(const void *)ids.data, ids.size / sizeof(int64_t), err);
    buf_fini(&ids);
    return status;
}
