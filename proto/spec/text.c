#include "spec/text.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 64 }; /* longer words are not compared */

size_t text_utf8_length(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } form[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t i = 0; i < 4; i++) {
        if ((p[0] & form[i].mask) != form[i].lead || left < i + 1)
            continue;
        uint32_t c = p[0] & (unsigned char)~form[i].mask;
        for (size_t k = 1; k <= i; k++) {
            if ((p[k] & 0xc0) != 0x80)
                return 0;
            c = c << 6 | (p[k] & 0x3f);
        }
        bool allowed = c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0x7e) ||
                       c == 0x85 || (c >= 0xa0 && c <= 0xd7ff) || (c >= 0xe000 && c <= 0xfffd) ||
                       (c >= 0x10000 && c <= 0x10ffff);
        return c >= form[i].least && allowed ? i + 1 : 0;
    }
    return 0;
}

/* --- numbers ----------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(const char *p)
{
    size_t n = 0;
    while (is_digit(p[n]))
        n++;
    return n;
}

static bool is_whole(const char *p)
{
    size_t n = digits(p);
    return n > 0 && p[n] == '\0' && (n == 1 || p[0] != '0');
}

bool text_to_i64(const char *text, int64_t *out)
{
    if (!is_whole(text + (*text == '-' || *text == '+')))
        return false;
    errno = 0;
    *out = strtoll(text, NULL, 10);
    return errno == 0;
}

bool text_to_u64(const char *text, uint64_t *out)
{
    if (!is_whole(text + (*text == '+')))
        return false;
    errno = 0;
    *out = strtoull(text, NULL, 10);
    return errno == 0;
}

/* [sign] digits [. digits] [e [sign] digits], with a digit in the mantissa. */
static bool is_decimal(const char *p)
{
    p += *p == '-' || *p == '+';
    size_t whole = digits(p), part = 0;
    p += whole;
    if (*p == '.') {
        part = digits(p + 1);
        p += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        size_t n = digits(p);
        if (n == 0)
            return false;
        p += n;
    }
    return *p == '\0';
}

/* strtod and printf follow the locale's decimal sign; where it is not a
 * point, the text is changed on its way. */
static char decimal_sign(void)
{
    const char *sign = localeconv()->decimal_point;
    return sign[0] != '\0' && sign[1] == '\0' ? sign[0] : '.';
}

static void swap_sign(char *text, char from, char to)
{
    char *at = strchr(text, from);
    if (at != NULL)
        *at = to;
}

bool text_to_real(const char *text, double *out)
{
    char copy[400];

    if (!is_decimal(text) || strlen(text) >= sizeof copy)
        return false;
    strcpy(copy, text);
    swap_sign(copy, '.', decimal_sign());
    *out = strtod(copy, NULL);
    return isfinite(*out);
}

/* The shortest digits that read back; far from 1 with an exponent. */
static void shortest_digits(double v, bool single, char raw[TEXT_REAL_MAX])
{
    bool far = v != 0 && (fabs(v) < 1e-3 || fabs(v) >= 1e6);
    int most = single ? 9 : 17;

    for (int n = 1; n <= most; n++) {
        if (far)
            snprintf(raw, TEXT_REAL_MAX, "%.*e", n - 1, v);
        else
            snprintf(raw, TEXT_REAL_MAX, "%.*g", n < 6 ? 6 : n, v);
        double back = strtod(raw, NULL);
        if (single ? (float)back == (float)v : back == v)
            return;
    }
}

void text_from_real(double v, bool single, char out[TEXT_REAL_MAX])
{
    char raw[TEXT_REAL_MAX];

    shortest_digits(v, single, raw);
    swap_sign(raw, decimal_sign(), '.');
    char *exponent = strchr(raw, 'e');
    int power = exponent != NULL ? atoi(exponent + 1) : 0;
    if (exponent != NULL)
        *exponent = '\0';
    const char *tail = strchr(raw, '.') == NULL && isfinite(v) ? ".0" : "";
    if (exponent != NULL)
        snprintf(out, TEXT_REAL_MAX, "%.24s%se%d", raw, tail, power);
    else
        snprintf(out, TEXT_REAL_MAX, "%.32s%s", raw, tail);
}

void text_from_limit(double v, char out[TEXT_REAL_MAX])
{
    text_from_real(v, false, out);
    char *point = strstr(out, ".0");
    if (point != NULL && (point[2] == '\0' || point[2] == 'e'))
        memmove(point, point + 2, strlen(point + 2) + 1);
}

/* --- likeness ---------------------------------------------------------- */

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' || c == ' ' ? '_' : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t text_distance(const char *a, const char *b, size_t most)
{
    size_t n = strlen(a), m = strlen(b);
    size_t row[3][WORD_MAX + 1];

    if (n > WORD_MAX || m > WORD_MAX || (n > m ? n - m : m - n) > most)
        return most + 1;
    for (size_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3];
        const size_t *above = row[(i + 2) % 3], *two_above = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t differs = fold(a[i - 1]) != fold(b[j - 1]);
            now[j] = least(least(above[j], now[j - 1]) + 1, above[j - 1] + differs);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                now[j] = least(now[j], two_above[j - 2] + 1);
        }
    }
    return least(row[n % 3][m], most + 1);
}

size_t text_distance_allowed(const char *word)
{
    size_t n = strlen(word);
    return n <= 2 ? 0 : n <= 4 ? 1 : n <= 8 ? 2 : 3;
}

bool text_word(const char *list, size_t i, char *out, size_t size)
{
    for (; i > 0; i--) {
        list = strchr(list, '|');
        if (list == NULL)
            return false;
        list++;
    }
    snprintf(out, size, "%.*s", (int)strcspn(list, "|"), list);
    return out[0] != '\0';
}

int text_word_index(const char *list, const char *word)
{
    char have[WORD_MAX];

    for (size_t i = 0; text_word(list, i, have, sizeof have); i++)
        if (strcmp(have, word) == 0)
            return (int)i;
    return -1;
}

bool text_nearest(const char *list, const char *word, char *out, size_t size, size_t *distance)
{
    char have[WORD_MAX];
    size_t best = text_distance_allowed(word) + 1;
    bool found = false;

    for (size_t i = 0; text_word(list, i, have, sizeof have); i++) {
        size_t d = text_distance(word, have, best);
        if (d >= best)
            continue;
        best = d;
        found = true;
        snprintf(out, size, "%s", have);
    }
    if (distance != NULL)
        *distance = best;
    return found;
}
