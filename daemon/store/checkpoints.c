/* Rows of checkpoints; their bytes are in the vault. */
#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "store/store_private.h"

static enum ebm_status no_checkpoint(int64_t id, struct ebm_error *err)
{
    return ebm_fail(err, EBM_ENOTFOUND, "no checkpoint %lld", (long long)id);
}

enum ebm_status store_checkpoint_reserve(struct store *s, int64_t *id, struct ebm_error *err)
{
    enum ebm_status status = store_counter_next(s, "checkpoint", &s->highest_checkpoint, err);
    if (status == EBM_OK)
        *id = s->highest_checkpoint;
    return status;
}

enum ebm_status store_checkpoint_insert(struct store *s, const struct store_checkpoint *c,
                                        struct ebm_error *err)
{
    if (c->id <= 0)
        return ebm_fail(err, EBM_EINVAL, "checkpoint %lld: reserve its id first", (long long)c->id);
    struct db_query q = db_query(s->db, SQL_CHECKPOINT_INSERT);
    db_put_int(&q, c->id);
    db_put_int(&q, c->job);
    db_put_int(&q, c->attempt);
    db_put_int(&q, (int64_t)c->step);
    db_put_int(&q, (int64_t)c->bytes);
    db_put_blob(&q, c->digest, sizeof c->digest);
    db_put_blob(&q, c->math_digest, sizeof c->math_digest);
    db_put_text(&q, c->health);
    db_put_int(&q, c->pinned);
    db_put_real(&q, c->score);
    db_put_int(&q, c->created_ms);
    db_put_int(&q, c->deleted);
    enum ebm_status status = db_run(&q, err);
    if (status == EBM_EEXIST)
        return ebm_fail(err, status, "checkpoint %lld is already there", (long long)c->id);
    if (status == EBM_ENOTFOUND)
        return ebm_fail(err, status, "no job %lld", (long long)c->job);
    return status;
}

static void get_digest(struct db_query *q, uint8_t out[DIGEST_BYTES])
{
    size_t n;
    const void *bytes = db_get_blob(q, &n);
    if (n == DIGEST_BYTES) /* the schema's CHECK says so */
        memcpy(out, bytes, DIGEST_BYTES);
}

static void get_checkpoint(struct db_query *q, struct store_checkpoint *c)
{
    memset(c, 0, sizeof *c);
    c->id = db_get_int(q);
    c->job = db_get_int(q);
    c->attempt = (uint32_t)db_get_int(q);
    c->step = (uint64_t)db_get_int(q);
    c->bytes = (uint64_t)db_get_int(q);
    get_digest(q, c->digest);
    get_digest(q, c->math_digest);
    db_get_text(q, c->health, sizeof c->health);
    c->pinned = db_get_int(q) != 0;
    c->score = db_get_real(q);
    c->created_ms = db_get_int(q);
    c->deleted = db_get_int(q) != 0;
}

enum ebm_status store_checkpoint_get(struct store *s, int64_t id, struct store_checkpoint *out,
                                     struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_CHECKPOINT_GET);
    db_put_int(&q, id);
    bool found = db_step(&q);
    if (found)
        get_checkpoint(&q, out);
    enum ebm_status status = db_end(&q, err);
    return status == EBM_OK && !found ? no_checkpoint(id, err) : status;
}

enum ebm_status store_checkpoint_update(struct store *s, const struct store_checkpoint *c,
                                        struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_CHECKPOINT_UPDATE);
    db_put_int(&q, c->id);
    db_put_text(&q, c->health);
    db_put_int(&q, c->pinned);
    db_put_real(&q, c->score);
    db_put_int(&q, c->deleted);
    enum ebm_status status = db_run(&q, err);
    return status == EBM_OK && db_changes(s->db) == 0 ? no_checkpoint(c->id, err) : status;
}

enum ebm_status store_checkpoint_each(struct store *s, int64_t job, bool with_deleted,
                                      bool (*visit)(void *arg, const struct store_checkpoint *c),
                                      void *arg, struct ebm_error *err)
{
    struct store_checkpoint c;
    bool more = true;
    struct db_query q =
        db_query(s->db, with_deleted ? SQL_CHECKPOINT_PAGE : SQL_CHECKPOINT_PAGE_KEPT);

    db_put_int(&q, job);
    while (more && db_step(&q)) {
        get_checkpoint(&q, &c);
        more = visit(arg, &c);
    }
    return db_end(&q, err);
}

enum ebm_status store_checkpoint_referenced(struct store *s, int64_t id, bool *referenced,
                                            struct ebm_error *err)
{
    int64_t yes = 0;
    struct db_query q = db_query(s->db, SQL_CHECKPOINT_REFERENCED);
    db_put_int(&q, id);
    enum ebm_status status = db_run_int(&q, &yes, err);
    *referenced = yes != 0;
    return status;
}

enum ebm_status store_checkpoint_ids(struct store *s, int64_t **ids, size_t *n,
                                     struct ebm_error *err)
{
    struct buf found;
    int64_t id;

    *ids = NULL;
    *n = 0;
    buf_init(&found);
    struct db_query q = db_query(s->db, SQL_CHECKPOINT_IDS);
    while (db_step(&q)) {
        id = db_get_int(&q);
        buf_put(&found, &id, sizeof id);
    }
    enum ebm_status status = db_end(&q, err);
    if (status == EBM_OK && !buf_ok(&found))
        status = ebm_fail(err, EBM_ENOMEM, "checkpoint ids: out of memory");
    if (status == EBM_OK) {
        *n = found.size / sizeof id;
        *ids = buf_take(&found, NULL);
    }
    buf_fini(&found);
    return status;
}
