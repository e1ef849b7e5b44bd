/* Steps a second of a live attempt, from the steps that its worker tells. */
#ifndef EBM_DAEMON_RATE_H
#define EBM_DAEMON_RATE_H

#include <stdint.h>

enum { RATE_STRETCH_MS = 2000 };

struct rate {
    double value; /* steps a second, 0 = unknown */
    uint64_t step;
    int64_t ms; /* since when, monotonic: the stretch that is measured */
};

/* What the attempt starts from. */
void rate_begin(struct rate *r, uint64_t step, int64_t now_ms);

/* A step that was told now. Steps from before the stretch are old news: the
 * worker loads its checkpoint, or rows come late. The time until the first
 * step counts for nothing. */
void rate_note(struct rate *r, uint64_t step, int64_t now_ms);

#endif
