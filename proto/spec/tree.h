/* A YAML document as a small tree of nodes that know their places.
 * Implemented in yaml.c, the door to libyaml.
 *
 * Everything is bounded: bytes (SPEC_TEXT_MAX), nodes and depth. Anchors,
 * aliases, tags and further documents are refused: a spec is plain data. */
#ifndef EBM_SPEC_TREE_H
#define EBM_SPEC_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/spec.h"

enum { TREE_DEPTH_MAX = 16, TREE_NODES_MAX = 10000 };

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    uint32_t line, column; /* from 1 */
    const char *text;      /* scalar: NUL-terminated, no NUL inside */
    bool quoted;           /* scalar: "..." or '...' or a block */
    struct node *key;      /* of a map's child: its key, a scalar */
    struct node *next;     /* the next child of the same parent */
    struct node *child;    /* list, map: the first child */
    struct node *last;     /* list, map: the last child */
    size_t children;
};

struct tree {
    struct node *root; /* NULL for an empty document */
    struct node *node; /* owned: all of them */
    size_t nodes, nodes_max;
    char *text; /* owned: all scalars' bytes */
    size_t text_used, text_max;
};

/* Reads one document. Problems with the text are added to `problems` (then
 * EBM_EINVAL); the status tells memory apart from them. tree_fini always. */
enum ebm_status tree_parse(const char *text, size_t size, struct tree *out,
                           struct spec_problems *problems, struct ebm_error *err);
void tree_fini(struct tree *t);

/* An empty value: nothing, ~ or null. */
bool node_is_null(const struct node *n);
/* For messages: "a list", "a group of keys", "'text'"; out is NUL-terminated. */
void node_describe(const struct node *n, char *out, size_t size);

#endif
