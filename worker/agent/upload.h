/* One checkpoint on its way to ebmd.
 *
 *   none ──put──► hashing ──► begin ──ack──► sending ──all in──► ending ──ack──► none
 *                               ▲               │                   │
 *                               └── ebmd forgot it, or stays silent ┘
 *
 * A snapshot that comes while one is on its way waits; a newer one takes its
 * place, so the last one always goes. */
#ifndef EBM_WORKER_UPLOAD_H
#define EBM_WORKER_UPLOAD_H

#include "agent/mailbox.h"
#include "agent/post.h"

enum upload_state { UPLOAD_NONE, UPLOAD_HASH, UPLOAD_BEGIN, UPLOAD_SEND, UPLOAD_END };

struct upload {
    enum upload_state state;
    struct snapshot now, next;
    bool has_next;
    uint64_t left_out;      /* snapshots whose place `now` took, while they waited */
    uint64_t next_left_out; /* `next` */
    uint64_t id;            /* of `now`, from 1 */
    struct digest_state hash;
    uint8_t digest[DIGEST_BYTES];
    size_t hashed;
    uint64_t received;  /* ebmd has these bytes, in order */
    uint64_t sent;      /* up to here in this round */
    uint64_t sent_ever; /* up to here in any */
    bool end_sent;      /* ebmd had all of it, and was told so */
    int64_t again_ms;   /* when the last message counts as lost */
    int64_t begin_ms;   /* when Begin last went */
    unsigned strikes;   /* losses in a row */
    unsigned refusals;  /* errors from ebmd for this snapshot */
    bool lost;          /* the newest one that ended was not stored, and why: */
    struct ebm_error lost_error;
};

/* Takes the blob. */
void upload_put(struct upload *u, struct snapshot *s);
bool upload_idle(const struct upload *u);
/* Sends what is due; returns when it wants to be called again at the latest. */
int64_t upload_tick(struct upload *u, struct post *post, int64_t now);
void upload_chunk_ack(struct upload *u, const Ebm__ChunkAck *ack, const struct agent_config *config,
                      int64_t now);
void upload_done_ack(struct upload *u, const Ebm__CheckpointAck *ack,
                     const struct agent_config *config, int64_t now);
/* ebmd is back: it may have forgotten the upload. */
void upload_again(struct upload *u);
void upload_fini(struct upload *u);

#endif
