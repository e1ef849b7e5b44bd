#include "json.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "digits.h"
#include "utf8.h"

enum { KEY_MAX = 60 };

void json_init(struct json *j, struct buf *out)
{
    *j = (struct json){.out = out, .first = true};
}

/* What goes before a value or a key. */
static void separate(struct json *j)
{
    if (j->after_key) {
        j->after_key = false;
        return;
    }
    if (!j->first)
        buf_puts(j->out, j->depth == 1 ? ",\n  " : ", ");
    else if (j->depth == 1)
        buf_puts(j->out, "\n  ");
    j->first = false;
}

void json_begin(struct json *j, char bracket)
{
    separate(j);
    buf_put_u8(j->out, (uint8_t)bracket);
    j->depth++;
    j->first = true;
}

void json_end(struct json *j, char bracket)
{
    if (j->depth == 1 && !j->first)
        buf_puts(j->out, "\n");
    j->depth--;
    j->first = false;
    buf_put_u8(j->out, bracket == '{' || bracket == '}' ? '}' : ']');
    if (j->depth == 0)
        buf_puts(j->out, "\n");
}

static void put_character(struct buf *out, uint32_t c, const char *bytes, size_t n)
{
    static const char *const named[] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r"};

    if (c == UINT32_MAX)
        buf_puts(out, "\\ufffd");
    else if (c == '"' || c == '\\')
        buf_printf(out, "\\%c", (int)c);
    else if (c < sizeof named / sizeof named[0] && named[c] != NULL)
        buf_puts(out, named[c]);
    else if (c < 0x20 || c == 0x7f)
        buf_printf(out, "\\u%04x", (unsigned)c);
    else
        buf_put(out, bytes, n);
}

/* Characters that stand for themselves. */
static size_t plain_size(const char *text)
{
    size_t n = 0;

    while (text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
        n++;
    return n;
}

static void put_text(struct buf *out, const char *text)
{
    buf_puts(out, "\"");
    for (;;) {
        size_t plain = plain_size(text);
        buf_put(out, text, plain);
        text += plain;
        const char *start = text;
        uint32_t c = utf8_next(&text);
        if (c == 0)
            break;
        put_character(out, c, start, (size_t)(text - start));
    }
    buf_puts(out, "\"");
}

/* In one piece: there is a key for every value. */
void json_key(struct json *j, const char *key)
{
    char piece[KEY_MAX + 4];
    size_t n = strlen(key);

    assert(n <= KEY_MAX && plain_size(key) == n);
    separate(j);
    piece[0] = '"';
    memcpy(piece + 1, key, n);
    memcpy(piece + 1 + n, "\": ", 3);
    buf_put(j->out, piece, n + 4);
    j->after_key = true;
}

void json_text(struct json *j, const char *text)
{
    separate(j);
    put_text(j->out, text);
}

void json_u64(struct json *j, uint64_t v)
{
    char text[DIGITS_MAX];

    separate(j);
    buf_put(j->out, text, digits_u64(v, text));
}

void json_i64(struct json *j, int64_t v)
{
    char text[DIGITS_MAX];

    separate(j);
    buf_put(j->out, text, digits_i64(v, text));
}

void json_real(struct json *j, double v)
{
    char text[DIGITS_MAX];

    if (!isfinite(v)) {
        json_null(j);
        return;
    }
    separate(j);
    buf_put(j->out, text, digits_real(v, text));
}

void json_ms(struct json *j, int64_t ms)
{
    char text[DIGITS_MAX];

    separate(j);
    buf_put(j->out, text, digits_ms(ms, text));
}

void json_bool(struct json *j, bool v)
{
    separate(j);
    buf_puts(j->out, v ? "true" : "false");
}

void json_null(struct json *j)
{
    separate(j);
    buf_puts(j->out, "null");
}
