#include "outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon.h"

enum out_kind { OUT_REPLY, OUT_WORKER, OUT_EVENT, OUT_EFFECT };

struct outbox_item {
    enum out_kind kind;
    uint8_t identity[LINK_IDENTITY_MAX];
    size_t identity_size;
    uint64_t request;      /* OUT_REPLY */
    struct buf body, bulk; /* owned */
    struct store_event event;
    enum job_state state;
    uint64_t step;
    outbox_effect *effect;
    int64_t id, number;
};

/* NULL when out of memory: the item is lost, as a message may be. Effects
 * have their room reserved first, see outbox_put_effect. */
static struct outbox_item *add(struct outbox *o, enum out_kind kind)
{
    if (o->count == o->capacity) {
        size_t capacity = o->capacity == 0 ? 64 : 2 * o->capacity;
        struct outbox_item *item = realloc(o->item, capacity * sizeof *item);
        if (item == NULL) {
            log_error("out-of-memory", "in=outbox");
            return NULL;
        }
        o->item = item;
        o->capacity = capacity;
    }
    struct outbox_item *i = &o->item[o->count++];
    memset(i, 0, sizeof *i);
    i->kind = kind;
    buf_init(&i->body);
    buf_init(&i->bulk);
    return i;
}

static void set_peer(struct outbox_item *i, struct outbox_peer to)
{
    assert(to.size <= sizeof i->identity);
    if (to.size > 0)
        memcpy(i->identity, to.identity, to.size);
    i->identity_size = to.size;
}

static void pack_error(struct buf *body, uint64_t id, const struct ebm_error *why)
{
    Ebm__Reply m = EBM__REPLY__INIT;

    m.id = id;
    m.status = why->code;
    m.error = (char *)why->text;
    buf_clear(body);
    if (wire_pack(&m.base, body, NULL) != EBM_OK)
        log_error("out-of-memory", "in=reply");
}

void outbox_put_reply(struct outbox *o, struct outbox_peer to, struct reply *r)
{
    struct outbox_item *i = add(o, OUT_REPLY);
    struct ebm_error err;

    if (i == NULL)
        return;
    set_peer(i, to);
    i->request = r->message.id;
    if (reply_seal(r, &i->body, &err) != EBM_OK) {
        pack_error(&i->body, i->request, &err);
        return;
    }
    i->bulk = r->bulk;
    buf_init(&r->bulk);
}

void outbox_put_packed(struct outbox *o, struct outbox_peer to, uint64_t id, const struct buf *body)
{
    struct outbox_item *i = add(o, OUT_REPLY);
    ProtobufCMessage *m = NULL;

    if (i == NULL)
        return;
    set_peer(i, to);
    i->request = id;
    struct ebm_error err;
    if (wire_unpack(body->data, body->size, &ebm__reply__descriptor, &m, &err) == EBM_OK) {
        ((Ebm__Reply *)m)->id = id;
        wire_pack(m, &i->body, NULL);
    } else {
        pack_error(&i->body, id, &err);
    }
    wire_free(m);
}

void outbox_put_worker(struct outbox *o, struct outbox_peer to, const Ebm__ToWorker *message,
                       const void *bulk, size_t bulk_size)
{
    struct outbox_item *i = add(o, OUT_WORKER);

    if (i == NULL)
        return;
    set_peer(i, to);
    wire_pack(&message->base, &i->body, NULL);
    if (bulk_size > 0)
        buf_put(&i->bulk, bulk, bulk_size);
    /* Half a message is worse than none: the worker asks again. */
    if (!buf_ok(&i->body) || !buf_ok(&i->bulk) || i->body.size == 0)
        i->identity_size = 0;
}

void outbox_put_event(struct outbox *o, const struct store_event *e, enum job_state state,
                      uint64_t step)
{
    struct outbox_item *i = add(o, OUT_EVENT);

    if (i == NULL)
        return;
    i->event = *e;
    i->state = state;
    i->step = step;
}

void outbox_put_effect(struct outbox *o, outbox_effect *effect, int64_t id, int64_t number)
{
    struct outbox_item *i = add(o, OUT_EFFECT);

    /* A commit without its effect is repaired at the next start only. */
    if (i == NULL)
        abort();
    i->effect = effect;
    i->id = id;
    i->number = number;
}

static void publish(struct daemon *d, struct outbox_item *i)
{
    Ebm__Event m = EBM__EVENT__INIT;
    Ebm__EventRow row = EBM__EVENT_ROW__INIT;

    row.seq = i->event.seq;
    row.job = (uint64_t)i->event.job;
    row.attempt = i->event.attempt;
    row.time_ms = i->event.time_ms;
    row.kind = i->event.kind;
    row.text = i->event.text;
    m.row = &row;
    m.state = (char *)job_state_name(i->state);
    m.step = i->step;
    wire_publish(d->events, row.job, &m, NULL); /* a hint: the store is the truth */
}

static void send_out(struct daemon *d, struct outbox_item *i)
{
    struct link_socket *s = i->kind == OUT_REPLY ? d->control : d->worker;
    struct ebm_error err;

    if (i->identity_size == 0 || s == NULL)
        return;
    if (wire_send_packed(s, i->identity, i->identity_size, &i->body, i->bulk.data, i->bulk.size,
                         &err) != EBM_OK)
        log_debug("peer-gone", "error=\"%s\"", err.text);
}

static void item_fini(struct outbox_item *i)
{
    buf_fini(&i->body);
    buf_fini(&i->bulk);
}

void outbox_cut(struct outbox *o, size_t count)
{
    while (o->count > count)
        item_fini(&o->item[--o->count]);
}

void outbox_flush(struct outbox *o, struct daemon *d)
{
    /* By index and by copy: an effect may put more in, and move the list. */
    for (size_t n = 0; n < o->count; n++) {
        struct outbox_item i = o->item[n];
        if (i.kind == OUT_EFFECT)
            i.effect(d, i.id, i.number);
        else if (i.kind == OUT_EVENT)
            publish(d, &i);
        else
            send_out(d, &i);
        item_fini(&i);
    }
    o->count = 0;
}

void outbox_drop(struct outbox *o, struct daemon *d, const struct ebm_error *why)
{
    for (size_t n = 0; n < o->count; n++) {
        struct outbox_item *i = &o->item[n];
        if (i->kind == OUT_REPLY) {
            pack_error(&i->body, i->request, why);
            buf_clear(&i->bulk);
            send_out(d, i);
        }
        item_fini(i);
    }
    o->count = 0;
}

void outbox_fini(struct outbox *o)
{
    for (size_t n = 0; n < o->count; n++)
        item_fini(&o->item[n]);
    free(o->item);
    *o = (struct outbox){0};
}
