/* Where a training run's results go, and where its orders come from: the
 * daemon (agent.c) or a folder (standalone.c). Rank 0 alone holds one; the
 * other ranks learn by MPI. None of the calls blocks the training step:
 * results are copied into queues that a thread of the sink empties. */
#ifndef EBM_WORKER_SINK_H
#define EBM_WORKER_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "digest/digest.h"
#include "stability/standing.h"
#include "wire/wire.h"

enum sink_order {
    SINK_GO_ON,
    SINK_CHECKPOINT, /* write one now, go on */
    SINK_PAUSE,      /* checkpoint, then end as "paused" */
    SINK_CANCEL,     /* checkpoint, then end as "cancelled" */
    SINK_STOP,       /* end as "stopped", no checkpoint */
    SINK_FENCED      /* refused: a newer attempt exists; end at once, report nothing */
};

struct sink_row {
    uint64_t step;
    int64_t time_ms;
    double value[METRIC_COUNT];
};

/* How a run ended. outcome: "succeeded", "paused", "cancelled", "stopped",
 * "failed", "diverged", "corrupt" (the checkpoint to start from). */
struct sink_ending {
    const char *outcome, *reason;
    uint64_t step;
    uint64_t onset; /* of a divergence: the first step that is not trusted; else 0 */
};

struct sink; /* private to the implementation */

struct sink_ops {
    /* The verified bytes of the checkpoint to start from, appended to blob;
     * nothing appended when starting from scratch. Blocks until known. */
    enum ebm_status (*start)(struct sink *s, uint32_t ranks, struct buf *blob,
                             struct ebm_error *err);
    void (*metrics)(struct sink *s, const struct sink_row *row);
    /* Takes blob (leaves it empty). score: see Checkpoint.score. */
    void (*checkpoint)(struct sink *s, uint64_t step, double score,
                       const uint8_t math_digest[DIGEST_BYTES], struct buf *blob);
    /* Takes png (leaves it empty). */
    void (*picture)(struct sink *s, uint64_t step, struct buf *png);
    void (*progress)(struct sink *s, uint64_t step, const char *phase); /* for heartbeats */
    void (*verdict)(struct sink *s, const struct standing *v);          /* the same */
    enum sink_order (*order)(struct sink *s); /* the newest; an order is seen until obeyed */
    void (*order_done)(struct sink *s, enum sink_order order); /* SINK_CHECKPOINT was taken */
    /* Delivers everything that is queued, then the ending. Blocks. */
    enum ebm_status (*finish)(struct sink *s, const struct sink_ending *ending,
                              struct ebm_error *err);
    void (*destroy)(struct sink *s); /* takes NULL */
};

struct sink_handle {
    const struct sink_ops *ops;
    struct sink *sink;
};

/* agent.c: reads EBM_JOB, EBM_ATTEMPT, EBM_FENCE, EBM_TOKEN_FILE and
 * EBM_ENDPOINT from the environment. */
enum ebm_status agent_open(struct sink_handle *out, struct ebm_error *err);

/* standalone.c: writes metrics.csv, checkpoint-STEP.ebm and samples-STEP.png
 * into dir; from (may be NULL) is a checkpoint file to start from. Prints
 * "checkpoint step=S sha256=HEX file=..." to stdout for each. */
enum ebm_status standalone_open(const char *dir, const char *from, struct sink_handle *out,
                                struct ebm_error *err);

#endif
