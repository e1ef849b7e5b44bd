/* Vector loops for the processor at hand.
 *
 * A function marked ENGINE_CLONES is compiled for each of these instruction
 * sets, and the loader takes the best. An element's bits must depend on its
 * input alone, not on where in a vector loop it falls. So files whose loops
 * may have tails are compiled with -ffp-contract=off; point.c, whose loops
 * have a constant length and no tails, may contract. */
#ifndef EBM_ENGINE_CLONES_H
#define EBM_ENGINE_CLONES_H

#if defined(__x86_64__) && defined(__gnu_linux__)
#define ENGINE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ENGINE_CLONES
#endif
#define ENGINE_INLINE static inline __attribute__((always_inline))

#endif
