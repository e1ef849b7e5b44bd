/* The queue: which jobs start, and why the others wait.
 *
 * Strict order by priority, then age: the first job whose slots are not free
 * stops the pass, so that a large job is never overtaken for ever by small
 * ones. Jobs that wait for another job or for their back-off, and those that
 * this machine could never run, are passed over. */
#ifndef EBM_DAEMON_QUEUE_H
#define EBM_DAEMON_QUEUE_H

#include "daemon.h"

/* Something changed: a pass is due at the end of the turn. */
void queue_touch(struct daemon *d);

/* Begins attempts of all that may start. Each job is a unit of its own. */
void queue_pass(struct daemon *d);

/* Why a queued job waits, as a sentence. */
void queue_explain(struct daemon *d, const struct store_job *job, char *out, size_t size);

/* Slots of live attempts. */
uint32_t queue_used(const struct daemon *d);

#endif
