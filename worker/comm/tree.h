/* Who holds which shard, and the fixed tree that sums over shards. Pure
 * arithmetic: comm.c carries it out.
 *
 * Node (level, i) covers shards [i * 2^level, (i+1) * 2^level) and is owned
 * by the owner of its leftmost shard. A node is the left child's value plus
 * the right child's, whoever owns them, so the sum has the same bits for
 * every rank count. */
#ifndef EBM_COMM_TREE_H
#define EBM_COMM_TREE_H

#include <stddef.h>

#include "base/err.h"

struct tree_range {
    size_t first, end;
};

/* The items of 0..n-1 that a rank holds: contiguous, rank 0's never empty
 * when n > 0. Used for shards and for replay slots. */
struct tree_range tree_share(size_t n, size_t ranks, size_t rank);

/* The rank that holds an item; item < n. */
size_t tree_owner(size_t n, size_t ranks, size_t item);

/* What is summed: floats (the gradient), then doubles that add (sums), then
 * doubles of which the largest counts (maxima). */
struct tree_vector {
    size_t floats, sums, maxima;
};

size_t tree_vector_bytes(struct tree_vector v); /* a multiple of 64 */
float *tree_vector_floats(void *at);
double *tree_vector_sums(struct tree_vector v, void *at);
double *tree_vector_maxima(struct tree_vector v, void *at);
/* into += from, in the vector's sense. */
void tree_vector_add(struct tree_vector v, void *into, const void *from);

enum tree_action {
    TREE_ADD,    /* shard `into` += shard `from`, both here */
    TREE_SEND,   /* shard `from` goes to rank `peer` */
    TREE_RECEIVE /* shard `into` += what rank `peer` sends */
};

struct tree_step {
    enum tree_action action;
    size_t into, from; /* shards, by global index */
    size_t peer;
};

/* One rank's part of the sum, in the order in which it is done. Ranks that
 * follow their lists never wait in a circle: each list is sorted by (level,
 * node), and messages go to lower ranks only. */
struct tree_plan {
    struct tree_step *step; /* owned */
    size_t steps;
};

/* The root's value ends in shard 0, on rank 0. */
enum ebm_status tree_plan_init(struct tree_plan *p, size_t shards, size_t ranks, size_t rank,
                               struct ebm_error *err);
void tree_plan_fini(struct tree_plan *p);

#endif
