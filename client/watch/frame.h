/* A frame: lines of styled text no wider than the terminal, put together from
 * left to right and compared with the frame that the terminal shows. */
#ifndef EBM_CLIENT_FRAME_H
#define EBM_CLIENT_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "term.h"

struct frame_place {
    size_t start, columns;
};

struct frame {
    size_t width, height;
    bool colour, unicode;
    struct buf text;   /* the lines, each with a NUL behind it */
    struct buf places; /* a frame_place for each */
    size_t count;
    size_t start;          /* of the line under way in `text` */
    size_t column;         /* of the line under way: where the next text goes */
    size_t written;        /* its columns that are in `text`; blanks come late */
    size_t limit;          /* nothing is put past this column */
    enum style background; /* not STYLE_NONE: the one style of this line */
};

void frame_init(struct frame *f);
void frame_fini(struct frame *f);

/* An empty frame of this size. The term says whether styles and characters
 * beyond ASCII may be used. */
void frame_begin(struct frame *f, const struct term *t, size_t width, size_t height);

/* Appends cleaned text, cut at the limit. */
void frame_put(struct frame *f, enum style style, const char *text);
void frame_printf(struct frame *f, enum style style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with at most `width` columns used, and an ellipsis where cut. */
void frame_put_cut(struct frame *f, enum style style, const char *text, size_t width);
/* One glyph n times. */
void frame_fill(struct frame *f, enum style style, const char *glyph, size_t n);
/* Goes to a column at or right of where we are. */
void frame_skip_to(struct frame *f, size_t column);
/* The text is put so that it ends before `column`. */
void frame_put_right(struct frame *f, enum style style, const char *text, size_t column);
/* For a part of the line: what is put stays left of `column`. */
void frame_limit(struct frame *f, size_t column);
/* From here to its end, blanks included, the line has this one style. */
void frame_background(struct frame *f, enum style style);
/* Ends the line. Lines past the height are dropped. */
void frame_end_line(struct frame *f);
bool frame_is_full(const struct frame *f);

/* A character for drawing, or what stands for it in ASCII. */
enum glyph {
    GLYPH_DOT,
    GLYPH_BULLET,
    GLYPH_POINTER,
    GLYPH_AXIS,
    GLYPH_TICK,
    GLYPH_CORNER,
    GLYPH_LINE,
    GLYPH_UP_DOWN,
    GLYPH_TO,
    GLYPH_COUNT
};
const char *frame_glyph(const struct frame *f, enum glyph g);

/* Bytes of line i, styles included; "" past the last. */
const char *frame_line(const struct frame *f, size_t i);

/* Appends what makes a terminal that shows `before` show `after`; NULL: what
 * it shows is unknown. Nothing at all when they are the same. */
void frame_diff(const struct frame *before, const struct frame *after, struct buf *out);

/* Appends the lines as they are, with line feeds. */
void frame_print(const struct frame *f, struct buf *out);

/* False when memory ran out: the frame is not to be shown. */
bool frame_ok(const struct frame *f);

#endif
