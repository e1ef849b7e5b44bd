/* Sharing out a length, in lines or in columns, among parts that matter more
 * or less: what a screen shows when it cannot show everything. */
#ifndef EBM_CLIENT_FIT_H
#define EBM_CLIENT_FIT_H

#include <stddef.h>

enum { FIT_RANKS = 32 };

struct fit_part {
    size_t least; /* below this the part is left out; 0: there is no such part */
    size_t want;  /* given to all before anybody gets more */
    size_t most;
    unsigned rank; /* below FIT_RANKS; 0 matters most */
};

/* share[i] is 0, or from least to most. `gap` lies between any two parts that
 * get something. Returns what was used, gaps included; never over total. */
size_t fit_share(const struct fit_part *part, size_t n, size_t total, size_t gap, size_t *share);

/* The total at which each part gets what it wants. */
size_t fit_wanted(const struct fit_part *part, size_t n, size_t gap);

#endif
