/* ebmd in one process for tests: a struct daemon on a home of its own, whose
 * loop the test turns; a client on its control socket; and below it real
 * shepherds over an mpirun that the test ends when and how it likes.
 * coordinator_actor.h has the scripted workers. */
#ifndef EBM_TESTS_COORDINATOR_STAGE_H
#define EBM_TESTS_COORDINATOR_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "daemon.h"
#include "loop.h"
#include "wire/wire.h"

enum { STAGE_WAIT_MS = 10000, STAGE_SETS_MAX = 8, STAGE_SLOTS = 4, STAGE_SOCKETS_MAX = 32 };

struct stage {
    struct daemon daemon;
    bool open;
    char dir[64]; /* EBM_HOME */
    struct link_context *links;
    struct link_socket *socket[STAGE_SOCKETS_MAX]; /* owned: all that are open */
    struct link_socket *client;                    /* one of them */
    uint64_t requests;                             /* numbered */
    Ebm__Reply *reply;                             /* the newest, and what came with it */
    struct buf bulk;
};

/* cmocka's set-up and tear-down; *state is the struct stage, open, with
 * STAGE_SLOTS slots. After a test no process of its home is left. */
int stage_setup(void **state);
int stage_teardown(void **state);

void stage_open(struct stage *s); /* it must succeed */
enum ebm_status stage_try_open(struct stage *s, struct ebm_error *err);
void stage_close(struct stage *s); /* as a kill would: nothing is committed first */
void stage_reopen(struct stage *s);

void stage_turn(struct stage *s);

/* Turns until the condition holds; fails the test when it never does. */
#define STAGE_UNTIL(s, condition)                                                                  \
    do {                                                                                           \
        int64_t deadline_ = clock_mono_ms() + STAGE_WAIT_MS;                                       \
        while (!(condition)) {                                                                     \
            if (clock_mono_ms() > deadline_)                                                       \
                fail_msg("it never came to: %s", #condition);                                      \
            stage_turn(s);                                                                         \
        }                                                                                          \
    } while (0)

/* A socket to one of the daemon's endpoints. The stage owns it, and closes it
 * when it closes itself. */
struct link_socket *stage_connect(struct stage *s, enum link_kind kind, const char *endpoint);
void stage_disconnect(struct stage *s, struct link_socket *socket);

/* ---- the client ---- */

/* Sends the request and turns until its reply is there: good until the next.
 * Numbers it. */
const Ebm__Reply *stage_ask(struct stage *s, Ebm__Request *q);
/* The same, with the parts as they are, and the reply of id 0 that answers
 * what could not be read. */
const Ebm__Reply *stage_ask_raw(struct stage *s, const struct link_part *part, size_t parts);

struct submission {
    const char *set[STAGE_SETS_MAX]; /* as --set, NULL after the last */
    const char *spec;                /* NULL: stage_spec */
    const char *key;
    int32_t priority;
    int64_t after;
    bool hold, dry_run;
};
/* A toy with 1000 steps, checkpoints every 50, of which 3 are kept. */
extern const char stage_spec[];

const Ebm__Reply *stage_try_submit(struct stage *s, const struct submission *o);
/* The job's id; it must succeed. */
int64_t stage_submit(struct stage *s, const struct submission *o);
#define SUBMIT(s, ...) stage_submit((s), &(const struct submission){__VA_ARGS__})

/* data.dataset=idx:... of 32 pictures of 4 x 4, good until the next call. */
const char *stage_set_pictures(struct stage *s);

/* pause resume cancel kill hold release. */
const Ebm__Reply *stage_try_change(struct stage *s, int64_t job, const char *verb);
void stage_change(struct stage *s, int64_t job, const char *verb); /* it must succeed */

const Ebm__Reply *stage_try_rollback(struct stage *s, int64_t job, const char *to, bool dry_run,
                                     const char *const set[]);
/* The plan of one that must succeed. */
const Ebm__Plan *stage_rollback(struct stage *s, int64_t job, const char *to);

const Ebm__Job *stage_show(struct stage *s, int64_t job);
const Ebm__Reply *stage_history(struct stage *s, int64_t job);
const Ebm__Reply *stage_checkpoints(struct stage *s, int64_t job);

void stage_assert_refused(const Ebm__Reply *r, enum ebm_status status, const char *text);

/* ---- the store ---- */

struct store_job stage_job(struct stage *s, int64_t job);
enum job_state stage_state(struct stage *s, int64_t job);
struct store_attempt stage_attempt(struct stage *s, int64_t job, uint32_t attempt);
struct store_checkpoint stage_checkpoint(struct stage *s, int64_t checkpoint);
/* How many events of this kind the job has, and the text of the newest, good
 * until the next call. */
unsigned stage_events(struct stage *s, int64_t job, const char *kind);
const char *stage_event_text(struct stage *s, int64_t job, const char *kind);
/* Everything on record of a job, as a text to compare. */
void stage_dump(struct stage *s, int64_t job, struct buf *out);

/* The back-off of a queued job is over now. */
void stage_skip_backoff(struct stage *s, int64_t job);

/* No write to a file succeeds from now on, or all do again. */
void stage_break_disk(bool broken);
/* The store alone has no page left for another event; or room again. */
void stage_fill_store(struct stage *s);
void stage_empty_store(struct stage *s);
/* How many checkpoints the vault has bytes of, whole or not. */
size_t stage_count_blobs(struct stage *s);

/* ---- mpirun ---- */

/* Turns until the job's newest attempt has its mpirun at work. */
void stage_wait_mpirun(struct stage *s, int64_t job);
void stage_end_mpirun(struct stage *s, int64_t job, int exit_code);
void stage_kill_mpirun(struct stage *s, int64_t job);
void stage_kill_shepherd(struct stage *s, int64_t job);
/* An mpirun of this text instead; NULL: the usual one. */
void stage_set_mpirun(struct stage *s, const char *text);

#endif
