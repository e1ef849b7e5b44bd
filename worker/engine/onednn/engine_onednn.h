/* The CPU engine: oneDNN for convolutions and matrix products, own vector
 * code for all that is pointwise. See plan.h for how it works. */
#ifndef EBM_ENGINE_ONEDNN_ENGINE_H
#define EBM_ENGINE_ONEDNN_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/engine.h"

extern const struct engine_ops engine_onednn;

/* The i-th primitive of an engine of engine_onednn and which implementation
 * oneDNN took, as "layer 1 (conv) forward: brgconv:avx512_core"; false past
 * the last. A name with "ref:" is one of its slow reference loops. */
bool engine_onednn_impl(const struct engine *e, size_t i, char *out, size_t size);

#endif
