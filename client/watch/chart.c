#include "watch/chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DOTS_X = 2, DOTS_Y = 4, BRAILLE = 0x2800, LEVELS = 8 };

/* Growth over more than this is drawn by its logarithm. */
#define LOGARITHMIC_FROM 50.0

void chart_span_add(struct chart_span *s, const struct chart_point *p, size_t n, bool positive)
{
    for (size_t i = 0; i < n; i++) {
        double v = p[i].value;
        if (!isfinite(v) || (positive && v <= 0))
            continue;
        s->low = !s->any || v < s->low ? v : s->low;
        s->high = !s->any || v > s->high ? v : s->high;
        s->any = true;
    }
}

bool chart_init(struct chart *c, size_t width, size_t height, uint64_t first, uint64_t last,
                struct chart_span span)
{
    *c = (struct chart){
        .width = width, .height = height, .first = first, .last = last, .span = span};
    c->logarithmic = span.any && span.low > 0 && span.high / span.low > LOGARITHMIC_FROM;
    c->cells = calloc(width * height, sizeof *c->cells);
    return c->cells != NULL;
}

void chart_fini(struct chart *c)
{
    free(c->cells);
    c->cells = NULL;
}

/* ---- from values to dots ---- */

/* 0 at the bottom, 1 at the top. Halves, because the difference of two large
 * values may be no number any more. */
static double share_of(const struct chart *c, double v)
{
    double low = c->span.low, high = c->span.high;

    if (c->logarithmic) {
        if (v <= 0)
            return 0;
        low = log(low);
        high = log(high);
        v = log(v);
    }
    double range = high / 2 - low / 2;
    return range > 0 ? (v / 2 - low / 2) / range : 0.5;
}

/* Rows of dots are counted from the top. */
static int row_of(const struct chart *c, double v)
{
    int last = (int)(c->height * DOTS_Y) - 1;
    int row = last - (int)lround(share_of(c, v) * last);

    return row < 0 ? 0 : row > last ? last : row;
}

static int column_of(const struct chart *c, uint64_t step)
{
    int last = (int)(c->width * DOTS_X) - 1;

    if (c->last <= c->first)
        return last;
    double share = (double)(step - c->first) / (double)(c->last - c->first);
    int column = (int)lround(share * last);
    return column > last ? last : column;
}

/* What is drawn: dots in one of the two layers. */
struct pen {
    struct chart *chart;
    enum style style;
    char mark;
    bool trend;
};

static void set_dot(const struct pen *pen, int x, int y)
{
    static const uint8_t bit[DOTS_Y][DOTS_X] = {
        {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    struct chart *c = pen->chart;
    struct chart_cell *cell = &c->cells[(size_t)(y / DOTS_Y) * c->width + (size_t)(x / DOTS_X)];

    if (!pen->trend) {
        cell->dots |= bit[y % DOTS_Y][x % DOTS_X];
        cell->mark = cell->trend == 0 ? pen->mark : cell->mark;
        return;
    }
    cell->trend |= bit[y % DOTS_Y][x % DOTS_X];
    cell->style = (uint8_t)pen->style;
    cell->mark = pen->mark;
}

/* From one dot to the other, column by column, with no gap between rows. */
static void set_line(const struct pen *pen, int x0, int y0, int x1, int y1)
{
    int from = y0;

    for (int x = x0; x <= x1; x++) {
        int to = x1 > x0 ? y0 + (int)lround((double)(y1 - y0) * (x - x0) / (x1 - x0)) : y1;
        int step = to > from ? 1 : -1;
        /* A column begins beside where the last one ended. */
        for (int y = x > x0 && from != to ? from + step : from; y != to; y += step)
            set_dot(pen, x, y);
        set_dot(pen, x, to);
        from = to;
    }
}

/* A line that goes from point to point. */
struct course {
    struct pen pen;
    int x, y; /* x below 0: it begins anew */
};

static void go_to(struct course *c, int x, double v)
{
    int y = row_of(c->pen.chart, v);

    if (c->x < 0 || x < c->x)
        set_dot(&c->pen, x, y);
    else
        set_line(&c->pen, c->x, c->y, x, y);
    c->x = x;
    c->y = y;
}

/* Points that fall into one column of dots, as their mean. */
struct bin {
    int x;
    double mean, count;
};

static void close_bin(struct bin *b, struct course *trend)
{
    if (b->count > 0)
        go_to(trend, b->x, b->mean);
    b->count = b->mean = 0;
}

/* Quotients first: a sum of large values may be no number any more. */
static void put_in_bin(struct bin *b, struct course *trend, int x, double v)
{
    if (x != b->x)
        close_bin(b, trend);
    b->x = x;
    b->count++;
    b->mean += v / b->count - b->mean / b->count;
}

void chart_draw(struct chart *c, const struct chart_point *p, size_t n, enum style style, char mark)
{
    struct course all = {{c, style, mark, false}, -1, 0}, trend = {{c, style, mark, true}, -1, 0};
    struct bin bin = {.x = -1};

    for (size_t i = 0; c->cells != NULL && i < n; i++) {
        if (p[i].step < c->first || p[i].step > c->last)
            continue;
        int x = column_of(c, p[i].step);
        if (isfinite(p[i].value)) {
            go_to(&all, x, p[i].value);
            put_in_bin(&bin, &trend, x, p[i].value);
            continue;
        }
        c->cells[x / DOTS_X].odd = true;
        close_bin(&bin, &trend);
        all.x = trend.x = -1;
    }
    if (c->cells != NULL)
        close_bin(&bin, &trend);
}

/* ---- from dots to characters ---- */

static void encode_braille(uint8_t dots, char out[4])
{
    unsigned c = BRAILLE + dots;

    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    out[3] = '\0';
}

/* Two rows of dots each make an upper and a lower half. */
static char encode_ascii(uint8_t dots)
{
    static const char half[] = {' ', '\'', '.', ':'};
    unsigned upper = (dots & 0x1b) != 0, lower = (dots & 0xe4) != 0;

    return half[upper | lower << 1];
}

/* Colours tell the trend from what lies around it, and one series from the
 * other; without them all dots are one, and marks tell the series. */
static enum style encode(const struct chart_cell *cell, const struct frame *f, char glyph[4])
{
    uint8_t dots = f->colour && cell->trend != 0 ? cell->trend : cell->dots | cell->trend;
    bool marked = cell->mark != 0 && !(f->colour && f->unicode);

    glyph[0] = marked ? cell->mark : encode_ascii(dots);
    glyph[1] = '\0';
    if (f->unicode && !marked)
        encode_braille(dots, glyph);
    return cell->trend != 0 ? (enum style)cell->style : STYLE_DIM;
}

/* Neighbours of one style go out as one text. */
struct run {
    struct buf text;
    enum style style;
    size_t start, end; /* columns of the frame */
};

static void run_flush(struct run *r, struct frame *f)
{
    if (r->text.size > 0) {
        frame_skip_to(f, r->start);
        frame_put(f, r->style, buf_text(&r->text));
    }
    buf_clear(&r->text);
}

static void run_add(struct run *r, struct frame *f, size_t at, enum style style, const char *glyph)
{
    if (r->text.size == 0 || r->style != style) {
        run_flush(r, f);
        r->style = style;
        r->start = r->end = at;
    }
    for (; r->end < at; r->end++)
        buf_puts(&r->text, " ");
    buf_puts(&r->text, glyph);
    r->end++;
}

void chart_put_row(const struct chart *c, size_t row, struct frame *f)
{
    size_t left = f->column;
    struct run run = {.style = STYLE_NONE};

    buf_init(&run.text);
    for (size_t x = 0; c->cells != NULL && x < c->width; x++) {
        const struct chart_cell *cell = &c->cells[row * c->width + x];
        char glyph[4];
        enum style style = encode(cell, f, glyph);
        if (cell->odd)
            run_add(&run, f, left + x, STYLE_RED, "!");
        else if (cell->dots != 0 || cell->trend != 0)
            run_add(&run, f, left + x, style, glyph);
    }
    run_flush(&run, f);
    buf_fini(&run.text);
    frame_skip_to(f, left + c->width);
}

/* ---- in one line ---- */

static const char *const blocks[LEVELS] = {"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83",
                                           "\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86",
                                           "\xe2\x96\x87", "\xe2\x96\x88"};
static const char *const ascii_blocks[LEVELS] = {"_", ".", "-", "~", "=", "+", "*", "#"};

static const char *block_of(const struct frame *f, double v, const struct chart_span *span)
{
    double range = span->high / 2 - span->low / 2;

    if (!isfinite(v))
        return "!";
    int level = range > 0 ? (int)((v / 2 - span->low / 2) / range * (LEVELS - 1) + 0.5) : 0;
    level = level < 0 ? 0 : level < LEVELS ? level : LEVELS - 1;
    return f->unicode ? blocks[level] : ascii_blocks[level];
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The middle one of the finite values, 0 where there is none. */
static double median_of(const struct chart_point *p, size_t n)
{
    double *v = malloc((n + 1) * sizeof *v), median = 0;
    size_t count = 0;

    for (size_t i = 0; v != NULL && i < n; i++)
        if (isfinite(p[i].value))
            v[count++] = p[i].value;
    if (count > 0) {
        qsort(v, count, sizeof *v, compare);
        median = v[count / 2];
    }
    free(v);
    return median;
}

/* From 0 (or the least), and so high that a steady series stands a little
 * above the middle: there is room for it to rise. */
static struct chart_span trend_span(const struct chart_point *p, size_t n)
{
    struct chart_span span = {0};
    double steady = median_of(p, n);

    chart_span_add(&span, p, n, false);
    span.low = span.low < 0 ? span.low : 0;
    steady += (steady - span.low) / 2;
    span.high = isfinite(steady) && steady > span.high ? steady : span.high;
    return span;
}

/* The greatest of a column; one that is no number outweighs all. */
static double greatest(const struct chart_point *p, size_t n)
{
    double v = p[0].value;

    for (size_t i = 1; i < n && isfinite(v); i++)
        if (!(p[i].value <= v))
            v = p[i].value;
    return v;
}

void chart_put_trend(struct frame *f, enum style style, const struct chart_point *p, size_t n,
                     size_t width)
{
    struct chart_span span = trend_span(p, n);
    size_t used = n < width ? n : width, end = f->column + width;
    struct buf text;

    buf_init(&text);
    for (size_t i = 0; i < used; i++) {
        size_t from = i * n / used, to = (i + 1) * n / used;
        buf_puts(&text, block_of(f, greatest(p + from, to - from), &span));
    }
    frame_skip_to(f, end - used);
    frame_put(f, style, buf_text(&text));
    frame_skip_to(f, end);
    buf_fini(&text);
}

void chart_put_bar(struct frame *f, enum style style, double share, size_t width)
{
    static const char full[] = "\xe2\x94\x81", half[] = "\xe2\x95\xb8", rest[] = "\xe2\x94\x80";

    share = share >= 0 ? share <= 1 ? share : 1 : 0;
    size_t halves = (size_t)(share * 2 * (double)width + 1e-9), done = halves / 2;
    bool split = f->unicode && halves % 2 == 1;
    frame_fill(f, style, f->unicode ? full : "#", done);
    if (split)
        frame_fill(f, style, half, 1);
    frame_fill(f, STYLE_DIM, f->unicode ? rest : "-", width - done - split);
}
