#include "roster.h"

#include <stdlib.h>
#include <string.h>

void roster_fini(struct roster *r)
{
    free(r->job);
    *r = (struct roster){0};
}

void roster_doubt(struct roster *r)
{
    r->known = false;
}

static bool reserve(struct roster *r, size_t count)
{
    size_t capacity = r->capacity == 0 ? 64 : r->capacity;

    if (count <= r->capacity)
        return true;
    while (capacity < count)
        capacity *= 2;
    struct store_queued *job = realloc(r->job, capacity * sizeof *job);
    if (job == NULL)
        return false;
    r->job = job;
    r->capacity = capacity;
    return true;
}

/* ---- all rows ---- */

static bool put_last(void *arg, const struct store_queued *q)
{
    struct roster *r = arg;

    r->known = reserve(r, r->count + 1);
    if (r->known)
        r->job[r->count++] = *q;
    return r->known;
}

static enum ebm_status read_all(struct roster *r, struct store *s, struct ebm_error *err)
{
    r->count = 0;
    r->known = true;
    enum ebm_status rc = store_job_queue(s, put_last, r, err);
    if (rc == EBM_OK && !r->known)
        rc = ebm_fail(err, EBM_ENOMEM, "out of memory for the queue");
    return rc;
}

/* ---- those that have changed ---- */

struct change {
    int64_t id;
    enum job_state state;
};

/* Rising by id, so that a job finds whether it has changed. */
struct changes {
    struct change *item;
    size_t count;
    struct store_queued *queued; /* those that are in the queue now, in its order */
    size_t queued_count;
};

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int compare_places(const void *a, const void *b)
{
    const struct store_queued *x = a, *y = b;

    return x->priority != y->priority ? (x->priority < y->priority) - (x->priority > y->priority)
                                      : (x->id > y->id) - (x->id < y->id);
}

static enum ebm_status read_job(struct changes *p, struct store *s, int64_t id,
                                struct ebm_error *err)
{
    struct store_job j;
    enum ebm_status rc = store_job_get(s, id, &j, err);

    if (rc == EBM_ENOTFOUND) /* its insertion was undone */
        return EBM_OK;
    if (rc != EBM_OK)
        return rc;
    p->item[p->count++] = (struct change){id, j.state};
    if (j.state == JOB_QUEUED)
        rc = store_job_queued(s, &j, &p->queued[p->queued_count++], err);
    return rc;
}

static enum ebm_status read_changes(struct changes *p, struct store *s, const struct buf *changed,
                                    struct ebm_error *err)
{
    int64_t *id = (int64_t *)(void *)changed->data;
    size_t n = changed->size / sizeof *id;
    enum ebm_status rc = EBM_OK;

    p->item = malloc(n * sizeof *p->item);
    p->queued = malloc(n * sizeof *p->queued);
    if (p->item == NULL || p->queued == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for the queue");
    qsort(id, n, sizeof *id, compare_ids);
    for (size_t i = 0; rc == EBM_OK && i < n; i++)
        if (i == 0 || id[i] != id[i - 1])
            rc = read_job(p, s, id[i], err);
    qsort(p->queued, p->queued_count, sizeof *p->queued, compare_places);
    return rc;
}

static const struct change *find_change(const struct changes *p, int64_t id)
{
    size_t low = 0, high = p->count;

    /* Most are: what changes is new, or neighbours. */
    if (high == 0 || id < p->item[0].id || id > p->item[high - 1].id)
        return NULL;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->item[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->count && p->item[low].id == id ? &p->item[low] : NULL;
}

/* Takes out who has changed, and tells the others what they wait for. */
static void tell(struct roster *r, const struct changes *p)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->count; i++) {
        struct store_queued *q = &r->job[i];
        if (find_change(p, q->id) != NULL)
            continue;
        const struct change *other = q->after != 0 ? find_change(p, q->after) : NULL;
        if (other != NULL)
            q->after_state = other->state;
        r->job[kept++] = *q;
    }
    r->count = kept;
}

/* From the back, so that nothing is overwritten that is still to be moved. */
static bool merge(struct roster *r, const struct changes *p)
{
    size_t old = r->count, new = p->queued_count;

    if (!reserve(r, old + new))
        return false;
    r->count = old + new;
    while (new > 0) {
        bool last_is_old = old > 0 && compare_places(&r->job[old - 1], &p->queued[new - 1]) > 0;
        r->job[old + new - 1] = last_is_old ? r->job[old - 1] : p->queued[new - 1];
        old -= last_is_old;
        new -= !last_is_old;
    }
    return true;
}

static enum ebm_status take_changes(struct roster *r, struct store *s, const struct buf *changed,
                                    struct ebm_error *err)
{
    struct changes p = {.count = 0};

    if (changed->size == 0)
        return EBM_OK;
    enum ebm_status rc = read_changes(&p, s, changed, err);
    if (rc == EBM_OK) {
        tell(r, &p);
        if (!merge(r, &p))
            rc = ebm_fail(err, EBM_ENOMEM, "out of memory for the queue");
    }
    free(p.item);
    free(p.queued);
    return rc;
}

enum ebm_status roster_follow(struct roster *r, struct store *s, struct ebm_error *err)
{
    struct buf changed;

    store_job_changed(s, &changed);
    enum ebm_status rc =
        r->known && buf_ok(&changed) ? take_changes(r, s, &changed, err) : read_all(r, s, err);
    buf_fini(&changed);
    if (rc != EBM_OK)
        r->known = false;
    return rc;
}
