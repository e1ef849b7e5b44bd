#include "link/link.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    LINGER_MS = 500,
    HIGH_WATER = 100000, /* messages queued to one peer before sends are refused */
    RECONNECT_MS = 100,
    RECONNECT_MAX_MS = 1000,
    POLL_MAX = 1024
};

struct link_context {
    void *zmq;
    unsigned rebinds;
};

struct link_socket {
    void *zmq;
    struct link_context *context; /* borrowed for life */
    enum link_kind kind;
    bool bound;
    char endpoint[256];
};

/* What a received message holds alive. */
struct link_storage {
    zmq_msg_t frame[LINK_PARTS_MAX];
    size_t frames;
};

static enum ebm_status fail_zmq(struct ebm_error *err, const char *what, const char *which)
{
    int e = zmq_errno();
    enum ebm_status code = EBM_EIO;

    if (e == EAGAIN || e == EHOSTUNREACH)
        code = EBM_EUNREACHABLE;
    else if (e == EADDRINUSE)
        code = EBM_EEXIST;
    else if (e == ENOMEM)
        code = EBM_ENOMEM;
    return ebm_fail(err, code, "%s: cannot %s: %s", which, what, zmq_strerror(e));
}

enum ebm_status link_context_create(struct link_context **out, struct ebm_error *err)
{
    struct link_context *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for a message context");
    c->zmq = zmq_ctx_new();
    if (c->zmq == NULL) {
        free(c);
        return fail_zmq(err, "create", "message context");
    }
    *out = c;
    return EBM_OK;
}

void link_context_destroy(struct link_context *c)
{
    if (c == NULL)
        return;
    while (zmq_ctx_term(c->zmq) != 0 && zmq_errno() == EINTR)
        ;
    free(c);
}

static void set_int(void *zmq, int option, int value)
{
    int rc = zmq_setsockopt(zmq, option, &value, sizeof value);
    assert(rc == 0);
    (void)rc;
}

static void set_options(void *zmq, enum link_kind kind)
{
    int64_t max = LINK_MESSAGE_MAX;

    set_int(zmq, ZMQ_LINGER, LINGER_MS);
    set_int(zmq, ZMQ_SNDHWM, HIGH_WATER);
    set_int(zmq, ZMQ_RCVHWM, HIGH_WATER);
    set_int(zmq, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_int(zmq, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    zmq_setsockopt(zmq, ZMQ_MAXMSGSIZE, &max, sizeof max);
    if (kind == LINK_ROUTER)
        set_int(zmq, ZMQ_ROUTER_MANDATORY, 1);
}

static const int zmq_types[] = {
    [LINK_ROUTER] = ZMQ_ROUTER, [LINK_DEALER] = ZMQ_DEALER, [LINK_PUB] = ZMQ_PUB,
    [LINK_SUB] = ZMQ_SUB,       [LINK_PAIR] = ZMQ_PAIR,
};

static enum ebm_status attach(struct link_socket *s, struct ebm_error *err)
{
    int rc = s->bound ? zmq_bind(s->zmq, s->endpoint) : zmq_connect(s->zmq, s->endpoint);
    if (rc != 0)
        return fail_zmq(err, s->bound ? "bind" : "connect", s->endpoint);
    return EBM_OK;
}

enum ebm_status link_open(struct link_context *c, enum link_kind kind, bool bind,
                          const char *endpoint, struct link_socket **out, struct ebm_error *err)
{
    struct link_socket *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ebm_fail(err, EBM_ENOMEM, "%s: out of memory", endpoint);
    s->context = c;
    s->kind = kind;
    s->bound = bind;
    int n = snprintf(s->endpoint, sizeof s->endpoint, "%s", endpoint);
    if (n < 0 || (size_t)n >= sizeof s->endpoint) {
        free(s);
        return ebm_fail(err, EBM_EINVAL, "%.100s...: endpoint too long", endpoint);
    }
    s->zmq = zmq_socket(c->zmq, zmq_types[kind]);
    if (s->zmq == NULL) {
        free(s);
        return fail_zmq(err, "create a socket", endpoint);
    }
    set_options(s->zmq, kind);
    enum ebm_status rc = attach(s, err);
    if (rc != EBM_OK) {
        link_close(s);
        return rc;
    }
    *out = s;
    return EBM_OK;
}

void link_close(struct link_socket *s)
{
    if (s == NULL)
        return;
    zmq_close(s->zmq);
    free(s);
}

/* An unbind would end the connections that came through it, and would delete
 * the new file when it gets to it. So the old listener stays, deaf, and a new
 * one is bound beside the place and moved there. */
enum ebm_status link_rebind(struct link_socket *s, struct ebm_error *err)
{
    char aside[sizeof s->endpoint];
    const size_t scheme = strlen("ipc://");
    const char *name = strrchr(s->endpoint, '/');

    assert(s->bound);
    if (strncmp(s->endpoint, "ipc://", scheme) != 0)
        return ebm_fail(err, EBM_EINVAL, "%s: has no socket file", s->endpoint);
    int n = snprintf(aside, sizeof aside, "%.*s/.r%u", (int)(name - s->endpoint), s->endpoint,
                     ++s->context->rebinds);
    if (n < 0 || (size_t)n >= sizeof aside)
        return ebm_fail(err, EBM_EINVAL, "%s: endpoint too long", s->endpoint);
    if (zmq_bind(s->zmq, aside) != 0)
        return fail_zmq(err, "bind again", s->endpoint);
    if (rename(aside + scheme, s->endpoint + scheme) != 0)
        return ebm_fail_errno(err, errno, "%s: cannot move the new socket there", s->endpoint);
    return EBM_OK;
}

enum ebm_status link_subscribe(struct link_socket *s, const char *prefix, struct ebm_error *err)
{
    assert(s->kind == LINK_SUB);
    if (zmq_setsockopt(s->zmq, ZMQ_SUBSCRIBE, prefix, strlen(prefix)) != 0)
        return fail_zmq(err, "subscribe", s->endpoint);
    return EBM_OK;
}

static enum ebm_status send_part(struct link_socket *s, const void *data, size_t size, bool more,
                                 struct ebm_error *err)
{
    int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
    int rc;

    do
        rc = zmq_send(s->zmq, data, size, flags);
    while (rc < 0 && zmq_errno() == EINTR);
    return rc < 0 ? fail_zmq(err, "send", s->endpoint) : EBM_OK;
}

enum ebm_status link_send(struct link_socket *s, const void *identity, size_t identity_size,
                          const struct link_part *part, size_t parts, struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    assert(parts > 0 && parts <= LINK_PARTS_MAX);
    if (s->kind == LINK_ROUTER)
        rc = send_part(s, identity, identity_size, true, err);
    for (size_t i = 0; rc == EBM_OK && i < parts; i++)
        rc = send_part(s, part[i].data, part[i].size, i + 1 < parts, err);
    return rc;
}

/* Receives one frame; *more tells whether the message goes on. */
static enum ebm_status recv_frame(struct link_socket *s, zmq_msg_t *frame, bool *more,
                                  struct ebm_error *err)
{
    int rc;

    zmq_msg_init(frame);
    do
        rc = zmq_msg_recv(frame, s->zmq, ZMQ_DONTWAIT);
    while (rc < 0 && zmq_errno() == EINTR);
    if (rc < 0) {
        zmq_msg_close(frame);
        *more = false;
        if (zmq_errno() == EAGAIN)
            return EBM_ETIMEOUT;
        return fail_zmq(err, "receive", s->endpoint);
    }
    *more = zmq_msg_more(frame) != 0;
    return EBM_OK;
}

static void drop_rest(struct link_socket *s, bool more)
{
    zmq_msg_t frame;

    while (more && recv_frame(s, &frame, &more, NULL) == EBM_OK)
        zmq_msg_close(&frame);
}

static enum ebm_status recv_identity(struct link_socket *s, struct link_message *m, bool *more,
                                     struct ebm_error *err)
{
    zmq_msg_t frame;
    enum ebm_status rc = recv_frame(s, &frame, more, err);

    if (rc != EBM_OK)
        return rc;
    size_t n = zmq_msg_size(&frame);
    if (n <= LINK_IDENTITY_MAX) {
        memcpy(m->identity, zmq_msg_data(&frame), n);
        m->identity_size = n;
    }
    zmq_msg_close(&frame);
    return EBM_OK;
}

static enum ebm_status recv_parts(struct link_socket *s, struct link_message *m, bool more,
                                  struct ebm_error *err)
{
    struct link_storage *st = m->storage;

    while (more) {
        if (st->frames == LINK_PARTS_MAX) {
            drop_rest(s, more);
            return ebm_fail(err, EBM_EPROTO, "a message of more than %d parts was dropped",
                            LINK_PARTS_MAX);
        }
        enum ebm_status rc = recv_frame(s, &st->frame[st->frames], &more, err);
        if (rc != EBM_OK)
            return rc;
        zmq_msg_t *frame = &st->frame[st->frames++];
        m->part[m->parts].data = zmq_msg_data(frame);
        m->part[m->parts++].size = zmq_msg_size(frame);
    }
    return EBM_OK;
}

enum ebm_status link_recv(struct link_socket *s, struct link_message *m, struct ebm_error *err)
{
    bool more = true;
    enum ebm_status rc = EBM_OK;

    memset(m, 0, sizeof *m);
    m->storage = calloc(1, sizeof(struct link_storage));
    if (m->storage == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for a message");
    if (s->kind == LINK_ROUTER)
        rc = recv_identity(s, m, &more, err);
    if (rc == EBM_OK)
        rc = recv_parts(s, m, more, err);
    if (rc != EBM_OK)
        link_message_fini(m);
    return rc;
}

void link_message_fini(struct link_message *m)
{
    struct link_storage *st = m->storage;

    if (st == NULL)
        return;
    for (size_t i = 0; i < st->frames; i++)
        zmq_msg_close(&st->frame[i]);
    free(st);
    m->storage = NULL;
    m->parts = 0;
}

enum ebm_status link_wait(struct link_poll *items, size_t n, int timeout_ms, struct ebm_error *err)
{
    zmq_pollitem_t poll[POLL_MAX];

    assert(n <= POLL_MAX);
    for (size_t i = 0; i < n; i++) {
        poll[i] = (zmq_pollitem_t){.socket = items[i].socket ? items[i].socket->zmq : NULL,
                                   .fd = items[i].fd,
                                   .events = ZMQ_POLLIN};
        items[i].ready = false;
    }
    if (zmq_poll(poll, (int)n, timeout_ms) < 0) {
        if (zmq_errno() == EINTR)
            return EBM_OK;
        return fail_zmq(err, "poll", "sockets");
    }
    for (size_t i = 0; i < n; i++)
        items[i].ready = poll[i].revents != 0;
    return EBM_OK;
}
