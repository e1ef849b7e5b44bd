/* Which checkpoints stay, and when one has proved healthy. Pure functions
 * over rows; keeper.c applies them. */
#ifndef EBM_DAEMON_RETENTION_H
#define EBM_DAEMON_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lineage.h"
#include "store/store.h"

enum {
    RETENTION_BECAUSE_MAX = 96,
    RETENTION_CLEAN_MIN = 100,
    RETENTION_LATENCY = 400 /* steps from the onset of a soft divergence to its trip, at most */
};

struct retention_row {
    struct store_checkpoint c;
    bool referenced;                     /* a fork, a plan or a live attempt starts from it */
    bool on_line;                        /* of the line of descent of the newest attempt */
    bool evidence;                       /* of the last divergence: retention_mark_evidence */
    bool keep;                           /* out */
    char because[RETENTION_BECAUSE_MAX]; /* out: "last-5 best-2 pinned used evidence", "" = goes */
};

/* The union of the newest keep_last by id, the keep_best with the smallest
 * finite score that are not suspect or poisoned, pinned ones, referenced
 * ones, evidence, and the newest healthy one. For no other reason ("line"):
 * what a resume goes on from, the newest one on the line that is not
 * poisoned, and what a divergence goes back to, the newest healthy one on the
 * line; after a rollback those are not the newest of all. And ("proving") the
 * first one on the line after that, on probation: without it, none would ever
 * prove healthy when keep_last checkpoints span less than the clean stretch.
 * What proved healthy may still lie behind the onset of a divergence that is
 * seen late: so the newest healthy one that lies RETENTION_LATENCY steps before
 * the newest healthy one on the line stays as well ("fallback"), and the oldest
 * healthy one after it, which is to follow it ("ageing").
 * Rows that are deleted are not kept. They come back in the order of
 * (step, id). */
void retention_choose(struct retention_row *row, size_t n, uint32_t keep_last, uint32_t keep_best);

/* Marks what shows a divergence on both sides: of the rows that are there, on
 * the line of the attempt that diverged, the last one before its onset and
 * the first one from there on. The rows rise by (step, id). */
void retention_mark_evidence(struct retention_row *row, size_t n, const struct lineage *line,
                             uint64_t onset);

/* Clean steps after a checkpoint that make it healthy: twice the interval,
 * at least RETENTION_CLEAN_MIN. */
uint64_t retention_clean_stretch(uint64_t every_steps);

/* Whether this one, on probation, is healthy now that its line of descent
 * has come to `step` cleanly. */
bool retention_has_proved(const struct store_checkpoint *c, const struct lineage *line,
                          uint64_t step, uint64_t clean_stretch);

#endif
