/* A scripted ebmd for the tests of the agent: a thread with a ROUTER that
 * answers as ebmd does, except where its script says otherwise, and writes
 * down what it was told. */
#ifndef EBM_TESTS_FAKE_DAEMON_H
#define EBM_TESTS_FAKE_DAEMON_H

#include <pthread.h>
#include <stdbool.h>

#include "agent/agent.h"
#include "base/buf.h"
#include "digest/digest.h"
#include "link/link.h"
#include "wire/wire.h"

enum {
    FAKE_ROWS_MAX = 20000,
    FAKE_COMMITS_MAX = 16,
    FAKE_WORD = 64,
    FAKE_KINDS = EBM__TO_WORKER__BODY_FINISHED_ACK + 1, /* of answers */
    FAKE_CHECKPOINT_MAX = 16 << 20
};

/* What it does wrong, or is told to do. Changed with fake_script(). */
struct fake_script {
    bool silent;             /* hears nothing */
    bool refuse;             /* answers everything with Refused */
    uint64_t refuse_fence;   /* with this fence instead of the worker's, 0 = the worker's */
    unsigned delay_ms;       /* before each answer */
    unsigned lose_one_in;    /* of so many answers about one is lost, never two of a
                              * kind in a row; 0 = none */
    bool wrong_fence;        /* each answer is preceded by one with a wrong fence */
    bool garbage;            /* each answer is preceded by parts that are no message */
    bool lie;                /* each answer is preceded by one with impossible numbers */
    size_t forget_at;        /* forgets the upload, once, when this many bytes are there */
    bool forget_always;      /* forgets each upload as soon as it began */
    unsigned refuse_commits; /* so many CheckpointAcks bear commit_status */
    uint32_t commit_status;
    bool hold_commits; /* no CheckpointAck at all */
    bool hold_rows;    /* no MetricsAck at all */
    bool greet;        /* each Heartbeat is answered by a Welcome first, as by a new ebmd */
    bool no_finished_ack;
    uint64_t command_seq; /* standing order, 0 = none */
    char command[FAKE_WORD];
    const uint8_t *checkpoint; /* borrowed: to start from; NULL = from scratch */
    size_t checkpoint_size;
    bool wrong_digest;
    uint32_t fetch_status; /* not 0: Fetch fails with it */
    size_t piece;          /* Fetch gives at most this many bytes, 0 = all asked for */
};

struct fake_commit {
    uint64_t step;
    size_t bytes;
    double score;
    uint8_t digest[DIGEST_BYTES]; /* of what came */
    bool sound;                   /* it is what Begin promised */
};

/* What it was told. */
struct fake_record {
    unsigned hellos, hellos_again, heartbeats, begins, ends, pictures, finished, refusals;
    unsigned unheard_hellos; /* while silent */
    unsigned broken;         /* messages with a wrong envelope, or that ebmd could not read */
    uint32_t ranks;
    uint64_t rows;                        /* highest in order */
    uint64_t rows_out_of_order;           /* batches with a gap before them */
    uint64_t row_step[FAKE_ROWS_MAX + 1]; /* by number */
    size_t largest_batch;
    uint64_t beat_step, command_seen, picture_step;
    char phase[FAKE_WORD];
    size_t picture_bytes;
    struct fake_commit commit[FAKE_COMMITS_MAX];
    size_t commits;
    char outcome[FAKE_WORD], reason[FAKE_WORD];
};

struct fake_daemon {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool stopping, wants_down, is_down; /* down: the socket is closed */
    struct fake_script script;
    uint8_t digest[DIGEST_BYTES]; /* of the script's checkpoint */
    struct fake_record record, peeked;
    /* The thread's alone. */
    struct link_context *context;
    struct link_socket *socket;
    char dir[64], endpoint[128];
    uint64_t dice;
    bool lost[FAKE_KINDS]; /* the last answer of the kind */
    uint64_t upload, upload_step, upload_bytes;
    double upload_score;
    uint8_t upload_digest[DIGEST_BYTES];
    bool upload_open, forgot;
    struct buf upload_blob;
};

enum { FAKE_JOB = 7, FAKE_ATTEMPT = 3, FAKE_FENCE = 41, FAKE_HEARTBEAT_MS = 25 };
#define FAKE_TOKEN "00112233445566778899aabbccddeeff"

struct fake_daemon *fake_start(const struct fake_script *script);
/* For an agent of its attempt, with short times. */
void fake_agent_config(const struct fake_daemon *f, struct agent_config *c);
void fake_stop(struct fake_daemon *f);
/* A copy of the record as it is now, good until the next call. */
const struct fake_record *fake_peek(struct fake_daemon *f);
void fake_set_script(struct fake_daemon *f, const struct fake_script *script);
/* Closes the socket and deletes its file; forgets uploads; or comes back. */
void fake_set_down(struct fake_daemon *f, bool down);
/* Waits until `holds`, asked with the lock held after each message, says yes;
 * false when it did not within 20 s. */
bool fake_wait(struct fake_daemon *f, bool (*holds)(const struct fake_record *r, uint64_t arg),
               uint64_t arg);

#endif
