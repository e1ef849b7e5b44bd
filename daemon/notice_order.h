/* A notice as ebm-notify has it: whom to tell by the spec, and what. */
#ifndef EBM_DAEMON_NOTICE_ORDER_H
#define EBM_DAEMON_NOTICE_ORDER_H

#include "spec/spec.h"
#include "store/store.h"

/* {"event": "finished", "job": 3, "name": ..., "state": ..., "step": ...,
 * "total_steps": ..., "attempt": ..., "reason": ..., "time": seconds since
 * 1970} and a newline. Texts are UTF-8 already. */
void notice_put_json(const struct store_notice *n, const char *name, struct buf *out);

/* The whole order, packed. */
void notice_put_order(const struct store_notice *n, const struct spec *s, struct buf *out);

#endif
