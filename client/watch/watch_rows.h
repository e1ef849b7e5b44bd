/* Metric rows of a job as far as they are shown: the newest of its line of
 * descent, in rising order of steps. */
#ifndef EBM_CLIENT_WATCH_ROWS_H
#define EBM_CLIENT_WATCH_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch/chart.h"
#include "wire/wire.h"

enum {
    WATCH_ROWS_FULL = 4096, /* of the job that is open: more than any screen has dots */
    WATCH_ROWS_TREND = 256  /* of a job in the list */
};

struct watch_row {
    uint64_t step;
    uint32_t attempt;
    double value[METRIC_COUNT];
};

struct watch_rows {
    struct watch_row *row; /* owned */
    size_t count, capacity;
    size_t limit;     /* how many are kept */
    uint32_t attempt; /* of the job when they were loaded, 0: not loaded */
};

void watch_rows_fini(struct watch_rows *r);
/* Empty, to keep this many, at least 1; to be called before the first row. */
void watch_rows_reset(struct watch_rows *r, size_t limit, uint32_t attempt);

/* Appends. A row of a newer attempt takes the place of all rows from its step
 * on: they were abandoned. One of an older attempt, or a step that is there,
 * is dropped. False when memory ran out. */
bool watch_rows_add(struct watch_rows *r, const Ebm__Metric *m);

/* The last row, or NULL. */
const struct watch_row *watch_rows_last(const struct watch_rows *r);

/* One metric of the rows as points; caller frees. NULL when there is none, or
 * no memory. */
struct chart_point *watch_rows_points(const struct watch_rows *r, enum wire_metric metric);

#endif
