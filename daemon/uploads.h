/* Checkpoint bytes between workers and the vault: uploads of new ones, and
 * the one that an attempt starts from. What takes the disk's time is done by
 * the vault's thread; its answers come back through uploads_take.
 *
 * An upload's row is committed after the vault has verified all bytes, and
 * acknowledged after that. */
#ifndef EBM_DAEMON_UPLOADS_H
#define EBM_DAEMON_UPLOADS_H

#include "daemon.h"

/* Messages of the worker that speaks for this attempt. */
void uploads_begin(struct daemon *d, struct live *l, const Ebm__CheckpointBegin *m);
void uploads_chunk(struct daemon *d, struct live *l, const Ebm__CheckpointChunk *m,
                   const struct link_part *bulk);
void uploads_end(struct daemon *d, struct live *l, const Ebm__CheckpointEnd *m);
void uploads_fetch(struct daemon *d, struct live *l, const Ebm__Fetch *m);

/* Handles every answer of the vault that is there. */
void uploads_take(struct daemon *d);

/* The attempt is over: what it was uploading goes. */
void uploads_drop(struct daemon *d, struct live *l);

#endif
