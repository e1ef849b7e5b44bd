/* The vault: checkpoint bytes in state/checkpoints.db, moved by a thread of
 * its own, so that no upload stalls the loop. The loop talks to it through
 * a queue and gets answers through an eventfd.
 *
 * Commit order of a checkpoint: bytes and their digest in the vault
 * (synchronous=FULL), then the row in the store, then the acknowledgement.
 * Bytes without a row are dropped at the next start. */
#ifndef EBM_DAEMON_VAULT_H
#define EBM_DAEMON_VAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "digest/digest.h"
#include "home/home.h"

struct vault;

enum vault_op { VAULT_BEGIN, VAULT_CHUNK, VAULT_FINISH, VAULT_ABORT, VAULT_READ, VAULT_DELETE,
                VAULT_SWEEP };

/* A finished operation. data is owned by the answer until vault_answer_fini. */
struct vault_answer {
    enum vault_op op;
    int64_t checkpoint;
    uint64_t offset;      /* CHUNK: bytes in order so far; READ: as asked */
    void *data;           /* READ */
    size_t size;
    uint64_t cookie;      /* as given: whom to answer */
    enum ebm_status status;
    struct ebm_error error;
};

/* max_bytes: quota of checkpoints.db, 0 = none; over it is EBM_ENOSPC as a
 * full disk is. Starts the thread. */
enum ebm_status vault_open(const struct home *home, uint64_t max_bytes, struct vault **out,
                           struct ebm_error *err);
void vault_close(struct vault *v); /* finishes what is queued; takes NULL */

/* Readable when an answer waits. */
int vault_fd(const struct vault *v);
/* EBM_ETIMEOUT when none waits. */
enum ebm_status vault_next(struct vault *v, struct vault_answer *out);
void vault_answer_fini(struct vault_answer *a);

/* Requests: each gives exactly one answer, in order for one checkpoint.
 * Queued bytes are bounded: EBM_ENOMEM past 256 MiB. */
enum ebm_status vault_begin(struct vault *v, int64_t checkpoint, uint64_t bytes, uint64_t cookie,
                            struct ebm_error *err);
/* Takes a copy. offset must be the bytes so far; a resent chunk is answered
 * with the true offset. */
enum ebm_status vault_chunk(struct vault *v, int64_t checkpoint, uint64_t offset,
                            const void *bytes, size_t n, uint64_t cookie, struct ebm_error *err);
/* Verifies size and SHA-256 of what was received, syncs, commits; a mismatch
 * is EBM_ECORRUPT and the bytes are dropped. */
enum ebm_status vault_finish(struct vault *v, int64_t checkpoint,
                             const uint8_t digest[DIGEST_BYTES], uint64_t cookie,
                             struct ebm_error *err);
enum ebm_status vault_abort(struct vault *v, int64_t checkpoint, uint64_t cookie,
                            struct ebm_error *err);
enum ebm_status vault_read(struct vault *v, int64_t checkpoint, uint64_t offset, size_t n,
                           uint64_t cookie, struct ebm_error *err);
enum ebm_status vault_delete(struct vault *v, int64_t checkpoint, uint64_t cookie,
                             struct ebm_error *err);
/* Drops everything but these ids. */
enum ebm_status vault_sweep(struct vault *v, const int64_t *ids, size_t n, uint64_t cookie,
                            struct ebm_error *err);
uint64_t vault_bytes(struct vault *v); /* size of the file; any thread */

#endif
