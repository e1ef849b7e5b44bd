#include "watch/grid.h"

#include <assert.h>

#include "utf8.h"
#include "watch/fit.h"

static size_t widest(const struct grid_column *c, const void *const *rows, size_t n)
{
    size_t width = 0;
    char scratch[HUMAN_MAX];

    for (size_t i = 0; c->text != NULL && i < n; i++) {
        size_t w = utf8_width(c->text(rows[i], scratch));
        width = w > width ? w : width;
    }
    /* A column in which nothing stands is none, whatever its title. */
    size_t title = c->title != NULL ? utf8_width(c->title) : 0;
    return width > 0 && title > width ? title : width;
}

static struct fit_part part_of(const struct grid_column *c, const void *const *rows, size_t n)
{
    size_t width = widest(c, rows, n);

    if (c->text == NULL || c->most > 0)
        return (struct fit_part){c->least, c->least, c->most, c->rank};
    if (c->least > 0 && c->least < width)
        return (struct fit_part){c->least, width, width, c->rank};
    return (struct fit_part){width, width, width, c->rank};
}

void grid_fit(struct grid *g, const struct grid_column *column, size_t count,
              const void *const *rows, size_t n, size_t total)
{
    struct fit_part part[GRID_COLUMNS_MAX];

    assert(count <= GRID_COLUMNS_MAX);
    *g = (struct grid){.column = column, .count = count};
    for (size_t i = 0; i < count; i++)
        part[i] = part_of(&column[i], rows, n);
    fit_share(part, count, total, GRID_GAP, g->width);
}

/* Ends a cell of this width that began at `start`. */
static void end_cell(struct frame *f, size_t start, size_t width, size_t *space)
{
    frame_skip_to(f, start + width);
    *space = GRID_GAP;
}

void grid_put_titles(const struct grid *g, struct frame *f)
{
    size_t space = 0;

    for (size_t i = 0; i < g->count; i++) {
        if (g->width[i] == 0)
            continue;
        size_t start = f->column + space, w = utf8_width(g->column[i].title);
        frame_skip_to(f, start + (g->column[i].right && w < g->width[i] ? g->width[i] - w : 0));
        frame_put_cut(f, STYLE_DIM, g->column[i].title, g->width[i]);
        end_cell(f, start, g->width[i], &space);
    }
}

static void put_text(const struct grid *g, size_t i, struct frame *f, const void *row)
{
    const struct grid_column *c = &g->column[i];
    char scratch[HUMAN_MAX];
    const char *text = c->text(row, scratch);
    size_t w = utf8_width(text);

    if (c->right && w < g->width[i])
        frame_skip_to(f, f->column + g->width[i] - w);
    frame_put_cut(f, c->style != NULL ? c->style(row) : STYLE_NONE, text, g->width[i]);
}

void grid_put_row(const struct grid *g, struct frame *f, const void *row)
{
    size_t space = 0;

    for (size_t i = 0; i < g->count; i++) {
        if (g->width[i] == 0)
            continue;
        size_t start = f->column + space;
        frame_skip_to(f, start);
        if (g->column[i].put != NULL)
            g->column[i].put(row, f, g->width[i]);
        else
            put_text(g, i, f, row);
        end_cell(f, start, g->width[i], &space);
    }
}
