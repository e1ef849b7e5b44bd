/* Kernels for any processor. */
#define ISA portable
#define VW  4
#include "engine/wide/kernel_body.h"

SUM(1, 1)
SUM(1, 8)
SUM(2, 1)
SUM(2, 4)
SUM(4, 1)
SUM(4, 2)
SUM(8, 1)

static bool here(void)
{
    return true;
}

const struct wide_isa wide_portable;
const struct wide_isa wide_portable = {
    .name = "portable",
    .here = here,
    .block = 8,
    .sum = {[1] = {[1] = SUM_NAME(1, 1), [8] = SUM_NAME(1, 8)},
            [2] = {[1] = SUM_NAME(2, 1), [4] = SUM_NAME(2, 4)},
            [4] = {[1] = SUM_NAME(4, 1), [2] = SUM_NAME(4, 2)},
            [8] = {[1] = SUM_NAME(8, 1)}},
    .scatter = NAME(scatter),
    .turn = NAME(turn),
    .grad = {NULL, NAME(grad_1), NAME(grad_2), NAME(grad_3)},
    .forward = {NAME(forward_linear), NAME(forward_swish), NAME(forward_leaky)},
    .backward = NAME(backward),
    .update = NAME(update),
    .round = NAME(round),
};
