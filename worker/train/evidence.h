/* What a person needs to see why a run diverged: the figures of its last
 * steps, the samples that stood out, and what the detector says, as files in
 * the attempt's folder. */
#ifndef EBM_TRAIN_EVIDENCE_H
#define EBM_TRAIN_EVIDENCE_H

#include "agent/sink.h"
#include "train/trainer.h"

enum { EVIDENCE_ROWS = 500, EVIDENCE_SAMPLES = 64 };

struct evidence {
    struct sink_row *row; /* owned, (EVIDENCE_ROWS): a ring */
    uint64_t rows;        /* put, ever */
};

/* Rank 0 holds one. */
enum ebm_status evidence_init(struct evidence *e, struct ebm_error *err);
void evidence_fini(struct evidence *e);
void evidence_put(struct evidence *e, const struct sink_row *row);

/* Collective, after a step that was bad. e and dir: rank 0's, NULL on the
 * others. Writes evidence.csv, evidence.txt and evidence.png (the chains of
 * that step whose energies are farthest from their median, worst first). What
 * cannot be written is logged: it is no reason to end otherwise. */
void evidence_write(const struct evidence *e, struct trainer *t, const struct step_result *result,
                    const char *dir);

#endif
