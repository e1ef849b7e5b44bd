/* Several jobs as a list: one a line, with progress and the trend of r_t. */
#ifndef EBM_CLIENT_WATCH_LIST_H
#define EBM_CLIENT_WATCH_LIST_H

#include "watch/frame.h"
#include "watch/pieces.h"
#include "watch/watch_data.h"

struct watch_list {
    uint64_t selected; /* job, 0: none */
    size_t top;        /* the first one on the screen */
    size_t shown;      /* how many are, after a draw */
};

/* Fills the frame, and brings the list up to date with it: the selected job
 * is on the screen. `jobs` in the order of the list. */
void watch_list_draw(struct frame *f, struct watch_list *l, const struct watch_data *d,
                     const struct watch_job *const *jobs, size_t n, const struct pieces *hint,
                     int64_t wall_ms);

/* Selects the job so many places further down (up, when below 0). */
void watch_list_move(struct watch_list *l, const struct watch_job *const *jobs, size_t n,
                     long places);

#endif
