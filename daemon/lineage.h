/* The line of descent of an attempt: itself back to the step it started
 * from, then the attempt whose checkpoint that was, up to that step, and so
 * on to the first. What was abandoned by a rollback is not in it. */
#ifndef EBM_DAEMON_LINEAGE_H
#define EBM_DAEMON_LINEAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

struct lineage_span {
    uint32_t attempt;
    uint64_t first, last; /* steps taken in it that count: first < step <= last */
};

struct lineage {
    struct lineage_span *span; /* owned; newest first */
    size_t count, capacity;
};

/* attempt 0 (none yet) is an empty line. lineage_fini always. */
enum ebm_status lineage_read(struct store *s, int64_t job, uint32_t attempt, struct lineage *out,
                             struct ebm_error *err);
bool lineage_has(const struct lineage *l, uint32_t attempt, uint64_t step);
/* The last step that the line has in common with another one of its job, cut
 * at this step: what comes after it on the line is given up by who goes there. */
uint64_t lineage_common_step(const struct lineage *l, const struct lineage *other, uint64_t step);
void lineage_fini(struct lineage *l);

#endif
