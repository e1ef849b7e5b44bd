/* A scripted worker on the worker socket of a struct stage: it says what the
 * test wants, and keeps what it was told. */
#ifndef EBM_TESTS_COORDINATOR_ACTOR_H
#define EBM_TESTS_COORDINATOR_ACTOR_H

#include "coordinator_stage.h"

struct actor {
    struct stage *stage;
    struct link_socket *socket;
    int64_t job;
    uint32_t attempt;
    uint64_t fence;
    char token[STORE_TOKEN_MAX];
    uint64_t step, command_seen, uploads, left_out;
    uint64_t onset;            /* of a divergence, for actor_finish */
    Ebm__Stability *stability; /* borrowed: in its heartbeats; NULL: none */
    Ebm__ToWorker *heard;      /* the newest message that was waited for */
    struct buf bulk;
};

/* Turns until the job has a live attempt, and speaks for it; until actor_close,
 * or until the stage is closed. */
void actor_open(struct actor *a, struct stage *s, int64_t job);
void actor_close(struct actor *a);

void actor_send(struct actor *a, Ebm__FromWorker *m, const void *bulk, size_t n);

/* The next message that is there becomes the one that was heard; false: none. */
bool actor_hears(struct actor *a);
/* Turns until a message of this kind comes; others are dropped. */
const Ebm__ToWorker *actor_expect(struct actor *a, Ebm__ToWorker__BodyCase body);
/* Turns until anything but an answer to a heartbeat comes. */
const Ebm__ToWorker *actor_next(struct actor *a);
/* Sends a heartbeat, and waits for its answer: what was sent before has been
 * handled then. How many messages of this kind came before it. */
unsigned actor_count_until_beat(struct actor *a, Ebm__ToWorker__BodyCase body);

/* The messages of its life. */
const Ebm__Welcome *actor_hello(struct actor *a);
/* A heartbeat at its step; the order that the answer bears is kept as seen.
 * "" when it bears none. */
const char *actor_beat(struct actor *a, uint64_t step);
void actor_rows(struct actor *a, uint64_t first_seq, uint64_t first_step, size_t n);
void actor_finish(struct actor *a, const char *outcome, const char *reason);

/* opens, says hello, and beats at this step. */
void actor_start(struct actor *a, struct stage *s, int64_t job, uint64_t step);
/* Says this word, if any, closes, and mpirun ends so: until that is recorded. */
void actor_end_with(struct stage *s, struct actor *a, const char *word, int exit_code);
/* The newest attempt begins, is heard, and ends so at this step. */
void actor_live_through(struct stage *s, int64_t job, uint64_t step, const char *word);
/* Turns until this attempt of the job has begun. */
void stage_wait_attempt(struct stage *s, int64_t job, uint32_t attempt);

/* Uploads. The bytes of a checkpoint follow from the job, attempt and step. */
enum { ACTOR_BLOB = 5000 };
void actor_blob(const struct actor *a, uint64_t step, uint8_t blob[ACTOR_BLOB]);
void actor_begin(struct actor *a, uint64_t upload, uint64_t step);
void actor_chunk(struct actor *a, uint64_t upload, uint64_t step, size_t offset, size_t n);
void actor_end(struct actor *a, uint64_t upload);
/* All of it, as the next upload: the checkpoint's id. Beats at the step. */
int64_t actor_checkpoint(struct actor *a, uint64_t step);
/* The next n at multiples of 50, then a beat at this step. */
void actor_train_to(struct actor *a, int64_t id[], uint64_t n, uint64_t step);
/* The same of a run that warns, of the steps from `since` on. Its heartbeats
 * bear *told, which is filled here, until it is closed. */
void actor_train_warned(struct actor *a, Ebm__Stability *told, uint64_t since, int64_t id[],
                        uint64_t n, uint64_t step);

#endif
