/* The rows of checkpoints.db: the bytes of one checkpoint as a blob and its
 * chunks, and the room that all of them take. Private to the vault. */
#ifndef EBM_DAEMON_VAULT_BLOB_H
#define EBM_DAEMON_VAULT_BLOB_H

#include "digest/digest.h"
#include "store/db.h"

struct vault_room {
    uint64_t used; /* bytes of pages in use */
    uint64_t free; /* bytes of pages that the next upload can take */
};
struct vault_room vault_room_measure(struct db *db);

struct vault_blob {
    uint64_t bytes;
    bool complete;
    uint8_t digest[DIGEST_BYTES]; /* of a complete one */
};

/* EBM_ENOTFOUND, without a text, when there is none. */
enum ebm_status vault_blob_get(struct db *db, int64_t checkpoint, struct vault_blob *out,
                               struct ebm_error *err);
enum ebm_status vault_blob_insert(struct db *db, int64_t checkpoint, uint64_t bytes,
                                  struct ebm_error *err);
enum ebm_status vault_blob_append(struct db *db, int64_t checkpoint, uint64_t position,
                                  const void *bytes, size_t n, struct ebm_error *err);
/* With its chunks; fine when it is not there. */
enum ebm_status vault_blob_delete(struct db *db, int64_t checkpoint, struct ebm_error *err);
enum ebm_status vault_blob_complete(struct db *db, int64_t checkpoint,
                                    const uint8_t digest[DIGEST_BYTES], struct ebm_error *err);
/* Reads every stored byte back: what is verified is what is on record, not
 * what passed through memory. *total stops at a gap. */
enum ebm_status vault_blob_digest(struct db *db, int64_t checkpoint, uint8_t out[DIGEST_BYTES],
                                  uint64_t *total, struct ebm_error *err);
/* Exactly size bytes; EBM_ECORRUPT when some are not there. */
enum ebm_status vault_blob_read(struct db *db, int64_t checkpoint, uint64_t offset, void *out,
                                size_t size, struct ebm_error *err);
/* Appends the int64_t ids of all, rising. */
enum ebm_status vault_blob_list(struct db *db, struct buf *ids, struct ebm_error *err);

#endif
