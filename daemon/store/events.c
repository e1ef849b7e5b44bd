/* Events: appended, never changed. */
#include "base/clock.h"
#include "store/store.h"
#include "store/store_private.h"

enum ebm_status store_event_append(struct store *s, struct store_event *e, struct ebm_error *err)
{
    int64_t seq = 0;
    int64_t now = clock_wall_ms();
    struct db_query q = db_query(s->db, SQL_EVENT_INSERT);
    db_put_int(&q, e->job);
    db_put_int(&q, e->attempt);
    db_put_int(&q, now);
    db_put_text(&q, e->kind);
    db_put_text(&q, e->text);
    enum ebm_status status = db_run_int(&q, &seq, err);
    if (status == EBM_OK) {
        e->seq = (uint64_t)seq;
        e->time_ms = now;
    }
    return status;
}

static void get_event(struct db_query *q, struct store_event *e)
{
    e->seq = (uint64_t)db_get_int(q);
    e->job = db_get_int(q);
    e->attempt = (uint32_t)db_get_int(q);
    e->time_ms = db_get_int(q);
    db_get_text(q, e->kind, sizeof e->kind);
    db_get_text(q, e->text, sizeof e->text);
}

enum ebm_status store_event_each(struct store *s, int64_t job, uint64_t after_seq, uint32_t limit,
                                 bool newest, bool (*visit)(void *arg, const struct store_event *e),
                                 void *arg, struct ebm_error *err)
{
    static const int query[2][2] = {
        {SQL_EVENT_PAGE, SQL_EVENT_PAGE_JOB},
        {SQL_EVENT_NEWEST, SQL_EVENT_NEWEST_JOB},
    };
    struct store_event e;
    bool more = true;
    struct db_query q = db_query(s->db, query[newest][job != 0]);

    db_put_int(&q, (int64_t)after_seq);
    db_put_int(&q, limit != 0 ? (int64_t)limit : -1);
    if (job != 0)
        db_put_int(&q, job);
    while (more && db_step(&q)) {
        get_event(&q, &e);
        more = visit(arg, &e);
    }
    return db_end(&q, err);
}
