/* "did you mean": the known word that is nearest to what was typed. */
#ifndef EBM_CLIENT_SUGGEST_H
#define EBM_CLIENT_SUGGEST_H

#include <stddef.h>

enum { SUGGEST_WORD_MAX = 32 };

/* Edits (insert, delete, replace, swap neighbours) from a to b; words longer
 * than SUGGEST_WORD_MAX are far from everything. */
size_t suggest_distance(const char *a, const char *b);

/* Feed each known word to suggest_try; `best` is NULL when none is near. */
struct suggest {
    const char *typed;
    const char *best;
    size_t distance;
};

void suggest_init(struct suggest *s, const char *typed);
void suggest_try(struct suggest *s, const char *known);

#endif
