/* Tiles of an x86 processor that has them: see kernel.h. */
#ifndef EBM_ENGINE_WIDE_KERNEL_AMX_H
#define EBM_ENGINE_WIDE_KERNEL_AMX_H

#include "engine/wide/kernel.h"

/* Asks the operating system for them as well. */
bool wide_amx_here(void);
void wide_amx_ready(bool ready);
void wide_amx_tiles(const struct wide_tiles *job);
void wide_amx_pack(const uint32_t *params, const struct wide_tile_rows *rows,
                   const uint32_t *output_at, size_t outputs, uint32_t *out);

#endif
