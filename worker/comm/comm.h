/* The ranks of one run. The door to MPI: mpi.h is included by comm.c alone.
 *
 * A function is Collective (all ranks call it, in the same order) or Not
 * collective. Only the thread that opened calls. A failing MPI call breaks
 * the comm: later calls fail at once, and all that is left to do is
 * comm_abort, since other ranks may wait in a collective. Every other error
 * is first agreed by all ranks with comm_agree. */
#ifndef EBM_COMM_COMM_H
#define EBM_COMM_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "comm/tree.h"

struct comm;

/* Collective. Starts MPI. */
enum ebm_status comm_open(int *argc, char ***argv, struct comm **out, struct ebm_error *err);
/* Collective. Ends MPI; takes NULL. */
void comm_close(struct comm *c);
/* Not collective. Ends all ranks. */
void comm_abort(struct comm *c, int exit_code) __attribute__((noreturn));

/* Not collective. */
size_t comm_rank(const struct comm *c);
size_t comm_size(const struct comm *c);
bool comm_is_broken(const struct comm *c);

/* Collective. Each rank gives its own status; all get that of the lowest
 * rank that failed, with its text, or EBM_OK. err must not be NULL. */
enum ebm_status comm_agree(struct comm *c, enum ebm_status status, struct ebm_error *err);

/* Collective. Waits for all ranks without burning a core: for waits that may
 * take long, as for the daemon. */
enum ebm_status comm_meet(struct comm *c, struct ebm_error *err);

/* Collective. Rank 0's bytes to all. */
enum ebm_status comm_broadcast(struct comm *c, void *bytes, size_t n, struct ebm_error *err);

/* Collective. The parts (part[r] bytes on rank r, known to all) follow one
 * another in whole, on rank 0; NULL elsewhere. Any size. */
enum ebm_status comm_gather(struct comm *c, const void *mine, const size_t *part, void *whole,
                            struct ebm_error *err);
/* Collective. The reverse. */
enum ebm_status comm_scatter(struct comm *c, void *mine, const size_t *part, const void *whole,
                             struct ebm_error *err);

/* Collective. Records of this many bytes: send_count[r] of them to each rank
 * r, one rank's after another's, and recv_count[r] from it. At most
 * COMM_EXCHANGE_MAX bytes either way. */
enum { COMM_EXCHANGE_MAX = 0x7fffffff };
enum ebm_status comm_exchange(struct comm *c, size_t record, const void *send,
                              const size_t *send_count, void *recv, const size_t *recv_count,
                              struct ebm_error *err);

/* Collective. Sums one vector per shard over the plan's tree. slots: the
 * vectors of this rank's shards, from `first` on, tree_vector_bytes apart;
 * they are used up. result, on every rank: the sum; a single rank may give slots. */
enum ebm_status comm_reduce(struct comm *c, const struct tree_plan *plan, struct tree_vector v,
                            unsigned char *slots, size_t first, unsigned char *result,
                            struct ebm_error *err);

#endif
