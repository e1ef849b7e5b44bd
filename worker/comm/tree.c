#include "comm/tree.h"

#include <assert.h>
#include <stdlib.h>

enum { VECTOR_ALIGN = 64, LEVELS_MAX = 64 };

struct tree_range tree_share(size_t n, size_t ranks, size_t rank)
{
    return (struct tree_range){(rank * n + ranks - 1) / ranks,
                               ((rank + 1) * n + ranks - 1) / ranks};
}

size_t tree_owner(size_t n, size_t ranks, size_t item)
{
    assert(item < n);
    return item * ranks / n;
}

static size_t floats_bytes(struct tree_vector v)
{
    return (v.floats * sizeof(float) + sizeof(double) - 1) / sizeof(double) * sizeof(double);
}

size_t tree_vector_bytes(struct tree_vector v)
{
    size_t bytes = floats_bytes(v) + (v.sums + v.maxima) * sizeof(double);

    return (bytes + VECTOR_ALIGN - 1) / VECTOR_ALIGN * VECTOR_ALIGN;
}

float *tree_vector_floats(void *at)
{
    return at;
}

double *tree_vector_sums(struct tree_vector v, void *at)
{
    return (double *)(void *)((unsigned char *)at + floats_bytes(v));
}

double *tree_vector_maxima(struct tree_vector v, void *at)
{
    return tree_vector_sums(v, at) + v.sums;
}

void tree_vector_add(struct tree_vector v, void *into, const void *from)
{
    float *restrict a = into;
    const float *restrict b = from;

    for (size_t i = 0; i < v.floats; i++)
        a[i] += b[i];
    double *s = tree_vector_sums(v, into);
    const double *t = tree_vector_sums(v, (void *)from);
    for (size_t i = 0; i < v.sums; i++)
        s[i] += t[i];
    for (size_t i = v.sums; i < v.sums + v.maxima; i++)
        s[i] = t[i] > s[i] ? t[i] : s[i];
}

/* What this rank does for the node whose children begin at these shards. */
static void plan_node(struct tree_plan *p, size_t shards, size_t ranks, size_t rank, size_t left,
                      size_t right)
{
    size_t to = tree_owner(shards, ranks, left), by = tree_owner(shards, ranks, right);
    struct tree_step s = {.into = left, .from = right};

    if (to != rank && by != rank)
        return;
    s.action = to == by ? TREE_ADD : to == rank ? TREE_RECEIVE : TREE_SEND;
    s.peer = to == rank ? by : to;
    p->step[p->steps++] = s;
}

enum ebm_status tree_plan_init(struct tree_plan *p, size_t shards, size_t ranks, size_t rank,
                               struct ebm_error *err)
{
    struct tree_range mine = tree_share(shards, ranks, rank);

    /* Each of our shards is at most once merged away, and at most once a
     * level something from another rank is merged into one of ours. */
    size_t most = mine.end - mine.first + LEVELS_MAX;
    *p = (struct tree_plan){.step = calloc(most, sizeof *p->step)};
    if (p->step == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for the plan of %zu shards", shards);
    for (size_t width = 1; width < shards; width *= 2)
        for (size_t left = 0; left + width < shards; left += 2 * width)
            plan_node(p, shards, ranks, rank, left, left + width);
    assert(p->steps <= most);
    return EBM_OK;
}

void tree_plan_fini(struct tree_plan *p)
{
    free(p->step);
    *p = (struct tree_plan){0};
}
