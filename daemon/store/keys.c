/* Replies by idempotency key. */
#include "base/clock.h"
#include "store/store.h"
#include "store/store_private.h"

enum { KEY_LIFE_MS = 24 * 3600 * 1000 };

static enum ebm_status purge(struct store *s, int64_t before_ms, struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_REPLY_PURGE);
    db_put_int(&q, before_ms);
    return db_run(&q, err);
}

enum ebm_status store_key_put(struct store *s, const char *key, const void *reply, size_t n,
                              struct ebm_error *err)
{
    int64_t now = clock_wall_ms();

    if (key[0] == '\0')
        return EBM_OK;
    enum ebm_status status = purge(s, now - KEY_LIFE_MS, err);
    if (status != EBM_OK)
        return status;
    struct db_query q = db_query(s->db, SQL_REPLY_INSERT);
    db_put_text(&q, key);
    db_put_int(&q, now);
    db_put_blob(&q, reply, n);
    status = db_run(&q, err);
    if (status == EBM_EEXIST)
        return ebm_fail(err, status, "a reply to the request with key %.64s is already stored",
                        key);
    return status;
}

enum ebm_status store_key_get(struct store *s, const char *key, struct buf *out,
                              struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_REPLY_GET);
    db_put_text(&q, key);
    db_put_int(&q, clock_wall_ms() - KEY_LIFE_MS);
    bool found = db_step(&q);
    if (found)
        db_get_buf(&q, out);
    enum ebm_status status = db_end(&q, err);
    return status == EBM_OK && !found
               ? ebm_fail(err, EBM_ENOTFOUND, "no request with key %.64s", key)
               : status;
}
