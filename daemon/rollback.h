/* Going back to a checkpoint, and finding the one that a person means. */
#ifndef EBM_DAEMON_ROLLBACK_H
#define EBM_DAEMON_ROLLBACK_H

#include "daemon.h"
#include "reply.h"
#include "spec/spec.h"
#include "target.h"

struct rollback_target {
    struct store_checkpoint checkpoint;
    char why[TARGET_WHY_MAX];
};

/* to: as `--to` and `--at` take it (target.h). EBM_ENOTFOUND names the job
 * and what there is. */
enum ebm_status rollback_find_target(struct daemon *d, const struct store_job *job, const char *to,
                                     struct rollback_target *out, struct ebm_error *err);

#endif
