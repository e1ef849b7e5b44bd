/* A net as tapes: straight lists of operations on one tile of T samples.
 *
 * The plan decides everything once: primitives, layouts, where each tensor
 * lies in a lane's arena, where the packed weights lie in the store that all
 * lanes share. A lane (lane.h) binds the tapes to its memory and runs them.
 *
 * Tapes: pack (parameters into the store), forward (x to energies),
 * backward_input (seed to dE/dx), backward_params (seed to parameter
 * gradients). Both backward tapes want a forward before them. An activation's
 * forward leaves its derivative where its input was, so the chain keeps two
 * tensors a layer and nothing else. */
#ifndef EBM_ENGINE_ONEDNN_PLAN_H
#define EBM_ENGINE_ONEDNN_PLAN_H

#include <stddef.h>

#include "base/err.h"
#include "engine/onednn/door.h"
#include "engine/onednn/point.h"
#include "net/net.h"

enum plan_op_kind {
    PLAN_CALL,           /* a oneDNN primitive */
    PLAN_POINT_FORWARD,  /* place[1], place[2] = saved, value of place[0] */
    PLAN_POINT_BACKWARD, /* place[1] *= by place[0] */
    PLAN_ADD_GRAD        /* gradient[param ...] += place[0] */
};

enum plan_memory { PLAN_ARENA, PLAN_STORE };

/* A tensor: bytes from the start of the lane's arena or of the store. */
struct plan_tensor {
    enum plan_memory memory;
    size_t at;
    const onednn_layout *layout; /* borrowed from the plan */
};

struct plan_op {
    enum plan_op_kind kind;
    size_t layer;     /* of the net, for messages and the implementation list */
    const char *what; /* "forward" */
    /* PLAN_CALL */
    const struct onednn_primitive *primitive;
    struct plan_tensor tensor[ONEDNN_ARGS_MAX];
    int arg[ONEDNN_ARGS_MAX]; /* DNNL_ARG_... of each */
    size_t args;
    /* the others */
    struct point_ops point;
    float slope;
    size_t place[3]; /* in the arena */
    size_t count;    /* floats; of PLAN_POINT_* a multiple of POINT_STEP */
    size_t param;    /* offset in the parameter vector */
};

struct plan_tape {
    struct plan_op *op; /* owned */
    size_t count, capacity;
};

struct plan {
    const struct net *net; /* borrowed */
    size_t tile;           /* T */
    struct plan_tape pack, forward, backward_input, backward_params;
    size_t arena_bytes, store_bytes;
    /* In the arena: x (T, D), energy (T), seed (T) = dLoss/denergy, and where
     * backward_input leaves dE/dx (T, D). All plain. */
    size_t x, energy, seed, grad_input;
    size_t params;            /* in the store: the plain vector (P), source of pack */
    struct plan_parts *parts; /* what the tapes point to; owned */
};

enum ebm_status plan_build(struct plan *p, struct onednn *o, const struct net *net, size_t tile,
                           struct ebm_error *err);
void plan_fini(struct plan *p); /* also of a half-built or zeroed one */

/* Implementation of the i-th primitive of the net's own operations, as
 * "layer 1 (conv) forward: brgconv:avx512_core"; false past the last. */
bool plan_describe(const struct plan *p, size_t i, char *out, size_t size);

/* "layer 3 (conv) backward data" */
void plan_op_name(const struct plan *p, const struct plan_op *op, char *out, size_t size);

#endif
