/* Metrics on their way to ebmd: batches in a window, sent again from the
 * first unacknowledged row when no acknowledgement comes. */
#ifndef EBM_WORKER_METRICS_OUT_H
#define EBM_WORKER_METRICS_OUT_H

#include "agent/post.h"
#include "agent/rows.h"

enum { METRICS_BATCH = 512, METRICS_WINDOW = 8 * METRICS_BATCH };

struct metrics_out {
    struct rows rows;
    uint64_t sent;       /* highest number sent, in this round */
    uint64_t sent_ever;  /* and in any: an acknowledgement above it is a lie */
    int64_t batch_ms;    /* when the last batch went */
    int64_t progress_ms; /* last acknowledgement, or first send into silence */
    struct sink_row row[METRICS_BATCH];
    Ebm__Metric metric[METRICS_BATCH];
    Ebm__Metric *pointer[METRICS_BATCH];
};

/* Sends what is due; returns when it wants to be called again at the latest.
 * flush: send batches that are not full at once. */
int64_t metrics_out_tick(struct metrics_out *m, struct post *post, int64_t now, bool flush);
void metrics_out_ack(struct metrics_out *m, uint64_t seq, int64_t now);
/* ebmd is back: everything unacknowledged goes again. */
void metrics_out_again(struct metrics_out *m);

#endif
