/* The vault's thread, its queue and its answers. */
#include "store/vault.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/vault_private.h"

enum {
    GROUP_BYTES = 8 << 20,    /* one commit covers at most about this much */
    QUEUE_BYTES = 256 << 20,  /* queued and not yet stored */
    ITEM_BYTES_MAX = 16 << 20 /* one chunk, one read */
};

struct list {
    struct vault_item *first;
    struct vault_item **last;
};

struct vault {
    struct vault_work work; /* the thread's alone */
    pthread_t thread;
    bool started;
    int fd;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t wake;
    struct list queue;
    size_t queued_bytes;
    struct list answers;
    bool closing;
};

/* ---- lists ---- */

static void list_init(struct list *l)
{
    l->first = NULL;
    l->last = &l->first;
}

static void list_push(struct list *l, struct vault_item *item)
{
    item->next = NULL;
    *l->last = item;
    l->last = &item->next;
}

static struct vault_item *list_pop(struct list *l)
{
    struct vault_item *item = l->first;
    if (item != NULL) {
        l->first = item->next;
        if (l->first == NULL)
            l->last = &l->first;
    }
    return item;
}

static void item_destroy(struct vault_item *item)
{
    free(item->data);
    vault_answer_fini(&item->answer);
    free(item);
}

static void list_fini(struct list *l)
{
    for (struct vault_item *item = list_pop(l); item != NULL; item = list_pop(l))
        item_destroy(item);
}

/* ---- the thread ---- */

static void publish(struct vault *v, struct list *done)
{
    static const uint64_t one = 1;

    if (done->first == NULL)
        return;
    pthread_mutex_lock(&v->mutex);
    for (struct vault_item *item = list_pop(done); item != NULL; item = list_pop(done))
        list_push(&v->answers, item);
    /* Cannot block: the loop empties it whenever the answers run out. */
    while (write(v->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_mutex_unlock(&v->mutex);
}

/* Commits a group and lets its answers go. */
static void settle(struct vault *v, struct list *group)
{
    struct ebm_error why;

    if (vault_work_settle(&v->work, &why) != EBM_OK)
        for (struct vault_item *item = group->first; item != NULL; item = item->next) {
            if (item->answer.status != EBM_OK)
                continue;
            item->answer.status = why.code;
            item->answer.error = why;
        }
    publish(v, group);
}

/* Takes requests up to the bytes of one commit. */
static void take(struct vault *v, struct list *out)
{
    size_t bytes = 0;

    while (v->queue.first != NULL && bytes < GROUP_BYTES) {
        struct vault_item *item = list_pop(&v->queue);
        bytes += item->size;
        list_push(out, item);
    }
    v->queued_bytes -= bytes;
}

static void work_off(struct vault *v, struct list *taken)
{
    struct list group;

    list_init(&group);
    for (struct vault_item *item = list_pop(taken); item != NULL; item = list_pop(taken)) {
        bool groups = vault_work_groups(item->op);
        if (!groups)
            settle(v, &group);
        vault_work_do(&v->work, item);
        list_push(&group, item);
        if (!groups)
            publish(v, &group);
    }
    settle(v, &group);
}

/* Waits for requests, with housekeeping meanwhile; false: closing and done. */
static bool wait_for_work(struct vault *v, struct list *taken)
{
    pthread_mutex_lock(&v->mutex);
    while (v->queue.first == NULL && !v->closing) {
        pthread_mutex_unlock(&v->mutex);
        bool more = vault_work_idle(&v->work);
        pthread_mutex_lock(&v->mutex);
        if (!more && v->queue.first == NULL && !v->closing)
            pthread_cond_wait(&v->wake, &v->mutex);
    }
    take(v, taken);
    pthread_mutex_unlock(&v->mutex);
    return taken->first != NULL;
}

static void *run(void *arg)
{
    struct vault *v = arg;
    struct list taken;

    list_init(&taken);
    while (wait_for_work(v, &taken))
        work_off(v, &taken);
    return NULL;
}

/* Signals are the loop's. */
static int start_thread(struct vault *v)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&v->thread, NULL, run, v);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    v->started = failed == 0;
    return failed;
}

/* ---- open and close ---- */

enum ebm_status vault_open(const struct home *home, uint64_t max_bytes, struct vault **out,
                           struct ebm_error *err)
{
    *out = NULL;
    struct vault *v = calloc(1, sizeof *v);
    if (v == NULL)
        return ebm_fail(err, EBM_ENOMEM, "vault: out of memory");
    pthread_mutex_init(&v->mutex, NULL);
    pthread_cond_init(&v->wake, NULL);
    list_init(&v->queue);
    list_init(&v->answers);
    enum ebm_status status = EBM_OK;
    v->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (v->fd < 0)
        status = ebm_fail_errno(err, errno, "vault: cannot make an eventfd");
    if (status == EBM_OK)
        status = vault_work_open(&v->work, home, max_bytes, err);
    if (status == EBM_OK) {
        int failed = start_thread(v);
        if (failed != 0)
            status = ebm_fail_errno(err, failed, "vault: cannot start its thread");
    }
    if (status != EBM_OK) {
        vault_close(v);
        return status;
    }
    *out = v;
    return EBM_OK;
}

void vault_close(struct vault *v)
{
    if (v == NULL)
        return;
    if (v->started) {
        pthread_mutex_lock(&v->mutex);
        v->closing = true;
        pthread_cond_signal(&v->wake);
        pthread_mutex_unlock(&v->mutex);
        pthread_join(v->thread, NULL);
    }
    list_fini(&v->queue);
    list_fini(&v->answers);
    vault_work_fini(&v->work);
    if (v->fd >= 0)
        close(v->fd);
    pthread_cond_destroy(&v->wake);
    pthread_mutex_destroy(&v->mutex);
    free(v);
}

uint64_t vault_bytes(struct vault *v)
{
    return db_bytes(v->work.path); /* written once, before the thread */
}

/* ---- answers ---- */

int vault_fd(const struct vault *v)
{
    return v->fd;
}

enum ebm_status vault_next(struct vault *v, struct vault_answer *out)
{
    uint64_t count;

    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&v->mutex);
    struct vault_item *item = list_pop(&v->answers);
    if (v->answers.first == NULL)
        while (read(v->fd, &count, sizeof count) < 0 && errno == EINTR)
            ;
    pthread_mutex_unlock(&v->mutex);
    if (item == NULL)
        return EBM_ETIMEOUT;
    *out = item->answer;
    item->answer.data = NULL;
    item_destroy(item);
    return EBM_OK;
}

void vault_answer_fini(struct vault_answer *a)
{
    free(a->data);
    a->data = NULL;
    a->size = 0;
}

/* ---- requests ---- */

static struct vault_item *item_create(enum vault_op op, int64_t checkpoint, const void *data,
                                      size_t size, uint64_t cookie)
{
    struct vault_item *item = calloc(1, sizeof *item);
    if (item == NULL)
        return NULL;
    item->op = item->answer.op = op;
    item->checkpoint = item->answer.checkpoint = checkpoint;
    item->answer.cookie = cookie;
    if (size == 0)
        return item;
    item->data = malloc(size);
    if (item->data == NULL) {
        item_destroy(item);
        return NULL;
    }
    memcpy(item->data, data, size);
    item->size = size;
    return item;
}

/* Takes the item, which may be NULL. */
static enum ebm_status enqueue(struct vault *v, struct vault_item *item, struct ebm_error *err)
{
    if (item == NULL)
        return ebm_fail(err, EBM_ENOMEM, "vault: out of memory");
    pthread_mutex_lock(&v->mutex);
    bool full = item->size > QUEUE_BYTES - v->queued_bytes;
    if (!full) {
        v->queued_bytes += item->size;
        list_push(&v->queue, item);
        pthread_cond_signal(&v->wake);
    }
    pthread_mutex_unlock(&v->mutex);
    if (!full)
        return EBM_OK;
    item_destroy(item);
    return ebm_fail(err, EBM_ENOMEM, "vault: %d MiB wait to be stored; send again later",
                    QUEUE_BYTES >> 20);
}

static enum ebm_status check_id(int64_t checkpoint, struct ebm_error *err)
{
    if (checkpoint > 0)
        return EBM_OK;
    return ebm_fail(err, EBM_EINVAL, "vault: no checkpoint %lld", (long long)checkpoint);
}

static enum ebm_status check_size(size_t n, struct ebm_error *err)
{
    if (n > 0 && n <= ITEM_BYTES_MAX)
        return EBM_OK;
    return ebm_fail(err, EBM_EINVAL, "vault: %zu bytes at once is not in 1 to %d", n,
                    ITEM_BYTES_MAX);
}

enum ebm_status vault_begin(struct vault *v, int64_t checkpoint, uint64_t bytes, uint64_t cookie,
                            struct ebm_error *err)
{
    enum ebm_status status = check_id(checkpoint, err);
    if (status != EBM_OK)
        return status;
    if (bytes == 0 || bytes > INT64_MAX / 4)
        return ebm_fail(err, EBM_EINVAL, "vault: a checkpoint cannot have %llu bytes",
                        (unsigned long long)bytes);
    struct vault_item *item = item_create(VAULT_BEGIN, checkpoint, NULL, 0, cookie);
    if (item != NULL)
        item->bytes = bytes;
    return enqueue(v, item, err);
}

enum ebm_status vault_chunk(struct vault *v, int64_t checkpoint, uint64_t offset, const void *bytes,
                            size_t n, uint64_t cookie, struct ebm_error *err)
{
    enum ebm_status status = check_id(checkpoint, err);
    if (status == EBM_OK)
        status = check_size(n, err);
    if (status != EBM_OK)
        return status;
    struct vault_item *item = item_create(VAULT_CHUNK, checkpoint, bytes, n, cookie);
    if (item != NULL)
        item->offset = offset;
    return enqueue(v, item, err);
}

enum ebm_status vault_finish(struct vault *v, int64_t checkpoint,
                             const uint8_t digest[DIGEST_BYTES], uint64_t cookie,
                             struct ebm_error *err)
{
    enum ebm_status status = check_id(checkpoint, err);
    if (status != EBM_OK)
        return status;
    struct vault_item *item = item_create(VAULT_FINISH, checkpoint, NULL, 0, cookie);
    if (item != NULL)
        memcpy(item->digest, digest, DIGEST_BYTES);
    return enqueue(v, item, err);
}

static enum ebm_status request(struct vault *v, enum vault_op op, int64_t checkpoint,
                               uint64_t cookie, struct ebm_error *err)
{
    enum ebm_status status = check_id(checkpoint, err);
    if (status != EBM_OK)
        return status;
    return enqueue(v, item_create(op, checkpoint, NULL, 0, cookie), err);
}

enum ebm_status vault_abort(struct vault *v, int64_t checkpoint, uint64_t cookie,
                            struct ebm_error *err)
{
    return request(v, VAULT_ABORT, checkpoint, cookie, err);
}

enum ebm_status vault_delete(struct vault *v, int64_t checkpoint, uint64_t cookie,
                             struct ebm_error *err)
{
    return request(v, VAULT_DELETE, checkpoint, cookie, err);
}

enum ebm_status vault_read(struct vault *v, int64_t checkpoint, uint64_t offset, size_t n,
                           uint64_t cookie, struct ebm_error *err)
{
    enum ebm_status status = check_id(checkpoint, err);
    if (status == EBM_OK)
        status = check_size(n, err);
    if (status != EBM_OK)
        return status;
    struct vault_item *item = item_create(VAULT_READ, checkpoint, NULL, 0, cookie);
    if (item != NULL) {
        item->offset = offset;
        item->bytes = n;
    }
    return enqueue(v, item, err);
}

enum ebm_status vault_sweep(struct vault *v, const int64_t *ids, size_t n, uint64_t cookie,
                            struct ebm_error *err)
{
    struct vault_item *item = item_create(VAULT_SWEEP, 0, ids, n * sizeof *ids, cookie);
    if (item != NULL && item->data != NULL)
        qsort(item->data, n, sizeof *ids, vault_compare_ids);
    return enqueue(v, item, err);
}
