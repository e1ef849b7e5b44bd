/* Requests of clients. control.c reads a request, finds its row in the table
 * and runs the handler: one that changes something inside a savepoint, and
 * under its idempotency key, so that a request sent twice is answered twice
 * and done once.
 *
 * A handler fills the reply, or returns an error that becomes the reply. */
#ifndef EBM_DAEMON_CONTROL_H
#define EBM_DAEMON_CONTROL_H

#include "daemon.h"
#include "reply.h"

/* One message off the control socket. */
void control_handle(struct daemon *d, const struct link_message *m);

typedef enum ebm_status control_handler(struct daemon *d, const Ebm__Request *request,
                                        struct reply *reply, struct ebm_error *err);

/* submit.c */
control_handler control_submit, control_fork;
/* change.c */
control_handler control_change, control_pin;
/* rollback.c */
control_handler control_rollback;
/* ask.c: what is listed */
control_handler control_list, control_show, control_checkpoints, control_history, control_events,
    control_metrics;
/* files.c */
control_handler control_picture, control_logs;
/* status.c */
control_handler control_status, control_stop;

#endif
