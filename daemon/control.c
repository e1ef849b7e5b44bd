#include "control.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "unit.h"

enum { KEY_MAX = 128 };

static const struct request_row {
    Ebm__Request__BodyCase body;
    const char *name;
    bool changes; /* in a savepoint and under its key */
    control_handler *handle;
} rows[] = {
    {EBM__REQUEST__BODY_SUBMIT, "submit", true, control_submit},
    {EBM__REQUEST__BODY_LIST, "list", false, control_list},
    {EBM__REQUEST__BODY_SHOW, "show", false, control_show},
    {EBM__REQUEST__BODY_CHECKPOINTS, "checkpoints", false, control_checkpoints},
    {EBM__REQUEST__BODY_HISTORY, "history", false, control_history},
    {EBM__REQUEST__BODY_EVENTS, "events", false, control_events},
    {EBM__REQUEST__BODY_METRICS, "metrics", false, control_metrics},
    {EBM__REQUEST__BODY_ROLLBACK, "rollback", true, control_rollback},
    {EBM__REQUEST__BODY_FORK, "fork", true, control_fork},
    {EBM__REQUEST__BODY_CHANGE, "change", true, control_change},
    {EBM__REQUEST__BODY_PIN, "pin", true, control_pin},
    {EBM__REQUEST__BODY_PICTURE, "picture", false, control_picture},
    {EBM__REQUEST__BODY_LOGS, "logs", false, control_logs},
    {EBM__REQUEST__BODY_STATUS, "status", false, control_status},
    {EBM__REQUEST__BODY_STOP, "stop", false, control_stop},
};

static const struct request_row *find_row(Ebm__Request__BodyCase body)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].body == body)
            return &rows[i];
    return NULL;
}

/* Keeps the reply under the request's key; it is committed with the change. */
static enum ebm_status keep_reply(struct daemon *d, const Ebm__Request *q, struct reply *r,
                                  struct ebm_error *err)
{
    struct buf body;

    if (q->key[0] == '\0')
        return EBM_OK;
    buf_init(&body);
    r->message.answers = (uint32_t)q->body_case;
    enum ebm_status rc = reply_seal(r, &body, err);
    if (rc == EBM_OK)
        rc = store_key_put(d->store, q->key, body.data, body.size, err);
    buf_fini(&body);
    return rc;
}

struct change {
    const struct request_row *row;
    const Ebm__Request *request;
    struct reply *reply;
};

static enum ebm_status do_change(struct daemon *d, void *arg, struct ebm_error *err)
{
    const struct change *c = arg;
    enum ebm_status rc = c->row->handle(d, c->request, c->reply, err);

    return rc == EBM_OK ? keep_reply(d, c->request, c->reply, err) : rc;
}

static enum ebm_status handle(struct daemon *d, const struct request_row *row,
                              const Ebm__Request *q, struct reply *r, struct ebm_error *err)
{
    struct change c = {row, q, r};

    return row->changes ? unit_do(d, do_change, &c, err) : row->handle(d, q, r, err);
}

/* A key belongs to one request: another one under it is a client's mistake. */
static bool answers_another(const struct buf *kept, const Ebm__Request *q)
{
    ProtobufCMessage *m = NULL;
    uint32_t answers = 0;

    if (wire_unpack(kept->data, kept->size, &ebm__reply__descriptor, &m, NULL) == EBM_OK)
        answers = ((const Ebm__Reply *)m)->answers;
    wire_free(m);
    return answers != 0 && answers != (uint32_t)q->body_case;
}

static void refuse_key(struct daemon *d, struct outbox_peer peer, const Ebm__Request *q)
{
    struct ebm_error err;
    struct reply r;

    ebm_fail(&err, EBM_EINVAL, "the key %.64s was used for another kind of request: take a new one",
             q->key);
    log_info("refused", "error=\"%s\"", err.text);
    reply_init(&r, q->id);
    reply_fail(&r, &err);
    outbox_put_reply(&d->outbox, peer, &r);
    reply_fini(&r);
}

/* True when the request was done before: its reply leaves once more. */
static bool answer_again(struct daemon *d, struct outbox_peer peer, const Ebm__Request *q)
{
    struct buf kept;

    if (q->key[0] == '\0')
        return false;
    buf_init(&kept);
    bool found = store_key_get(d->store, q->key, &kept, NULL) == EBM_OK;
    if (found && answers_another(&kept, q)) {
        refuse_key(d, peer, q);
    } else if (found) {
        log_info("request-again", "key=%s", q->key);
        outbox_put_packed(&d->outbox, peer, q->id, &kept);
    }
    buf_fini(&kept);
    return found;
}

static void serve(struct daemon *d, struct outbox_peer peer, const Ebm__Request *q)
{
    const struct request_row *row = find_row(q->body_case);
    struct reply r;
    struct ebm_error err = {.code = EBM_OK};
    enum ebm_status rc;

    if (row != NULL && row->changes && answer_again(d, peer, q))
        return;
    reply_init(&r, q->id);
    if (row == NULL)
        rc = ebm_fail(&err, EBM_EPROTO, "a request that this ebmd %s does not know", EBM_VERSION);
    else if (strlen(q->key) > KEY_MAX)
        rc = ebm_fail(&err, EBM_EPROTO, "the key of a request is longer than %d bytes", KEY_MAX);
    else
        rc = handle(d, row, q, &r, &err);
    if (rc != EBM_OK) {
        log_info("refused", "request=%s status=%s error=\"%s\"", row != NULL ? row->name : "?",
                 ebm_status_name(rc), err.text);
        reply_fail(&r, &err);
    }
    outbox_put_reply(&d->outbox, peer, &r);
    reply_fini(&r);
}

void control_handle(struct daemon *d, const struct link_message *m)
{
    struct outbox_peer peer = {m->identity, m->identity_size};
    ProtobufCMessage *request = NULL;
    struct ebm_error err;

    if (wire_decode(m, &ebm__request__descriptor, &request, NULL, &err) == EBM_OK) {
        serve(d, peer, (const Ebm__Request *)request);
    } else {
        struct reply r;
        log_warn("bad-request", "error=\"%s\"", err.text);
        reply_init(&r, 0);
        reply_fail(&r, &err);
        outbox_put_reply(&d->outbox, peer, &r);
        reply_fini(&r);
    }
    wire_free(request);
}
