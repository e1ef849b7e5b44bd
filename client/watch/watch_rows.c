#include "watch/watch_rows.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

void watch_rows_fini(struct watch_rows *r)
{
    free(r->row);
    memset(r, 0, sizeof *r);
}

void watch_rows_reset(struct watch_rows *r, size_t limit, uint32_t attempt)
{
    r->count = 0;
    r->limit = limit;
    r->attempt = attempt;
}

/* Grows up to twice the limit; then the older half goes at once, so that a
 * row is moved at most once. */
static bool make_room(struct watch_rows *r)
{
    if (r->count >= 2 * r->limit) {
        r->count = r->limit - 1;
        memmove(r->row, r->row + r->limit + 1, r->count * sizeof *r->row);
    }
    if (r->count < r->capacity)
        return true;
    size_t capacity = r->capacity == 0 ? FIRST_CAPACITY : 2 * r->capacity;
    struct watch_row *row = realloc(r->row, capacity * sizeof *row);
    if (row == NULL)
        return false;
    r->row = row;
    r->capacity = capacity;
    return true;
}

static void copy_row(struct watch_row *to, const Ebm__Metric *m)
{
    to->step = m->step;
    to->attempt = m->attempt;
    for (size_t i = 0; i < METRIC_COUNT; i++)
        to->value[i] = i < m->n_value ? m->value[i] : NAN;
}

bool watch_rows_add(struct watch_rows *r, const Ebm__Metric *m)
{
    const struct watch_row *last = watch_rows_last(r);

    assert(r->limit > 0);
    if (last != NULL && m->attempt < last->attempt)
        return true;
    if (last != NULL && m->attempt == last->attempt && m->step <= last->step)
        return true;
    while (last != NULL && last->step >= m->step) {
        r->count--;
        last = watch_rows_last(r);
    }
    if (!make_room(r))
        return false;
    copy_row(&r->row[r->count++], m);
    return true;
}

const struct watch_row *watch_rows_last(const struct watch_rows *r)
{
    return r->count > 0 ? &r->row[r->count - 1] : NULL;
}

struct chart_point *watch_rows_points(const struct watch_rows *r, enum wire_metric metric)
{
    struct chart_point *p = r->count > 0 ? malloc(r->count * sizeof *p) : NULL;

    for (size_t i = 0; p != NULL && i < r->count; i++)
        p[i] = (struct chart_point){r->row[i].step, r->row[i].value[metric]};
    return p;
}
