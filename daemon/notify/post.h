/* Telling by a request: the door to libcurl. */
#ifndef EBM_DAEMON_NOTIFY_POST_H
#define EBM_DAEMON_NOTIFY_POST_H

#include "notify/order.h"

/* Posts the body to o->url. An answer of 200 to 299 is success. What may pass
 * (no answer, 408, 425, 429, 500 and up) is EBM_EUNREACHABLE or EBM_ETIMEOUT,
 * what will not (another answer, a wrong address) EBM_EINVAL. Redirections are
 * not followed. The address, which may hold a secret, is in no message. */
enum ebm_status post_tell(const struct order *o, struct ebm_error *err);

#endif
