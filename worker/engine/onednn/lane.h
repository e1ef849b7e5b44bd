/* One lane: the memory of one tile, and the tapes bound to it. Lanes share
 * the plan's primitives and the packed weights, and nothing else. */
#ifndef EBM_ENGINE_ONEDNN_LANE_H
#define EBM_ENGINE_ONEDNN_LANE_H

#include "engine/onednn/plan.h"

enum lane_tape { LANE_PACK, LANE_FORWARD, LANE_BACKWARD_INPUT, LANE_BACKWARD_PARAMS, LANE_TAPES };

struct lane {
    const struct plan *plan; /* borrowed */
    unsigned char *arena;    /* owned, zeroed at first: the padding of blocked layouts is 0 */
    dnnl_stream_t stream;
    struct onednn_call *call[LANE_TAPES]; /* owned; one for each operation of the tape */
    float *noise;                         /* (D) */
};

/* store: the shared one, of plan->store_bytes; borrowed. */
enum ebm_status lane_init(struct lane *l, struct onednn *o, const struct plan *plan, void *store,
                          struct ebm_error *err);
void lane_fini(struct lane *l); /* also of a half-built or zeroed one */

/* A tensor of the plan in this lane. */
float *lane_at(const struct lane *l, size_t at);

/* Runs a tape; grad (P) is for LANE_BACKWARD_PARAMS, else NULL. The error
 * says which layer and operation. Allocates nothing of ours. */
enum ebm_status lane_run(struct lane *l, enum lane_tape tape, float *grad, struct ebm_error *err);

#endif
