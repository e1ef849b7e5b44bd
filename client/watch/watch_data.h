/* What is known of the jobs that are watched, and how it is kept fresh.
 *
 * ebmd is asked again and again, at most one question of each kind at a time;
 * its events only make the next question come sooner. Nothing here waits:
 * watch_data_step takes what came and asks what is due. Times are of the
 * monotonic clock unless they say otherwise. */
#ifndef EBM_CLIENT_WATCH_DATA_H
#define EBM_CLIENT_WATCH_DATA_H

#include "session.h"
#include "watch/watch_jobs.h"

enum {
    WATCH_EVENTS = 64,         /* newest ones that are kept */
    WATCH_RECENT_MS = 3600000, /* a job that ended within this is listed */
    WATCH_SILENT_MS = 3000     /* ebmd is slow before this, away after it */
};

struct watch_checkpoint {
    uint64_t checkpoint, step, bytes;
    int64_t created_ms; /* wall clock */
    char health[WATCH_WORD], kept[WATCH_NAME];
};

struct watch_event {
    uint64_t seq, job;
    int64_t time_ms; /* wall clock */
    char kind[WATCH_WORD], text[WATCH_TEXT];
};

/* Kinds of questions. */
enum watch_ask { ASK_JOBS, ASK_METRICS, ASK_CHECKPOINTS, ASK_EVENTS, ASK_COUNT };

struct watch_slot {
    uint64_t id;  /* of the request; 0: none is under way */
    uint64_t job; /* that it is about */
    int64_t sent_ms, due_ms;
    bool answered; /* once at least */
};

/* Where a round over all jobs stands. */
enum watch_phase { PHASE_GIVEN, PHASE_OPEN, PHASE_ENDED, PHASE_MISSED };

struct watch_round {
    enum watch_phase phase;
    unsigned number;
    uint64_t after; /* the page goes on behind this job */
    size_t at;      /* in the given ones */
    bool under_way; /* its first question was asked */
    int64_t began_ms;
    int64_t took_ms; /* for the pages of its lists */
};

struct watch_data {
    struct session *session; /* borrowed */
    const uint64_t *given;   /* borrowed */
    size_t given_count;
    struct watch_jobs jobs;
    struct watch_slot slot[ASK_COUNT];
    struct watch_round round;
    uint64_t highest;  /* job that was seen */
    bool complete;     /* a whole round was seen */
    uint64_t detail;   /* job whose checkpoints and events are kept; 0: the events of all */
    uint64_t *visible; /* owned: jobs of the list that are on the screen */
    size_t visible_count, visible_at;
    struct watch_checkpoint *checkpoint; /* owned; oldest first */
    size_t checkpoints;
    struct watch_event event[WATCH_EVENTS]; /* oldest first */
    size_t events;
    int64_t waiting_ms; /* since when ebmd owes an answer; 0: it does not */
    char trouble[WATCH_TEXT];
    enum watch_ask troubled; /* the kind that it is about */
};

/* given: the jobs, or none for all that are open and those that ended within
 * the last hour. Borrows session and list until watch_data_fini. */
void watch_data_init(struct watch_data *d, struct session *session, const uint64_t *given,
                     size_t count);
void watch_data_fini(struct watch_data *d);

/* What is on the screen: one job in all detail (0: none), and these in a list. */
void watch_data_set_detail(struct watch_data *d, uint64_t job);
void watch_data_set_visible(struct watch_data *d, const uint64_t *jobs, size_t n);

/* Takes answers, asks what is due; *changed when something is to be shown
 * anew. An error ends the watch: a given job that is not there, a client that
 * is not let in, another version. */
enum ebm_status watch_data_step(struct watch_data *d, int64_t now_ms, bool *changed,
                                struct ebm_error *err);
/* How long after now_ms the next step is due. */
int64_t watch_data_wait_ms(const struct watch_data *d, int64_t now_ms);

/* For how long ebmd has owed an answer. */
int64_t watch_data_silence_ms(const struct watch_data *d, int64_t now_ms);
/* Everything that is on the screen was told once, and nothing is under way. */
bool watch_data_is_settled(const struct watch_data *d, int64_t now_ms);

#endif
