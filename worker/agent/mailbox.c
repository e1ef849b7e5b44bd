#include "agent/mailbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"

enum { FIRST_ROWS = 64 };

enum ebm_status mailbox_init(struct mailbox *m, struct ebm_error *err)
{
    memset(m, 0, sizeof *m);
    m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->wake_fd < 0)
        return ebm_fail_errno(err, errno, "agent: cannot create an eventfd");
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, NULL);
    snprintf(m->phase, sizeof m->phase, "loading");
    return EBM_OK;
}

void mailbox_fini(struct mailbox *m)
{
    inbox_fini(&m->inbox);
    buf_fini(&m->blob);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    close(m->wake_fd);
}

void inbox_fini(struct inbox *in)
{
    free(in->row);
    buf_fini(&in->snapshot.blob);
    for (size_t i = 0; i < in->pictures; i++)
        buf_fini(&in->picture[i].png);
    memset(in, 0, sizeof *in);
}

/* Unlocks, and wakes the agent thread if it was not woken already. */
static void unlock_and_wake(struct mailbox *m)
{
    bool wake = !m->woken;
    uint64_t one = 1;

    m->woken = true;
    pthread_mutex_unlock(&m->lock);
    if (wake) {
        ssize_t n = write(m->wake_fd, &one, sizeof one);
        (void)n; /* its counter cannot be full */
    }
}

static bool reserve_row(struct inbox *in)
{
    if (in->rows < in->capacity)
        return true;
    size_t capacity = in->capacity != 0 ? in->capacity * 2 : FIRST_ROWS;
    struct sink_row *row = realloc(in->row, capacity * sizeof *row);
    if (row == NULL)
        return false;
    in->row = row;
    in->capacity = capacity;
    return true;
}

void mailbox_put_row(struct mailbox *m, const struct sink_row *row)
{
    pthread_mutex_lock(&m->lock);
    if (reserve_row(&m->inbox))
        m->inbox.row[m->inbox.rows++] = *row;
    else
        m->inbox.rows_lost++;
    unlock_and_wake(m);
}

void mailbox_put_snapshot(struct mailbox *m, struct snapshot *s)
{
    pthread_mutex_lock(&m->lock);
    struct snapshot old = m->inbox.snapshot;
    m->inbox.snapshot = *s;
    m->inbox.has_snapshot = true;
    unlock_and_wake(m);
    buf_fini(&old.blob);
    buf_init(&s->blob);
}

void mailbox_put_picture(struct mailbox *m, uint64_t step, struct buf *png)
{
    struct buf old;

    buf_init(&old);
    pthread_mutex_lock(&m->lock);
    struct inbox *in = &m->inbox;
    if (in->pictures == MAILBOX_PICTURES) {
        old = in->picture[0].png;
        memmove(&in->picture[0], &in->picture[1], sizeof in->picture - sizeof in->picture[0]);
        in->pictures--;
    }
    in->picture[in->pictures++] = (struct picture){.step = step, .png = *png};
    unlock_and_wake(m);
    buf_fini(&old);
    buf_init(png);
}

void mailbox_set_progress(struct mailbox *m, uint64_t step, const char *phase)
{
    pthread_mutex_lock(&m->lock);
    m->step = step;
    snprintf(m->phase, sizeof m->phase, "%s", phase);
    pthread_mutex_unlock(&m->lock);
}

void mailbox_set_verdict(struct mailbox *m, const struct standing *v)
{
    pthread_mutex_lock(&m->lock);
    m->standing = *v;
    pthread_mutex_unlock(&m->lock);
}

enum sink_order mailbox_order(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    enum sink_order order = m->fenced ? SINK_FENCED : m->order;
    pthread_mutex_unlock(&m->lock);
    return order;
}

void mailbox_order_done(struct mailbox *m, enum sink_order order)
{
    pthread_mutex_lock(&m->lock);
    if (m->order == order)
        m->order = SINK_GO_ON;
    pthread_mutex_unlock(&m->lock);
}

enum ebm_status mailbox_start(struct mailbox *m, uint32_t ranks, struct buf *blob,
                              struct ebm_error *err)
{
    struct buf got;
    struct ebm_error why;

    pthread_mutex_lock(&m->lock);
    m->wants_start = true;
    m->ranks = ranks;
    unlock_and_wake(m);
    pthread_mutex_lock(&m->lock);
    while (!m->started && !m->fenced)
        pthread_cond_wait(&m->changed, &m->lock);
    why = m->fenced ? m->fence_error : m->start_error;
    got = m->blob;
    buf_init(&m->blob);
    pthread_mutex_unlock(&m->lock);
    if (why.code == EBM_OK && blob->data == NULL) {
        *blob = got;
        return EBM_OK;
    }
    if (why.code == EBM_OK) {
        buf_put(blob, got.data, got.size);
        if (!buf_ok(blob))
            ebm_fail(&why, EBM_ENOMEM, "out of memory for a checkpoint of %zu bytes", got.size);
    }
    buf_fini(&got);
    return why.code == EBM_OK ? EBM_OK : ebm_fail(err, why.code, "%s", why.text);
}

enum ebm_status mailbox_finish(struct mailbox *m, const struct ending *ending,
                               struct ebm_error *err)
{
    struct ebm_error why;

    pthread_mutex_lock(&m->lock);
    m->wants_end = true;
    m->ending = *ending;
    unlock_and_wake(m);
    pthread_mutex_lock(&m->lock);
    while (!m->ended && !m->fenced)
        pthread_cond_wait(&m->changed, &m->lock);
    bool ended = m->ended;
    why = m->fence_error;
    pthread_mutex_unlock(&m->lock);
    return ended ? EBM_OK : ebm_fail(err, why.code, "%s", why.text);
}

void mailbox_close(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    m->closing = true;
    unlock_and_wake(m);
}

static void drain_wake_fd(struct mailbox *m)
{
    uint64_t count;
    ssize_t n = read(m->wake_fd, &count, sizeof count);
    (void)n; /* nothing to read is fine */
}

void mailbox_take(struct mailbox *m, struct inbox *in, struct mailbox_view *view)
{
    /* Read before `woken` is cleared: a later writer then writes again. */
    drain_wake_fd(m);
    pthread_mutex_lock(&m->lock);
    m->woken = false;
    *in = m->inbox;
    memset(&m->inbox, 0, sizeof m->inbox);
    view->closing = m->closing;
    view->wants_start = m->wants_start;
    view->wants_end = m->wants_end;
    view->ranks = m->ranks;
    view->step = m->step;
    memcpy(view->phase, m->phase, sizeof view->phase);
    view->standing = m->standing;
    pthread_mutex_unlock(&m->lock);
}

static bool order_is_final(enum sink_order order)
{
    return order == SINK_PAUSE || order == SINK_CANCEL || order == SINK_STOP;
}

void mailbox_give_order(struct mailbox *m, enum sink_order order)
{
    pthread_mutex_lock(&m->lock);
    if (!order_is_final(m->order) || order_is_final(order)) /* a pause takes a checkpoint anyway */
        m->order = order;
    pthread_mutex_unlock(&m->lock);
}

void mailbox_give_start(struct mailbox *m, struct buf *blob, const struct ebm_error *err)
{
    pthread_mutex_lock(&m->lock);
    m->started = true;
    if (err != NULL)
        m->start_error = *err;
    if (blob != NULL) {
        m->blob = *blob;
        buf_init(blob);
    }
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

void mailbox_give_end(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    m->ended = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

void mailbox_give_fence(struct mailbox *m, const char *reason)
{
    pthread_mutex_lock(&m->lock);
    m->fenced = true;
    ebm_fail(&m->fence_error, EBM_ESTALE, "ebmd refused this attempt: %s", reason);
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

void mailbox_read_ending(struct mailbox *m, struct ending *out)
{
    pthread_mutex_lock(&m->lock);
    *out = m->ending;
    pthread_mutex_unlock(&m->lock);
}
