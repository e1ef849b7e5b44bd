/* How the runs of a pass are cut into tiles: chunks of sixteen source pairs,
 * each with the tile of weights that goes with them.
 *
 * A long run is cut where it lies; what is left at its end is covered by a
 * chunk that overlaps the one before, with weights of 0 for what both have. A
 * short run that is alone is covered likewise, together with what lies behind
 * it: what is not finite there, of a sample that is lost anyhow, reaches its
 * sums as well. Other short runs are gathered: their pairs are copied together
 * first. Groups of positions share the tiles that they have in common. */
#ifndef EBM_ENGINE_WIDE_TILING_H
#define EBM_ENGINE_WIDE_TILING_H

#include "engine/wide/kernel.h"

/* Runs that positions share, and where they are worked off. */
struct wide_group {
    uint32_t first_run, runs;
    uint32_t first, count; /* of the pass's places */
    bool beyond;           /* fewer than sixteen pairs from a place on may be read */
    uint32_t first_chunk, chunks;
    uint32_t first_row, rows; /* gathered pairs; rows 0: as they lie */
};

struct wide_tiling {
    struct wide_chunk *chunk; /* owned, as the next two */
    uint32_t *row;            /* gathered source pairs */
    uint32_t *weight;         /* (tiles, WIDE_TILE): rows of weights, or WIDE_NO_ROW */
    size_t chunks, rows, tiles;
};

/* Is a short run all that the group has? */
bool wide_tiling_is_short(const struct wide_group *g, const struct wide_run *run);
/* False without memory. */
bool wide_tiling_build(struct wide_tiling *t, struct wide_group *group, size_t groups,
                       const struct wide_run *run);
void wide_tiling_fini(struct wide_tiling *t); /* also of a zeroed one */

#endif
