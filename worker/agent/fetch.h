/* The checkpoint to start from, on its way from ebmd: pieces in a window,
 * asked for again from the first one missing, verified as a whole. */
#ifndef EBM_WORKER_FETCH_H
#define EBM_WORKER_FETCH_H

#include "agent/post.h"
#include "base/buf.h"
#include "digest/digest.h"

struct fetch {
    bool active;
    uint64_t checkpoint;
    uint64_t bytes;
    uint8_t digest[DIGEST_BYTES];
    struct digest_state hash;
    struct buf got;   /* owned; verified only once fetch_take gave it out */
    uint64_t asked;   /* up to here in this round */
    int64_t again_ms; /* when the pieces asked for count as lost */
};

enum fetch_result { FETCH_GOES_ON, FETCH_DONE, FETCH_FAILED };

/* From a Welcome that names a checkpoint. Going on with the same one keeps
 * what is there. */
enum ebm_status fetch_begin(struct fetch *f, const Ebm__Welcome *w, struct ebm_error *err);
int64_t fetch_tick(struct fetch *f, struct post *post, int64_t now);
/* DONE: f->got holds the verified bytes. FAILED: err says why. */
enum fetch_result fetch_data(struct fetch *f, const Ebm__FetchData *d, const struct link_part *bulk,
                             const struct agent_config *config, int64_t now, struct ebm_error *err);
void fetch_fini(struct fetch *f);

#endif
