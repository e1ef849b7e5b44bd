/* The agent thread's loop: is ebmd there, what is due, what came.
 *
 *   quiet ──start()/finish()──► hello ──Welcome──► up
 *                                 ▲                │
 *                                 └── silence ─────┘
 * up ──FinishedAck──► done; hello, up ──Refused──► fenced.
 *
 * Training never waits for it. While ebmd is away only Hello is sent. */
#ifndef EBM_WORKER_LINE_H
#define EBM_WORKER_LINE_H

#include "agent/fetch.h"
#include "agent/mailbox.h"
#include "agent/metrics_out.h"
#include "agent/pictures.h"
#include "agent/post.h"
#include "agent/upload.h"

enum line_state { LINE_QUIET, LINE_HELLO, LINE_UP, LINE_DONE, LINE_FENCED };

struct line {
    const struct agent_config *config; /* borrowed */
    struct mailbox *mailbox;           /* borrowed */
    struct post post;
    enum line_state state;
    struct mailbox_view view;
    char host[AGENT_TEXT_MAX];
    bool welcomed;    /* once, by any ebmd */
    bool start_given; /* start() has its answer */
    unsigned hellos;  /* without an answer */
    int64_t hello_ms; /* when the next Hello goes */
    int64_t heard_ms; /* last sound message */
    int64_t beat_ms;  /* when the next heartbeat goes */
    int64_t end_ms;   /* when Finished goes, or goes again */
    bool end_sent;
    int64_t log_ms;     /* when the absence is logged next */
    int64_t garbage_ms; /* when garbage is logged next */
    uint64_t garbage;
    int heartbeat_ms;
    uint64_t command_seen;
    struct metrics_out metrics;
    struct upload upload;
    uint64_t upload_after; /* the newest metric row when its snapshot came */
    struct pictures pictures;
    struct fetch fetch;
};

enum ebm_status line_init(struct line *l, const struct agent_config *config, struct mailbox *m,
                          struct ebm_error *err);
void line_fini(struct line *l);

/* One turn: takes what the training thread left, sends what is due, waits
 * for the next event, handles it. False when the mailbox was closed. */
bool line_turn(struct line *l);

/* line_in.c: every message that is there, up to a bound. */
void line_receive(struct line *l, int64_t now);

#endif
