/* Pointwise layers, over whole padded tensors in any layout: each of them
 * takes 0 to 0, so the padding of blocked layouts stays 0.
 *
 * All arrays are POINT_ALIGN-byte aligned and counts are multiples of
 * POINT_STEP, so there are no tails and an element's bits depend on its own
 * input only. */
#ifndef EBM_ENGINE_ONEDNN_POINT_H
#define EBM_ENGINE_ONEDNN_POINT_H

#include <stddef.h>

#include "net/net.h"

enum { POINT_STEP = 64, POINT_ALIGN = 64 };

/* out = f(in); saved = what backward needs: f'(in), or in. saved may be in
 * itself. */
typedef void point_forward_fn(float slope, const float *in, float *saved, float *out, size_t n);

/* grad *= f'. */
typedef void point_backward_fn(float slope, const float *saved, float *grad, size_t n);

struct point_ops {
    point_forward_fn *forward;
    point_backward_fn *backward;
};

/* NULL members for a kind that is not pointwise. */
struct point_ops point_find(enum net_kind kind);

#endif
