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
    LADDER_GENTLE, /* half the learning rate; half as many Langevin steps again, of half the size;
                      of chains from noise twice as many steps, of their size */
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

/* A rollback that is to be planned. */
struct ladder_case {
    bool again;        /* not the first one of its incident */
    uint64_t diverged; /* the step that was not taken */
    uint64_t at_step;  /* where the run goes back to */
    double range;      /* of a sample's elements */
};

/* What this rung makes of a run of this spec. Factors and the batches that
 * are left out add up with those of the spec. The first rung of a new
 * incident begins with factors of 1, unless the run needed those it had: when
 * it has diverged while they went back to 1, or not long after, they hold
 * again, and for twice as long. */
void ladder_plan(const struct spec *s, enum ladder_rung rung, const struct ladder_case *c,
                 struct ladder_change *out);

/* What the spec's intervention, whoever's it was, does to a run that begins at
 * from_step: factors that have not gone back to 1 by then, and the purge. */
void ladder_in_force(const struct spec *s, uint64_t from_step, struct ladder_change *out);

/* What a person should know of it: "lr x0.5, K x1.5, buffer: all purged", or "". */
void ladder_describe(const struct ladder_change *c, char *out, size_t size);

#endif
