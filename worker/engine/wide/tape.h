/* A net as a list of nodes on one tile: linear layers with the activation
 * that follows them, and activations that stand alone.
 *
 * Tensors are [bundle][position][channel][16 samples] of float. With operands
 * in bf16, what a linear layer reads is kept as such operands instead, written
 * as soon as it is known; sums, derivatives, x and its gradient stay float. */
#ifndef EBM_ENGINE_WIDE_TAPE_H
#define EBM_ENGINE_WIDE_TAPE_H

#include "engine/wide/pass.h"

struct wide_node {
    const struct net_layer *linear; /* NULL: an activation alone */
    enum wide_activation activation;
    float slope;
    struct net_shape stored_in; /* as its input is stored */
    size_t channels_in;         /* linear: of one of its positions; all, for a flat one */
    size_t in, out;             /* bytes in the arena: tensors */
    size_t in_vectors, out_vectors, channels;
    size_t derivative;                  /* bytes: f', unless the activation is linear */
    bool short_derivative;              /* which chains in bf16 keep as bf16 */
    size_t operand;                     /* bytes: the input as bf16 operands, a flow's */
    bool late;                          /* which must be made from the whole tensor */
    bool by_tap;                        /* backward passes are WIDE_BY_TAP */
    bool gives_operand;                 /* the output is read as operands alone */
    struct wide_pass forward, backward; /* linear, float */
    struct wide_pass forward_bf16, backward_bf16;
    size_t weights, weights_back, weights_bf16, weights_back_bf16; /* bytes in the store */
};

struct wide_tape {
    const struct wide_isa *isa;
    struct net net;
    struct wide_node node[NET_LAYERS_MAX];
    size_t nodes;
    size_t bundles;                  /* of a tile */
    enum wide_operands operands;     /* of chains; WIDE_FLOAT: no bf16 here */
    size_t x, x_vectors;             /* bytes; of a bundle */
    size_t energy;                   /* bytes: (bundle, WIDE), the last node's output */
    size_t flow[2], flow_operand[2]; /* bytes: gradients on their way back */
    size_t noise, near;              /* bytes */
    size_t arena_bytes, store_bytes;
};

/* What passes are there for. */
enum wide_use {
    WIDE_USE_FLOAT = 1, /* bf16 is never asked for */
    WIDE_USE_BF16 = 2,  /* it always is */
    WIDE_USE_BOTH = WIDE_USE_FLOAT | WIDE_USE_BF16
};

enum ebm_status wide_tape_build(struct wide_tape *t, const struct wide_isa *isa,
                                const struct net *net, size_t bundles, enum wide_use use,
                                struct ebm_error *err);
void wide_tape_fini(struct wide_tape *t); /* also of a zeroed one */

/* New parameters (P), of which biases are read where they are. */
void wide_tape_pack(const struct wide_tape *t, const float *params, size_t threads,
                    unsigned char *store);

/* One lane's memory, and what is shared: the store, and the parameters. */
struct wide_memory {
    unsigned char *arena;
    const unsigned char *store;
    const float *params;
};

/* x to energies; bf16: with such operands. */
void wide_tape_forward(const struct wide_tape *t, struct wide_memory m, bool bf16);

/* Visits each linear node on the way back with the gradient of its sums,
 * before that goes on. */
typedef void wide_visit_fn(void *arg, const struct wide_node *n, const float *gradient);

/* seed (bundle, WIDE) = dLoss/dE. The gradient by x, which it returns. */
const float *wide_tape_backward(const struct wide_tape *t, struct wide_memory m, bool bf16,
                                const float *seed);

/* The same without bf16, down to the lowest linear layer, for its visits. */
void wide_tape_visit(const struct wide_tape *t, struct wide_memory m, const float *seed,
                     wide_visit_fn *visit, void *arg);

#endif
