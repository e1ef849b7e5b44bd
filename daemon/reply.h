/* A reply to a client while it is put together: its texts and lists live in
 * an arena and go with it. Running out of memory is sticky, and tells when
 * the reply is sealed. */
#ifndef EBM_DAEMON_REPLY_H
#define EBM_DAEMON_REPLY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "spec/spec.h"
#include "wire/wire.h"

struct reply_block;

struct reply {
    Ebm__Reply message; /* everything it points to is the arena's */
    struct buf bulk;    /* part 2; sets message.bulk when sealed */
    struct reply_block *blocks;
    bool failed;
};

void reply_init(struct reply *r, uint64_t id);
void reply_fini(struct reply *r);

/* Zeroed bytes, or NULL. */
void *reply_alloc(struct reply *r, size_t size);
/* A copy; for text that may hold bytes which are not UTF-8 (a file's name,
 * a log's line) those become '?'. Never NULL. */
char *reply_text(struct reply *r, const char *text);
/* Room for one more item in a list of n pointers: the list to store back. */
void *reply_grow(struct reply *r, void *list, size_t n);

/* Appends `item` to message.LIST: REPLY_ADD(r, jobs, job). */
#define REPLY_ADD(r, list, item)                                                                   \
    do {                                                                                           \
        void *grown_ = reply_grow((r), (r)->message.list, (r)->message.n_##list);                  \
        if (grown_ != NULL) {                                                                      \
            (r)->message.list = grown_;                                                            \
            (r)->message.list[(r)->message.n_##list++] = (item);                                   \
        }                                                                                          \
    } while (0)

/* Problems of a spec; they stay when the reply fails. */
void reply_put_problems(struct reply *r, const struct spec_problems *p);

/* Drops what was put in, and makes it an error with this status and text. */
void reply_fail(struct reply *r, const struct ebm_error *err);

/* Packs the message into body. Out of memory at any time before is EBM_ENOMEM. */
enum ebm_status reply_seal(struct reply *r, struct buf *body, struct ebm_error *err);

#endif
