/* The door to oneDNN: this file pair alone includes its header.
 *
 * A linear layer becomes three primitives for a fixed batch of T samples,
 * each with the memory layouts that oneDNN likes best; a reorder takes a
 * tensor from one layout to another. Primitives are made once, keep no state
 * (their scratchpad is the caller's), and may run on several threads at once.
 *
 * oneDNN's own threads are never used: whoever makes or runs a primitive is
 * between onednn_serial_begin and onednn_serial_end. */
#ifndef EBM_ENGINE_ONEDNN_DOOR_H
#define EBM_ENGINE_ONEDNN_DOOR_H

#include <stdbool.h>
#include <stddef.h>

#include <oneapi/dnnl/dnnl.h>

#include "base/err.h"
#include "net/net.h"

enum { ONEDNN_ARGS_MAX = 6, ONEDNN_IMPL_MAX = 48 };

/* A tensor's dimensions and its place in memory. */
typedef dnnl_memory_desc_t onednn_layout;

struct onednn_primitive {
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t handle;
    onednn_layout scratch;      /* of the scratchpad; may be empty */
    char impl[ONEDNN_IMPL_MAX]; /* "brgconv:avx512_core" */
};

/* conv or dense. Bias is part of forward and of backward_weights. */
struct onednn_linear {
    struct onednn_primitive forward, backward_data, backward_weights;
    onednn_layout plain_weights, bias; /* as in the parameter vector */
    struct {
        onednn_layout src, weights, dst;
    } f, bd, bw; /* of each pass; in bd and bw, the differences where they are meant */
};

/* One argument of a call: where it lies, in which layout. */
struct onednn_arg {
    int name; /* DNNL_ARG_... */
    const onednn_layout *layout;
    void *at; /* borrowed until the call's end */
};

/* A primitive bound to its arguments. */
struct onednn_call {
    dnnl_primitive_t primitive; /* borrowed */
    dnnl_exec_arg_t arg[ONEDNN_ARGS_MAX];
    int args;
};

struct onednn {
    dnnl_engine_t engine;
};

/* Makes this thread's OpenMP regions serial, and gives back what was. */
int onednn_serial_begin(void);
void onednn_serial_end(int before);

enum ebm_status onednn_open(struct onednn *o, struct ebm_error *err);
void onednn_close(struct onednn *o);

/* Row-major, of these dimensions. */
onednn_layout onednn_plain(int ndims, const dnnl_dim_t *dims);
bool onednn_same(const onednn_layout *a, const onednn_layout *b);
/* Bytes, with the padding of blocked layouts. */
size_t onednn_bytes(const onednn_layout *l);

/* The passes of a conv or dense layer that reads tensors like `in` (its
 * dimensions; its layout is oneDNN's to choose). A reference implementation
 * is taken only if no layout offers another. */
enum ebm_status onednn_linear_create(struct onednn *o, const struct net_layer *layer,
                                     const onednn_layout *in, struct onednn_linear *out,
                                     struct ebm_error *err);
void onednn_linear_destroy(struct onednn_linear *l);

enum ebm_status onednn_reorder_create(struct onednn *o, const onednn_layout *from,
                                      const onednn_layout *to, struct onednn_primitive *out,
                                      struct ebm_error *err);
void onednn_primitive_destroy(struct onednn_primitive *p);

enum ebm_status onednn_stream_create(struct onednn *o, dnnl_stream_t *out, struct ebm_error *err);
void onednn_stream_destroy(dnnl_stream_t stream);

enum ebm_status onednn_call_bind(struct onednn *o, const struct onednn_primitive *p,
                                 const struct onednn_arg *arg, size_t args, struct onednn_call *out,
                                 struct ebm_error *err);
void onednn_call_release(struct onednn_call *c);

/* Runs to the end. */
enum ebm_status onednn_call_run(const struct onednn_call *c, dnnl_stream_t stream,
                                struct ebm_error *err);

#endif
