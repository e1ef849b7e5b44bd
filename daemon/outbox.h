/* What leaves ebmd in a turn: replies, messages to workers, events, and
 * effects on processes, the vault and memory. Handlers put it here; the loop
 * lets it go after the commit. If the commit fails, replies leave as errors
 * and the rest is dropped: who was not answered asks again. */
#ifndef EBM_DAEMON_OUTBOX_H
#define EBM_DAEMON_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "link/link.h"
#include "reply.h"
#include "store/store.h"

struct daemon;
struct outbox_item;

/* Runs after the commit; may be repeated, and must not fail loudly. */
typedef void outbox_effect(struct daemon *d, int64_t id, int64_t number);

struct outbox {
    struct outbox_item *item; /* owned */
    size_t count, capacity;
};

struct outbox_peer {
    const void *identity;
    size_t size;
};

/* Seals and takes the reply's content; out of memory makes it an error reply. */
void outbox_put_reply(struct outbox *o, struct outbox_peer to, struct reply *r);
/* Bytes of a sealed Reply, under another request id. */
void outbox_put_packed(struct outbox *o, struct outbox_peer to, uint64_t id,
                       const struct buf *body);
/* A message to a worker; bulk is copied. */
void outbox_put_worker(struct outbox *o, struct outbox_peer to, const Ebm__ToWorker *message,
                       const void *bulk, size_t bulk_size);
void outbox_put_event(struct outbox *o, const struct store_event *e, enum job_state state,
                      uint64_t step);
void outbox_put_effect(struct outbox *o, outbox_effect *effect, int64_t id, int64_t number);

/* Takes back what was put in since it held `count` items: a handler failed. */
void outbox_cut(struct outbox *o, size_t count);

/* Lets everything go, in order. Effects may put more in: that is let go too. */
void outbox_flush(struct outbox *o, struct daemon *d);
/* The commit failed for this reason. */
void outbox_drop(struct outbox *o, struct daemon *d, const struct ebm_error *why);
void outbox_fini(struct outbox *o);

#endif
