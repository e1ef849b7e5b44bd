/* Small random numbers for tests, the same in every run: SplitMix64. */
#ifndef EBM_TESTS_DICE_H
#define EBM_TESTS_DICE_H

#include <stdint.h>

static inline uint64_t dice_roll(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* 0 to n - 1. */
static inline uint32_t dice_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(dice_roll(state) % n);
}

#endif
