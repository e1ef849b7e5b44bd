#include "suggest.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t suggest_distance(const char *a, const char *b)
{
    size_t d[SUGGEST_WORD_MAX + 1][SUGGEST_WORD_MAX + 1];
    size_t n = strlen(a), m = strlen(b);

    if (n > SUGGEST_WORD_MAX || m > SUGGEST_WORD_MAX)
        return n + m;
    for (size_t i = 0; i <= n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[n][m];
}

void suggest_init(struct suggest *s, const char *typed)
{
    /* A third of a word may be wrong; more is another word. */
    *s = (struct suggest){.typed = typed, .distance = 2 + strlen(typed) / 3};
    if (strlen(typed) <= 3)
        s->distance = 2;
}

void suggest_try(struct suggest *s, const char *known)
{
    size_t d = suggest_distance(s->typed, known);

    if (d < s->distance) {
        s->distance = d;
        s->best = known;
    }
}
