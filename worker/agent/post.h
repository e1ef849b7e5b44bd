/* The agent's socket: every message bears job, attempt, fence and token. */
#ifndef EBM_WORKER_POST_H
#define EBM_WORKER_POST_H

#include <stdbool.h>

#include "agent/agent.h"
#include "wire/wire.h"

struct post {
    const struct agent_config *config; /* borrowed for life */
    struct link_context *context;
    struct link_socket *socket;
};

enum ebm_status post_open(struct post *p, const struct agent_config *config, struct ebm_error *err);
void post_close(struct post *p);

/* A fresh socket, and with it an empty queue: what was queued for an ebmd
 * that is away would otherwise all arrive at once when it is back. */
enum ebm_status post_reopen(struct post *p, struct ebm_error *err);

/* Fills the envelope of m, whose body the caller has set, and queues it.
 * False when the queue is full: the caller's timer sends it again. */
bool post_send(struct post *p, Ebm__FromWorker *m, const void *bulk, size_t bulk_size);

#endif
