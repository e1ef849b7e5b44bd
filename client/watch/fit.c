#include "watch/fit.h"

#include <stdbool.h>
#include <string.h>

/* What matters more is asked first; what does not fit leaves its room to what
 * matters less. Returns what is left. */
static size_t give_least(const struct fit_part *part, size_t n, size_t left, size_t gap,
                         size_t *share)
{
    bool any = false;

    for (unsigned rank = 0; rank < FIT_RANKS; rank++)
        for (size_t i = 0; i < n; i++) {
            size_t cost = part[i].least + (any ? gap : 0);
            if (part[i].rank != rank || part[i].least == 0 || cost > left)
                continue;
            share[i] = part[i].least;
            left -= cost;
            any = true;
        }
    return left;
}

static size_t give_wanted(const struct fit_part *part, size_t n, size_t left, size_t *share)
{
    for (unsigned rank = 0; rank < FIT_RANKS; rank++)
        for (size_t i = 0; i < n; i++) {
            if (part[i].rank != rank || share[i] == 0 || part[i].want <= share[i])
                continue;
            size_t more = part[i].want - share[i] < left ? part[i].want - share[i] : left;
            share[i] += more;
            left -= more;
        }
    return left;
}

/* One each, round after round, so that what can grow grows together. */
static size_t give_rest(const struct fit_part *part, size_t n, size_t left, size_t *share)
{
    for (bool any = true; any && left > 0;) {
        any = false;
        for (size_t i = 0; i < n && left > 0; i++) {
            if (share[i] == 0 || share[i] >= part[i].most)
                continue;
            share[i]++;
            left--;
            any = true;
        }
    }
    return left;
}

size_t fit_share(const struct fit_part *part, size_t n, size_t total, size_t gap, size_t *share)
{
    memset(share, 0, n * sizeof *share);
    size_t left = give_least(part, n, total, gap, share);
    left = give_wanted(part, n, left, share);
    return total - give_rest(part, n, left, share);
}

size_t fit_wanted(const struct fit_part *part, size_t n, size_t gap)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++) {
        size_t want = part[i].want > part[i].least ? part[i].want : part[i].least;
        if (part[i].least > 0)
            total += want + (total > 0 ? gap : 0);
    }
    return total;
}
