#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "utf8.h"

enum { GAP = 2, NARROWEST = 6 /* columns that a cut column keeps */ };

struct cell {
    size_t offset; /* in `texts` */
    enum style style;
};

struct table {
    size_t columns;
    struct {
        const char *title; /* borrowed */
        enum table_align align;
        size_t width;
    } column[TABLE_COLUMNS_MAX];
    struct buf texts, cells;
    size_t count;
};

struct table *table_create(size_t columns)
{
    struct table *t = calloc(1, sizeof *t);

    if (t != NULL)
        t->columns = columns;
    return t;
}

void table_destroy(struct table *t)
{
    if (t == NULL)
        return;
    buf_fini(&t->texts);
    buf_fini(&t->cells);
    free(t);
}

void table_column(struct table *t, size_t column, const char *title, enum table_align align)
{
    t->column[column].title = title;
    t->column[column].align = align;
    t->column[column].width = utf8_width(title);
}

void table_cell(struct table *t, const char *text, enum style style)
{
    struct cell c = {t->texts.size, style};
    size_t width = utf8_width(text), column = t->count++ % t->columns;

    buf_put(&t->texts, text, strlen(text) + 1);
    buf_put(&t->cells, &c, sizeof c);
    if (width > t->column[column].width)
        t->column[column].width = width;
}

/* Takes columns from the widest left-aligned column until all fit. */
static void squeeze(struct table *t, size_t available)
{
    for (;;) {
        size_t total = 0, widest = t->columns;
        for (size_t i = 0; i < t->columns; i++) {
            total += t->column[i].width + (i > 0 ? GAP : 0);
            if (t->column[i].align == TABLE_LEFT && t->column[i].width > NARROWEST &&
                (widest == t->columns || t->column[i].width > t->column[widest].width))
                widest = i;
        }
        if (total <= available || widest == t->columns)
            return;
        t->column[widest].width--;
    }
}

/* One line under way: blanks are put only before the next text. */
struct line {
    struct buf *out;
    const struct term *term;
    size_t blanks;
    size_t left; /* columns to the terminal's edge */
};

static void put_blanks(struct line *l)
{
    size_t n = l->blanks < l->left ? l->blanks : l->left;

    buf_printf(l->out, "%*s", (int)n, "");
    l->left -= n;
    l->blanks = 0;
}

static void put_cell(struct line *l, const char *text, size_t width, enum table_align align,
                     enum style style)
{
    size_t natural = utf8_width(text);
    size_t shown = natural < width ? natural : width;

    if (align == TABLE_RIGHT)
        l->blanks += width - shown;
    if (shown > 0) {
        bool coloured = l->term->colour && style != STYLE_NONE;
        put_blanks(l);
        if (coloured)
            buf_puts(l->out, term_style(style));
        shown = shown < l->left ? shown : l->left;
        l->left -= utf8_put(l->out, text, shown, term_ellipsis(l->term));
        if (coloured)
            buf_puts(l->out, term_plain);
    }
    if (align == TABLE_LEFT)
        l->blanks += width - shown;
    l->blanks += GAP;
}

static void print_row(const struct table *t, const struct term *term, const struct cell *cells,
                      struct buf *out)
{
    struct line l = {out, term, 0, term->width > 0 ? term->width : SIZE_MAX};

    for (size_t i = 0; i < t->columns; i++) {
        const char *text = cells == NULL
                               ? t->column[i].title
                               : (const char *)t->texts.data + cells[i].offset;
        enum style style = cells == NULL ? STYLE_BOLD : cells[i].style;
        put_cell(&l, text, t->column[i].width, t->column[i].align, style);
    }
    buf_puts(out, "\n");
}

bool table_print(struct table *t, const struct term *term, struct buf *out)
{
    const struct cell *cells = (const struct cell *)(const void *)t->cells.data;

    if (t->texts.failed || t->cells.failed)
        return false;
    if (term->width > 0)
        squeeze(t, term->width);
    print_row(t, term, NULL, out);
    for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
        print_row(t, term, cells + i, out);
    return buf_ok(out);
}
