/* Which instruction set rng.c computes with: chosen at the first use, the
 * best of the processor. The numbers are the same from each, and a test says
 * so; nothing else needs this header. */
#ifndef EBM_BASE_RNG_ISA_H
#define EBM_BASE_RNG_ISA_H

#include <stdbool.h>

enum rng_isa { RNG_ISA_PORTABLE, RNG_ISA_AVX2, RNG_ISA_AVX512, RNG_ISA_COUNT };

/* From now on this one, in the whole process; false when the processor or
 * the build lacks it. Not thread-safe against the generators. */
bool rng_isa_select(enum rng_isa isa);

enum rng_isa rng_isa_current(void);

const char *rng_isa_name(enum rng_isa isa);

#endif
