#include "session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "digest/digest.h"

enum { RETRY_MS = 2000, DEADLINE_MS = 10000, KEY_BYTES = 16, TOPIC_MAX = 32 };

struct session {
    struct link_context *context;
    struct link_socket *control, *events;
    int retry_ms, deadline_ms;
    void (*revive)(void *arg);
    void *revive_arg;
    uint64_t next_id;
};

enum ebm_status session_open(const struct session_config *config, struct session **out,
                             struct ebm_error *err)
{
    struct session *s = calloc(1, sizeof *s);

    if (s == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory");
    s->retry_ms = config->retry_ms > 0 ? config->retry_ms : RETRY_MS;
    s->deadline_ms = config->deadline_ms > 0 ? config->deadline_ms : DEADLINE_MS;
    s->revive = config->revive;
    s->revive_arg = config->revive_arg;
    /* Ids of an earlier ebmctl are never taken for ours. */
    s->next_id = digest_random_u64() >> 1;
    enum ebm_status rc = link_context_create(&s->context, err);
    if (rc == EBM_OK)
        rc = link_open(s->context, LINK_DEALER, false, config->control, &s->control, err);
    if (rc == EBM_OK && config->events != NULL)
        rc = link_open(s->context, LINK_SUB, false, config->events, &s->events, err);
    if (rc != EBM_OK) {
        session_close(s);
        return rc;
    }
    *out = s;
    return EBM_OK;
}

void session_close(struct session *s)
{
    if (s == NULL)
        return;
    link_close(s->control);
    link_close(s->events);
    link_context_destroy(s->context);
    free(s);
}

void answer_fini(struct answer *a)
{
    if (a->reply != NULL)
        wire_free(&a->reply->base);
    link_message_fini(&a->message);
    memset(a, 0, sizeof *a);
}

enum ebm_status session_post(struct session *s, Ebm__Request *request, struct ebm_error *err)
{
    request->id = ++s->next_id;
    return wire_send(s->control, NULL, 0, &request->base, NULL, 0, err);
}

enum ebm_status session_take(struct session *s, struct answer *out, struct ebm_error *err)
{
    for (;;) {
        ProtobufCMessage *m = NULL;
        memset(out, 0, sizeof *out);
        enum ebm_status rc = link_recv(s->control, &out->message, err);
        if (rc == EBM_EPROTO)
            continue;
        if (rc != EBM_OK)
            return rc;
        rc = wire_decode(&out->message, &ebm__reply__descriptor, &m, &out->bulk, err);
        if (rc == EBM_OK) {
            out->reply = (Ebm__Reply *)m;
            return EBM_OK;
        }
        answer_fini(out);
        /* Another version will not get better by waiting. */
        if (rc == EBM_ESTALE)
            return rc;
    }
}

enum ebm_status session_subscribe(struct session *s, uint64_t job, struct ebm_error *err)
{
    char topic[TOPIC_MAX] = "";

    if (s->events == NULL)
        return EBM_OK;
    if (job != 0)
        snprintf(topic, sizeof topic, "job.%" PRIu64, job);
    return link_subscribe(s->events, topic, err);
}

bool session_drain_events(struct session *s)
{
    struct link_message m;
    bool any = false;

    while (s->events != NULL && link_recv(s->events, &m, NULL) == EBM_OK) {
        any = true;
        link_message_fini(&m);
    }
    return any;
}

size_t session_poll_items(struct session *s, struct link_poll items[2])
{
    size_t n = 0;

    items[n++] = (struct link_poll){.socket = s->control, .fd = -1};
    if (s->events != NULL)
        items[n++] = (struct link_poll){.socket = s->events, .fd = -1};
    return n;
}

void session_set_deadline(struct session *s, int deadline_ms)
{
    s->deadline_ms = deadline_ms;
}

static bool is_change(const Ebm__Request *r)
{
    switch (r->body_case) {
    case EBM__REQUEST__BODY_SUBMIT:
    case EBM__REQUEST__BODY_ROLLBACK:
    case EBM__REQUEST__BODY_FORK:
    case EBM__REQUEST__BODY_CHANGE:
    case EBM__REQUEST__BODY_PIN:
        return true;
    default:
        return false;
    }
}

/* The reply with this id until the time is over; others are dropped. */
static enum ebm_status wait_reply(struct session *s, uint64_t id, int64_t until_ms,
                                  struct answer *out, struct ebm_error *err)
{
    for (;;) {
        struct link_poll item = {.socket = s->control, .fd = -1};
        enum ebm_status rc = session_take(s, out, err);
        if (rc == EBM_OK && out->reply->id == id)
            return EBM_OK;
        answer_fini(out);
        if (rc == EBM_OK)
            continue;
        if (rc != EBM_ETIMEOUT)
            return rc;
        int64_t left = until_ms - clock_mono_ms();
        if (left <= 0)
            return EBM_ETIMEOUT;
        rc = link_wait(&item, 1, (int)left, err);
        if (rc != EBM_OK)
            return rc;
    }
}

static enum ebm_status status_of(const Ebm__Reply *reply, struct ebm_error *err)
{
    if (reply->status == EBM_OK)
        return EBM_OK;
    enum ebm_status code =
        reply->status < EBM_STATUS_COUNT ? (enum ebm_status)reply->status : EBM_EINTERNAL;
    return ebm_fail(err, code, "%s",
                    reply->error[0] != '\0' ? reply->error : ebm_status_name(code));
}

static enum ebm_status send_until(struct session *s, Ebm__Request *request, struct answer *out,
                                  struct ebm_error *err)
{
    int64_t now = clock_mono_ms(), deadline = now + s->deadline_ms;
    enum ebm_status rc = EBM_ETIMEOUT;

    request->id = ++s->next_id;
    for (; rc == EBM_ETIMEOUT && now < deadline; now = clock_mono_ms()) {
        int64_t until = now + s->retry_ms < deadline ? now + s->retry_ms : deadline;
        rc = wire_send(s->control, NULL, 0, &request->base, NULL, 0, err);
        if (rc == EBM_OK)
            rc = wait_reply(s, request->id, until, out, err);
        if (rc == EBM_ETIMEOUT && s->revive != NULL)
            s->revive(s->revive_arg);
    }
    if (rc == EBM_ETIMEOUT)
        return ebm_fail(err, EBM_EUNREACHABLE, "no answer within %d ms", s->deadline_ms);
    return rc;
}

enum ebm_status session_call(struct session *s, Ebm__Request *request, struct answer *out,
                             struct ebm_error *err)
{
    char key[2 * KEY_BYTES + 1];
    char *before = request->key;

    memset(out, 0, sizeof *out);
    if (is_change(request) && request->key[0] == '\0') {
        digest_random_hex(key, KEY_BYTES);
        request->key = key;
    }
    enum ebm_status rc = send_until(s, request, out, err);
    request->key = before;
    return rc == EBM_OK ? status_of(out->reply, err) : rc;
}
