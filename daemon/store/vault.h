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

enum vault_op {
    VAULT_BEGIN,
    VAULT_CHUNK,
    VAULT_FINISH,
    VAULT_ABORT,
    VAULT_READ,
    VAULT_DELETE,
    VAULT_SWEEP
};

/* A finished operation. data is owned by the answer until vault_answer_fini. */
struct vault_answer {
    enum vault_op op;
    int64_t checkpoint;
    uint64_t offset; /* CHUNK: bytes in order so far; READ: as asked */
    void *data;      /* READ */
    size_t size;
    uint64_t cookie; /* as given: whom to answer */
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
/* Starts an upload, from nothing also when one of this id was under way.
 * EBM_ENOSPC at once when bytes do not fit into the quota or the disk; CHUNK
 * and FINISH of an upload that failed are answered with its reason, until
 * FINISH, ABORT or another BEGIN forgets it. EBM_EEXIST: complete already. */
enum ebm_status vault_begin(struct vault *v, int64_t checkpoint, uint64_t bytes, uint64_t cookie,
                            struct ebm_error *err);
/* Takes a copy of 1 byte to 16 MiB. offset must be the bytes so far; any
 * other is answered EBM_OK with the true offset, and nothing is stored. After
 * a restart of ebmd no upload is under way: EBM_ENOTFOUND, begin again. */
enum ebm_status vault_chunk(struct vault *v, int64_t checkpoint, uint64_t offset, const void *bytes,
                            size_t n, uint64_t cookie, struct ebm_error *err);
/* Verifies size and SHA-256 of what was received, syncs, commits; a mismatch
 * is EBM_ECORRUPT and the bytes are dropped. Resent for a complete one with
 * the same digest it is EBM_OK. */
enum ebm_status vault_finish(struct vault *v, int64_t checkpoint,
                             const uint8_t digest[DIGEST_BYTES], uint64_t cookie,
                             struct ebm_error *err);
/* Drops an upload under way; EBM_OK when there is none, EBM_ESTATE when it is
 * complete. */
enum ebm_status vault_abort(struct vault *v, int64_t checkpoint, uint64_t cookie,
                            struct ebm_error *err);
/* Up to n bytes (at most 16 MiB), fewer at the end; complete ones only. */
enum ebm_status vault_read(struct vault *v, int64_t checkpoint, uint64_t offset, size_t n,
                           uint64_t cookie, struct ebm_error *err);
/* EBM_OK too when it is not there. The room comes back in the background. */
enum ebm_status vault_delete(struct vault *v, int64_t checkpoint, uint64_t cookie,
                             struct ebm_error *err);
/* Drops everything but these ids and the uploads under way. */
enum ebm_status vault_sweep(struct vault *v, const int64_t *ids, size_t n, uint64_t cookie,
                            struct ebm_error *err);
uint64_t vault_bytes(struct vault *v); /* size of the file; any thread */

#endif
