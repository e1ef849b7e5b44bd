/* What ebmd hands to ebm-notify on its standard input: whom to tell, and what.
 * Not in its arguments, which everybody on the machine can read. */
#ifndef EBM_DAEMON_NOTIFY_ORDER_H
#define EBM_DAEMON_NOTIFY_ORDER_H

#include "base/buf.h"
#include "base/err.h"

enum { ORDER_MAX = 64 << 10 };

struct order {
    const char *event, *job, *state, *reason; /* for the command's environment */
    const char *command, *url;                /* "": not that way */
    const char *body;                         /* the JSON */
    unsigned timeout_s, retries;
    struct buf text; /* of one that was read: owned, the texts lie in it */
};

/* Appends "key=value" entries, a NUL after each. */
void order_pack(const struct order *o, struct buf *out);

/* Until the end of this descriptor. EBM_EINVAL when it is no whole order. */
enum ebm_status order_read(int fd, struct order *out, struct ebm_error *err);
void order_fini(struct order *o);

#endif
