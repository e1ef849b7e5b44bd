/* Whether the samples of a run are like its data, by what is absolute: the
 * difference of their means against the range of a sample, the ratio of their
 * spreads, and the energy gap against the size of the energies. The detector
 * compares a run with its own history; this also knows a run that was never
 * good, or is none any more.
 *
 * Slow means over some hundred steps. Healthy runs were within the limits from
 * step 352 on at the latest; see RESULTS.md for what they were calibrated on. */
#ifndef EBM_STABILITY_LIKENESS_H
#define EBM_STABILITY_LIKENESS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/wire.h"

enum {
    LIKENESS_MAX = 96,
    LIKENESS_STEPS = 500 /* before them nothing is said */
};

struct likeness {
    uint64_t count;     /* steps */
    double gap, square; /* of energies: E(data) - E(sample), and their mean square */
    double mean;        /* of samples less that of data, against the range */
    double spread;      /* log of the samples' over the data's */
};

/* value: the metrics of a step; range: hi - lo of a sample's elements. What is
 * not finite is passed over. */
void likeness_feed(struct likeness *k, const double value[METRIC_COUNT], double range);

/* Whether they differ, and how: "their spread is 0.02 of the data's". False,
 * and why is "", before LIKENESS_STEPS steps. */
bool likeness_differs(const struct likeness *k, double range, char why[LIKENESS_MAX]);

/* Mean or spread are far off, also from those of before: of a run whose
 * samples never were like the data, that says nothing. As likeness_differs. */
bool likeness_is_lost(const struct likeness *k, const struct likeness *before, double range,
                      char why[LIKENESS_MAX]);

#endif
