/* Who is told of what becomes of a job. A notice is a row, in the transaction
 * of what happened; after the commit an ebm-notify tells it, and the row ends
 * with that process. What had not ended when ebmd did is told by the next. */
#ifndef EBM_DAEMON_NOTICES_H
#define EBM_DAEMON_NOTICES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct daemon;
struct store_job;

/* Processes at once, one for each job: events of a job are told in order, and
 * one whose server is down holds up no other. */
enum { NOTICES_AT_ONCE = 8 };

struct notice_run {
    int64_t id; /* of the notice; 0: this place is empty */
    int64_t job;
    pid_t pid;
    int pidfd;        /* -1 once it has ended */
    bool told;        /* how it ended */
    bool settling;    /* its end is in the turn under way */
    unsigned deaths;  /* it was killed so often, */
    int64_t again_ms; /* and is told again then; 0: it is not */
};

struct notices {
    struct notice_run run[NOTICES_AT_ONCE];
    int watch_fd;      /* epoll of the pidfds */
    int64_t job;       /* the newest one's, after which the next is looked for */
    int64_t start_ms;  /* monotonic: a start failed, none before then; 0: none did */
    int64_t settle_ms; /* the same of a row that could not be ended */
};

enum ebm_status notices_open(struct daemon *d, struct ebm_error *err);
void notices_close(struct daemon *d); /* what runs goes on */

/* Puts a notice of the job as it stands, if its spec asks for this event, and
 * starts to tell it after the commit. The job's row has been stored. */
enum ebm_status notices_put(struct daemon *d, const struct store_job *job, const char *event,
                            struct ebm_error *err);
/* The same for the end or stop that its state is; nothing for other states. */
enum ebm_status notices_put_state(struct daemon *d, const struct store_job *job,
                                  struct ebm_error *err);

/* For the loop: something has ended (watch_fd); a turn passes; when the next
 * one is due by itself (INT64_MAX: never); a commit has failed. */
void notices_look(struct daemon *d);
void notices_settle(struct daemon *d, int64_t now_ms);
int64_t notices_due(const struct daemon *d);
void notices_doubt(struct daemon *d);

#endif
