/* What ebmd does first: finds the attempts that were live when the last ebmd
 * ended, however it ended, and goes on with them. */
#ifndef EBM_DAEMON_RECOVER_H
#define EBM_DAEMON_RECOVER_H

#include "daemon.h"

/* Adopts attempts whose shepherd lives, launches those that were committed
 * but not launched, and leaves the others to be ended in the first turn.
 * Drops checkpoint bytes without a row. */
enum ebm_status recover(struct daemon *d, struct ebm_error *err);

/* The same for attempts whose launch found the store unreadable or no memory,
 * and that have no entry for it. Tried again each second while it fails. */
void recover_unlaunched(struct daemon *d);

#endif
