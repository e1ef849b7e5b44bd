/* The roster: the queued jobs in memory, in scheduling order, since a pass
 * that read 100,000 rows to find the few that may start would stall the loop.
 *
 * Memory follows the disk: the store names the jobs whose rows have changed,
 * and those alone are read again, with what they mean for the jobs that wait
 * for them. After a failed commit, all rows are. */
#ifndef EBM_DAEMON_ROSTER_H
#define EBM_DAEMON_ROSTER_H

#include "store/store.h"

struct roster {
    struct store_queued *job; /* owned: priority falling, id rising */
    size_t count, capacity;
    bool known; /* false: all rows must be read */
};

void roster_fini(struct roster *r);

/* What it holds may never have come to the disk. */
void roster_doubt(struct roster *r);

/* Makes it what the store says. After a failure it is in doubt. */
enum ebm_status roster_follow(struct roster *r, struct store *s, struct ebm_error *err);

#endif
