/* The sockets of ebmd and their files. */
#ifndef EBM_DAEMON_LISTEN_H
#define EBM_DAEMON_LISTEN_H

#include "daemon.h"

enum ebm_status listen_open(struct daemon *d, struct ebm_error *err);
void listen_close(struct daemon *d);

/* Somebody deleted a socket file, or the whole folder: it is bound again.
 * Connections that stand go on meanwhile. */
void listen_mend(struct daemon *d);

#endif
