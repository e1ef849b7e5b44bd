/* Keeps the checkpoints of a job in order: one that has proved itself becomes
 * healthy, those that retention does not want go. retention.h has the rules. */
#ifndef EBM_DAEMON_KEEPER_H
#define EBM_DAEMON_KEEPER_H

#include "daemon.h"
#include "retention.h"

/* After a checkpoint came, was pinned or unpinned, or an attempt ended. Rows
 * change now; bytes and pictures go after the commit. */
enum ebm_status keeper_tend(struct daemon *d, const struct store_job *job, struct ebm_error *err);

/* The rows of a job that are there, rising by (step, id), with why each is
 * kept, as struct retention_row appended to out. */
enum ebm_status keeper_judge(struct daemon *d, const struct store_job *job, struct buf *out,
                             struct ebm_error *err);

#endif
