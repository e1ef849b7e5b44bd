#include "watch/watch_plots.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"
#include "watch/pieces.h"

enum { LABEL_MAX = 10, AXIS_FROM = 24 /* columns; without axes below */ };

#define BAND_REACH 16.0 /* times beyond the line's own values that an edge is drawn */

struct plot_line {
    enum wire_metric metric;
    const char *name; /* beside the value; NULL: the plot's title says it */
    enum style style;
    char mark; /* where colours do not tell the lines apart; 0: dots */
    bool band; /* the edge of a band: behind the others, and nothing where it is no number */
};

static const struct plot_look {
    const char *title, *note;
    size_t lines;
    struct plot_line line[PLOT_LINES];
} looks[PLOT_COUNT] = {
    [PLOT_GRAD] = {"r_t",
                   "langevin_grad",
                   3,
                   {{METRIC_LANGEVIN_GRAD, NULL, STYLE_CYAN, 0, false},
                    {METRIC_LANGEVIN_LOW, "healthy", STYLE_DIM, '-', true},
                    {METRIC_LANGEVIN_HIGH, "to", STYLE_DIM, '-', true}}},
    [PLOT_GAP] = {"energy gap",
                  "data - sample",
                  1,
                  {{METRIC_ENERGY_GAP, NULL, STYLE_BLUE, 0, false}}},
    [PLOT_ENERGIES] = {"energy",
                       NULL,
                       2,
                       {{METRIC_ENERGY_DATA, "data", STYLE_GREEN, 0, false},
                        {METRIC_ENERGY_SAMPLE, "sample", STYLE_MAGENTA, '*', false}}},
    [PLOT_LOSS] = {"loss", NULL, 1, {{METRIC_LOSS, NULL, STYLE_YELLOW, 0, false}}},
};

static const char *label_of(double v, char out[HUMAN_MAX])
{
    snprintf(out, HUMAN_MAX, "%.3g", v);
    return out;
}

static size_t label_width(const struct chart_span *s)
{
    char text[HUMAN_MAX];
    size_t low = s->any ? strlen(label_of(s->low, text)) : 0;
    size_t high = s->any ? strlen(label_of(s->high, text)) : 0;

    return low > high ? low : high;
}

/* The edges of a band, as far as they leave the line between them some room:
 * what is further away is in the caption alone. */
static void keep_near(struct plot *plot, size_t k)
{
    struct chart_point *p = plot->point[k];
    double low = plot->span.low / BAND_REACH, high = plot->span.high * BAND_REACH;
    size_t kept = 0;

    for (size_t i = 0; i < plot->points[k]; i++)
        if (isfinite(p[i].value) && p[i].value >= low && p[i].value <= high)
            p[kept++] = p[i];
    plot->points[k] = kept;
}

/* Edges come after the line. What has a band is never below 0, and one 0 is
 * no reason not to draw it by its logarithm. */
static void add_line(struct plot *plot, const struct plot_look *look, size_t k)
{
    bool positive = look->line[look->lines - 1].band;

    if (look->line[k].band)
        keep_near(plot, k);
    chart_span_add(&plot->span, plot->point[k], plot->points[k], positive);
    if (!plot->span.any)
        chart_span_add(&plot->span, plot->point[k], plot->points[k], false);
}

void plots_init(struct plots *p, const struct watch_rows *rows)
{
    memset(p, 0, sizeof *p);
    p->rows = rows;
    for (size_t i = 0; i < PLOT_COUNT; i++) {
        struct plot *plot = &p->plot[i];
        for (size_t k = 0; k < looks[i].lines; k++) {
            plot->point[k] = watch_rows_points(rows, looks[i].line[k].metric);
            if (plot->point[k] == NULL)
                continue;
            plot->points[k] = rows->count;
            add_line(plot, &looks[i], k);
        }
        size_t width = label_width(&plot->span);
        p->label = width > p->label ? width : p->label;
    }
    p->label = p->label < LABEL_MAX ? p->label : LABEL_MAX;
}

void plots_fini(struct plots *p)
{
    for (size_t i = 0; i < PLOT_COUNT; i++) {
        for (size_t k = 0; k < PLOT_LINES; k++)
            free(p->plot[i].point[k]);
        chart_fini(&p->plot[i].chart);
    }
}

static bool has_axis(const struct plots *p, size_t width)
{
    return p->rows->count > 0 && width >= AXIS_FROM;
}

/* ---- the caption ---- */

static void add_values(struct pieces *line, const struct plots *p, enum watch_plot which,
                       const struct frame *f)
{
    const struct watch_row *last = watch_rows_last(p->rows);
    char number[HUMAN_MAX];

    for (size_t i = 0; last != NULL && i < looks[which].lines; i++) {
        const struct plot_line *l = &looks[which].line[i];
        const char *text = l->name != NULL ? label_of(last->value[l->metric], number)
                                           : human_number(last->value[l->metric], number);
        if (l->band)
            continue;
        if (l->name != NULL && l->mark != 0 && !f->colour)
            pieces_add(line, 1, l->style, "%s (%c) %s", l->name, l->mark, text);
        else if (l->name != NULL)
            pieces_add(line, 1, l->style, "%s %s", l->name, text);
        else
            pieces_add(line, 1, l->style, "%s", text);
    }
}

/* Both edges in one piece: one alone would say something else. */
static void add_band(struct pieces *line, const struct plots *p, enum watch_plot which)
{
    const struct watch_row *last = watch_rows_last(p->rows);
    const struct plot_line *high = &looks[which].line[looks[which].lines - 1], *low = high - 1;
    char from[HUMAN_MAX], to[HUMAN_MAX];

    if (last == NULL || !high->band || !isfinite(last->value[high->metric]))
        return;
    pieces_add(line, 2, high->style, "%s %s %s %s", low->name,
               label_of(last->value[low->metric], from), high->name,
               label_of(last->value[high->metric], to));
}

static void put_caption(const struct plots *p, enum watch_plot which, struct frame *f, size_t right,
                        bool labelled)
{
    const struct plot *plot = &p->plot[which];
    struct pieces line = {.count = 0};
    char low[HUMAN_MAX], high[HUMAN_MAX];

    pieces_add(&line, 0, STYLE_BOLD, "%s", looks[which].title);
    add_values(&line, p, which, f);
    add_band(&line, p, which);
    if (plot->drawn && plot->chart.logarithmic)
        pieces_add(&line, 2, STYLE_DIM, "logarithmic");
    if (!labelled && plot->span.any)
        pieces_add(&line, 3, STYLE_DIM, "%s %s %s", label_of(plot->span.low, low),
                   frame_glyph(f, GLYPH_TO), label_of(plot->span.high, high));
    if (looks[which].note != NULL)
        pieces_add(&line, 4, STYLE_DIM, "%s", looks[which].note);
    pieces_put(&line, f, right, 1);
}

/* ---- the drawing ---- */

/* Made before the first row: at the caption. */
static void draw(struct plots *p, enum watch_plot which, size_t width, size_t rows)
{
    struct plot *plot = &p->plot[which];
    const struct watch_rows *r = p->rows;

    if (plot->drawn || rows == 0 || width == 0 || r->count == 0)
        return;
    plot->drawn = chart_init(&plot->chart, width, rows, r->row[0].step, r->row[r->count - 1].step,
                             plot->span);
    for (int front = 0; front <= 1; front++)
        for (size_t i = 0; i < looks[which].lines; i++)
            if (plot->point[i] != NULL && looks[which].line[i].band != front)
                chart_draw(&plot->chart, plot->point[i], plot->points[i],
                           looks[which].line[i].style, looks[which].line[i].mark);
}

static void put_label(const struct plots *p, const struct chart_span *s, struct frame *f,
                      size_t row, size_t rows)
{
    size_t end = f->column + p->label;
    /* A steady value stands in the middle. */
    bool steady = s->high == s->low, low = steady ? row == rows / 2 : row == rows - 1;
    bool edge = rows > 1 && s->any && (low || (!steady && row == 0));
    char text[HUMAN_MAX];

    frame_limit(f, end);
    if (edge)
        frame_put_right(f, STYLE_DIM, label_of(low ? s->low : s->high, text), end);
    frame_limit(f, f->width);
    frame_skip_to(f, end);
    frame_put(f, STYLE_DIM, frame_glyph(f, edge ? GLYPH_TICK : GLYPH_AXIS));
}

void plots_put_line(struct plots *p, enum watch_plot which, struct frame *f, size_t right,
                    size_t line, size_t lines)
{
    struct plot *plot = &p->plot[which];
    size_t width = right > f->column ? right - f->column : 0;
    bool axis = has_axis(p, width);

    if (line == 0) {
        draw(p, which, axis ? width - p->label - 1 : width, lines - 1);
        put_caption(p, which, f, right, axis && lines > 2);
    } else if (p->rows->count == 0 && line == 1) {
        frame_limit(f, right);
        frame_put(f, STYLE_DIM, "no metrics yet");
        frame_limit(f, f->width);
    } else if (plot->drawn) {
        if (axis)
            put_label(p, &plot->span, f, line - 1, lines - 1);
        chart_put_row(&plot->chart, line - 1, f);
    }
}

void plots_put_steps(const struct plots *p, struct frame *f, size_t right)
{
    const struct watch_rows *r = p->rows;
    size_t width = right > f->column ? right - f->column : 0;
    char first[HUMAN_MAX], last[HUMAN_MAX];

    if (r->count == 0)
        return;
    if (has_axis(p, width)) {
        frame_skip_to(f, f->column + p->label);
        frame_put(f, STYLE_DIM, frame_glyph(f, GLYPH_CORNER));
    }
    snprintf(first, sizeof first, "step %" PRIu64 " ", r->row[0].step);
    snprintf(last, sizeof last, " %" PRIu64, r->row[r->count - 1].step);
    size_t room = right > f->column ? right - f->column : 0;
    frame_limit(f, right);
    frame_put(f, STYLE_DIM, strlen(first) + strlen(last) < room ? first : "");
    if (right > f->column + strlen(last))
        frame_fill(f, STYLE_DIM, frame_glyph(f, GLYPH_LINE), right - f->column - strlen(last));
    frame_put(f, STYLE_DIM, last);
    frame_limit(f, f->width);
}
