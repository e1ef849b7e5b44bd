/* The processor's own limit: loops of nothing but products, on one core. Each
 * does limits_operations, a multiplication and an addition counted as two. */
#ifndef EBM_BENCH_LIMITS_H
#define EBM_BENCH_LIMITS_H

#include <stdbool.h>

static const long limits_operations = 1L << 32;

void limits_fma(void); /* fp32 */
void limits_dot(void); /* bf16, vectors: nothing without limits_has_dot */
void limits_amx(void); /* bf16, tiles: nothing without limits_has_amx */

bool limits_has_dot(void);
bool limits_has_amx(void); /* asks the kernel for the tiles */

#endif
