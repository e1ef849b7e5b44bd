#include <string.h>

#include "engine/wide/kernel.h"

extern const struct wide_isa wide_portable, wide_avx2, wide_avx512, wide_avx512_bf16,
    wide_avx512_amx;

/* The best first. */
static const struct wide_isa *const isas[] = {
#if defined(__x86_64__)
    &wide_avx512_amx, &wide_avx512_bf16, &wide_avx512, &wide_avx2,
#endif
    &wide_portable,
};
enum { ISAS = sizeof isas / sizeof isas[0] };

const struct wide_isa *wide_isa_at(size_t i)
{
    return i < ISAS ? isas[i] : NULL;
}

const struct wide_isa *wide_isa_best(void)
{
    size_t i = 0;

    while (!isas[i]->here() || (isas[i]->slow != NULL && isas[i]->slow()))
        i++;
    return isas[i];
}

const struct wide_isa *wide_isa_find(const char *name)
{
    for (size_t i = 0; i < ISAS; i++)
        if (strcmp(isas[i]->name, name) == 0)
            return isas[i]->here() ? isas[i] : NULL;
    return NULL;
}
