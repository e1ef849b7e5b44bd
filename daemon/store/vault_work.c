/* The vault's operations on checkpoints.db.
 *
 * Chunks are committed in small groups (whatever had arrived, up to some
 * MiB), each with synchronous=FULL, and not in one transaction per upload:
 *   - one connection has one transaction, so a long one would tie concurrent
 *     uploads together, and an abort of one would undo the others;
 *   - the log stays a few MiB instead of growing to the size of a checkpoint;
 *   - many short syncs disturb the store's own syncs less than one that has
 *     hundreds of MiB to write. (Without syncs the system would gather them
 *     for just such a one at the end.)
 * What is committed so is not yet a checkpoint: `complete` is set by the last
 * transaction, after all bytes were read back and matched the digest. A
 * killed daemon leaves incomplete blobs, which VAULT_SWEEP drops. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "sql/sql.h"
#include "store/db.h"
#include "store/vault_blob.h"
#include "store/vault_private.h"

enum {
    DISK_MARGIN_BYTES = 16 << 20, /* left to the store and the metrics, and for the log */
    OVERHEAD_SHARE = 64,          /* a 64th on top of the bytes, for page heads and indexes */
    OVERHEAD_BYTES = 256 << 10,
    FREE_SHARE = 4 /* free pages up to a quarter of the used stay for the next upload */
};

const struct db_options vault_options = {
    .sql = &sql_vault,
    .has_form = true,
    .form = SQL_VAULT_FORM,
    .pragmas = SQL_VAULT_PRAGMAS,
    .application_id = 0x45424d56,
};

/* ---- room ---- */

static void note_free_pages(struct vault_work *w)
{
    struct vault_room room = vault_room_measure(w->db);
    w->shrink = room.free > room.used / FREE_SHARE;
}

/* What uploads under way have still to bring. */
static uint64_t promised(const struct vault_work *w)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->upload_count; i++)
        if (w->uploads[i].failure.code == EBM_OK)
            sum += w->uploads[i].bytes - w->uploads[i].received;
    return sum;
}

enum { SIZE_MAX_TEXT = 24 };

/* "10.9 MiB", or "250 KiB": never a 0 that is none. */
static const char *say_size(uint64_t bytes, char text[SIZE_MAX_TEXT])
{
    if (bytes >= 1 << 20)
        snprintf(text, SIZE_MAX_TEXT, "%.1f MiB", (double)bytes / (1 << 20));
    else
        snprintf(text, SIZE_MAX_TEXT, "%u KiB", (unsigned)((bytes + 1023) >> 10));
    return text;
}

/* Refused before the first byte rather than with the disk full to the brim,
 * where the store could not write either. */
static enum ebm_status check_room(struct vault_work *w, uint64_t bytes, struct ebm_error *err)
{
    char a[SIZE_MAX_TEXT], b[SIZE_MAX_TEXT], c[SIZE_MAX_TEXT];
    struct statvfs fs;
    struct vault_room room = vault_room_measure(w->db);
    uint64_t more = bytes + promised(w);

    more += more / OVERHEAD_SHARE + OVERHEAD_BYTES;
    if (w->max_bytes != 0 && (more > w->max_bytes || room.used > w->max_bytes - more))
        return ebm_fail(err, EBM_ENOSPC,
                        "%s: no space left: %s used and %s more wanted, the quota is %s", w->path,
                        say_size(room.used, a), say_size(more, b), say_size(w->max_bytes, c));
    if (statvfs(w->path, &fs) != 0)
        return EBM_OK; /* the write will tell */
    uint64_t disk = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (more > room.free && more - room.free + DISK_MARGIN_BYTES > disk)
        return ebm_fail(err, EBM_ENOSPC,
                        "%s: no space left on the disk: %s free, %s wanted, and %s must stay free",
                        w->path, say_size(disk, a), say_size(more - room.free, b),
                        say_size(DISK_MARGIN_BYTES, c));
    return EBM_OK;
}

/* ---- uploads under way ---- */

static struct vault_upload *find_upload(struct vault_work *w, int64_t checkpoint)
{
    for (size_t i = 0; i < w->upload_count; i++)
        if (w->uploads[i].checkpoint == checkpoint)
            return &w->uploads[i];
    return NULL;
}

static struct vault_upload *add_upload(struct vault_work *w, int64_t checkpoint, uint64_t bytes)
{
    if (w->upload_count == w->upload_capacity) {
        size_t capacity = w->upload_capacity != 0 ? 2 * w->upload_capacity : 8;
        struct vault_upload *grown = realloc(w->uploads, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        w->uploads = grown;
        w->upload_capacity = capacity;
    }
    struct vault_upload *u = &w->uploads[w->upload_count++];
    *u = (struct vault_upload){.checkpoint = checkpoint, .bytes = bytes};
    return u;
}

static void forget_upload(struct vault_work *w, int64_t checkpoint)
{
    struct vault_upload *u = find_upload(w, checkpoint);
    if (u != NULL)
        *u = w->uploads[--w->upload_count];
}

static enum ebm_status need_upload(struct vault_work *w, int64_t checkpoint,
                                   struct vault_upload **out, struct ebm_error *err)
{
    *out = find_upload(w, checkpoint);
    if (*out == NULL)
        return ebm_fail(err, EBM_ENOTFOUND, "no upload of checkpoint %lld is under way",
                        (long long)checkpoint);
    return EBM_OK;
}

/* ---- the bytes of one checkpoint ---- */

/* Drops a checkpoint in a transaction of its own; fine when it is not there. */
static enum ebm_status drop(struct vault_work *w, int64_t checkpoint, struct ebm_error *err)
{
    enum ebm_status status = db_begin(w->db, err);
    if (status != EBM_OK)
        return status;
    status = vault_blob_delete(w->db, checkpoint, err);
    if (status == EBM_OK)
        status = db_commit(w->db, err);
    db_rollback(w->db);
    if (status == EBM_OK)
        note_free_pages(w);
    return status;
}

/* ---- grouped operations ---- */

bool vault_work_groups(enum vault_op op)
{
    return op == VAULT_BEGIN || op == VAULT_CHUNK;
}

static enum ebm_status join_group(struct vault_work *w, struct ebm_error *err)
{
    return db_in_transaction(w->db) ? EBM_OK : db_begin(w->db, err);
}

static enum ebm_status replace_blob(struct vault_work *w, const struct vault_item *item,
                                    struct ebm_error *err)
{
    struct vault_blob old;
    enum ebm_status status = vault_blob_get(w->db, item->checkpoint, &old, err);
    if (status == EBM_OK && old.complete)
        return ebm_fail(err, EBM_EEXIST, "checkpoint %lld is already stored",
                        (long long)item->checkpoint);
    if (status == EBM_OK)
        status = vault_blob_delete(w->db, item->checkpoint, err);
    if (status != EBM_OK && status != EBM_ENOTFOUND)
        return status;
    return vault_blob_insert(w->db, item->checkpoint, item->bytes, err);
}

static enum ebm_status do_begin(struct vault_work *w, struct vault_item *item,
                                struct ebm_error *err)
{
    forget_upload(w, item->checkpoint);
    enum ebm_status status = check_room(w, item->bytes, err);
    struct vault_upload *u = add_upload(w, item->checkpoint, item->bytes);
    if (u == NULL)
        return ebm_fail(err, EBM_ENOMEM, "vault: out of memory");
    u->dirty = status == EBM_OK;
    if (status == EBM_OK)
        status = join_group(w, err);
    if (status == EBM_OK)
        status = replace_blob(w, item, err);
    if (status == EBM_EEXIST)
        forget_upload(w, item->checkpoint);
    else if (status != EBM_OK) /* what follows is answered with the same reason */
        u->failure = *err;
    return status;
}

static enum ebm_status insert_chunk(struct vault_work *w, const struct vault_item *item,
                                    struct ebm_error *err)
{
    enum ebm_status status = join_group(w, err);
    if (status != EBM_OK)
        return status;
    return vault_blob_append(w->db, item->checkpoint, item->offset, item->data, item->size, err);
}

static enum ebm_status fail_upload(struct vault_upload *u, struct ebm_error *err)
{
    *err = u->failure;
    return err->code;
}

static enum ebm_status do_chunk(struct vault_work *w, struct vault_item *item,
                                struct ebm_error *err)
{
    struct vault_upload *u;
    enum ebm_status status = need_upload(w, item->checkpoint, &u, err);
    if (status != EBM_OK)
        return status;
    if (u->failure.code != EBM_OK)
        return fail_upload(u, err);
    item->answer.offset = u->received;
    if (item->offset != u->received)
        return EBM_OK; /* resent or ahead: the answer tells where to go on */
    if (item->size > u->bytes - u->received)
        return ebm_fail(err, EBM_EINVAL, "checkpoint %lld: more than the %llu bytes announced",
                        (long long)u->checkpoint, (unsigned long long)u->bytes);
    u->dirty = true;
    status = insert_chunk(w, item, err);
    if (status != EBM_OK) {
        u->failure = *err;
        return status;
    }
    u->received += item->size;
    item->answer.offset = u->received;
    return EBM_OK;
}

/* The group is lost: each of its uploads is over, and its bytes go, so that a
 * full disk gets its room back. What cannot be dropped now waits for a sweep. */
static void give_up_group(struct vault_work *w, const struct ebm_error *why)
{
    for (size_t i = 0; i < w->upload_count; i++) {
        struct vault_upload *u = &w->uploads[i];
        if (!u->dirty)
            continue;
        u->dirty = false;
        u->failure = *why;
        u->received = u->committed;
        drop(w, u->checkpoint, NULL);
    }
}

static void note_committed(struct vault_work *w)
{
    for (size_t i = 0; i < w->upload_count; i++) {
        w->uploads[i].dirty = false;
        w->uploads[i].committed = w->uploads[i].received;
    }
}

/* The first failure of the group itself (not of what was refused before it
 * touched the database), if any. */
static const struct vault_upload *find_broken(const struct vault_work *w)
{
    for (size_t i = 0; i < w->upload_count; i++)
        if (w->uploads[i].dirty && w->uploads[i].failure.code != EBM_OK)
            return &w->uploads[i];
    return NULL;
}

enum ebm_status vault_work_settle(struct vault_work *w, struct ebm_error *err)
{
    struct ebm_error why = {.code = EBM_OK};
    const struct vault_upload *broken = find_broken(w);

    if (broken != NULL) {
        why = broken->failure;
        db_rollback(w->db);
    } else if (db_in_transaction(w->db)) {
        db_commit(w->db, &why);
    }
    if (why.code == EBM_OK) {
        note_committed(w);
        return EBM_OK;
    }
    *err = why;
    give_up_group(w, &why);
    return why.code;
}

/* ---- operations that stand alone ---- */

static enum ebm_status verify(struct vault_work *w, const struct vault_upload *u,
                              const uint8_t wanted[DIGEST_BYTES], struct ebm_error *err)
{
    uint8_t digest[DIGEST_BYTES];
    uint64_t total = 0;

    enum ebm_status status = vault_blob_digest(w->db, u->checkpoint, digest, &total, err);
    if (status != EBM_OK)
        return status;
    if (total != u->bytes)
        return ebm_fail(err, EBM_ECORRUPT, "checkpoint %lld: %llu of %llu bytes arrived",
                        (long long)u->checkpoint, (unsigned long long)total,
                        (unsigned long long)u->bytes);
    if (memcmp(digest, wanted, DIGEST_BYTES) != 0)
        return ebm_fail(err, EBM_ECORRUPT,
                        "checkpoint %lld: the stored bytes do not match their SHA-256",
                        (long long)u->checkpoint);
    return EBM_OK;
}

/* A finish for what is complete already is a resent one. */
static enum ebm_status finish_again(struct vault_work *w, const struct vault_item *item,
                                    struct ebm_error *err)
{
    struct vault_blob blob;
    enum ebm_status status = vault_blob_get(w->db, item->checkpoint, &blob, err);
    if (status == EBM_ENOTFOUND || (status == EBM_OK && !blob.complete))
        return ebm_fail(err, EBM_ENOTFOUND, "no upload of checkpoint %lld is under way",
                        (long long)item->checkpoint);
    if (status == EBM_OK && memcmp(blob.digest, item->digest, DIGEST_BYTES) != 0)
        return ebm_fail(err, EBM_ECORRUPT, "checkpoint %lld is stored with another SHA-256",
                        (long long)item->checkpoint);
    return status;
}

static enum ebm_status do_finish(struct vault_work *w, struct vault_item *item,
                                 struct ebm_error *err)
{
    struct vault_upload *u = find_upload(w, item->checkpoint);
    if (u == NULL)
        return finish_again(w, item, err);
    item->answer.offset = u->received;
    enum ebm_status status =
        u->failure.code != EBM_OK ? fail_upload(u, err) : verify(w, u, item->digest, err);
    if (status == EBM_OK)
        status = vault_blob_complete(w->db, item->checkpoint, item->digest, err);
    if (status != EBM_OK)
        drop(w, item->checkpoint, NULL);
    forget_upload(w, item->checkpoint);
    return status;
}

static enum ebm_status do_delete(struct vault_work *w, struct vault_item *item,
                                 struct ebm_error *err)
{
    forget_upload(w, item->checkpoint);
    return drop(w, item->checkpoint, err);
}

/* Aborting what is complete would delete a checkpoint: refused. */
static enum ebm_status do_abort(struct vault_work *w, struct vault_item *item,
                                struct ebm_error *err)
{
    struct vault_blob blob;
    enum ebm_status status = vault_blob_get(w->db, item->checkpoint, &blob, err);
    if (status == EBM_OK && blob.complete)
        return ebm_fail(err, EBM_ESTATE, "checkpoint %lld is complete; delete it instead",
                        (long long)item->checkpoint);
    return do_delete(w, item, err);
}

static enum ebm_status do_read(struct vault_work *w, struct vault_item *item, struct ebm_error *err)
{
    struct vault_blob blob;
    enum ebm_status status = vault_blob_get(w->db, item->checkpoint, &blob, err);
    if (status == EBM_ENOTFOUND || (status == EBM_OK && !blob.complete))
        return ebm_fail(err, EBM_ENOTFOUND, "the vault has no bytes of checkpoint %lld",
                        (long long)item->checkpoint);
    if (status != EBM_OK)
        return status;
    item->answer.offset = item->offset;
    if (item->offset > blob.bytes)
        return ebm_fail(err, EBM_EINVAL, "checkpoint %lld ends at %llu, asked for %llu",
                        (long long)item->checkpoint, (unsigned long long)blob.bytes,
                        (unsigned long long)item->offset);
    uint64_t rest = blob.bytes - item->offset;
    size_t size = (size_t)(item->bytes < rest ? item->bytes : rest);
    item->answer.data = malloc(size != 0 ? size : 1);
    if (item->answer.data == NULL)
        return ebm_fail(err, EBM_ENOMEM, "vault: out of memory");
    status = vault_blob_read(w->db, item->checkpoint, item->offset, item->answer.data, size, err);
    item->answer.size = status == EBM_OK ? size : 0;
    return status;
}

int vault_compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static enum ebm_status do_sweep(struct vault_work *w, struct vault_item *item,
                                struct ebm_error *err)
{
    struct buf stored;
    size_t keep = item->size / sizeof(int64_t);

    buf_init(&stored);
    enum ebm_status status = vault_blob_list(w->db, &stored, err);
    const int64_t *ids = (const int64_t *)(const void *)stored.data;
    for (size_t i = 0; status == EBM_OK && i < stored.size / sizeof *ids; i++)
        if (find_upload(w, ids[i]) == NULL &&
            (keep == 0 ||
             bsearch(&ids[i], item->data, keep, sizeof *ids, vault_compare_ids) == NULL))
            status = drop(w, ids[i], err);
    buf_fini(&stored);
    return status;
}

typedef enum ebm_status operation(struct vault_work *w, struct vault_item *item,
                                  struct ebm_error *err);

static operation *const operations[] = {
    [VAULT_BEGIN] = do_begin, [VAULT_CHUNK] = do_chunk, [VAULT_FINISH] = do_finish,
    [VAULT_ABORT] = do_abort, [VAULT_READ] = do_read,   [VAULT_DELETE] = do_delete,
    [VAULT_SWEEP] = do_sweep,
};

void vault_work_do(struct vault_work *w, struct vault_item *item)
{
    struct vault_answer *a = &item->answer;

    assert(vault_work_groups(item->op) || !db_in_transaction(w->db));
    a->status = operations[item->op](w, item, &a->error);
    if (item->op != VAULT_READ) {
        free(item->data);
        item->data = NULL;
    }
}

bool vault_work_idle(struct vault_work *w)
{
    if (!w->shrink)
        return false;
    /* To the end once begun: the moved pages were the cost. */
    w->shrink =
        db_exec(w->db, SQL_VACUUM_SLICE, NULL) == EBM_OK && vault_room_measure(w->db).free != 0;
    if (!w->shrink)
        db_exec(w->db, SQL_WAL_TRUNCATE, NULL); /* only now does the file get shorter */
    return w->shrink;
}

/* ---- open and close ---- */

enum ebm_status vault_work_open(struct vault_work *w, const struct home *home, uint64_t max_bytes,
                                struct ebm_error *err)
{
    memset(w, 0, sizeof *w);
    w->max_bytes = max_bytes;
    snprintf(w->path, sizeof w->path, "%s/checkpoints.db", home->state);
    enum ebm_status status = db_open(w->path, &vault_options, &w->db, err);
    if (status == EBM_OK)
        note_free_pages(w);
    return status;
}

void vault_work_fini(struct vault_work *w)
{
    db_close(w->db);
    free(w->uploads);
}
