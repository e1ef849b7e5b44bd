/* What the training thread and the agent thread share, behind one lock.
 * Nothing is sent or computed while it is held. */
#ifndef EBM_WORKER_MAILBOX_H
#define EBM_WORKER_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>

#include "agent/sink.h"

enum { MAILBOX_PICTURES = 8, MAILBOX_REASON = 480, MAILBOX_WORD = 32 };

struct snapshot {
    uint64_t step;
    double score;
    uint8_t math_digest[DIGEST_BYTES];
    struct buf blob; /* owned */
};

struct picture {
    uint64_t step;
    uint64_t seq;
    struct buf png; /* owned */
};

struct ending {
    char outcome[MAILBOX_WORD];
    char reason[MAILBOX_REASON];
    uint64_t step, onset;
};

/* From the training thread, taken whole by the agent thread. */
struct inbox {
    struct sink_row *row; /* owned */
    size_t rows, capacity;
    uint64_t rows_lost; /* out of memory */
    bool has_snapshot;
    struct snapshot snapshot;
    struct picture picture[MAILBOX_PICTURES];
    size_t pictures;
};

struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* of the results below */
    int wake_fd;            /* eventfd: readable when there is something to look at */
    bool woken;
    bool closing;
    struct inbox inbox;
    bool wants_start, wants_end;
    uint32_t ranks;
    struct ending ending;
    uint64_t step;
    char phase[MAILBOX_WORD];
    struct standing standing;
    /* From the agent thread. */
    enum sink_order order;
    bool fenced, started, ended;
    struct ebm_error start_error; /* code EBM_OK: started */
    struct ebm_error fence_error;
    struct buf blob; /* owned: the checkpoint to start from */
};

/* What the agent thread sees of it in one turn. */
struct mailbox_view {
    bool closing, wants_start, wants_end;
    uint32_t ranks;
    uint64_t step;
    char phase[MAILBOX_WORD];
    struct standing standing;
};

enum ebm_status mailbox_init(struct mailbox *m, struct ebm_error *err);
void mailbox_fini(struct mailbox *m);

/* ---- training thread ---- */
void mailbox_put_row(struct mailbox *m, const struct sink_row *row);
/* Takes the blob. A snapshot that was not fetched yet gives way. */
void mailbox_put_snapshot(struct mailbox *m, struct snapshot *s);
/* Takes the bytes. Of more than MAILBOX_PICTURES the oldest goes. */
void mailbox_put_picture(struct mailbox *m, uint64_t step, struct buf *png);
void mailbox_set_progress(struct mailbox *m, uint64_t step, const char *phase);
void mailbox_set_verdict(struct mailbox *m, const struct standing *v);
enum sink_order mailbox_order(struct mailbox *m);
void mailbox_order_done(struct mailbox *m, enum sink_order order);
/* Both wait for the agent thread; fenced is EBM_ESTALE. */
enum ebm_status mailbox_start(struct mailbox *m, uint32_t ranks, struct buf *blob,
                              struct ebm_error *err);
enum ebm_status mailbox_finish(struct mailbox *m, const struct ending *ending,
                               struct ebm_error *err);
void mailbox_close(struct mailbox *m);

/* ---- agent thread ---- */
/* Moves the inbox out: *in is the caller's, by inbox_fini. */
void mailbox_take(struct mailbox *m, struct inbox *in, struct mailbox_view *view);
void inbox_fini(struct inbox *in);
void mailbox_give_order(struct mailbox *m, enum sink_order order);
/* blob (may be NULL) is taken; err (may be NULL) says why it failed. */
void mailbox_give_start(struct mailbox *m, struct buf *blob, const struct ebm_error *err);
void mailbox_give_end(struct mailbox *m);
void mailbox_give_fence(struct mailbox *m, const char *reason);
/* The ending that finish() asked for. */
void mailbox_read_ending(struct mailbox *m, struct ending *out);

#endif
