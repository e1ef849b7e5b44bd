#include "live.h"

#include <stdlib.h>
#include <unistd.h>

struct live *live_find(const struct live_table *t, int64_t job)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->item[i]->job == job)
            return t->item[i];
    return NULL;
}

static bool reserve_one(struct live_table *t)
{
    if (t->count < t->capacity)
        return true;
    size_t capacity = t->capacity == 0 ? 8 : 2 * t->capacity;
    struct live **item = realloc(t->item, capacity * sizeof(struct live *));
    if (item == NULL)
        return false;
    t->item = item;
    t->capacity = capacity;
    return true;
}

struct live *live_add(struct live_table *t, int64_t job, uint32_t attempt)
{
    struct live *l = reserve_one(t) ? calloc(1, sizeof *l) : NULL;

    if (l == NULL)
        return NULL;
    l->job = job;
    l->attempt = attempt;
    l->pidfd = -1;
    l->is_finite = true;
    t->item[t->count++] = l;
    return l;
}

static void live_destroy(struct live *l)
{
    if (l->pidfd >= 0)
        close(l->pidfd);
    free(l);
}

void live_remove(struct live_table *t, struct live *l)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->item[i] != l)
            continue;
        live_destroy(l);
        t->item[i] = t->item[--t->count];
        return;
    }
}

void live_fini(struct live_table *t)
{
    for (size_t i = 0; i < t->count; i++)
        live_destroy(t->item[i]);
    free(t->item);
    *t = (struct live_table){0};
}
