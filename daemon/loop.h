/* The loop of ebmd. A turn takes what has come, up to a bound, commits once,
 * and lets replies and effects go; so an acknowledgement is on disk, and
 * many clients share one sync. */
#ifndef EBM_DAEMON_LOOP_H
#define EBM_DAEMON_LOOP_H

#include "daemon.h"

/* Until a signal or a client says stop. */
void loop_run(struct daemon *d);

/* One turn that waits at most so long for something to happen. */
void loop_turn(struct daemon *d, int wait_ms);

#endif
