/* The innermost loops of the wide engine, once for each instruction set.
 *
 * A vector holds one number of sixteen samples, side by side: a bundle. All a
 * net does is then arithmetic on whole vectors, whatever its channels, sizes
 * and strides; a sample never meets its neighbours, and nothing is padded.
 *
 * A convolution's output, a dense layer's output, and the gradient of either
 * by its input are all the same sum, for some runs of source vectors:
 *
 *   out[o] = bias[o] + sum over runs, over i in a run: source[i] * weight[i][o]
 *
 * A kernel computes it for a block of outputs o at several positions at once.
 * Each output adds its terms one by one in the order of the runs, so its bits
 * depend on nothing but its own numbers. */
#ifndef EBM_ENGINE_WIDE_KERNEL_H
#define EBM_ENGINE_WIDE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "spec/spec.h"

enum {
    WIDE = 16,              /* samples in a vector */
    WIDE_ALIGN = 64,        /* bytes of a vector of float */
    WIDE_OUTPUTS_MAX = 16,  /* of a kernel */
    WIDE_POSITIONS_MAX = 8, /* of a kernel */
    WIDE_GRAD_OUTPUTS = 8,  /* of a gradient kernel */
    WIDE_STRIP_KERNEL = 7,  /* of strips: the largest */
    WIDE_STRIP_STRIDE = 2,
    WIDE_TILE = 16,        /* rows of a tile: outputs, or pairs of the source */
    WIDE_TILE_OUTPUTS = 32 /* of a kernel on tiles */
};

/* A row of weights that are 0. */
#define WIDE_NO_ROW UINT32_MAX

/* Where an output position reads, in vectors, and which position it is, over
 * all bundles. */
struct wide_place {
    uint32_t source; /* base */
    uint32_t position;
};

/* Source vectors that lie together, and the rows of weights that go with
 * them. For operands in pairs, both count pairs. */
struct wide_run {
    uint32_t source; /* from the position's base */
    uint32_t weight;
    uint32_t count;
};

struct wide_sum {
    const void *source[WIDE_POSITIONS_MAX]; /* bases */
    const struct wide_run *run;
    size_t runs;
    const void *weight;             /* (rows, outputs): float, or pairs of bf16 */
    const float *bias;              /* (outputs), or NULL for 0 */
    float *sum[WIDE_POSITIONS_MAX]; /* out: (outputs, WIDE) of each position */
};
typedef void wide_sum_fn(const struct wide_sum *job);

/* The same sums of pairs, sixteen of them by sixteen outputs at once, for
 * processors that multiply tiles. A chunk is sixteen source pairs that lie
 * together, and the tile of weights that goes with them. */
struct wide_chunk {
    uint32_t source; /* pairs from the position's base; not of gathered ones */
    uint32_t tile;
};

struct wide_tiles {
    const struct wide_chunk *chunk;
    size_t chunks;
    const uint32_t *row; /* gathered: where each source pair lies, from the base; or NULL */
    size_t rows;         /* of them; pairs beyond are 0 */
    const uint32_t *source;
    const struct wide_place *place;
    size_t count;           /* of places */
    const uint32_t *weight; /* (tile, sixteens of outputs, 16 outputs, 16 pairs) */
    const float *bias;      /* (outputs), or NULL for 0 */
    size_t outputs;         /* 1 to WIDE_TILE_OUTPUTS */
    float *sum;             /* out: (outputs, WIDE) of each place */
    size_t sum_stride;      /* floats from one place's to the next one's */
    bool loose;             /* up to WIDE_TILE outputs more of a place may be written, as
                             * places are worked off in their order */
    const char *ahead;      /* memory that is wanted next, and how many lines of it */
    size_t ahead_lines;     /* are to be fetched with each chunk of two places */
};
typedef void wide_tiles_fn(const struct wide_tiles *job);
/* The calling thread gets its tiles ready, or gives them back. */
typedef void wide_tiles_ready_fn(bool ready);

/* The two parameters of each pair of a tile, before an output's part is added;
 * WIDE_NO_ROW: 0. */
struct wide_tile_rows {
    uint32_t low[WIDE_TILE], high[WIDE_TILE];
};
/* Parameters (as bits), rounded: out (outputs, WIDE_TILE). */
typedef void wide_tiles_pack_fn(const uint32_t *params, const struct wide_tile_rows *rows,
                                const uint32_t *output_at, size_t outputs, uint32_t *out);

/* Sums by tap, of positions of a layer's output, onto the inputs that each tap
 * reads: out[input][channel] += sum[position][tap][channel]. */
struct wide_scatter {
    const float *sum; /* (count, kernel * kernel, channels, WIDE) */
    const struct wide_place *place;
    size_t count;
    size_t kernel, stride, pad_top, pad_left, channels;
    size_t in_height, in_width;   /* of a bundle */
    size_t out_height, out_width; /* likewise: what places count */
    float *out;                   /* (bundle, position, channels, WIDE) */
};
typedef void wide_scatter_fn(const struct wide_scatter *job);

/* The same of one row of positions and one channel, without the sums between:
 * the inputs under a strip of positions are added up in registers. */
struct wide_strip {
    const float *source;       /* (width, terms, WIDE) */
    const float *weight;       /* (terms, kernel * kernel) */
    size_t terms, width;       /* positions */
    size_t first_row, end_row; /* of the kernel, that fall on inputs */
    size_t pad_left, in_width;
    float *out; /* the input row of first_row: (rows, in_width, WIDE), added to */
};
typedef void wide_strip_fn(const struct wide_strip *job);

/* Gradient of weights over one kernel row: (outputs 8, run) += dz * x, over
 * samples and positions. x and dz lie sample by sample here, channels side by
 * side, and lanes are elements of the run. */
struct wide_grad {
    const float *x;  /* the run's first element for sample 0, position (0, 0) */
    const float *dz; /* the block's first output, likewise */
    float *sum;      /* (WIDE_GRAD_OUTPUTS, stride): added to */
    size_t sum_stride;
    size_t samples, height, width; /* of output positions */
    size_t x_sample, x_row, x_column;
    size_t dz_sample, dz_row, dz_column; /* steps in floats */
};
typedef void wide_grad_fn(const struct wide_grad *job);

/* One position's channels (channels, WIDE), sample by sample: out[s * sample + c]. */
typedef void wide_turn_fn(const float *in, size_t channels, float *out, size_t sample);

/* Where a block of sums goes: through the activation that follows. */
enum wide_activation { WIDE_LINEAR, WIDE_SWISH, WIDE_LEAKY, WIDE_ACTIVATIONS };

/* y = f(sum), derivative = f'(sum): vectors (n, WIDE). */
typedef void wide_forward_fn(float slope, const float *sum, float *y, float *derivative, size_t n);
/* g = sum * derivative. */
typedef void wide_backward_fn(const float *sum, const float *derivative, float *g, size_t n);

/* One Langevin step of a bundle (vectors n): x (n, WIDE) and its gradient,
 * and sum += squares of the gradient, sample by sample, in double. The noise
 * is that of rng_normal for each sample. */
struct wide_update {
    const struct spec_sampler *sampler;
    struct rng_key noise;
    uint32_t iteration, first_chain, step;
    size_t channels, pixels; /* vector p * channels + c is element c * pixels + p of a sample */
    float *x;
    const float *grad;
    double *squares; /* (WIDE), set */
    float *scratch;  /* (channels * pixels + 3, WIDE): the noise */
};
typedef void wide_update_fn(const struct wide_update *u);

/* Operands in pairs of bf16: source vector pair q holds channels 2q and 2q+1
 * of sixteen samples, as 32 bits a sample, the first one low. */
typedef void wide_to_pairs_fn(const float *in, uint32_t *out, size_t channels);
/* Sums straight to such operands, of n channels from the first of a pair on;
 * derivatives (n, WIDE) are kept as bf16 as well. */
typedef void wide_forward_pairs_fn(float slope, const float *sum, uint32_t *pairs,
                                   uint16_t *derivative, size_t n);
typedef void wide_backward_pairs_fn(const float *sum, const uint16_t *derivative, uint32_t *pairs,
                                    size_t n);
/* The same product, left as float. */
typedef void wide_backward_short_fn(const float *sum, const uint16_t *derivative, float *g,
                                    size_t n);
/* Where there are no such products: rounded to bf16, and kept as float (n, WIDE). */
typedef void wide_round_fn(const float *in, float *out, size_t n);

struct wide_isa {
    const char *name;
    bool (*here)(void);
    bool (*slow)(void); /* another is better, though this is here; NULL: no */
    size_t block;       /* outputs of the widest kernel that is worth while */
    wide_sum_fn *sum[WIDE_OUTPUTS_MAX + 1][WIDE_POSITIONS_MAX + 1];  /* NULL where there is none */
    wide_sum_fn *pair[WIDE_OUTPUTS_MAX + 1][WIDE_POSITIONS_MAX + 1]; /* all NULL: no bf16 */
    wide_tiles_fn *tiles;                                            /* NULL: none */
    wide_tiles_ready_fn *tiles_ready;
    wide_tiles_pack_fn *tiles_pack;
    wide_scatter_fn *scatter;
    wide_strip_fn *strip[WIDE_STRIP_KERNEL + 1][WIDE_STRIP_STRIDE + 1]; /* NULL where none */
    wide_turn_fn *turn;
    wide_grad_fn *grad[4]; /* by vectors of 16 elements of a run, 1 to 3 */
    wide_forward_fn *forward[WIDE_ACTIVATIONS];
    wide_backward_fn *backward;
    wide_update_fn *update;
    wide_round_fn *round;
    wide_to_pairs_fn *to_pairs; /* NULL without bf16, as the next three */
    wide_forward_pairs_fn *forward_pairs[WIDE_ACTIVATIONS]; /* none for WIDE_LINEAR */
    wide_backward_pairs_fn *backward_pairs;
    wide_backward_short_fn *backward_short;
};

/* The best of this processor, or the named one; NULL when it is not here. */
const struct wide_isa *wide_isa_best(void);
const struct wide_isa *wide_isa_find(const char *name);
/* The i-th of this build, whether it runs here or not; NULL past the end. */
const struct wide_isa *wide_isa_at(size_t i);

#endif
