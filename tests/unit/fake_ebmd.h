/* A scripted ebmd for the tests of ebmctl: a thread with a ROUTER and a PUB
 * in a home of its own. It answers from what the test put into it, except
 * where its script says otherwise, and writes down what it was asked. */
#ifndef EBM_TESTS_FAKE_EBMD_H
#define EBM_TESTS_FAKE_EBMD_H

#include <pthread.h>
#include <stdbool.h>

#include "home/home.h"
#include "link/link.h"
#include "wire/wire.h"

enum { FAKE_KINDS = 32, FAKE_TEXT = 160, FAKE_KEYS_MAX = 16, FAKE_EVENTS_MAX = 256 };

/* What it does wrong, or is told to do. Changed with fake_ebmd_script(). */
struct ebmd_script {
    bool silent;                 /* hears everything, answers nothing */
    unsigned lose;               /* so many answers are lost, then it answers */
    bool wrong_ids;              /* each answer follows one to a question nobody asked */
    bool garbage;                /* each answer follows parts that are no message */
    bool other_version;          /* answers in another version of the protocol */
    size_t page;                 /* most rows in an answer, 0: as many as were asked for */
    uint32_t refuse[FAKE_KINDS]; /* by body case: this status instead of an answer */
    const char *refuse_text;     /* borrowed */
};

struct ebmd_row { /* of metrics */
    uint64_t job, step;
    uint32_t attempt;
    double value[METRIC_COUNT];
};

struct ebmd_event {
    uint64_t job;
    int64_t time_ms;
    char kind[FAKE_TEXT], text[FAKE_TEXT];
};

/* What it was asked. */
struct ebmd_record {
    unsigned asked[FAKE_KINDS]; /* by body case */
    unsigned unreadable;
    unsigned made;                      /* jobs submitted: once for each key */
    char key[FAKE_KEYS_MAX][FAKE_TEXT]; /* of the changes, in order */
    size_t keys;
    uint64_t first_ids[FAKE_KEYS_MAX]; /* ids of the first requests */
    size_t ids;
    char verb[FAKE_TEXT], spec[4096], to[FAKE_TEXT];
    int32_t priority;
    uint64_t after_job, since_step, after_seq; /* of the last List, Metrics, Events */
    uint32_t metrics_attempt;
    bool metrics_lineage;
};

struct fake_ebmd {
    struct home home;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool stopping, wants_down, is_down;
    struct ebmd_script script;
    struct ebmd_record record, peeked;
    Ebm__Job *job; /* texts are owned */
    size_t jobs;
    struct ebmd_row *row;
    size_t rows;
    Ebm__Checkpoint *checkpoint;
    size_t checkpoints;
    struct ebmd_event event[FAKE_EVENTS_MAX];
    size_t events, published;
    /* The thread's alone. */
    struct link_context *context;
    struct link_socket *control, *publisher;
};

/* In a fresh EBM_HOME, which is set in the environment, as is
 * EBM_NO_AUTOSTART. Fails the test where it cannot. */
struct fake_ebmd *fake_ebmd_start(void);
void fake_ebmd_stop(struct fake_ebmd *f);

void fake_ebmd_script(struct fake_ebmd *f, const struct ebmd_script *script);
/* A copy of the record as it is now, good until the next call. */
const struct ebmd_record *fake_ebmd_peek(struct fake_ebmd *f);
/* Waits until it was asked so many times; false when not within 20 s. */
bool fake_ebmd_wait_asked(struct fake_ebmd *f, unsigned body_case, unsigned times);
/* Closes its sockets and deletes their files, or comes back. */
void fake_ebmd_set_down(struct fake_ebmd *f, bool down);

/* Adds the job or takes the place of the one with its number. Copies. */
void fake_ebmd_put_job(struct fake_ebmd *f, const Ebm__Job *job);
/* A job with this much in it; the rest as a queued job has it. */
void fake_ebmd_put(struct fake_ebmd *f, uint64_t job, const char *state, uint64_t step,
                   uint64_t total, const char *reason);
void fake_ebmd_put_row(struct fake_ebmd *f, const struct ebmd_row *row);
void fake_ebmd_put_checkpoint(struct fake_ebmd *f, const Ebm__Checkpoint *c);
/* Into the log of events, and published. */
void fake_ebmd_put_event(struct fake_ebmd *f, uint64_t job, const char *kind, const char *text);

/* For the thread, with the lock held. */
void fake_ebmd_answer(struct fake_ebmd *f, const struct link_message *in, const Ebm__Request *q);
Ebm__Job *fake_ebmd_find(struct fake_ebmd *f, uint64_t job);

#endif
