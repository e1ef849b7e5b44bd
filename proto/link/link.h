/* Sockets and the poll of a loop. The door to ZeroMQ: nobody else includes
 * zmq.h. A message is a short list of parts; a ROUTER's messages bear the
 * peer's identity apart. */
#ifndef EBM_LINK_LINK_H
#define EBM_LINK_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    LINK_PARTS_MAX = 4, /* header, message, bulk, spare */
    LINK_IDENTITY_MAX = 255,
    LINK_MESSAGE_MAX = 16 << 20 /* one part at most; larger is refused by the socket */
};

enum link_kind { LINK_ROUTER, LINK_DEALER, LINK_PUB, LINK_SUB, LINK_PAIR };

struct link_context;
struct link_socket;

struct link_part {
    const void *data; /* borrowed */
    size_t size;
};

struct link_message {
    uint8_t identity[LINK_IDENTITY_MAX]; /* ROUTER only */
    size_t identity_size;
    struct link_part part[LINK_PARTS_MAX]; /* borrowed until link_message_fini */
    size_t parts;
    void *storage; /* private */
};

enum ebm_status link_context_create(struct link_context **out, struct ebm_error *err);
/* Closes with a linger of at most 500 ms. Takes NULL. */
void link_context_destroy(struct link_context *c);

/* Bind for ROUTER and PUB, connect for DEALER and SUB; PAIR binds when its
 * endpoint is "inproc://..." and `bind` is true. SUB hears nothing until
 * link_subscribe.
 * ROUTER is mandatory (a send to an unknown peer is EBM_EUNREACHABLE). */
enum ebm_status link_open(struct link_context *c, enum link_kind kind, bool bind,
                          const char *endpoint, struct link_socket **out, struct ebm_error *err);
void link_close(struct link_socket *s); /* takes NULL */

/* For a socket whose file was deleted: unbind and bind again. */
enum ebm_status link_rebind(struct link_socket *s, struct ebm_error *err);

/* SUB: only topics (first part) with this prefix, besides earlier ones. */
enum ebm_status link_subscribe(struct link_socket *s, const char *prefix, struct ebm_error *err);

/* Copies the parts and queues them; never blocks. EBM_EUNREACHABLE when the
 * peer is unknown or its queue is full. identity only for ROUTER. */
enum ebm_status link_send(struct link_socket *s, const void *identity, size_t identity_size,
                          const struct link_part *part, size_t parts, struct ebm_error *err);

/* Non-blocking: EBM_OK with a message, EBM_ETIMEOUT when none is there,
 * EBM_EPROTO for one with too many parts (it is dropped whole). */
enum ebm_status link_recv(struct link_socket *s, struct link_message *m, struct ebm_error *err);
void link_message_fini(struct link_message *m);

struct link_poll {
    struct link_socket *socket; /* or NULL, and then fd */
    int fd;
    bool ready; /* out: readable (or hung up) */
};

/* Waits until one is readable or the time is over (-1: for ever). EINTR
 * counts as the time being over. */
enum ebm_status link_wait(struct link_poll *items, size_t n, int timeout_ms, struct ebm_error *err);

#endif
