/* Between the vault's queue (vault.c) and its work on the database
 * (vault_work.c), which runs in the vault's thread alone. */
#ifndef EBM_DAEMON_VAULT_PRIVATE_H
#define EBM_DAEMON_VAULT_PRIVATE_H

#include <stddef.h>

#include "store/db.h"
#include "store/vault.h"

/* A request on its way through the queue; its answer is filled in here, so
 * that the thread never has to allocate one. */
struct vault_item {
    struct vault_item *next;
    enum vault_op op;
    int64_t checkpoint;
    uint64_t offset;
    uint64_t bytes; /* BEGIN: of the whole; READ: wanted */
    void *data;     /* owned. CHUNK: the bytes; SWEEP: ids to keep, rising */
    size_t size;    /* of data */
    uint8_t digest[DIGEST_BYTES];
    struct vault_answer answer;
};

/* An upload under way. */
struct vault_upload {
    int64_t checkpoint;
    uint64_t bytes;
    uint64_t received;
    uint64_t committed;       /* of received, what a commit covers */
    bool dirty;               /* changed since the last commit */
    struct ebm_error failure; /* code != EBM_OK: it is over, and why */
};

struct vault_work {
    struct db *db;
    char path[HOME_PATH_MAX + 16];
    uint64_t max_bytes; /* 0 = no quota */
    struct vault_upload *uploads;
    size_t upload_count;
    size_t upload_capacity;
    bool shrink; /* free pages wait to be given back */
};

enum ebm_status vault_work_open(struct vault_work *w, const struct home *home, uint64_t max_bytes,
                                struct ebm_error *err);
void vault_work_fini(struct vault_work *w);

/* BEGIN and CHUNK may share a transaction with those before and after them;
 * their answers hold only after vault_work_settle. */
bool vault_work_groups(enum vault_op op);
void vault_work_do(struct vault_work *w, struct vault_item *item);
/* Commits what was grouped. On failure every upload in the group is over, and
 * so says its answer: the caller puts err into the group's answers. */
enum ebm_status vault_work_settle(struct vault_work *w, struct ebm_error *err);
/* A little housekeeping for when nothing waits; false: there is none left. */
bool vault_work_idle(struct vault_work *w);

/* For qsort and bsearch of int64_t. */
int vault_compare_ids(const void *a, const void *b);

extern const struct db_options vault_options;

#endif
