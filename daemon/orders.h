/* Orders to live attempts: to write a checkpoint and stop, or just to stop.
 * The intent goes on record first; the order leaves after the commit, and
 * again with every heartbeat until the worker has seen it. Who does not obey
 * in time is made to. */
#ifndef EBM_DAEMON_ORDERS_H
#define EBM_DAEMON_ORDERS_H

#include "daemon.h"

/* Puts the intent on the job (which the caller stores) and its order into
 * the outbox. EBM_ESTATE when something stronger was asked already. */
enum ebm_status orders_ask(struct daemon *d, struct store_job *job, enum store_intent intent,
                           struct ebm_error *err);

/* Whether orders_ask would be refused. */
enum ebm_status orders_check(const struct store_job *job, enum store_intent intent,
                             struct ebm_error *err);

/* After a restart: what is on record becomes the standing order. */
void orders_recall(struct daemon *d, struct live *l, enum store_intent intent);

/* The command that a heartbeat's answer bears; seq 0: none. */
Ebm__Command orders_pending(struct live *l);

/* Enforces what was not obeyed in time. */
void orders_enforce(struct daemon *d, int64_t now_ms);
/* Monotonic: when that is due again, INT64_MAX: not before another order. */
int64_t orders_due(const struct daemon *d);

/* A full disk: the job pauses with this reason, unless it is stopping
 * already. A unit of its own. */
void orders_pause_full_disk(struct daemon *d, int64_t job, const struct ebm_error *why);

#endif
