/* The life of an attempt: begun in the store, launched, watched, ended. */
#ifndef EBM_DAEMON_ATTEMPT_H
#define EBM_DAEMON_ATTEMPT_H

#include "daemon.h"

/* Begins the attempt that the job's plan asks for, and stores the job: it is
 * starting. The launch follows the commit. */
enum ebm_status attempt_begin(struct daemon *d, struct store_job *job, struct ebm_error *err);

/* Makes the entry of an attempt that is live on disk; NULL when out of
 * memory. */
struct live *attempt_adopt(struct daemon *d, const struct store_job *job,
                           const struct store_attempt *a);

/* Launches it, or launches it again after ebmd was killed while it did. What
 * fails makes it gone. */
void attempt_launch(struct daemon *d, struct live *l);

/* A shepherd that is known to live from now on tells of its end. */
void attempt_watch(struct daemon *d, struct live *l, struct launch_pid shepherd);

/* Marks those whose shepherd has ended. */
void attempt_look(struct daemon *d);

/* Ends all that are gone, each as a unit; one that cannot be recorded now is
 * tried again a second later. (attempt_end.c) */
void attempt_end_gone(struct daemon *d);

/* Monotonic: when attempt_end_gone is due again, INT64_MAX: not before a
 * shepherd ends. */
int64_t attempt_end_due(const struct daemon *d);

#endif
