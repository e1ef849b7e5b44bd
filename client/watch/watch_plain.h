/* A watch as lines of text: for pipes and logs, and for what stays on a
 * terminal after a watch has left it. */
#ifndef EBM_CLIENT_WATCH_PLAIN_H
#define EBM_CLIENT_WATCH_PLAIN_H

#include "base/buf.h"
#include "watch/watch_jobs.h"

enum {
    PLAIN_LEAST_MS = 1000,  /* between two lines of a job, whatever changes */
    PLAIN_EVERY_MS = 10000, /* while it goes forward */
    PLAIN_SHARE = 10        /* percent: so much of it is worth a line of its own */
};

/* "job 1 fashion-ebm: running, step 120 of 2345 (5%), r_t 0.0123, ..." */
void watch_plain_line(const struct watch_job *j, struct buf *out);

/* Appends a line, with the clock before it, for each job of which something
 * is to be said, and notes that it was. ended_is_old: what has ended and was
 * never spoken of is no news. */
void watch_plain_print(struct watch_jobs *jobs, bool ended_is_old, int64_t now_ms, int64_t wall_ms,
                       struct buf *out);

#endif
