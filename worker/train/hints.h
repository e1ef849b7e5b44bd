/* What a divergence looks like, and what usually helps: for evidence.txt. */
#ifndef EBM_TRAIN_HINTS_H
#define EBM_TRAIN_HINTS_H

#include "base/buf.h"
#include "stability/detector.h"

/* A line for each sign that the tripped step shows; nothing where it shows
 * none. d: as the step left it; value: its metrics. */
void hints_write(const struct detector *d, const struct detector_limits *l,
                 const double value[METRIC_COUNT], struct buf *out);

#endif
