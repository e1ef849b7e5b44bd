/* Notices: made with what happened, ended once somebody was told, or could
 * not be. */
#include "base/clock.h"
#include "store/store.h"
#include "store/store_private.h"

enum ebm_status store_notice_add(struct store *s, struct store_notice *n, struct ebm_error *err)
{
    int64_t now = clock_wall_ms();
    struct db_query q = db_query(s->db, SQL_NOTICE_INSERT);

    db_put_int(&q, n->job);
    db_put_int(&q, n->attempt);
    db_put_int(&q, now);
    db_put_text(&q, n->event);
    db_put_text(&q, job_state_name(n->state));
    db_put_int(&q, (int64_t)n->step);
    db_put_int(&q, (int64_t)n->total_steps);
    db_put_text(&q, n->reason);
    n->time_ms = now;
    return db_run_int(&q, &n->id, err);
}

static void get_notice(struct db_query *q, struct store_notice *n)
{
    n->id = db_get_int(q);
    n->job = db_get_int(q);
    n->attempt = (uint32_t)db_get_int(q);
    n->time_ms = db_get_int(q);
    db_get_text(q, n->event, sizeof n->event);
    n->state = job_state_from_name(db_get_word(q));
    n->step = (uint64_t)db_get_int(q);
    n->total_steps = (uint64_t)db_get_int(q);
    db_get_text(q, n->reason, sizeof n->reason);
}

enum ebm_status store_notice_due(struct store *s, int64_t after_job, struct store_notice *out,
                                 struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_NOTICE_DUE);

    *out = (struct store_notice){.id = 0};
    db_put_int(&q, after_job);
    if (db_step(&q))
        get_notice(&q, out);
    enum ebm_status status = db_end(&q, err);
    if (status == EBM_OK && out->id != 0 && out->state == JOB_STATE_COUNT)
        return ebm_fail(err, EBM_ECORRUPT, "notice %lld has an unknown state", (long long)out->id);
    return status;
}

enum ebm_status store_notice_end(struct store *s, int64_t id, bool told, struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_NOTICE_END);

    db_put_int(&q, id);
    db_put_int(&q, clock_wall_ms());
    db_put_text(&q, told ? "told" : "failed");
    return db_run(&q, err);
}
