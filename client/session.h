/* The line to ebmd: requests and their replies.
 *
 * A change bears a key; when no reply comes it is sent again with the same
 * key, so that it happens once. Replies are matched by id, and what does not
 * match is dropped. */
#ifndef EBM_CLIENT_SESSION_H
#define EBM_CLIENT_SESSION_H

#include <stdbool.h>

#include "link/link.h"
#include "wire/wire.h"

struct session_config {
    const char *control; /* endpoint of ebmd's ROUTER */
    const char *events;  /* of its PUB; NULL: not wanted */
    int retry_ms;        /* a request without a reply is sent again after this; 0: 2000 */
    int deadline_ms;     /* and given up after this; 0: 10000 */
    /* Called before a request is sent again, so that an ebmd that died with it
     * is there again; NULL: nothing is done. */
    void (*revive)(void *arg);
    void *revive_arg;
};

struct session;

/* Connects in the background: a missing daemon shows in the first call. */
enum ebm_status session_open(const struct session_config *config, struct session **out,
                             struct ebm_error *err);
void session_close(struct session *s); /* takes NULL */

/* A reply and what it points into. */
struct answer {
    Ebm__Reply *reply; /* owned; NULL when there was none */
    struct link_part bulk;
    struct link_message message;
};
void answer_fini(struct answer *a);

/* Sends and waits. Sets request->id and, for a change without one, a key
 * (borrowed by the request until the call returns). A reply with a status
 * other than 0 is that status, with its sentence, and is in *out as well.
 * EBM_EUNREACHABLE when no reply came. answer_fini in every case. */
enum ebm_status session_call(struct session *s, Ebm__Request *request, struct answer *out,
                             struct ebm_error *err);

/* A call that waits no longer than this, from now on. */
void session_set_deadline(struct session *s, int deadline_ms);

/* For a loop of the caller's own: sends, sets request->id, does not wait. */
enum ebm_status session_post(struct session *s, Ebm__Request *request, struct ebm_error *err);
/* The next reply, whatever its status; EBM_ETIMEOUT when none is there. A
 * message that is none is dropped. */
enum ebm_status session_take(struct session *s, struct answer *out, struct ebm_error *err);
/* Events of this job (0: of all) wake session_poll_items from now on; the
 * numbers of some other jobs may come along, since topics are prefixes. */
enum ebm_status session_subscribe(struct session *s, uint64_t job, struct ebm_error *err);
/* Drops all events that came; true when there was one. */
bool session_drain_events(struct session *s);
/* What to wait for: fills 1 or 2 items. */
size_t session_poll_items(struct session *s, struct link_poll items[2]);

#endif
