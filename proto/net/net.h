/* The described net: a list of layers with shapes, before any engine.
 *
 * Shape letters: C channels, H height, W width. A sample enters as (C,H,W),
 * row-major, channel planes; toy points are (2,1,1). The net ends in one
 * number per sample, the energy: its last layer must give (1,1,1). */
#ifndef EBM_NET_NET_H
#define EBM_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { NET_LAYERS_MAX = 64 };

enum net_kind {
    NET_CONV,    /* cross-correlation, "same" padding, bias */
    NET_DENSE,   /* y = W x + b; flattens its input by itself */
    NET_FLATTEN, /* (C,H,W) -> (C*H*W,1,1), no copy */
    NET_SWISH,   /* x * sigmoid(x) */
    NET_RELU,
    NET_LEAKY_RELU, /* x > 0 ? x : slope * x */
    NET_KIND_COUNT
};

struct net_shape {
    size_t c, h, w;
};

/* A layer as written in the spec. */
struct net_layer_spec {
    enum net_kind kind;
    size_t out;            /* conv: filters; dense: units */
    size_t kernel;         /* conv: k of a k x k window, odd or even */
    size_t stride;         /* conv */
    float slope;           /* leaky ReLU */
    uint32_t line, column; /* where in the spec file; 0 from a preset */
};

/* A layer with its shapes settled. */
struct net_layer {
    struct net_layer_spec spec;
    struct net_shape in, out;
    size_t pad_top, pad_left;     /* conv: "same" as TensorFlow: out = ceil(in/stride), */
    size_t pad_bottom, pad_right; /* total = max((out-1)*stride + kernel - in, 0), less before */
    size_t weights; /* count: conv out*in.c*k*k laid out (O,I,Kh,Kw); dense out*in (O,I), in
                       flattened as (C,H,W) */
    size_t biases;  /* count; follows the weights in the parameter vector */
    size_t offset;  /* of the weights in the parameter vector */
};

struct net {
    struct net_layer layer[NET_LAYERS_MAX];
    size_t layers;
    struct net_shape in;
    size_t params;       /* total, all layers: one flat vector of float */
    double forward_flop; /* one sample, nominal: 2 per multiply-add */
};

size_t net_shape_size(struct net_shape s);  /* C*H*W; checked at settle time */
const char *net_kind_name(enum net_kind k); /* "conv", "dense", "leaky_relu" ... */

/* Settles shapes, paddings, offsets. Refuses zero sizes, products over
 * 2^31, a last layer that is not one number, with the layer's number (from
 * 1), its kind and its position in the text of err. *bad_layer (may be
 * NULL) gets the index. */
enum ebm_status net_settle(struct net *net, struct net_shape in, const struct net_layer_spec *spec,
                           size_t layers, size_t *bad_layer, struct ebm_error *err);

/* Presets: "mlp", "conv-seed", "conv-small"; fills at most NET_LAYERS_MAX.
 * False when the name is none. */
bool net_preset(const char *name, struct net_layer_spec *spec, size_t *layers);
/* i-th preset name, NULL past the end; *help is one line. */
const char *net_preset_name(size_t i, const char **help);

/* A table for people: layer, kind, output shape, parameters; and totals. */
void net_print(const struct net *net, struct buf *out);

#endif
