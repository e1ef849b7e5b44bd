/* After a divergence: which checkpoints are still trusted, and from which
 * one the job goes on. */
#ifndef EBM_DAEMON_RECOVERY_H
#define EBM_DAEMON_RECOVERY_H

#include "daemon.h"

/* The attempt diverged. Plans the next one: from the newest healthy
 * checkpoint of its line of descent, else the newest on probation, else where
 * it was forked, else from scratch, with new noise. What came after that one
 * is suspect; so is one on probation from which the run diverged before it
 * could prove it. The caller stores the job. */
enum ebm_status recovery_plan(struct daemon *d, struct store_job *job,
                              const struct store_attempt *a, struct ebm_error *err);

#endif
