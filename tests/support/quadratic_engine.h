/* An engine for tests of what is above the seam: E(x) = sum (x_i - p_i)^2 / 2
 * with the first D parameters as p; the others have no effect. It can be told
 * to go wrong. */
#ifndef EBM_TESTS_QUADRATIC_ENGINE_H
#define EBM_TESTS_QUADRATIC_ENGINE_H

#include <stdbool.h>

#include "engine/engine.h"

enum { QUADRATIC_TILE = 3 };

struct quadratic_faults {
    bool chain_fails;    /* langevin is an error */
    bool params_fail;    /* set_params is one */
    float energy_offset; /* added to each energy */
};

extern struct quadratic_faults quadratic_faults;
extern const struct engine_ops quadratic_engine;

#endif
