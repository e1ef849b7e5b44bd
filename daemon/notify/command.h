/* Telling by a command. */
#ifndef EBM_DAEMON_NOTIFY_COMMAND_H
#define EBM_DAEMON_NOTIFY_COMMAND_H

#include "notify/order.h"

/* /bin/sh -c of o->command as a process group of its own: the body on its
 * standard input, the event in its environment, what it prints on our standard
 * error (some KiB of it). Anything but exit status 0 is EBM_EIO. After the
 * time-out the whole group is killed: EBM_ETIMEOUT. */
enum ebm_status command_tell(const struct order *o, struct ebm_error *err);

#endif
