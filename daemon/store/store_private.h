/* Shared by the files of the store; private to this folder and its tests. */
#ifndef EBM_DAEMON_STORE_PRIVATE_H
#define EBM_DAEMON_STORE_PRIVATE_H

#include "store/db.h"
#include "store/store.h"

struct store {
    struct db *db;
    char path[HOME_PATH_MAX + 16];
    char ballast[HOME_PATH_MAX + 16];
    /* Highest numbers handed out, also by turns that were rolled back: a
     * vault or a worker may have seen them. */
    int64_t highest_fence;
    int64_t highest_checkpoint;
    struct buf changed_jobs; /* ids, see store_job_changed */
};

extern const struct db_options store_options;

/* The next number of a counter, above *highest, which it becomes. */
enum ebm_status store_counter_next(struct store *s, const char *name, int64_t *highest,
                                   struct ebm_error *err);

#endif
