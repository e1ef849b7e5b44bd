#include "agent/upload.h"

#include <string.h>

#include "base/log.h"

enum {
    HASH_SLICE = 4 << 20, /* hashed between two looks at the socket: about 10 ms */
    WINDOW = 4,           /* chunks under way */
    STRIKES_MAX = 3,      /* silences before the upload begins again */
    REFUSALS_MAX = 3      /* failed commits before the snapshot is given up */
};

static void start_hash(struct upload *u)
{
    u->state = UPLOAD_HASH;
    u->id++;
    u->hashed = 0;
    u->received = u->sent = u->sent_ever = 0;
    u->strikes = u->refusals = 0;
    u->end_sent = false;
    digest_init(&u->hash);
}

void upload_put(struct upload *u, struct snapshot *s)
{
    struct snapshot *to = u->state == UPLOAD_NONE ? &u->now : &u->next;

    if (u->has_next) {
        log_info("checkpoint-replaced", "step=%llu by=%llu", (unsigned long long)u->next.step,
                 (unsigned long long)s->step);
        u->next_left_out++;
    }
    buf_fini(&to->blob);
    *to = *s;
    buf_init(&s->blob);
    if (to == &u->now)
        start_hash(u);
    else
        u->has_next = true;
}

bool upload_idle(const struct upload *u)
{
    return u->state == UPLOAD_NONE;
}

/* This snapshot is over, stored or given up: on to the waiting one. */
static void finish_one(struct upload *u)
{
    buf_fini(&u->now.blob);
    u->state = UPLOAD_NONE;
    u->left_out = u->next_left_out;
    u->next_left_out = 0;
    if (!u->has_next)
        return;
    u->now = u->next;
    buf_init(&u->next.blob);
    u->has_next = false;
    start_hash(u);
}

/* Not at once when Begin went a moment ago: whoever forgets each upload as
 * soon as it began must not keep us spinning. */
static void begin_again(struct upload *u, const struct agent_config *config)
{
    u->state = UPLOAD_BEGIN;
    u->again_ms = u->begin_ms + config->hello_ms;
    u->strikes = 0;
}

static int64_t hash_some(struct upload *u, int64_t now)
{
    size_t left = u->now.blob.size - u->hashed;
    size_t n = left < HASH_SLICE ? left : HASH_SLICE;

    if (n > 0)
        digest_update(&u->hash, u->now.blob.data + u->hashed, n);
    u->hashed += n;
    if (u->hashed == u->now.blob.size) {
        digest_final(&u->hash, u->digest);
        u->state = UPLOAD_BEGIN;
        u->again_ms = 0;
    }
    return now;
}

static int64_t begin_tick(struct upload *u, struct post *post, int64_t now)
{
    Ebm__FromWorker message = EBM__FROM_WORKER__INIT;
    Ebm__CheckpointBegin body = EBM__CHECKPOINT_BEGIN__INIT;

    if (now < u->again_ms)
        return u->again_ms;
    body.upload = u->id;
    body.step = u->now.step;
    body.bytes = u->now.blob.size;
    body.digest = (ProtobufCBinaryData){DIGEST_BYTES, u->digest};
    body.score = u->now.score;
    body.left_out = u->left_out;
    body.math_digest = (ProtobufCBinaryData){DIGEST_BYTES, u->now.math_digest};
    message.body_case = EBM__FROM_WORKER__BODY_BEGIN;
    message.begin = &body;
    post_send(post, &message, NULL, 0);
    u->begin_ms = now;
    u->again_ms = now + post->config->resend_ms;
    return u->again_ms;
}

static bool send_chunk(struct upload *u, struct post *post)
{
    Ebm__FromWorker message = EBM__FROM_WORKER__INIT;
    Ebm__CheckpointChunk body = EBM__CHECKPOINT_CHUNK__INIT;
    uint64_t left = u->now.blob.size - u->sent;
    size_t n = left < WIRE_CHUNK_BYTES ? (size_t)left : WIRE_CHUNK_BYTES;

    body.upload = u->id;
    body.offset = u->sent;
    message.body_case = EBM__FROM_WORKER__BODY_CHUNK;
    message.chunk = &body;
    if (!post_send(post, &message, u->now.blob.data + u->sent, n))
        return false;
    u->sent += n;
    if (u->sent > u->sent_ever)
        u->sent_ever = u->sent;
    return true;
}

static int64_t send_tick(struct upload *u, struct post *post, int64_t now)
{
    if (now >= u->again_ms && u->sent > u->received) {
        if (++u->strikes >= STRIKES_MAX) {
            begin_again(u, post->config);
            return begin_tick(u, post, now);
        }
        u->sent = u->received;
    }
    if (u->sent == u->received)
        u->again_ms = now + post->config->resend_ms;
    while (u->sent < u->now.blob.size &&
           u->sent - u->received < (uint64_t)WINDOW * WIRE_CHUNK_BYTES)
        if (!send_chunk(u, post))
            break;
    return u->again_ms;
}

static int64_t end_tick(struct upload *u, struct post *post, int64_t now)
{
    Ebm__FromWorker message = EBM__FROM_WORKER__INIT;
    Ebm__CheckpointEnd body = EBM__CHECKPOINT_END__INIT;

    if (now < u->again_ms)
        return u->again_ms;
    if (u->strikes++ >= STRIKES_MAX) {
        begin_again(u, post->config);
        return begin_tick(u, post, now);
    }
    body.upload = u->id;
    message.body_case = EBM__FROM_WORKER__BODY_END;
    message.end = &body;
    post_send(post, &message, NULL, 0);
    u->end_sent = true;
    u->again_ms = now + post->config->commit_ms;
    return u->again_ms;
}

int64_t upload_tick(struct upload *u, struct post *post, int64_t now)
{
    switch (u->state) {
    case UPLOAD_HASH:
        return hash_some(u, now);
    case UPLOAD_BEGIN:
        return begin_tick(u, post, now);
    case UPLOAD_SEND:
        return send_tick(u, post, now);
    case UPLOAD_END:
        return end_tick(u, post, now);
    case UPLOAD_NONE:
        break;
    }
    return INT64_MAX;
}

/* What ebmd has is what goes on from. */
static void resume_at(struct upload *u, uint64_t received, const struct agent_config *config,
                      int64_t now)
{
    if (received > u->received || u->state == UPLOAD_BEGIN) {
        u->strikes = 0;
        u->again_ms = now + config->resend_ms;
    }
    u->received = received;
    if (u->state == UPLOAD_BEGIN || u->sent < received)
        u->sent = received;
    u->state = UPLOAD_SEND;
    if (received == u->now.blob.size) {
        u->state = UPLOAD_END;
        u->again_ms = 0;
    }
}

void upload_chunk_ack(struct upload *u, const Ebm__ChunkAck *ack, const struct agent_config *config,
                      int64_t now)
{
    if (u->state < UPLOAD_BEGIN || ack->upload != u->id)
        return;
    if (ack->received > u->sent_ever) {
        log_warn("upload-ack-ignored", "received=%llu sent=%llu", (unsigned long long)ack->received,
                 (unsigned long long)u->sent_ever);
        return;
    }
    if (u->state != UPLOAD_BEGIN && ack->received < u->received) {
        log_info("upload-begins-again", "step=%llu received=%llu had=%llu",
                 (unsigned long long)u->now.step, (unsigned long long)ack->received,
                 (unsigned long long)u->received);
        begin_again(u, config);
        return;
    }
    if (u->state != UPLOAD_END) /* in the end state it is an old acknowledgement */
        resume_at(u, ack->received, config, now);
}

static void refused(struct upload *u, const Ebm__CheckpointAck *ack,
                    const struct agent_config *config)
{
    bool full = ack->status == EBM_ENOSPC;

    log_error("checkpoint-refused", "step=%llu status=%s error=\"%.200s\"",
              (unsigned long long)u->now.step,
              ack->status < EBM_STATUS_COUNT ? ebm_status_name((enum ebm_status)ack->status) : "?",
              ack->error);
    if (full || ++u->refusals >= REFUSALS_MAX) {
        log_error("checkpoint-dropped", "step=%llu", (unsigned long long)u->now.step);
        u->lost = true;
        ebm_fail(&u->lost_error, EBM_EIO, "%s", ack->error);
        finish_one(u);
        return;
    }
    u->received = u->sent = 0;
    begin_again(u, config);
}

void upload_done_ack(struct upload *u, const Ebm__CheckpointAck *ack,
                     const struct agent_config *config, int64_t now)
{
    if (u->state < UPLOAD_BEGIN || ack->upload != u->id)
        return;
    if (ack->status != EBM_OK) {
        refused(u, ack, config);
        return;
    }
    if (!u->end_sent) {
        log_warn("checkpoint-ack-ignored", "step=%llu sent=%llu bytes=%zu",
                 (unsigned long long)u->now.step, (unsigned long long)u->sent_ever,
                 u->now.blob.size);
        return;
    }
    log_info("checkpoint-stored", "step=%llu checkpoint=%llu bytes=%zu ms_since_begin=%lld",
             (unsigned long long)u->now.step, (unsigned long long)ack->checkpoint, u->now.blob.size,
             (long long)(now - u->begin_ms));
    u->lost = false;
    finish_one(u);
}

void upload_again(struct upload *u)
{
    if (u->state < UPLOAD_BEGIN)
        return;
    u->state = UPLOAD_BEGIN;
    u->again_ms = 0;
    u->strikes = 0;
}

void upload_fini(struct upload *u)
{
    buf_fini(&u->now.blob);
    buf_fini(&u->next.blob);
    memset(u, 0, sizeof *u);
}
