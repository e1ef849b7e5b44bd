/* What happened to a job, in one sentence: its last rollback, why, and what
 * was changed. "" where there was none. */
#ifndef EBM_DAEMON_STORY_H
#define EBM_DAEMON_STORY_H

#include "base/buf.h"
#include "daemon.h"

/* Appends to out. */
enum ebm_status story_tell(struct daemon *d, int64_t job, struct buf *out, struct ebm_error *err);

#endif
