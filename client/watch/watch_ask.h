/* The kinds of questions that watch_data asks: private to it. */
#ifndef EBM_CLIENT_WATCH_ASK_H
#define EBM_CLIENT_WATCH_ASK_H

#include "watch/watch_data.h"

/* A request with room for its body. */
struct watch_question {
    Ebm__Request request;
    union {
        Ebm__List list;
        Ebm__Show show;
        Ebm__Metrics metrics;
        Ebm__Checkpoints checkpoints;
        Ebm__Events events;
    };
};

struct watch_kind {
    /* Fills the request, and slot->job where it is about one; false: there is
     * nothing to ask now. */
    bool (*make)(struct watch_data *d, struct watch_slot *slot, int64_t now_ms,
                 struct watch_question *q);
    /* A reply without error. Sets slot->due_ms; false: out of memory. */
    bool (*take)(struct watch_data *d, struct watch_slot *slot, const Ebm__Reply *reply,
                 int64_t now_ms);
    int64_t every_ms; /* when there was nothing to ask, or ebmd refused */
};

extern const struct watch_kind watch_kind_jobs, watch_kind_metrics, watch_kind_checkpoints,
    watch_kind_events;

/* A round begins at the next question. */
void watch_round_begin(struct watch_data *d);
/* Something is on the screen whose rows were never told, or not those of its
 * newest attempt. */
bool watch_rows_are_missing(const struct watch_data *d);
/* The job of the question is gone: false when that ends the watch. */
bool watch_round_skip(struct watch_data *d, struct watch_slot *slot, int64_t now_ms);

#endif
