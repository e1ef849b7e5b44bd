/* One linear layer in one direction, as sums over runs of source vectors
 * (kernel.h): where each output's terms lie, and how its weights are packed.
 *
 * Tensors are [bundle][position][channel][16 samples]. Positions whose terms
 * lie the same way from a base of their own form a group; a kernel takes
 * several of them at once. Taps that fall outside the image are in no run. */
#ifndef EBM_ENGINE_WIDE_PASS_H
#define EBM_ENGINE_WIDE_PASS_H

#include "base/err.h"
#include "engine/wide/kernel.h"
#include "engine/wide/tiling.h"
#include "net/net.h"

/* Operands of the sums. */
enum wide_operands {
    WIDE_FLOAT,
    WIDE_ROUNDED, /* floats that are rounded to bf16: where there are no pairs */
    WIDE_PAIRS,   /* of bf16 */
    WIDE_TILES    /* the same, their weights in tiles */
};

static inline bool wide_in_pairs(enum wide_operands o)
{
    return o == WIDE_PAIRS || o == WIDE_TILES;
}

/* Sixteens of outputs. */
static inline size_t wide_halves(size_t outputs)
{
    return (outputs + WIDE_TILE - 1) / WIDE_TILE;
}

/* Outputs that a kernel computes together. */
struct wide_block {
    uint32_t first, width; /* channels */
    uint32_t packed;       /* of its weights: numbers, or pairs, before them */
};

struct wide_pass {
    const struct wide_isa *isa; /* borrowed */
    enum wide_operands operands;
    size_t rows;              /* of weights, for each output */
    size_t outputs;           /* channels of a position */
    size_t positions;         /* of a bundle */
    struct wide_group *group; /* owned, as the next six */
    struct wide_place *place;
    struct wide_run *run;
    struct wide_block *block;
    /* A weight is parameter row_at[row] + output_at[output], or 0 where the
     * row is WIDE_NO_ROW. */
    uint32_t *row_at;    /* (rows, numbers) */
    uint32_t *output_at; /* (outputs) */
    size_t numbers;      /* in an operand: 2 of pairs */
    struct wide_tiling tiling;
    size_t groups, blocks;
    size_t packed;      /* numbers, or pairs */
    bool strips;        /* of WIDE_BY_TAP: one channel, in float, by wide_pass_strip */
    bool weights_outer; /* keep a block's weights near, rather than the source */
};

enum wide_direction {
    WIDE_FORWARD,
    WIDE_BACKWARD,
    /* Of layers with few input channels: each output position's sums for all
     * the inputs that it reads, (taps, channels), to be scattered onto them. A
     * source is read once, where WIDE_BACKWARD reads it for every tap. */
    WIDE_BY_TAP
};

/* The way back that is best for the layer. */
enum wide_direction wide_pass_back(const struct net_layer *layer);

/* `order`: channel i of the stored input is channel order[i] of the layer's
 * (NULL: the same); the layer then has one position. bundles: that positions
 * are repeated for. */
enum ebm_status wide_pass_build(struct wide_pass *p, const struct wide_isa *isa,
                                enum wide_operands operands, const struct net_layer *layer,
                                enum wide_direction direction, const uint32_t *order,
                                size_t bundles, struct ebm_error *err);
void wide_pass_fini(struct wide_pass *p); /* also of a zeroed one */

/* Is it built? */
static inline bool wide_pass_exists(const struct wide_pass *p)
{
    return p->blocks > 0;
}

/* Bytes of packed weights. */
size_t wide_pass_bytes(const struct wide_pass *p);
void wide_pass_pack(const struct wide_pass *p, const float *params, size_t threads, void *packed);

/* Sums of some positions and channels, while they are near: (count, channels,
 * WIDE). In pairs, `channel` is even. */
struct wide_sums {
    float *sum; /* may be overwritten */
    const struct wide_place *place;
    size_t count;
    size_t channel, channels; /* the first, and how many */
};

/* What is done with them. */
typedef void wide_finish_fn(void *arg, const struct wide_sums *s);

/* Positions from the i-th on that follow one another, so that their vectors do
 * too where all channels are there. */
size_t wide_sums_run(const struct wide_sums *s, size_t i);

/* Vectors of sums that wide_pass_run keeps near. */
enum { WIDE_NEAR = 256 };

/* A tensor of the pass's outputs that finish will read: it comes meanwhile. */
struct wide_ahead {
    const void *tensor;  /* NULL: none */
    size_t vector_bytes; /* of a vector in it */
};

/* Runs it: bias (outputs) or NULL; near: room for wide_pass_near vectors. */
void wide_pass_run(const struct wide_pass *p, const void *source, const void *weights,
                   const float *bias, float *near, struct wide_ahead ahead, wide_finish_fn *finish,
                   void *arg);
size_t wide_pass_near(const struct wide_pass *p);

/* Runs one of WIDE_BY_TAP: out (bundle, input, channel, WIDE), the gradient of
 * the layer's inputs. */
void wide_pass_by_tap(const struct wide_pass *p, const struct net_layer *layer, size_t bundles,
                      const void *source, const void *weights, float *near, float *out);
/* The kernel for one input channel, or NULL. */
wide_strip_fn *wide_pass_strip(const struct wide_isa *isa, size_t kernel, size_t stride);

#endif
