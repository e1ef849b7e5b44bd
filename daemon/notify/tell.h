/* Telling in each way that is wanted, again after failures. */
#ifndef EBM_DAEMON_NOTIFY_TELL_H
#define EBM_DAEMON_NOTIFY_TELL_H

#include <stdint.h>

#include "notify/order.h"

/* Before the next try, when so many have failed: 1 s, 2 s, 4 s ... 60 s. */
int64_t tell_backoff_ms(unsigned failed);

/* A way that has succeeded is not gone again, one that never will is given up
 * at once. Logs each try. pause waits; tests give another one. The first
 * failure that was left is the error. */
enum ebm_status tell(const struct order *o, void (*pause)(int64_t ms), struct ebm_error *err);

#endif
