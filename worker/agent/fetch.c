#include "agent/fetch.h"

#include <string.h>

#include "base/log.h"

enum { WINDOW = 4 };

static const uint64_t checkpoint_max = (uint64_t)64 << 30; /* no model of ours comes near */

static enum ebm_status check_welcome(const Ebm__Welcome *w, struct ebm_error *err)
{
    if (w->checkpoint_digest.len != DIGEST_BYTES)
        return ebm_fail(err, EBM_EPROTO, "checkpoint %llu: a digest of %zu bytes",
                        (unsigned long long)w->checkpoint, w->checkpoint_digest.len);
    if (w->checkpoint_bytes == 0 || w->checkpoint_bytes > checkpoint_max)
        return ebm_fail(err, EBM_EPROTO, "checkpoint %llu: a size of %llu bytes",
                        (unsigned long long)w->checkpoint, (unsigned long long)w->checkpoint_bytes);
    return EBM_OK;
}

static bool same_checkpoint(const struct fetch *f, const Ebm__Welcome *w)
{
    return f->active && f->checkpoint == w->checkpoint && f->bytes == w->checkpoint_bytes &&
           memcmp(f->digest, w->checkpoint_digest.data, DIGEST_BYTES) == 0;
}

enum ebm_status fetch_begin(struct fetch *f, const Ebm__Welcome *w, struct ebm_error *err)
{
    enum ebm_status rc = check_welcome(w, err);

    if (rc != EBM_OK)
        return rc;
    if (!same_checkpoint(f, w)) {
        fetch_fini(f);
        f->active = true;
        f->checkpoint = w->checkpoint;
        f->bytes = w->checkpoint_bytes;
        memcpy(f->digest, w->checkpoint_digest.data, DIGEST_BYTES);
        digest_init(&f->hash);
    }
    f->asked = f->got.size;
    return EBM_OK;
}

static bool ask(struct fetch *f, struct post *post)
{
    Ebm__FromWorker message = EBM__FROM_WORKER__INIT;
    Ebm__Fetch body = EBM__FETCH__INIT;
    uint64_t left = f->bytes - f->asked;

    body.checkpoint = f->checkpoint;
    body.offset = f->asked;
    body.bytes = left < WIRE_CHUNK_BYTES ? (uint32_t)left : WIRE_CHUNK_BYTES;
    message.body_case = EBM__FROM_WORKER__BODY_FETCH;
    message.fetch = &body;
    if (!post_send(post, &message, NULL, 0))
        return false;
    f->asked += body.bytes;
    return true;
}

int64_t fetch_tick(struct fetch *f, struct post *post, int64_t now)
{
    if (!f->active)
        return INT64_MAX;
    if (f->asked > f->got.size && now >= f->again_ms)
        f->asked = f->got.size;
    if (f->asked == f->got.size)
        f->again_ms = now + post->config->resend_ms;
    while (f->asked < f->bytes && f->asked - f->got.size < (uint64_t)WINDOW * WIRE_CHUNK_BYTES)
        if (!ask(f, post))
            break;
    return f->again_ms;
}

static enum fetch_result failed(struct fetch *f)
{
    fetch_fini(f);
    return FETCH_FAILED;
}

static enum fetch_result verify(struct fetch *f, struct ebm_error *err)
{
    uint8_t digest[DIGEST_BYTES];

    digest_final(&f->hash, digest);
    if (memcmp(digest, f->digest, DIGEST_BYTES) != 0) {
        ebm_fail(err, EBM_ECORRUPT, "checkpoint %llu: its bytes do not have its digest",
                 (unsigned long long)f->checkpoint);
        return failed(f);
    }
    f->active = false;
    return FETCH_DONE;
}

static enum fetch_result daemon_failed(struct fetch *f, const Ebm__FetchData *d,
                                       struct ebm_error *err)
{
    enum ebm_status code = d->status < EBM_STATUS_COUNT ? (enum ebm_status)d->status : EBM_EIO;

    ebm_fail(err, code, "checkpoint %llu: ebmd cannot give it: %.300s",
             (unsigned long long)f->checkpoint, d->error);
    return failed(f);
}

enum fetch_result fetch_data(struct fetch *f, const Ebm__FetchData *d, const struct link_part *bulk,
                             const struct agent_config *config, int64_t now, struct ebm_error *err)
{
    if (!f->active || d->checkpoint != f->checkpoint)
        return FETCH_GOES_ON;
    if (d->status != EBM_OK)
        return daemon_failed(f, d, err);
    if (d->offset != f->got.size) /* a repeat, or one out of order: asked for again */
        return FETCH_GOES_ON;
    if (bulk->size == 0 || bulk->size > WIRE_CHUNK_BYTES || bulk->size > f->bytes - f->got.size) {
        log_warn("fetch-piece-ignored", "offset=%llu bytes=%zu", (unsigned long long)d->offset,
                 bulk->size);
        return FETCH_GOES_ON;
    }
    buf_put(&f->got, bulk->data, bulk->size);
    if (!buf_ok(&f->got)) {
        ebm_fail(err, EBM_ENOMEM, "out of memory for a checkpoint of %llu bytes",
                 (unsigned long long)f->bytes);
        return failed(f);
    }
    digest_update(&f->hash, bulk->data, bulk->size);
    f->again_ms = now + config->resend_ms;
    if (f->asked < f->got.size)
        f->asked = f->got.size;
    return f->got.size == f->bytes ? verify(f, err) : FETCH_GOES_ON;
}

void fetch_fini(struct fetch *f)
{
    buf_fini(&f->got);
    memset(f, 0, sizeof *f);
}
