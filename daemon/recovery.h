/* What ebmd does by itself when a run has diverged: which checkpoints are no
 * longer trusted, where the run goes on, and what is changed about it. */
#ifndef EBM_DAEMON_RECOVERY_H
#define EBM_DAEMON_RECOVERY_H

#include "daemon.h"

enum { RECOVERY_MARGIN = 50 }; /* steps before the onset that are not trusted either */

/* The first step of an attempt that diverged which is not trusted. */
uint64_t recovery_onset(const struct store_attempt *a);

/* Whether a divergence at this step is of a new incident: well beyond the
 * furthest one of the attempts before, so that budget and ladder begin
 * again. */
enum ebm_status recovery_is_new(struct daemon *d, const struct store_attempt *a,
                                uint64_t clean_steps, bool *is_new, struct ebm_error *err);

/* Marks what an onset makes suspect: every checkpoint of the line from there
 * on. Also for a run that is not rolled back. */
enum ebm_status recovery_distrust(struct daemon *d, const struct store_job *job,
                                  const struct store_attempt *a, struct ebm_error *err);

/* Plans the next attempt of a job whose attempt has diverged: the newest
 * checkpoint of its line before the onset (else where a fork began, else from
 * scratch), and what the rung of the ladder says; rung: rollbacks of this
 * incident so far. say: a sentence on both for people. */
enum ebm_status recovery_plan(struct daemon *d, struct store_job *job,
                              const struct store_attempt *a, uint32_t rung, char *say, size_t size,
                              struct ebm_error *err);

#endif
