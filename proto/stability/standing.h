/* Where a run stands with the detector after its newest step, on its way from
 * the worker through ebmd to clients: Stability in ebm.proto. */
#ifndef EBM_STABILITY_STANDING_H
#define EBM_STABILITY_STANDING_H

#include "stability/outlook.h"

struct standing {
    char word[16];   /* outlook_word; "": none yet */
    char signal[32]; /* nearest to its limit */
    char outlook[OUTLOOK_MAX];
    double suspicion, langevin_low, langevin_high; /* 0, 0: no band yet */
    uint64_t suspect_since;                        /* detector_suspect_since */
};

/* Cuts and mends texts: they may be anything. */
void standing_read(const Ebm__Stability *m, struct standing *out);
/* The message borrows the texts. */
void standing_write(struct standing *s, Ebm__Stability *m);

#endif
