/* The wide engine: sixteen samples side by side in every vector. See kernel.h
 * and tape.h for how it works. */
#ifndef EBM_ENGINE_WIDE_WIDE_H
#define EBM_ENGINE_WIDE_WIDE_H

#include "engine/engine.h"

extern const struct engine_ops engine_wide;

/* For tests: engines that are created from now on use this instruction set
 * ("avx2"); false when it is not here. NULL: the best. */
bool wide_select(const char *isa);

/* "avx512" */
const char *wide_isa_name(const struct engine *e);

#endif
