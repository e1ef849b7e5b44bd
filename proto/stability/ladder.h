/* The recovery ladder: what the n-th rollback in a row changes. Pure: the
 * daemon plans with it, and `ebmctl rollback --dry-run` tells of it. */
#ifndef EBM_STABILITY_LADDER_H
#define EBM_STABILITY_LADDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/spec.h"

/* Each holds what the ones before it hold. */
enum ladder_rung {
    LADDER_RELOAD, /* the newest checkpoint, whatever it is worth, and nothing else: to compare with
                    */
    LADDER_NOISE,  /* new noise, other batches, outliers out of the buffer */
    LADDER_GENTLE, /* half the learning rate; half as many Langevin steps again, of half the size
                      unless chains begin from noise */
    LADDER_FIRM,   /* more data noise, energy L2, clips; a new buffer, warmed up */
    LADDER_OLDER,  /* an older checkpoint, a quarter of the learning rate and of the step size */
    LADDER_COUNT
};

const char *ladder_name(enum ladder_rung r);

/* Whether the text is a list of rungs, apart by blanks or commas; if not,
 * *word (up to size) is the one that is unknown, "" for an empty list. */
bool ladder_is_list(const char *text, char *word, size_t size);

/* The n-th rung of the list, from 0; the last one for all that follow. */
enum ladder_rung ladder_at(const char *text, uint64_t n);

enum { LADDER_SETS_MAX = 14, LADDER_SET_MAX = 64 };

/* Overrides, as --set takes them. */
struct ladder_change {
    char set[LADDER_SETS_MAX][LADDER_SET_MAX];
    size_t sets;
};

/* What this rung makes of a run of this spec that goes back to at_step. range
 * is that of a sample's elements. Factors and the batches that are left out
 * add up with those of the spec, so long as its last intervention holds
 * (`again`). */
void ladder_plan(const struct spec *s, enum ladder_rung rung, bool again, uint64_t at_step,
                 double range, struct ladder_change *out);

/* Appends what a person should know of it: ", lr x0.5, K x1.5, buffer anew". */
void ladder_describe(const struct ladder_change *c, char *out, size_t size);

#endif
