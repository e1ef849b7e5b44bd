#include <string.h>

#include "engine/clones.h"
#include "engine/wide/pass.h"

/* Weights of a pass, packed as its kernels read them. */

size_t wide_pass_bytes(const struct wide_pass *p)
{
    return p->packed * sizeof(float);
}

/* The upper half is the nearest bf16, ties to even; NaN stays one. */
ENGINE_INLINE uint32_t rounded(uint32_t bits)
{
    uint32_t up = bits + 0x7fffu + (bits >> 16 & 1u);

    return (bits & 0x7fffffffu) > 0x7f800000u ? bits | 0x400000u : up;
}

/* The outputs of a row, of which a parameter is at from[output[o]]. */
ENGINE_INLINE void pack_row(enum wide_operands operands, const uint32_t *low, const uint32_t *high,
                            const uint32_t *output, uint32_t *out, const uint32_t width)
{
    if (operands == WIDE_FLOAT)
        for (uint32_t o = 0; o < width; o++)
            out[o] = low[output[o]];
    else if (operands == WIDE_ROUNDED)
        for (uint32_t o = 0; o < width; o++)
            out[o] = rounded(low[output[o]]) & 0xffff0000u;
    else if (high == NULL)
        for (uint32_t o = 0; o < width; o++)
            out[o] = rounded(low[output[o]]) >> 16;
    else
        for (uint32_t o = 0; o < width; o++)
            out[o] = rounded(low[output[o]]) >> 16 | (rounded(high[output[o]]) & 0xffff0000u);
}

/* Do the outputs' parameters lie side by side, as on a dense layer's way back? */
ENGINE_INLINE bool side_by_side(const uint32_t *output, uint32_t width)
{
    for (uint32_t o = 1; o < width; o++)
        if (output[o] != output[0] + o)
            return false;
    return true;
}

/* Sixteen outputs at most, with a constant width for the compiler. */
ENGINE_INLINE void pack_rows(const struct wide_pass *p, const struct wide_block *block,
                             const uint32_t *params, uint32_t *out, const uint32_t width)
{
    const uint32_t *output = p->output_at + block->first;

    if (p->operands == WIDE_FLOAT && side_by_side(output, width)) { /* p->numbers is 1 */
        for (size_t row = 0; row < p->rows; row++, out += width)
            memcpy(out, params + p->row_at[row] + output[0], width * sizeof *out);
        return;
    }
    for (size_t row = 0; row < p->rows; row++, out += width) {
        const uint32_t *at = p->row_at + row * p->numbers;
        bool paired = p->numbers > 1 && at[1] != WIDE_NO_ROW;
        pack_row(p->operands, params + at[0], paired ? params + at[1] : NULL, output, out, width);
    }
}

ENGINE_CLONES static void pack_block(const struct wide_pass *p, const struct wide_block *block,
                                     const uint32_t *params, uint32_t *out)
{
    if (block->width == 16)
        pack_rows(p, block, params, out, 16);
    else if (block->width == 8)
        pack_rows(p, block, params, out, 8);
    else
        pack_rows(p, block, params, out, block->width);
}

/* A tile's rows, as parameters before an output's part is added. */
static void find_rows(const struct wide_pass *p, size_t tile, struct wide_tile_rows *r)
{
    for (size_t i = 0; i < WIDE_TILE; i++) {
        uint32_t row = p->tiling.weight[tile * WIDE_TILE + i];
        r->low[i] = row != WIDE_NO_ROW ? p->row_at[row * 2] : WIDE_NO_ROW;
        r->high[i] = row != WIDE_NO_ROW ? p->row_at[row * 2 + 1] : WIDE_NO_ROW;
    }
}

/* Outputs beyond the last one stay 0, as do the rows that a tile lacks. */
static void pack_tiles(const struct wide_pass *p, const struct wide_block *block,
                       const uint32_t *params, uint32_t *out)
{
    size_t outputs = wide_halves(block->width) * WIDE_TILE;

    for (size_t t = 0; t < p->tiling.tiles; t++, out += outputs * WIDE_TILE) {
        struct wide_tile_rows rows;
        find_rows(p, t, &rows);
        p->isa->tiles_pack(params, &rows, p->output_at + block->first, block->width, out);
        memset(out + block->width * WIDE_TILE, 0,
               (outputs - block->width) * WIDE_TILE * sizeof *out);
    }
}

void wide_pass_pack(const struct wide_pass *p, const float *params, size_t threads, void *packed)
{
    const uint32_t *bits = (const uint32_t *)(const void *)params;
    const long blocks = (long)p->blocks;

#pragma omp parallel for num_threads((int)threads) schedule(static) if (threads > 1)
    for (long i = 0; i < blocks; i++) {
        uint32_t *out = (uint32_t *)packed + p->block[i].packed;
        (p->operands == WIDE_TILES ? pack_tiles : pack_block)(p, &p->block[i], bits, out);
    }
}
