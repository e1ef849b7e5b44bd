/* The store: specs, states, attempts, checkpoint rows and events, durably.
 * store.c, its neighbours and vault.c are the door to SQLite; SQL texts live
 * in sql/.
 *
 * Group commit: the loop calls store_begin before the first change of a turn
 * and store_commit at its end; replies leave only after the commit. Within a
 * turn each handler works between store_savepoint and store_release (or
 * store_undo), so a failing handler takes back its own changes only.
 * synchronous=FULL: after store_commit it is on disk.
 *
 * A change outside a turn is a transaction of its own. When SQLite gives a
 * turn up by itself (a full disk), every later change of the turn and its
 * commit fail with that reason.
 *
 * Visitors may read the store. One that changes rows of the kind it walks
 * over should collect ids first: a changed row may be seen again or missed.
 *
 * Texts in rows are borrowed until the next call on the same store unless
 * said otherwise; a row struct with char arrays is a copy. */
#ifndef EBM_DAEMON_STORE_H
#define EBM_DAEMON_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "digest/digest.h"
#include "home/home.h"
#include "state/state.h"

enum { STORE_NAME_MAX = 64, STORE_REASON_MAX = 400, STORE_TOKEN_MAX = 40, STORE_WORD_MAX = 24 };

/* What was asked of a live attempt, in rising order: a later request may
 * raise, never lower it. */
enum store_intent {
    INTENT_NONE,
    INTENT_PAUSE,         /* checkpoint, then stop; becomes paused */
    INTENT_PAUSE_NOSPACE, /* stop without a checkpoint: disk full; becomes paused */
    INTENT_ROLLBACK,      /* stop without a checkpoint; a new attempt follows */
    INTENT_CANCEL,        /* checkpoint, then stop; becomes cancelled */
    INTENT_KILL           /* stop now; becomes cancelled */
};

struct store_job {
    int64_t id;
    char name[STORE_NAME_MAX];
    enum job_state state;
    enum store_intent intent;
    int32_t priority;
    int64_t after; /* job it waits for, 0 = none */
    uint32_t ranks, threads;
    uint64_t step, total_steps;
    uint32_t attempt; /* newest attempt's number = count of attempts */
    uint32_t restarts_used, max_restarts;
    uint32_t rollbacks_used;
    uint32_t noise_epoch;
    int64_t parent_job, parent_checkpoint;
    int64_t not_before_ms; /* wall clock: restart back-off */
    int64_t submitted_ms, started_ms, ended_ms;
    char reason[STORE_REASON_MAX];
    /* the plan of the next attempt, while queued or before a rollback */
    char plan_cause[STORE_WORD_MAX]; /* "" = none; submit restart resume rollback fork */
    char plan_actor[STORE_WORD_MAX]; /* user | ebmd */
    int64_t plan_checkpoint;         /* 0 = from scratch */
};

/* A queued job, as far as the queue looks at it. */
struct store_queued {
    int64_t id;
    int64_t after;              /* job it waits for; 0: none, or it has started before */
    enum job_state after_state; /* JOB_STATE_COUNT: nothing is known of it */
    int32_t priority;
    uint32_t slots;
    int64_t not_before_ms;
};

struct store_attempt {
    int64_t job;
    uint32_t attempt;
    uint64_t fence; /* unique and rising over the whole store */
    char token[STORE_TOKEN_MAX];
    char cause[STORE_WORD_MAX], actor[STORE_WORD_MAX];
    int64_t from_checkpoint;
    uint64_t from_step, last_step;
    int64_t started_ms, ended_ms; /* ended 0 = live */
    char outcome[STORE_WORD_MAX]; /* "" while live */
    char reason[STORE_REASON_MAX];
    char overrides[STORE_REASON_MAX];
    char host[STORE_NAME_MAX];
    int64_t shepherd_pid;          /* 0 = not started */
    uint64_t shepherd_start;       /* start time of that pid, from /proc, against reuse */
    char reported[STORE_WORD_MAX]; /* what the worker's Finished said */
    char reported_reason[STORE_REASON_MAX];
    uint64_t reported_onset; /* of a divergence: the first step that is not trusted */
};

struct store_checkpoint {
    int64_t id;
    int64_t job;
    uint32_t attempt;
    uint64_t step, bytes;
    uint8_t digest[DIGEST_BYTES];
    uint8_t math_digest[DIGEST_BYTES];
    char health[STORE_WORD_MAX]; /* probation healthy suspect poisoned */
    bool pinned;
    double score;
    int64_t created_ms;
    bool deleted; /* bytes are gone; the row stays as history */
};

struct store_event {
    uint64_t seq;
    int64_t job;
    uint32_t attempt;
    int64_t time_ms;
    char kind[STORE_WORD_MAX];
    char text[STORE_REASON_MAX];
};

/* What is to be told of a job, as it was then. */
struct store_notice {
    int64_t id;
    int64_t job;
    uint32_t attempt;
    int64_t time_ms;
    char event[STORE_WORD_MAX]; /* diverged rolled-back finished failed paused cancelled */
    enum job_state state;
    uint64_t step, total_steps;
    char reason[STORE_REASON_MAX];
};

struct store;

/* Opens state/ebmd.db (WAL, FULL, foreign keys, integrity quick_check),
 * migrates it forward inside one transaction per step, and attaches nothing:
 * metrics.db and the vault are their own connections. A newer schema is
 * EBM_ESTALE; damage is EBM_ECORRUPT with what to do. */
enum ebm_status store_open(const struct home *home, struct store **out, struct ebm_error *err);
void store_close(struct store *s); /* takes NULL; rolls an open turn back */

enum ebm_status store_begin(struct store *s, struct ebm_error *err);  /* no-op when begun */
enum ebm_status store_commit(struct store *s, struct ebm_error *err); /* no-op when not begun;
                                                        on failure the turn is rolled back */
/* Begins the turn when it is not begun. */
enum ebm_status store_savepoint(struct store *s, struct ebm_error *err);
void store_release(struct store *s);
void store_undo(struct store *s);

/* A ballast file of 16 MiB in state/ is removed at the first EBM_ENOSPC, so
 * that states can still be written on a full disk (store_commit does so
 * itself before it returns EBM_ENOSPC); made again when there is room: at
 * store_open, and in store_ballast_restore (called each minute). Where these
 * find less than 1 MiB free they remove it, before a write has failed. */
void store_ballast_release(struct store *s);
void store_ballast_restore(struct store *s);

/* ---- jobs ---- */
/* Inserts; sets j->id. key: idempotency key or "": when a job with this key
 * is there, j->id gets its id and EBM_EEXIST is returned (no error text). */
enum ebm_status store_job_insert(struct store *s, struct store_job *j, const char *key,
                                 const char *source, const char *spec, struct ebm_error *err);
enum ebm_status store_job_get(struct store *s, int64_t id, struct store_job *out,
                              struct ebm_error *err); /* EBM_ENOTFOUND: "no job 12" */
/* Writes all fields but id, name, submitted_ms. */
enum ebm_status store_job_update(struct store *s, const struct store_job *j, struct ebm_error *err);
/* Only step: cheap, called often. */
enum ebm_status store_job_set_step(struct store *s, int64_t id, uint64_t step,
                                   struct ebm_error *err);
/* The spec of the next attempt (effective, canonical text). */
enum ebm_status store_job_set_spec(struct store *s, int64_t id, const char *spec,
                                   struct ebm_error *err);
/* Appends to the buffers; either may be NULL. */
enum ebm_status store_job_texts(struct store *s, int64_t id, struct buf *source, struct buf *spec,
                                struct ebm_error *err);
/* Rows with id > after in rising order while visit returns true; states: bit
 * mask of 1 << state, 0 = all. */
enum ebm_status store_job_each(struct store *s, int64_t after, unsigned states,
                               bool (*visit)(void *arg, const struct store_job *j), void *arg,
                               struct ebm_error *err);
/* Queued jobs in scheduling order: priority falling, id rising. */
enum ebm_status store_job_queue(struct store *s,
                                bool (*visit)(void *arg, const struct store_queued *q), void *arg,
                                struct ebm_error *err);
/* The same of one job, which is queued by its row *j. */
enum ebm_status store_job_queued(struct store *s, const struct store_job *j,
                                 struct store_queued *out, struct ebm_error *err);
/* Gives the ids (int64_t) of the jobs inserted or updated since the last call,
 * some more than once, also those whose change was undone since; a new step
 * alone does not count. When !buf_ok, any job may have changed. Caller frees. */
void store_job_changed(struct store *s, struct buf *ids);
enum ebm_status store_job_counts(struct store *s, uint64_t counts[JOB_STATE_COUNT],
                                 struct ebm_error *err);

/* ---- attempts ---- */
/* Inserts as number attempt = job.attempt + 1 (the caller sets a->attempt);
 * sets a->fence. The spec text this attempt runs is kept with it. */
enum ebm_status store_attempt_insert(struct store *s, struct store_attempt *a, const char *spec,
                                     struct ebm_error *err);
enum ebm_status store_attempt_get(struct store *s, int64_t job, uint32_t attempt,
                                  struct store_attempt *out, struct ebm_error *err);
enum ebm_status store_attempt_spec(struct store *s, int64_t job, uint32_t attempt, struct buf *out,
                                   struct ebm_error *err);
/* Writes shepherd_*, host, last_step, reported*. An ended attempt is never
 * changed: EBM_ESTATE. */
enum ebm_status store_attempt_update(struct store *s, const struct store_attempt *a,
                                     struct ebm_error *err);
/* Once: ended_ms, outcome, reason, last_step. */
enum ebm_status store_attempt_end(struct store *s, const struct store_attempt *a,
                                  struct ebm_error *err);
enum ebm_status store_attempt_each(struct store *s, int64_t job,
                                   bool (*visit)(void *arg, const struct store_attempt *a),
                                   void *arg, struct ebm_error *err);

/* ---- checkpoint rows (the bytes are the vault's) ---- */
/* Called after the vault has the verified bytes: the row makes it real. The
 * id is reserved before the upload with store_checkpoint_reserve. */
enum ebm_status store_checkpoint_reserve(struct store *s, int64_t *id, struct ebm_error *err);
enum ebm_status store_checkpoint_insert(struct store *s, const struct store_checkpoint *c,
                                        struct ebm_error *err);
enum ebm_status store_checkpoint_get(struct store *s, int64_t id, struct store_checkpoint *out,
                                     struct ebm_error *err);
enum ebm_status store_checkpoint_update(struct store *s, const struct store_checkpoint *c,
                                        struct ebm_error *err); /* health pinned score deleted */
/* Of a job, rising by (step, id); deleted ones too when with_deleted. */
enum ebm_status store_checkpoint_each(struct store *s, int64_t job, bool with_deleted,
                                      bool (*visit)(void *arg, const struct store_checkpoint *c),
                                      void *arg, struct ebm_error *err);
/* Whether a fork, a plan or a live attempt starts from it. */
enum ebm_status store_checkpoint_referenced(struct store *s, int64_t id, bool *referenced,
                                            struct ebm_error *err);
/* All ids that are not deleted, rising: the vault drops every other one. */
enum ebm_status store_checkpoint_ids(struct store *s, int64_t **ids, size_t *n,
                                     struct ebm_error *err); /* caller frees */

/* ---- events: appended, never changed ---- */
/* Sets e->seq and e->time_ms. In store_event_each, limit 0 is no limit;
 * newest gives the last ones of those after after_seq, in rising order. */
enum ebm_status store_event_append(struct store *s, struct store_event *e, struct ebm_error *err);
enum ebm_status store_event_each(struct store *s, int64_t job /* 0 = all */, uint64_t after_seq,
                                 uint32_t limit, bool newest,
                                 bool (*visit)(void *arg, const struct store_event *e), void *arg,
                                 struct ebm_error *err);

/* ---- notices: told at least once ---- */
/* Sets n->id and n->time_ms. */
enum ebm_status store_notice_add(struct store *s, struct store_notice *n, struct ebm_error *err);
/* The oldest one that has not ended of the first job after this one that has
 * any; id 0: there is none. */
enum ebm_status store_notice_due(struct store *s, int64_t after_job, struct store_notice *out,
                                 struct ebm_error *err);
/* Once: it was told, or is given up. A second time changes nothing. */
enum ebm_status store_notice_end(struct store *s, int64_t id, bool told, struct ebm_error *err);

/* ---- idempotency of the other changes ---- */
/* Remembers key -> reply bytes (for a day); lookup appends to out, and is
 * EBM_ENOTFOUND when the key is new. A key is put once (EBM_EEXIST after);
 * the key "" is none: never found, and not kept. */
enum ebm_status store_key_put(struct store *s, const char *key, const void *reply, size_t n,
                              struct ebm_error *err);
enum ebm_status store_key_get(struct store *s, const char *key, struct buf *out,
                              struct ebm_error *err);

uint64_t store_bytes(const struct store *s);

#endif
