#include "uploads.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "jobs.h"
#include "keeper.h"
#include "orders.h"
#include "unit.h"

/* ---- to the worker ---- */

static void put(struct daemon *d, const struct live *l, Ebm__ToWorker *m, const void *bulk,
                size_t bulk_size)
{
    m->fence = l->fence;
    outbox_put_worker(&d->outbox, (struct outbox_peer){l->identity, l->identity_size}, m, bulk,
                      bulk_size);
}

static void ack_bytes(struct daemon *d, const struct live *l)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__ChunkAck ack = EBM__CHUNK_ACK__INIT;

    ack.upload = l->upload.number;
    ack.received = l->upload.received;
    m.body_case = EBM__TO_WORKER__BODY_CHUNK_ACK;
    m.chunk_ack = &ack;
    put(d, l, &m, NULL, 0);
}

/* status EBM_OK: it is stored. */
static void ack_checkpoint(struct daemon *d, const struct live *l, uint64_t upload, int64_t id,
                           enum ebm_status status, const char *text)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__CheckpointAck ack = EBM__CHECKPOINT_ACK__INIT;

    ack.upload = upload;
    ack.checkpoint = (uint64_t)id;
    ack.status = status;
    ack.error = (char *)text;
    m.body_case = EBM__TO_WORKER__BODY_CHECKPOINT_ACK;
    m.checkpoint_ack = &ack;
    put(d, l, &m, NULL, 0);
}

/* The vault forgets it, and what it holds of it; what is complete stays. */
static void abort_upload(struct daemon *d, int64_t id)
{
    struct ebm_error err;

    if (id != 0 && vault_abort(d->vault, id, 0, &err) != EBM_OK)
        log_warn("vault", "checkpoint=%" PRId64 " error=\"%s\"", id, err.text);
}

static void refuse(struct daemon *d, struct live *l, const struct ebm_error *err)
{
    log_warn("upload", "job=%" PRId64 " step=%" PRIu64 " error=\"%s\"", l->job, l->upload.row.step,
             err->text);
    l->upload.state = UPLOAD_NONE;
    abort_upload(d, l->upload.row.id);
    ack_checkpoint(d, l, l->upload.number, 0, err->code, err->text);
    if (err->code == EBM_ENOSPC)
        orders_pause_full_disk(d, l->job, err);
}

/* ---- begin ---- */

struct search {
    const struct store_checkpoint *wanted;
    int64_t found;
};

static bool compare(void *arg, const struct store_checkpoint *c)
{
    struct search *s = arg;

    if (c->attempt == s->wanted->attempt && c->step == s->wanted->step &&
        memcmp(c->digest, s->wanted->digest, DIGEST_BYTES) == 0)
        s->found = c->id;
    return s->found == 0;
}

/* Whether it was committed before, and its acknowledgement was lost. */
static int64_t find_stored(struct daemon *d, const struct store_checkpoint *row)
{
    struct search s = {.wanted = row};

    store_checkpoint_each(d->store, row->job, true, compare, &s, NULL);
    return s.found;
}

static bool is_sound(const Ebm__CheckpointBegin *m)
{
    return m->digest.len == DIGEST_BYTES && m->math_digest.len == DIGEST_BYTES && m->bytes > 0 &&
           m->bytes <= INT64_MAX / 4 && m->step <= INT64_MAX && m->upload > 0;
}

static void fill_row(const struct live *l, const Ebm__CheckpointBegin *m,
                     struct store_checkpoint *row)
{
    *row = (struct store_checkpoint){.job = l->job,
                                     .attempt = l->attempt,
                                     .step = m->step,
                                     .bytes = m->bytes,
                                     .score = m->score,
                                     .health = "probation"};
    memcpy(row->digest, m->digest.data, DIGEST_BYTES);
    memcpy(row->math_digest, m->math_digest.data, DIGEST_BYTES);
}

static enum ebm_status reserve(struct daemon *d, void *arg, struct ebm_error *err)
{
    return store_checkpoint_reserve(d->store, arg, err);
}

static void start(struct daemon *d, struct live *l, const struct store_checkpoint *row,
                  const Ebm__CheckpointBegin *m)
{
    struct ebm_error err;

    l->upload = (struct upload){
        .state = UPLOAD_BEGINNING, .number = m->upload, .row = *row, .left_out = m->left_out};
    enum ebm_status rc = unit_do(d, reserve, &l->upload.row.id, &err);
    if (rc == EBM_OK)
        rc = vault_begin(d->vault, l->upload.row.id, row->bytes, l->fence, &err);
    if (rc == EBM_ENOSPC)
        refuse(d, l, &err);
    else if (rc != EBM_OK)
        l->upload.state = UPLOAD_NONE; /* it begins again by itself */
}

void uploads_begin(struct daemon *d, struct live *l, const Ebm__CheckpointBegin *m)
{
    struct store_checkpoint row;

    if (!is_sound(m)) {
        ack_checkpoint(d, l, m->upload, 0, EBM_EPROTO, "a checkpoint without digest or bytes");
        return;
    }
    fill_row(l, m, &row);
    bool same = l->upload.state != UPLOAD_NONE && l->upload.number == m->upload &&
                memcmp(l->upload.row.digest, row.digest, DIGEST_BYTES) == 0;
    /* Finishing too: its end comes again then, as a failed commit needs it. */
    if (same && (l->upload.state == UPLOAD_RECEIVING || l->upload.state == UPLOAD_FINISHING)) {
        ack_bytes(d, l);
        return;
    }
    if (same && l->upload.state == UPLOAD_BEGINNING)
        return; /* the vault's answer is on its way */
    int64_t stored = find_stored(d, &row);
    if (stored != 0) {
        ack_checkpoint(d, l, m->upload, stored, EBM_OK, "");
        return;
    }
    uploads_drop(d, l);
    start(d, l, &row, m);
}

/* ---- bytes and end ---- */

/* The upload that the worker speaks of, when bytes may come for it. Any
 * other it begins again, once it notices. */
static bool is_receiving(const struct live *l, uint64_t number)
{
    return l->upload.state == UPLOAD_RECEIVING && l->upload.number == number;
}

void uploads_chunk(struct daemon *d, struct live *l, const Ebm__CheckpointChunk *m,
                   const struct link_part *bulk)
{
    struct ebm_error err;

    if (!is_receiving(l, m->upload) || bulk->size == 0 || bulk->size > WIRE_CHUNK_BYTES)
        return;
    if (vault_chunk(d->vault, l->upload.row.id, m->offset, bulk->data, bulk->size, l->fence,
                    &err) != EBM_OK)
        log_debug("upload", "job=%" PRId64 " error=\"%s\"", l->job, err.text);
}

void uploads_end(struct daemon *d, struct live *l, const Ebm__CheckpointEnd *m)
{
    struct ebm_error err;
    const struct upload *u = &l->upload;

    if (u->state == UPLOAD_STORED && u->number == m->upload) {
        ack_checkpoint(d, l, u->number, u->row.id, EBM_OK, "");
        return;
    }
    if (is_receiving(l, m->upload) && u->received < u->row.bytes) {
        ack_bytes(d, l);
        return;
    }
    if (u->number != m->upload || (u->state != UPLOAD_RECEIVING && u->state != UPLOAD_FINISHING))
        return;
    /* Also again, for an end whose commit failed. */
    if (vault_finish(d->vault, u->row.id, u->row.digest, l->fence, &err) == EBM_OK)
        l->upload.state = UPLOAD_FINISHING;
}

/* ---- the row ---- */

static enum ebm_status insert_row(struct daemon *d, struct live *l, struct store_job *job,
                                  struct ebm_error *err)
{
    struct store_checkpoint *row = &l->upload.row;

    row->created_ms = clock_wall_ms();
    enum ebm_status rc = store_checkpoint_insert(d->store, row, err);
    if (rc != EBM_OK)
        return rc;
    job->restarts_used = 0; /* progress: the budget is whole again */
    /* What brought it here, as a crash or a rollback, is history now. */
    if (job->state == JOB_RUNNING && job->intent == INTENT_NONE)
        job->reason[0] = '\0';
    rc = jobs_save(d, job, err);
    if (rc != EBM_OK)
        return rc;
    if (l->upload.left_out == 0)
        return jobs_log(d, job, "checkpoint", err, "c%" PRId64 " at step %" PRIu64, row->id,
                        row->step);
    return jobs_log(d, job, "checkpoint", err,
                    "c%" PRId64 " at step %" PRIu64 "; %" PRIu64
                    " before it came faster than they could be stored, and %s left out",
                    row->id, row->step, l->upload.left_out,
                    l->upload.left_out == 1 ? "was" : "were");
}

/* Effect: id is the job, number the checkpoint. Only now is it stored. */
static void note_stored(struct daemon *d, int64_t id, int64_t number)
{
    struct live *l = live_find(&d->live, id);

    if (l != NULL && l->upload.row.id == number && l->upload.state == UPLOAD_FINISHING)
        l->upload.state = UPLOAD_STORED;
}

static enum ebm_status store_row(struct daemon *d, void *arg, struct ebm_error *err)
{
    struct live *l = arg;
    struct store_checkpoint there;
    struct store_job job;
    enum ebm_status rc = store_checkpoint_get(d->store, l->upload.row.id, &there, err);

    if (rc == EBM_ENOTFOUND) {
        rc = store_job_get(d->store, l->job, &job, err);
        if (rc == EBM_OK)
            rc = insert_row(d, l, &job, err);
        if (rc == EBM_OK)
            rc = keeper_tend(d, &job, err);
    }
    if (rc != EBM_OK)
        return rc;
    outbox_put_effect(&d->outbox, note_stored, l->job, l->upload.row.id);
    ack_checkpoint(d, l, l->upload.number, l->upload.row.id, EBM_OK, "");
    return EBM_OK;
}

/* ---- the start ---- */

static enum ebm_status find_start(struct daemon *d, const struct live *l,
                                  struct store_checkpoint *out, struct ebm_error *err)
{
    struct store_attempt a;
    enum ebm_status rc = store_attempt_get(d->store, l->job, l->attempt, &a, err);

    return rc == EBM_OK ? store_checkpoint_get(d->store, a.from_checkpoint, out, err) : rc;
}

static void put_fetched(struct daemon *d, const struct live *l, const struct vault_answer *a)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__FetchData data = EBM__FETCH_DATA__INIT;

    data.checkpoint = (uint64_t)a->checkpoint;
    data.offset = a->offset;
    data.status = a->status;
    data.error = (char *)(a->status != EBM_OK ? a->error.text : "");
    m.body_case = EBM__TO_WORKER__BODY_FETCH_DATA;
    m.fetch_data = &data;
    put(d, l, &m, a->data, a->size);
}

void uploads_fetch(struct daemon *d, struct live *l, const Ebm__Fetch *m)
{
    struct store_checkpoint c;
    struct vault_answer refused = {.checkpoint = (int64_t)m->checkpoint, .offset = m->offset};
    size_t bytes = m->bytes < WIRE_CHUNK_BYTES ? m->bytes : WIRE_CHUNK_BYTES;
    enum ebm_status rc = find_start(d, l, &c, &refused.error);

    if (rc == EBM_OK && (uint64_t)c.id != m->checkpoint)
        rc = ebm_fail(&refused.error, EBM_EPROTO, "this attempt does not start from it");
    if (rc == EBM_OK) /* without memory the worker asks again */
        rc = vault_read(d->vault, c.id, m->offset, bytes, l->fence, &refused.error);
    if (rc == EBM_OK || rc == EBM_ENOMEM)
        return;
    refused.status = rc;
    put_fetched(d, l, &refused);
}

/* ---- answers of the vault ---- */

static void on_begun(struct daemon *d, struct live *l, const struct vault_answer *a)
{
    if (a->status != EBM_OK && a->status != EBM_EEXIST) {
        refuse(d, l, &a->error);
        return;
    }
    l->upload.state = UPLOAD_RECEIVING;
    l->upload.received = a->status == EBM_EEXIST ? l->upload.row.bytes : 0;
    ack_bytes(d, l);
}

static void on_chunk(struct daemon *d, struct live *l, const struct vault_answer *a)
{
    if (l->upload.state != UPLOAD_RECEIVING)
        return;
    if (a->status != EBM_OK) {
        refuse(d, l, &a->error);
        return;
    }
    l->upload.received = a->offset;
    ack_bytes(d, l);
}

static void on_finished(struct daemon *d, struct live *l, const struct vault_answer *a)
{
    struct ebm_error err;

    if (a->status != EBM_OK)
        refuse(d, l, &a->error);
    else if (unit_do(d, store_row, l, &err) != EBM_OK) /* its end comes again */
        log_error("upload", "job=%" PRId64 " error=\"%s\"", l->job, err.text);
}

static void log_housekeeping(const struct vault_answer *a)
{
    static const char *const names[] = {
        [VAULT_BEGIN] = "begin", [VAULT_CHUNK] = "chunk",   [VAULT_FINISH] = "finish",
        [VAULT_ABORT] = "abort", [VAULT_DELETE] = "delete", [VAULT_READ] = "read",
        [VAULT_SWEEP] = "sweep"};

    if (a->status != EBM_OK)
        log_warn("vault", "op=%s checkpoint=%" PRId64 " error=\"%s\"", names[a->op], a->checkpoint,
                 a->error.text);
}

static struct live *find_fence(const struct live_table *t, uint64_t fence)
{
    for (size_t i = 0; fence != 0 && i < t->count; i++)
        if (t->item[i]->fence == fence)
            return t->item[i];
    return NULL;
}

static void on_upload_answer(struct daemon *d, struct live *l, const struct vault_answer *a)
{
    if (a->checkpoint != l->upload.row.id || l->upload.state == UPLOAD_NONE)
        return; /* of an upload that was given up */
    if (a->op == VAULT_BEGIN)
        on_begun(d, l, a);
    else if (a->op == VAULT_CHUNK)
        on_chunk(d, l, a);
    else
        on_finished(d, l, a);
}

static void on_answer(struct daemon *d, const struct vault_answer *a)
{
    struct live *l = find_fence(&d->live, a->cookie);

    if (l != NULL && a->op == VAULT_READ)
        put_fetched(d, l, a);
    else if (l != NULL && (a->op == VAULT_BEGIN || a->op == VAULT_CHUNK || a->op == VAULT_FINISH))
        on_upload_answer(d, l, a);
    else
        log_housekeeping(a);
}

void uploads_take(struct daemon *d)
{
    struct vault_answer a;

    while (vault_next(d->vault, &a) == EBM_OK) {
        on_answer(d, &a);
        vault_answer_fini(&a);
    }
}

void uploads_drop(struct daemon *d, struct live *l)
{
    struct ebm_error err;
    int64_t id = l->upload.row.id;
    enum upload_state state = l->upload.state;

    l->upload = (struct upload){.state = UPLOAD_NONE};
    if (state == UPLOAD_NONE || state == UPLOAD_STORED || id == 0)
        return;
    if (state != UPLOAD_FINISHING)
        abort_upload(d, id);
    /* It may be complete by now, but no row says so. */
    else if (vault_delete(d->vault, id, 0, &err) != EBM_OK)
        log_warn("vault", "checkpoint=%" PRId64 " error=\"%s\"", id, err.text);
}
