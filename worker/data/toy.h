/* The ten toy sets: points of the plane, about within [-4, 4]. */
#ifndef EBM_DATA_TOY_H
#define EBM_DATA_TOY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

/* The toy of this name ("rings"); false when there is none. */
bool toy_find(const char *name, size_t *toy);

/* The point at a position of the endless set: a function of key (RNG_TOY)
 * and position alone. */
void toy_point(size_t toy, struct rng_key key, uint64_t position, float point[2]);

#endif
