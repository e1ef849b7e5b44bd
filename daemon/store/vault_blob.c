#include "store/vault_blob.h"

#include <string.h>

#include "sql/sql.h"

static enum ebm_status run_on(struct db *db, int query, int64_t checkpoint, struct ebm_error *err)
{
    struct db_query q = db_query(db, query);
    db_put_int(&q, checkpoint);
    return db_run(&q, err);
}

static int64_t query_int(struct db *db, int id)
{
    int64_t value = 0;
    struct db_query q = db_query(db, id);
    db_run_int(&q, &value, NULL);
    return value;
}

struct vault_room vault_room_measure(struct db *db)
{
    uint64_t page = (uint64_t)query_int(db, SQL_PAGE_SIZE);
    uint64_t pages = (uint64_t)query_int(db, SQL_PAGE_COUNT);
    uint64_t unused = (uint64_t)query_int(db, SQL_FREE_COUNT);
    return (struct vault_room){.used = (pages - unused) * page, .free = unused * page};
}

enum ebm_status vault_blob_get(struct db *db, int64_t checkpoint, struct vault_blob *out,
                               struct ebm_error *err)
{
    struct db_query q = db_query(db, SQL_BLOB_GET);
    memset(out, 0, sizeof *out);
    db_put_int(&q, checkpoint);
    bool found = db_step(&q);
    if (found) {
        size_t n;
        out->bytes = (uint64_t)db_get_int(&q);
        out->complete = db_get_int(&q) != 0;
        const void *digest = db_get_blob(&q, &n);
        if (n == DIGEST_BYTES)
            memcpy(out->digest, digest, n);
    }
    enum ebm_status status = db_end(&q, err);
    return status == EBM_OK && !found ? EBM_ENOTFOUND : status;
}

enum ebm_status vault_blob_insert(struct db *db, int64_t checkpoint, uint64_t bytes,
                                  struct ebm_error *err)
{
    struct db_query q = db_query(db, SQL_BLOB_INSERT);
    db_put_int(&q, checkpoint);
    db_put_int(&q, (int64_t)bytes);
    return db_run(&q, err);
}

enum ebm_status vault_blob_append(struct db *db, int64_t checkpoint, uint64_t position,
                                  const void *bytes, size_t n, struct ebm_error *err)
{
    struct db_query q = db_query(db, SQL_CHUNK_INSERT);
    db_put_int(&q, checkpoint);
    db_put_int(&q, (int64_t)position);
    db_put_blob(&q, bytes, n);
    return db_run(&q, err);
}

enum ebm_status vault_blob_delete(struct db *db, int64_t checkpoint, struct ebm_error *err)
{
    enum ebm_status status = run_on(db, SQL_CHUNK_DELETE, checkpoint, err);
    return status == EBM_OK ? run_on(db, SQL_BLOB_DELETE, checkpoint, err) : status;
}

enum ebm_status vault_blob_digest(struct db *db, int64_t checkpoint, uint8_t out[DIGEST_BYTES],
                                  uint64_t *total, struct ebm_error *err)
{
    struct digest_state state;
    *total = 0;
    digest_init(&state);
    struct db_query q = db_query(db, SQL_CHUNK_READ);
    db_put_int(&q, checkpoint);
    db_put_int(&q, 0);
    while (db_step(&q)) {
        size_t n;
        bool in_order = (uint64_t)db_get_int(&q) == *total;
        const void *bytes = db_get_blob(&q, &n);
        if (!in_order)
            break;
        digest_update(&state, bytes, n);
        *total += n;
    }
    digest_final(&state, out);
    return db_end(&q, err);
}

enum ebm_status vault_blob_complete(struct db *db, int64_t checkpoint,
                                    const uint8_t digest[DIGEST_BYTES], struct ebm_error *err)
{
    struct db_query q = db_query(db, SQL_BLOB_COMPLETE);
    db_put_int(&q, checkpoint);
    db_put_blob(&q, digest, DIGEST_BYTES);
    return db_run(&q, err); /* outside a transaction: commits, synchronous=FULL */
}

enum ebm_status vault_blob_read(struct db *db, int64_t checkpoint, uint64_t offset, void *out,
                                size_t size, struct ebm_error *err)
{
    size_t have = 0;
    struct db_query q = db_query(db, SQL_CHUNK_READ);
    db_put_int(&q, checkpoint);
    db_put_int(&q, (int64_t)offset);
    while (have < size && db_step(&q)) {
        size_t n;
        uint64_t position = (uint64_t)db_get_int(&q);
        const uint8_t *bytes = db_get_blob(&q, &n);
        uint64_t skip = offset + have - position;
        if (skip >= n)
            break; /* a gap; told below */
        size_t take = n - skip < size - have ? (size_t)(n - skip) : size - have;
        memcpy((uint8_t *)out + have, bytes + skip, take);
        have += take;
    }
    enum ebm_status status = db_end(&q, err);
    if (status == EBM_OK && have != size)
        return ebm_fail(err, EBM_ECORRUPT, "checkpoint %lld: bytes are missing at %llu",
                        (long long)checkpoint, (unsigned long long)(offset + have));
    return status;
}

enum ebm_status vault_blob_list(struct db *db, struct buf *ids, struct ebm_error *err)
{
    struct db_query q = db_query(db, SQL_BLOB_IDS);
    while (db_step(&q)) {
        int64_t id = db_get_int(&q);
        buf_put(ids, &id, sizeof id);
    }
    enum ebm_status status = db_end(&q, err);
    return status == EBM_OK && !buf_ok(ids) ? ebm_fail(err, EBM_ENOMEM, "vault: out of memory")
                                            : status;
}
