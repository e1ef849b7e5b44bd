/* Messages of workers: who speaks is checked first (job, attempt, fence,
 * token), then a row of the table in workers.c handles the body. A worker of
 * an older attempt is refused, and exits. */
#ifndef EBM_DAEMON_WORKERS_H
#define EBM_DAEMON_WORKERS_H

#include "daemon.h"

/* One message off the worker socket. */
void workers_handle(struct daemon *d, const struct link_message *m);

/* Leases: a job whose workers were not heard for one is unknown. */
void workers_check_leases(struct daemon *d, int64_t now_ms);
/* Those of them that could not be recorded as such, each second. */
void workers_miss_again(struct daemon *d);

/* Writes the steps of live jobs to the store, each every few seconds. */
void workers_save_steps(struct daemon *d, int64_t now_ms);

#endif
