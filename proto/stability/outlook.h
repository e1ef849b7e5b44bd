/* The detector's verdict for people: where it stands and what it waits for. */
#ifndef EBM_STABILITY_OUTLOOK_H
#define EBM_STABILITY_OUTLOOK_H

#include "stability/detector.h"

enum { OUTLOOK_MAX = 320 };

/* "off", "warm-up", or the verdict's name. */
const char *outlook_word(const struct detector *d, const struct detector_limits *l,
                         enum detector_verdict v);

/* One sentence, after the step that was judged. why: the reason of a verdict
 * that is not OK. */
void outlook_say(const struct detector *d, const struct detector_limits *l, enum detector_verdict v,
                 enum detector_signal signal, double suspicion, const char *why,
                 char out[OUTLOOK_MAX]);

#endif
