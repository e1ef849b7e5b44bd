/* A unit of work on the store: all of it happens or nothing, and what it put
 * into the outbox goes with it. Every handler runs in one. */
#ifndef EBM_DAEMON_UNIT_H
#define EBM_DAEMON_UNIT_H

#include "base/err.h"

struct daemon;

typedef enum ebm_status unit_work(struct daemon *d, void *arg, struct ebm_error *err);

/* Begins the turn when it is not begun. err is never NULL for the work. */
enum ebm_status unit_do(struct daemon *d, unit_work *work, void *arg, struct ebm_error *err);

#endif
