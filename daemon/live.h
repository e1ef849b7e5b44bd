/* Live attempts, as ebmd sees them now: who speaks for them, what they were
 * told, what they are uploading. Memory follows the disk: entries are made
 * and dropped by effects, after the commit that says the same, and all of it
 * can be lost and found again (recover.h). */
#ifndef EBM_DAEMON_LIVE_H
#define EBM_DAEMON_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "launch/launch.h"
#include "link/link.h"
#include "rate.h"
#include "stability/standing.h"
#include "store/store.h"
#include "wire/wire.h"

enum upload_state {
    UPLOAD_NONE,
    UPLOAD_BEGINNING, /* the vault was asked */
    UPLOAD_RECEIVING,
    UPLOAD_FINISHING, /* all is there; the vault verifies */
    UPLOAD_STORED     /* its row is committed */
};

struct upload {
    enum upload_state state;
    uint64_t number;             /* the worker's */
    struct store_checkpoint row; /* its id is reserved when the upload begins */
    uint64_t received;
    uint64_t left_out; /* snapshots before it that were not sent */
};

struct live {
    int64_t job;
    uint32_t attempt;
    uint64_t fence;
    char token[STORE_TOKEN_MAX];
    uint32_t slots;             /* ranks x threads */
    struct launch_pid shepherd; /* pid 0: not launched yet */
    int pidfd;                  /* -1: none */
    struct ebm_error launch;    /* why it could not be launched; code EBM_OK: it could */
    bool gone;                  /* its shepherd has ended, or there never was one */
    bool ending;                /* its end is in the turn under way */
    int64_t end_again_ms;       /* monotonic: its end could not be recorded; try then */

    uint8_t identity[LINK_IDENTITY_MAX]; /* of the worker's connection */
    size_t identity_size;                /* 0: not heard yet */
    bool beats;                          /* a heartbeat came over it */
    int64_t heard_ms;                    /* monotonic: the newest message, or since when we wait */
    bool lost;                           /* not heard for a lease */
    bool unsure;                         /* not all of this could be stored: say it again */

    const char *command;   /* standing order: pause cancel stop; NULL = none */
    uint64_t command_seq;  /* 0 until it was sent */
    uint64_t command_last; /* the highest number that was sent or seen */
    uint64_t command_seen; /* by the worker */
    int64_t stop_at_ms;    /* monotonic: then it is made to stop; 0 = never */
    bool forced;           /* it was */
    int64_t kill_at_ms;    /* monotonic: then its shepherd is killed; 0 = never */

    uint64_t step;         /* the newest that was told */
    uint64_t step_saved;   /* of it, what the store has, and when it got it */
    int64_t step_saved_ms; /* monotonic */
    struct rate rate;
    bool rate_waits; /* adopted: it begins with the first heartbeat */
    double langevin_grad, energy_gap;
    bool has_metrics, is_finite;
    struct standing standing; /* of the newest heartbeat */
    uint64_t judged;          /* its step; before one comes, where the attempt began */
    struct upload upload;
};

struct live_table {
    struct live **item; /* owned */
    size_t count, capacity;
};

/* Entry of a job, or NULL. */
struct live *live_find(const struct live_table *t, int64_t job);
/* A new entry, zeroed, pidfd -1; NULL when out of memory. */
struct live *live_add(struct live_table *t, int64_t job, uint32_t attempt);
/* Closes its pidfd and frees it. */
void live_remove(struct live_table *t, struct live *l);
void live_fini(struct live_table *t);

#endif
