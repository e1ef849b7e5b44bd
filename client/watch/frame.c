#include "watch/frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

enum { PRINTF_MAX = 512 };

/* The terminal holds what follows back until the second one, so that no half
 * of a frame is seen; those that do not know them ignore them. */
static const char sync_begin[] = "\033[?2026h", sync_end[] = "\033[?2026l";
static const char erase_to_end[] = "\033[K";

void frame_init(struct frame *f)
{
    *f = (struct frame){.width = 0};
    buf_init(&f->text);
    buf_init(&f->places);
}

void frame_fini(struct frame *f)
{
    buf_fini(&f->text);
    buf_fini(&f->places);
}

static void begin_line(struct frame *f)
{
    f->column = f->written = 0;
    f->limit = f->width;
    f->start = f->text.size;
    f->background = STYLE_NONE;
}

void frame_begin(struct frame *f, const struct term *t, size_t width, size_t height)
{
    buf_clear(&f->text);
    buf_clear(&f->places);
    f->width = width;
    f->height = height;
    f->colour = t->colour;
    f->unicode = t->unicode;
    f->count = 0;
    begin_line(f);
}

bool frame_is_full(const struct frame *f)
{
    return f->count >= f->height;
}

static void put_blanks(struct frame *f, size_t n)
{
    static const char blanks[] = "                                ";

    while (n > 0) {
        size_t piece = n < sizeof blanks - 1 ? n : sizeof blanks - 1;
        buf_put(&f->text, blanks, piece);
        n -= piece;
    }
}

/* Blanks up to where the next text goes. */
static void catch_up(struct frame *f)
{
    if (f->written < f->column)
        put_blanks(f, f->column - f->written);
    f->written = f->column;
}

/* For a terminal that has ASCII only: one '?' a column of anything else. */
static void put_ascii(struct buf *out, const char *text)
{
    uint32_t c;

    while ((c = utf8_next(&text)) != 0)
        for (int i = c < 0x80 || c == UINT32_MAX ? 1 : utf8_columns(c); i > 0; i--)
            buf_put_u8(out, c < 0x80 ? (uint8_t)c : '?');
}

/* Text that fits into `room`, between its style's sequences. */
static void put_styled(struct frame *f, enum style style, const char *text, size_t room)
{
    const struct term t = {.unicode = f->unicode};
    bool styled = f->colour && style != STYLE_NONE && f->background == STYLE_NONE;

    if (styled)
        buf_puts(&f->text, term_style(style));
    f->column += utf8_put(&f->text, text, room, term_ellipsis(&t));
    if (styled)
        buf_puts(&f->text, term_plain);
    f->written = f->column;
}

void frame_put_cut(struct frame *f, enum style style, const char *text, size_t width)
{
    size_t room = f->limit > f->column ? f->limit - f->column : 0;

    if (frame_is_full(f) || text[0] == '\0')
        return;
    room = width < room ? width : room;
    if (room == 0)
        return;
    catch_up(f);
    if (f->unicode) {
        put_styled(f, style, text, room);
        return;
    }
    struct buf ascii;
    buf_init(&ascii);
    put_ascii(&ascii, text);
    put_styled(f, style, buf_text(&ascii), room);
    buf_fini(&ascii);
}

void frame_put(struct frame *f, enum style style, const char *text)
{
    frame_put_cut(f, style, text, f->width);
}

void frame_printf(struct frame *f, enum style style, const char *fmt, ...)
{
    char text[PRINTF_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    frame_put(f, style, text);
}

void frame_fill(struct frame *f, enum style style, const char *glyph, size_t n)
{
    size_t room = f->limit > f->column ? f->limit - f->column : 0;

    n = n < room ? n : room;
    if (n == 0 || frame_is_full(f))
        return;
    catch_up(f);
    bool styled = f->colour && style != STYLE_NONE && f->background == STYLE_NONE;
    if (styled)
        buf_puts(&f->text, term_style(style));
    for (size_t i = 0; i < n; i++)
        buf_puts(&f->text, glyph);
    if (styled)
        buf_puts(&f->text, term_plain);
    f->column += n;
    f->written = f->column;
}

void frame_skip_to(struct frame *f, size_t column)
{
    column = column < f->limit ? column : f->limit;
    if (column > f->column)
        f->column = column;
}

void frame_put_right(struct frame *f, enum style style, const char *text, size_t column)
{
    size_t n = utf8_width(text);

    frame_skip_to(f, column > n ? column - n : 0);
    frame_put(f, style, text);
}

void frame_limit(struct frame *f, size_t column)
{
    f->limit = column < f->width ? column : f->width;
}

void frame_background(struct frame *f, enum style style)
{
    if (!f->colour || frame_is_full(f))
        return;
    catch_up(f);
    f->background = style;
    buf_puts(&f->text, term_style(style));
}

void frame_end_line(struct frame *f)
{
    if (frame_is_full(f))
        return;
    if (f->background != STYLE_NONE) {
        f->column = f->width;
        catch_up(f);
        buf_puts(&f->text, term_plain);
    }
    const struct frame_place place = {f->start, f->written};
    buf_put(&f->places, &place, sizeof place);
    buf_put_u8(&f->text, '\0');
    f->count++;
    begin_line(f);
}

const char *frame_glyph(const struct frame *f, enum glyph g)
{
    static const char *const glyphs[GLYPH_COUNT][2] = {
        [GLYPH_DOT] = {"-", "\xc2\xb7"},
        [GLYPH_BULLET] = {"*", "\xe2\x97\x8f"},
        [GLYPH_POINTER] = {">", "\xe2\x96\xb8"},
        [GLYPH_AXIS] = {"|", "\xe2\x94\x82"},
        [GLYPH_TICK] = {"+", "\xe2\x94\xa4"},
        [GLYPH_CORNER] = {"+", "\xe2\x94\x94"},
        [GLYPH_LINE] = {"-", "\xe2\x94\x80"},
        [GLYPH_UP_DOWN] = {"j/k", "\xe2\x86\x91\xe2\x86\x93"},
        [GLYPH_TO] = {"..", "\xe2\x80\xa6"},
    };
    return glyphs[g][f->unicode];
}

static struct frame_place place_of(const struct frame *f, size_t i)
{
    struct frame_place place;

    memcpy(&place, f->places.data + i * sizeof place, sizeof place);
    return place;
}

const char *frame_line(const struct frame *f, size_t i)
{
    if (i >= f->count || !frame_ok(f))
        return "";
    return (const char *)f->text.data + place_of(f, i).start;
}

bool frame_ok(const struct frame *f)
{
    return buf_ok(&f->text) && buf_ok(&f->places);
}

/* What was there behind the line is erased after it is written, so that the
 * line is never seen empty; and not at all behind a full one, where the
 * cursor still stands on the last character. */
static void put_line(const struct frame *f, size_t i, struct buf *out)
{
    buf_printf(out, "\033[%zu;1H", i + 1);
    buf_puts(out, frame_line(f, i));
    if (i >= f->count || place_of(f, i).columns < f->width)
        buf_puts(out, erase_to_end);
}

static bool line_differs(const struct frame *before, const struct frame *after, size_t i)
{
    return before == NULL || strcmp(frame_line(before, i), frame_line(after, i)) != 0;
}

void frame_diff(const struct frame *before, const struct frame *after, struct buf *out)
{
    bool began = false;

    if (!frame_ok(after))
        return;
    if (before != NULL && (before->width != after->width || before->height != after->height))
        before = NULL;
    for (size_t i = 0; i < after->height; i++) {
        if (!line_differs(before, after, i))
            continue;
        if (!began)
            buf_puts(out, sync_begin);
        began = true;
        put_line(after, i, out);
    }
    if (began)
        buf_puts(out, sync_end);
}

void frame_print(const struct frame *f, struct buf *out)
{
    for (size_t i = 0; i < f->count; i++) {
        buf_puts(out, frame_line(f, i));
        buf_puts(out, "\n");
    }
}
