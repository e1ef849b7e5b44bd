/* From the nodes of a text to the members of struct spec. Private to spec/. */
#ifndef EBM_SPEC_VALUE_H
#define EBM_SPEC_VALUE_H

#include "spec/fields.h"
#include "spec/tree.h"

/* A value under way: where it belongs, and whom to tell. */
struct value_context {
    struct spec *spec;
    struct spec_problems *problems;
    const char *set; /* the "k=v" of a --set that it comes from, or NULL */
};

/* Adds a problem about this node; for a --set without a place, the text
 * begins with the --set. */
void value_problem(const struct value_context *c, const struct node *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Checks type and range of the node and puts the value into the spec. False
 * with a problem. FIELD_LAYERS goes to layers_read. */
bool value_read(const struct value_context *c, const struct field *f, const struct node *n);

/* The same for single numbers of a layer: "conv.out". */
bool value_read_whole(const struct value_context *c, const char *path, const struct node *n,
                      double min, double max, int64_t *out);
bool value_read_real(const struct value_context *c, const char *path, const struct node *n,
                     double min, double max, double *out);

/* model.layers: a list of layers into spec->layers. */
bool layers_read(const struct value_context *c, const struct node *n);
/* One layer as YAML: "conv: {out: 16, kernel: 3, stride: 1}". */
void layers_format_one(const struct net_layer_spec *l, struct buf *out);

#endif
