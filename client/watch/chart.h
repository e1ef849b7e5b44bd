/* A series as a small drawing: dots of braille characters, 2 x 4 in each, or
 * the same dots as far as ASCII can show them. And in one line: a trend of
 * blocks, a bar of progress. */
#ifndef EBM_CLIENT_CHART_H
#define EBM_CLIENT_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch/frame.h"

struct chart_point {
    uint64_t step;
    double value; /* may be NaN or infinite: shown as a mark above */
};

/* What the values of some points span; `any` is false when none is finite, or
 * with `positive` none above 0. */
struct chart_span {
    double low, high;
    bool any;
};
void chart_span_add(struct chart_span *s, const struct chart_point *p, size_t n, bool positive);

struct chart_cell {
    uint8_t dots;  /* as in a braille character: of all points */
    uint8_t trend; /* of the mean of each column */
    uint8_t style; /* enum style, of the trend that was drawn last */
    char mark;     /* not 0: drawn with this where there are no colours, or no dots */
    bool odd;      /* a value here was not finite */
};

struct chart {
    size_t width, height;     /* in characters, both at least 1 */
    uint64_t first, last;     /* steps at the edges */
    struct chart_span span;   /* values at the edges */
    bool logarithmic;         /* span.low is above 0 then */
    struct chart_cell *cells; /* owned; row by row from the top */
};

/* False when memory ran out; the chart draws nothing then. */
bool chart_init(struct chart *c, size_t width, size_t height, uint64_t first, uint64_t last,
                struct chart_span span);
void chart_fini(struct chart *c);

/* Points in rising order of steps, joined by lines, so that no peak between
 * two columns is lost: dim, and above them in the style the mean of each
 * column, since a line through noise is a mere block. mark 0: always dots. */
void chart_draw(struct chart *c, const struct chart_point *p, size_t n, enum style style,
                char mark);
/* Puts row `row` of it, `width` columns. */
void chart_put_row(const struct chart *c, size_t row, struct frame *f);

/* The points as a line of blocks; each column shows the greatest value that
 * falls into it, measured from 0 (or from the least, when that is below 0). A
 * steady series stands a little above the middle. Fewer points than columns
 * are put at the right. */
void chart_put_trend(struct frame *f, enum style style, const struct chart_point *p, size_t n,
                     size_t width);

/* A share from 0 to 1 (others are cut, NaN is 0) as a bar. */
void chart_put_bar(struct frame *f, enum style style, double share, size_t width);

#endif
