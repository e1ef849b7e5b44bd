#include "lineage.h"

#include <stdlib.h>
#include <string.h>

static enum ebm_status add_span(struct lineage *l, const struct lineage_span *span,
                                struct ebm_error *err)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 8 : 2 * l->capacity;
        struct lineage_span *grown = realloc(l->span, capacity * sizeof *grown);
        if (grown == NULL)
            return ebm_fail(err, EBM_ENOMEM, "out of memory for a line of descent");
        l->span = grown;
        l->capacity = capacity;
    }
    l->span[l->count++] = *span;
    return EBM_OK;
}

/* The attempt that wrote the checkpoint, 0 when it is of another job or there
 * is none: the line begins here. */
static enum ebm_status find_parent(struct store *s, const struct store_attempt *a, uint32_t *out,
                                   struct ebm_error *err)
{
    struct store_checkpoint c;

    *out = 0;
    if (a->from_checkpoint == 0)
        return EBM_OK;
    enum ebm_status rc = store_checkpoint_get(s, a->from_checkpoint, &c, err);
    if (rc == EBM_OK && c.job == a->job)
        *out = c.attempt;
    return rc;
}

enum ebm_status lineage_read(struct store *s, int64_t job, uint32_t attempt, struct lineage *out,
                             struct ebm_error *err)
{
    uint64_t last = UINT64_MAX;
    enum ebm_status rc = EBM_OK;

    memset(out, 0, sizeof *out);
    while (rc == EBM_OK && attempt != 0) {
        struct store_attempt a;
        rc = store_attempt_get(s, job, attempt, &a, err);
        if (rc != EBM_OK)
            break;
        const struct lineage_span span = {attempt, a.from_step, last};
        rc = add_span(out, &span, err);
        if (rc == EBM_OK)
            rc = find_parent(s, &a, &attempt, err);
        last = a.from_step;
        /* A checkpoint is older than whoever starts from it. */
        if (rc == EBM_OK && attempt >= a.attempt)
            rc = ebm_fail(err, EBM_ECORRUPT, "job %lld: attempt %u starts from a later one",
                          (long long)job, a.attempt);
    }
    return rc;
}

bool lineage_has(const struct lineage *l, uint32_t attempt, uint64_t step)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->span[i].attempt == attempt)
            return step > l->span[i].first && step <= l->span[i].last;
    return false;
}

static uint64_t min_step(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Two lines part once: from the newest attempt that both have, back to the
 * first, they are one. */
uint64_t lineage_common_step(const struct lineage *l, const struct lineage *other, uint64_t step)
{
    for (size_t i = 0; i < l->count; i++)
        for (size_t j = 0; j < other->count; j++)
            if (l->span[i].attempt == other->span[j].attempt)
                return min_step(step, min_step(l->span[i].last, other->span[j].last));
    return l->count > 0 ? l->span[l->count - 1].first : 0;
}

void lineage_fini(struct lineage *l)
{
    free(l->span);
    *l = (struct lineage){0};
}
