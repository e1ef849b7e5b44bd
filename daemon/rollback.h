/* Going back to a checkpoint, and finding the one that a person means. */
#ifndef EBM_DAEMON_ROLLBACK_H
#define EBM_DAEMON_ROLLBACK_H

#include "daemon.h"
#include "reply.h"
#include "spec/spec.h"
#include "target.h"

struct rollback_target {
    struct store_checkpoint checkpoint;
    uint64_t common_step; /* the job's line has it up to here; what came after is given up */
    char why[TARGET_WHY_MAX];
};

/* to: as `--to` and `--at` take it (target.h). What is not named is chosen
 * from the job's line of descent, and of a step its checkpoint comes first;
 * an abandoned stretch is reached by name, and why says so. EBM_ENOTFOUND
 * names the job and what there is. */
enum ebm_status rollback_find_target(struct daemon *d, const struct store_job *job, const char *to,
                                     struct rollback_target *out, struct ebm_error *err);

#endif
