/* Jobs: the one way to change a state, and rows as clients see them. */
#ifndef EBM_DAEMON_JOBS_H
#define EBM_DAEMON_JOBS_H

#include "daemon.h"
#include "lineage.h"
#include "reply.h"

/* EBM_ESTATE: in what state the job is, and what may be done instead of this
 * verb. */
enum ebm_status jobs_refuse(const struct store_job *job, const char *verb, struct ebm_error *err);

/* Looks the event up in the state table and sets job->state; EBM_ESTATE says
 * why not. The caller stores the row. Ends and starts stamp their times. */
enum ebm_status jobs_apply(struct store_job *job, enum job_event event, struct ebm_error *err);

/* Stores the row. */
enum ebm_status jobs_save(struct daemon *d, struct store_job *job, struct ebm_error *err);

/* Appends to the event log and, after the commit, publishes it. */
enum ebm_status jobs_log(struct daemon *d, const struct store_job *job, const char *kind,
                         struct ebm_error *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* The checkpoint that the job goes on from: the newest of its line of descent
 * that is neither deleted nor poisoned, a suspect one only where there is no
 * other (a stretch that a rollback abandoned
 * is not of it), else what it was forked from; id 0 when there is none. */
enum ebm_status jobs_newest_checkpoint(struct daemon *d, const struct store_job *job,
                                       struct store_checkpoint *out, struct ebm_error *err);

/* The checkpoint at which the line began, of another job: where a fork goes
 * back to. id 0 when it began from scratch, or when it is gone. */
enum ebm_status jobs_origin(struct daemon *d, int64_t job, const struct lineage *line,
                            struct store_checkpoint *out, struct ebm_error *err);

/* A row for clients: the store's, with what is newer in memory, and the
 * reason why it waits. NULL when out of memory (then r->failed). */
Ebm__Job *jobs_view(struct daemon *d, const struct store_job *job, struct reply *r);
/* Adds what happened to it; see story.h. */
enum ebm_status jobs_view_story(struct daemon *d, Ebm__Job *m, struct reply *r,
                                struct ebm_error *err);

#endif
