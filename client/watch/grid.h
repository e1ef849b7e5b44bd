/* Rows in columns within a frame. Columns that matter least are left out
 * where there is no room for all. */
#ifndef EBM_CLIENT_GRID_H
#define EBM_CLIENT_GRID_H

#include "human.h"
#include "watch/frame.h"

enum { GRID_COLUMNS_MAX = 16, GRID_GAP = 2 };

struct grid_column {
    const char *title; /* NULL: no column of this grid has one */
    bool right;        /* aligned to the right */
    unsigned rank;     /* 0 matters most */
    /* Width; 0 and 0: that of the widest text and the title. `least` alone: a
     * wider text may be cut down to it. Both: whatever there is room for. */
    size_t least, most;
    /* Text of a row, which may use scratch; or NULL, and `put` draws it. */
    const char *(*text)(const void *row, char scratch[HUMAN_MAX]);
    void (*put)(const void *row, struct frame *f, size_t width);
    enum style (*style)(const void *row); /* NULL: none */
};

struct grid {
    const struct grid_column *column; /* borrowed */
    size_t count;
    size_t width[GRID_COLUMNS_MAX]; /* 0: left out */
};

/* Widths for these rows in `total` columns. */
void grid_fit(struct grid *g, const struct grid_column *column, size_t count,
              const void *const *rows, size_t n, size_t total);
/* From where the frame's line stands. */
void grid_put_titles(const struct grid *g, struct frame *f);
void grid_put_row(const struct grid *g, struct frame *f, const void *row);

#endif
