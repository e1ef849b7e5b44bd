#include "utf8.h"

#include <string.h>

uint32_t utf8_next(const char **p)
{
    const unsigned char *s = (const unsigned char *)*p;
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    unsigned more = s[0] < 0x80   ? 0
                    : s[0] < 0xc2 ? 4
                    : s[0] < 0xe0 ? 1
                    : s[0] < 0xf0 ? 2
                    : s[0] < 0xf5 ? 3
                                  : 4;

    if (s[0] == '\0')
        return 0;
    *p += 1;
    if (more == 4)
        return UINT32_MAX;
    uint32_t c = more == 0 ? s[0] : s[0] & (0x3fu >> more);
    for (unsigned i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return UINT32_MAX;
        c = c << 6 | (s[i] & 0x3fu);
    }
    if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return UINT32_MAX;
    *p += more;
    return c;
}

struct range {
    uint32_t first, last;
};

static const struct range zero_ranges[] = {
    {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x200b, 0x200f},
    {0x2060, 0x2064}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f},
};
static const struct range wide_ranges[] = {
    {0x1100, 0x115f},   {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
    {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

static bool in_ranges(const struct range *r, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].first && c <= r[i].last)
            return true;
    return false;
}

int utf8_columns(uint32_t c)
{
    if (c < 0x300)
        return 1;
    if (in_ranges(zero_ranges, sizeof zero_ranges / sizeof zero_ranges[0], c))
        return 0;
    return in_ranges(wide_ranges, sizeof wide_ranges / sizeof wide_ranges[0], c) ? 2 : 1;
}

/* A control character, or one that turns the direction of writing. */
static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == UINT32_MAX || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

static size_t columns_shown(uint32_t c)
{
    return is_unsafe(c) ? 1 : (size_t)utf8_columns(c);
}

/* Most texts are nothing else. */
static size_t plain_size(const char *text)
{
    size_t n = 0;

    while (text[n] >= 0x20 && text[n] < 0x7f)
        n++;
    return n;
}

size_t utf8_width(const char *text)
{
    size_t width = plain_size(text);
    uint32_t c;

    text += width;
    while ((c = utf8_next(&text)) != 0)
        width += columns_shown(c);
    return width;
}

static size_t put_checked(struct buf *out, const char *text, size_t width, const char *ellipsis)
{
    size_t full = utf8_width(text), mark = utf8_width(ellipsis), used = 0;
    size_t room = full <= width ? width : width > mark ? width - mark : 0;

    for (;;) {
        const char *start = text;
        uint32_t c = utf8_next(&text);
        if (c == 0 || used + columns_shown(c) > room)
            break;
        used += columns_shown(c);
        if (is_unsafe(c))
            buf_puts(out, "?");
        else
            buf_put(out, start, (size_t)(text - start));
    }
    if (full > width && width >= mark) {
        buf_puts(out, ellipsis);
        used += mark;
    }
    return used;
}

size_t utf8_put(struct buf *out, const char *text, size_t width, const char *ellipsis)
{
    size_t full = plain_size(text);

    if (text[full] == '\0' && full <= width) {
        buf_put(out, text, full);
        return full;
    }
    return put_checked(out, text, width, ellipsis);
}
