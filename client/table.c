#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "utf8.h"

enum {
    GAP = 2,
    READABLE = 20, /* columns that a cut column is left, if others can be spared */
    NARROWEST = 6  /* ... or if not */
};

struct cell {
    size_t offset, width; /* in `texts`; in columns */
    enum style style;
};

struct table {
    size_t columns;
    struct {
        const char *title; /* borrowed */
        enum table_align align;
        size_t width;
        bool whole, left_out;
        unsigned spare;
    } column[TABLE_COLUMNS_MAX];
    struct buf texts, cells;
    size_t count;
    bool titled;
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

void table_narrow(struct table *t, size_t column, bool whole, unsigned spare)
{
    t->column[column].whole = whole;
    t->column[column].spare = spare;
}

void table_cell(struct table *t, const char *text, enum style style)
{
    struct cell c = {t->texts.size, utf8_width(text), style};
    size_t column = t->count++ % t->columns;

    buf_put(&t->texts, text, strlen(text) + 1);
    buf_put(&t->cells, &c, sizeof c);
    if (c.width > t->column[column].width)
        t->column[column].width = c.width;
}

size_t table_rows(const struct table *t)
{
    return t->count / t->columns;
}

static bool is_cut(const struct table *t, size_t i)
{
    return t->column[i].align == TABLE_LEFT && !t->column[i].whole;
}

/* Leaves columns out until the others can be read: once, with the titles. */
static void spare(struct table *t, size_t available)
{
    for (;;) {
        size_t total = 0, next = t->columns;
        for (size_t i = 0; i < t->columns; i++) {
            size_t width = t->column[i].width;
            if (t->column[i].left_out)
                continue;
            total += GAP + (is_cut(t, i) && width > READABLE ? READABLE : width);
            if (t->column[i].spare > 0 &&
                (next == t->columns || t->column[i].spare > t->column[next].spare))
                next = i;
        }
        if (total <= available + GAP || next == t->columns)
            return;
        t->column[next].left_out = true;
    }
}

/* Leaves spare columns out, then cuts the widest left-aligned ones to one
 * width, so that all columns fit or that width is the narrowest. */
static void squeeze(struct table *t, size_t available, size_t width[TABLE_COLUMNS_MAX])
{
    size_t total = 0, widest = 0;

    if (!t->titled && available < SIZE_MAX)
        spare(t, available);
    for (size_t i = 0; i < t->columns; i++) {
        width[i] = t->column[i].left_out ? 0 : t->column[i].width;
        total += width[i] > 0 ? width[i] + (total > 0 ? GAP : 0) : 0;
        if (is_cut(t, i) && width[i] > widest)
            widest = width[i];
    }
    /* More than the terminal is wide is never kept: no need to count it down. */
    for (size_t cut = widest < available ? widest : available; total > available; cut--) {
        for (size_t i = 0; i < t->columns; i++)
            if (is_cut(t, i) && width[i] > cut && total > available) {
                size_t less =
                    width[i] - cut < total - available ? width[i] - cut : total - available;
                width[i] -= less;
                total -= less;
            }
        if (cut <= NARROWEST)
            return;
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
    static const char blanks[] = "                                ";
    size_t n = l->blanks < l->left ? l->blanks : l->left;

    l->left -= n;
    l->blanks = 0;
    for (size_t piece; n > 0; n -= piece) {
        piece = n < sizeof blanks - 1 ? n : sizeof blanks - 1;
        buf_put(l->out, blanks, piece);
    }
}

static void put_text(struct line *l, const char *text, size_t shown, enum style style)
{
    bool coloured = l->term->colour && style != STYLE_NONE;

    put_blanks(l);
    if (coloured)
        buf_puts(l->out, term_style(style));
    shown = shown < l->left ? shown : l->left;
    l->left -= utf8_put(l->out, text, shown, term_ellipsis(l->term));
    if (coloured)
        buf_puts(l->out, term_plain);
}

static void put_cell(struct line *l, const char *text, size_t natural, size_t width,
                     enum table_align align, enum style style)
{
    size_t shown = natural < width ? natural : width;

    if (align == TABLE_RIGHT)
        l->blanks += width - shown;
    if (shown > 0)
        put_text(l, text, shown, style);
    if (align == TABLE_LEFT)
        l->blanks += width - shown;
    l->blanks += GAP;
}

static void print_titles(const struct table *t, const size_t *width, struct line *l)
{
    for (size_t i = 0; i < t->columns; i++)
        if (width[i] > 0)
            put_cell(l, t->column[i].title, utf8_width(t->column[i].title), width[i],
                     t->column[i].align, STYLE_BOLD);
}

static void print_cells(const struct table *t, const size_t *width, const struct cell *cells,
                        struct line *l)
{
    for (size_t i = 0; i < t->columns; i++)
        if (width[i] > 0)
            put_cell(l, (const char *)t->texts.data + cells[i].offset, cells[i].width, width[i],
                     t->column[i].align, cells[i].style);
}

static void print_row(const struct table *t, const struct term *term, const size_t *width,
                      const struct cell *cells, struct buf *out)
{
    struct line l = {out, term, 0, term->width > 0 ? term->width : SIZE_MAX};

    if (cells == NULL)
        print_titles(t, width, &l);
    else
        print_cells(t, width, cells, &l);
    buf_puts(out, "\n");
}

bool table_print(struct table *t, const struct term *term, struct buf *out)
{
    const struct cell *cells = (const struct cell *)(const void *)t->cells.data;
    size_t width[TABLE_COLUMNS_MAX];

    if (t->texts.failed || t->cells.failed)
        return false;
    squeeze(t, term->width > 0 ? term->width : SIZE_MAX, width);
    if (!t->titled)
        print_row(t, term, width, NULL, out);
    t->titled = true;
    for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
        print_row(t, term, width, cells + i, out);
    buf_clear(&t->texts);
    buf_clear(&t->cells);
    t->count = 0;
    return buf_ok(out);
}
