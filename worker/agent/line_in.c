#include "agent/line.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    MESSAGES_A_TURN = 64,
    HEARTBEAT_MIN_MS = 20,
    HEARTBEAT_MAX_MS = 60000,
    GARBAGE_LOG_MS = 10000
};

/* A sound message with our fence. */
struct arrival {
    const Ebm__ToWorker *m;
    struct link_part bulk;
    int64_t now;
};

static void give_start(struct line *l, struct buf *blob, const struct ebm_error *err)
{
    l->start_given = true;
    mailbox_give_start(l->mailbox, blob, err);
}

static void begin_start(struct line *l, const Ebm__Welcome *w)
{
    struct ebm_error err;

    if (w->checkpoint == 0) {
        fetch_fini(&l->fetch);
        give_start(l, NULL, NULL);
    } else if (fetch_begin(&l->fetch, w, &err) != EBM_OK) {
        give_start(l, NULL, &err);
    }
}

static int heartbeat_in_range(uint32_t ms)
{
    if (ms == 0)
        return 1000;
    return ms < HEARTBEAT_MIN_MS   ? HEARTBEAT_MIN_MS
           : ms > HEARTBEAT_MAX_MS ? HEARTBEAT_MAX_MS
                                   : (int)ms;
}

static void on_welcome(struct line *l, const struct arrival *a)
{
    const Ebm__Welcome *w = a->m->welcome;
    /* Unasked when ebmd was killed and is there again, so soon that nobody
     * missed it; also the answer to a Hello that was sent twice. */
    bool asked = l->state == LINE_HELLO;

    log_info(l->welcomed ? "ebmd-back" : "ebmd-welcome", "checkpoint=%llu heartbeat_ms=%u",
             (unsigned long long)w->checkpoint, w->heartbeat_ms);
    l->state = LINE_UP;
    l->welcomed = true;
    l->hellos = 0;
    l->heartbeat_ms = heartbeat_in_range(w->heartbeat_ms);
    l->beat_ms = l->end_ms = 0;
    if (w->metrics_have <= l->metrics.sent_ever)
        metrics_out_ack(&l->metrics, w->metrics_have, a->now);
    metrics_out_again(&l->metrics);
    upload_again(&l->upload);
    pictures_again(&l->pictures);
    if (asked && l->view.wants_start && !l->start_given)
        begin_start(l, w);
}

static void on_refused(struct line *l, const struct arrival *a)
{
    log_error("fenced", "reason=\"%.300s\"", a->m->refused->reason);
    l->state = LINE_FENCED;
    l->start_given = true;
    mailbox_give_fence(l->mailbox, a->m->refused->reason);
}

static const struct {
    const char *verb;
    enum sink_order order;
} orders[] = {
    {"checkpoint", SINK_CHECKPOINT},
    {"pause", SINK_PAUSE},
    {"cancel", SINK_CANCEL},
    {"stop", SINK_STOP},
};

static void on_heartbeat_ack(struct line *l, const struct arrival *a)
{
    const Ebm__Command *c = a->m->heartbeat_ack->command;

    if (c == NULL || c->seq <= l->command_seen)
        return;
    l->command_seen = c->seq;
    l->beat_ms = a->now; /* tell at once that it was seen */
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        if (strcmp(orders[i].verb, c->verb) == 0) {
            log_info("order", "verb=%s seq=%llu", orders[i].verb, (unsigned long long)c->seq);
            mailbox_give_order(l->mailbox, orders[i].order);
            return;
        }
    }
    log_warn("order-unknown", "verb=\"%.40s\" seq=%llu", c->verb, (unsigned long long)c->seq);
}

static void on_metrics_ack(struct line *l, const struct arrival *a)
{
    metrics_out_ack(&l->metrics, a->m->metrics_ack->seq, a->now);
}

static void on_chunk_ack(struct line *l, const struct arrival *a)
{
    upload_chunk_ack(&l->upload, a->m->chunk_ack, l->config, a->now);
}

static void on_checkpoint_ack(struct line *l, const struct arrival *a)
{
    upload_done_ack(&l->upload, a->m->checkpoint_ack, l->config, a->now);
}

static void on_fetch_data(struct line *l, const struct arrival *a)
{
    struct ebm_error err;
    enum fetch_result r =
        fetch_data(&l->fetch, a->m->fetch_data, &a->bulk, l->config, a->now, &err);

    if (r == FETCH_DONE)
        give_start(l, &l->fetch.got, NULL);
    else if (r == FETCH_FAILED)
        give_start(l, NULL, &err);
}

static void on_picture_ack(struct line *l, const struct arrival *a)
{
    pictures_ack(&l->pictures, a->m->picture_ack->seq);
}

static void on_finished_ack(struct line *l, const struct arrival *a)
{
    (void)a;
    if (!l->end_sent)
        return;
    l->state = LINE_DONE;
    mailbox_give_end(l->mailbox);
}

typedef void handler(struct line *l, const struct arrival *a);

static const struct {
    Ebm__ToWorker__BodyCase body;
    bool when_up; /* heard only after a Welcome */
    handler *handle;
} handlers[] = {
    {EBM__TO_WORKER__BODY_WELCOME, false, on_welcome},
    {EBM__TO_WORKER__BODY_REFUSED, false, on_refused},
    {EBM__TO_WORKER__BODY_HEARTBEAT_ACK, true, on_heartbeat_ack},
    {EBM__TO_WORKER__BODY_METRICS_ACK, true, on_metrics_ack},
    {EBM__TO_WORKER__BODY_CHUNK_ACK, true, on_chunk_ack},
    {EBM__TO_WORKER__BODY_CHECKPOINT_ACK, true, on_checkpoint_ack},
    {EBM__TO_WORKER__BODY_FETCH_DATA, true, on_fetch_data},
    {EBM__TO_WORKER__BODY_PICTURE_ACK, true, on_picture_ack},
    {EBM__TO_WORKER__BODY_FINISHED_ACK, true, on_finished_ack},
};

static void garbage(struct line *l, int64_t now, const char *what)
{
    l->garbage++;
    if (now < l->garbage_ms)
        return;
    log_warn("message-ignored", "error=\"%s\" ignored=%llu", what, (unsigned long long)l->garbage);
    l->garbage_ms = now + GARBAGE_LOG_MS;
}

/* A Refused may bear the fence of the newer attempt that took our place. */
static bool fence_is_ours(const struct line *l, const Ebm__ToWorker *m)
{
    if (m->fence == l->config->fence)
        return true;
    return m->body_case == EBM__TO_WORKER__BODY_REFUSED && m->fence > l->config->fence;
}

static void dispatch(struct line *l, const struct arrival *a)
{
    if (!fence_is_ours(l, a->m)) {
        garbage(l, a->now, "wrong fence");
        return;
    }
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (handlers[i].body != a->m->body_case)
            continue;
        l->heard_ms = a->now;
        if (l->state == LINE_UP || (l->state == LINE_HELLO && !handlers[i].when_up))
            handlers[i].handle(l, a);
        return;
    }
    garbage(l, a->now, "a message without a body");
}

static void receive_one(struct line *l, const struct link_message *in, int64_t now)
{
    ProtobufCMessage *m = NULL;
    struct arrival a = {.now = now};
    struct ebm_error err;

    if (wire_decode(in, &ebm__to_worker__descriptor, &m, &a.bulk, &err) == EBM_OK) {
        a.m = (const Ebm__ToWorker *)m;
        dispatch(l, &a);
    } else {
        garbage(l, now, err.text);
    }
    wire_free(m);
}

void line_receive(struct line *l, int64_t now)
{
    for (int i = 0; i < MESSAGES_A_TURN; i++) {
        struct link_message in;
        struct ebm_error err;
        enum ebm_status rc = link_recv(l->post.socket, &in, &err);
        if (rc == EBM_ETIMEOUT)
            return;
        if (rc == EBM_OK) {
            receive_one(l, &in, now);
            link_message_fini(&in);
        } else {
            garbage(l, now, err.text);
        }
    }
}
