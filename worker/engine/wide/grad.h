/* Gradients of the parameters of one layer over a tile.
 *
 * The tile's tensors are turned round here: sample by sample, channels side by
 * side, the input with its padding around it. A vector then holds elements of
 * a kernel row (taps x channels), and the sum runs over samples and positions,
 * in one fixed order. */
#ifndef EBM_ENGINE_WIDE_GRAD_H
#define EBM_ENGINE_WIDE_GRAD_H

#include "engine/wide/tape.h"

/* How the gradient of a layer is worked off. */
struct wide_grad_plan {
    const struct wide_node *node;
    size_t kernel, stride; /* 1, 1 for a flat layer */
    size_t height, width;  /* of output positions */
    size_t outputs, padded_outputs;
    size_t run;                           /* elements of a kernel row: taps x channels */
    size_t padded;                        /* to whole vectors */
    size_t x_width, x_height, x_channels; /* with the padding; of a sample */
    size_t pad_top, pad_left;
    bool by_sample; /* a sample after another, since the sums are small */
};

struct wide_grad_plan wide_grad_plan_of(const struct wide_node *n);

/* Floats of scratch that a layer wants: x, dz, sums. */
size_t wide_grad_scratch(const struct wide_grad_plan *g, size_t bundles);

/* grad (P) += the layer's weights' and biases' gradient. x and dz: tensors of
 * the tile; scratch is zeroed where it must be. */
void wide_grad_add(const struct wide_grad_plan *g, const struct wide_isa *isa, size_t bundles,
                   const float *x, const float *dz, float *scratch, float *grad);

#endif
