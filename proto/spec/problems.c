#include "spec/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "spec/fields.h"
#include "spec/text.h"

enum { SOURCE_LINE_MAX = 160 }; /* bytes of a source line that are shown */

static bool stands_before(const struct spec_problem *a, const struct spec_problem *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

static void problem_insert(struct spec_problems *p, const struct spec_problem *new)
{
    p->total++;
    if (p->count == SPEC_ERRORS_MAX) {
        if (!stands_before(new, &p->item[p->count - 1]))
            return;
        p->count--;
    }
    size_t i = p->count++;
    for (; i > 0 && stands_before(new, &p->item[i - 1]); i--)
        p->item[i] = p->item[i - 1];
    p->item[i] = *new;
}

/* A sentence may have been cut within a character; it goes into JSON and onto
 * terminals. */
static void make_readable(char *text)
{
    unsigned char *p = (unsigned char *)text;

    while (*p != '\0') {
        size_t n = *p < 0x20 ? 0 : text_utf8_length(p, strlen((char *)p));
        if (n == 0)
            *p = '?';
        p += n != 0 ? n : 1;
    }
}

static void problem_vadd(struct spec_problems *p, uint32_t line, uint32_t column, const char *fmt,
                         va_list ap)
{
    struct spec_problem new = {.line = line, .column = column};

    vsnprintf(new.text, sizeof new.text, fmt, ap);
    make_readable(new.text);
    problem_insert(p, &new);
}

void problem_at(struct spec_problems *p, uint32_t line, uint32_t column, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    problem_vadd(p, line, column, fmt, ap);
    va_end(ap);
}

void spec_problem_add(struct spec_problems *p, const struct spec *s, const char *path,
                      const char *fmt, ...)
{
    size_t row = field_find(path);
    bool known = s != NULL && row < FIELD_COUNT;
    va_list ap;

    va_start(ap, fmt);
    problem_vadd(p, known ? s->place[row].line : 0, known ? s->place[row].column : 0, fmt, ap);
    va_end(ap);
}

/* Bytes of the line break at p, 0 where there is none: the breaks that
 * libyaml counts. */
static size_t line_break(const char *p, size_t left)
{
    static const struct {
        const char *bytes;
        size_t size;
    } breaks[] = {{"\r\n", 2},     {"\n", 1},           {"\r", 1},
                  {"\xc2\x85", 2}, {"\xe2\x80\xa8", 3}, {"\xe2\x80\xa9", 3}};

    for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++)
        if (left >= breaks[i].size && memcmp(p, breaks[i].bytes, breaks[i].size) == 0)
            return breaks[i].size;
    return 0;
}

/* The source line with this number; NULL when the text has none. */
static const char *source_line(const char *text, size_t size, uint32_t line, size_t *length)
{
    size_t at = 0;

    for (uint32_t n = 1;; n++) {
        size_t start = at, brk = 0;
        while (at < size && (brk = line_break(text + at, size - at)) == 0)
            at++;
        if (n == line) {
            *length = at - start;
            return text + start;
        }
        if (at >= size)
            return NULL;
        at += brk;
    }
}

static bool is_word(unsigned char c)
{
    return c >= 0x80 || (c > ' ' && strchr(",:{}[]#\"'", c) == NULL);
}

/* The caret under `column` and tildes to the end of the word there. */
static void put_caret(struct buf *out, const char *line, size_t length, uint32_t column)
{
    size_t at = 0;

    buf_puts(out, "        ");
    for (uint32_t c = 1; c < column && at < length; c++) {
        buf_put_u8(out, line[at] == '\t' ? '\t' : ' ');
        for (at++; at < length && ((unsigned char)line[at] & 0xc0) == 0x80;)
            at++;
    }
    buf_puts(out, "^");
    while (++at < length && is_word((unsigned char)line[at]) &&
           is_word((unsigned char)line[at - 1]))
        if (((unsigned char)line[at] & 0xc0) != 0x80)
            buf_puts(out, "~");
    buf_puts(out, "\n");
}

/* Control characters never reach a terminal. */
static void put_visible(struct buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        buf_put_u8(out, (c < 0x20 && c != '\t') || c == 0x7f ? '?' : c);
    }
}

static void put_source(struct buf *out, const struct spec_problem *p, const char *text, size_t size)
{
    size_t length = 0;
    const char *line = source_line(text, size, p->line, &length);

    if (line == NULL || length > SOURCE_LINE_MAX)
        return;
    buf_printf(out, "%6u| ", p->line);
    put_visible(out, line, length);
    buf_puts(out, "\n");
    put_caret(out, line, length, p->column);
}

void spec_problems_print(const struct spec_problems *p, const char *file, const char *text,
                         size_t size, struct buf *out)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct spec_problem *it = &p->item[i];
        if (it->line == 0)
            buf_printf(out, "%s: error: ", file);
        else
            buf_printf(out, "%s:%u:%u: error: ", file, it->line, it->column);
        buf_puts(out, it->text);
        buf_puts(out, "\n");
        if (it->line != 0 && text != NULL)
            put_source(out, it, text, size);
    }
    if (p->total > p->count)
        buf_printf(out, "%s: %zu more errors\n", file, p->total - p->count);
}
