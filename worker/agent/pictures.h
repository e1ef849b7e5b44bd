/* Pictures on their way to ebmd: one at a time, again until acknowledged,
 * the oldest given up when too many wait. */
#ifndef EBM_WORKER_PICTURES_H
#define EBM_WORKER_PICTURES_H

#include "agent/mailbox.h"
#include "agent/post.h"

struct pictures {
    struct picture item[MAILBOX_PICTURES];
    size_t n;
    uint64_t last_seq;
    int64_t again_ms; /* when item[0] goes, or goes again */
};

/* Takes the bytes. */
void pictures_put(struct pictures *p, struct picture *picture);
int64_t pictures_tick(struct pictures *p, struct post *post, int64_t now);
void pictures_ack(struct pictures *p, uint64_t seq);
void pictures_again(struct pictures *p);
void pictures_fini(struct pictures *p);

#endif
