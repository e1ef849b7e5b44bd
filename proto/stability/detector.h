/* The divergence detector: a pure function over the scalars of a step.
 *
 * Every rank holds the same scalars after the sum and feeds them in before
 * the step changes anything, so all decide the same in the same iteration.
 * The same scalars are the run's metrics, so a recorded run can be judged
 * again with other thresholds. The state is plain numbers, and travels in the
 * checkpoint.
 *
 * Hard signs (a value that is not finite, a mean energy beyond its limit) are
 * a trip at once. So is, after a few steps, an energy that no longer depends
 * on the samples: its gradient r_t is 0, as of a net whose units are all off.
 * Each soft signal is compared with the run's own healthy history: the median
 * and the median absolute deviation over the last iterations in which nothing
 * stood out; while something does, the history is frozen. A signal has to
 * persist (`need` of the last `window` iterations) before its rule fires. The
 * trip names its onset: the first iteration from which one of the signals,
 * whether it led to the trip or not, was halfway to its limit without a
 * break: rather a step too early than one too late.
 *
 * After a buffer was purged as a whole there is no history to compare with.
 * There the samples have to come back to the data by themselves (likeness.h):
 * where they do not, that is a trip as well, and nothing from the purge on is
 * trusted.
 *
 * The signals and where they come from (r_t, the gap: Nijkamp et al. 2020,
 * appendices C and D; the others: practice, see RESULTS.md for what they were
 * calibrated on) are the rows of detector_rules. */
#ifndef EBM_STABILITY_DETECTOR_H
#define EBM_STABILITY_DETECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/spec.h"
#include "stability/baseline.h"
#include "stability/likeness.h"
#include "wire/wire.h"

enum detector_signal {
    SIGNAL_GAP,      /* mean E(data) - mean E(sample), against its spread */
    SIGNAL_LANGEVIN, /* r_t, as a ratio */
    SIGNAL_GRAD,     /* norm of the parameter gradient, as a ratio */
    SIGNAL_ENERGY,   /* root mean square of the energies, as a ratio */
    SIGNAL_MEAN,     /* mean of the samples less that of the data, against the range */
    SIGNAL_SPREAD,   /* standard deviation of the samples over that of the data, as a ratio */
    SIGNAL_FRESH,    /* chains from noise end with a higher energy than those of the buffer */
    SIGNAL_COUNT
};

enum detector_verdict {
    VERDICT_OK,
    VERDICT_WARN, /* a rule has fired; not enough for a trip */
    VERDICT_SKIP, /* one bad gradient: this step should not be taken */
    VERDICT_TRIP
};

/* What the spec settles. */
struct detector_limits {
    uint64_t warmup;       /* healthy iterations before soft signals count */
    double gap;            /* deviations of the gap from its median */
    double langevin, grad; /* ratios to the median */
    double max_energy;     /* of a mean energy: hard */
    double range;          /* hi - lo of a sample's elements */
    bool soft;             /* soft signals count */
    uint64_t skips_max;    /* lone bad steps in 64 that are skipped; 0: none is */
};

/* A rule's place in the state. */
struct detector_watch {
    uint64_t over;  /* bit i: the signal was beyond its limit i iterations ago */
    uint64_t since; /* step from which it has been halfway there; 0: it is not */
    uint64_t left;  /* first step since then that was beyond the limit; 0: none was */
    uint64_t fired; /* step at which the rule last held; 0 = never */
    uint64_t quiet; /* iterations since it was halfway */
    uint64_t held;  /* iterations in a row in which the rule has held */
};

struct detector {
    uint64_t version;
    uint64_t healthy;    /* iterations in the history, in all */
    uint64_t skips;      /* bit i: the step i iterations ago was skipped (64) */
    double fresh_mean;   /* slow mean of the fresh chains' excess */
    double one_sided;    /* iterations in a row with the same sign of the gap, signed */
    double gap_level;    /* slow mean of |gap| */
    double first_energy; /* root mean square of the energies at the first iteration */
    uint64_t drastic;    /* iterations in a row with several signals far beyond their limits */
    uint64_t dead;       /* iterations in a row with r_t = 0 */
    uint64_t renewed;    /* first step of a history that began anew, until samples are back; 0 */
    uint64_t lost;       /* iterations in a row in which they were not */
    struct likeness likeness, before; /* before: when the history was given up */
    struct detector_watch watch[SIGNAL_COUNT];
    struct baseline baseline[SIGNAL_COUNT];
};

struct detector_judgement {
    enum detector_verdict verdict;
    uint64_t onset;                     /* of a trip: the first step that is not trusted */
    double suspicion;                   /* largest share of a limit that a signal has reached */
    enum detector_signal signal;        /* which one */
    double langevin_low, langevin_high; /* healthy band of r_t; 0, 0 before there is one */
    char reason[240];                   /* "" when OK */
};

void detector_limits_of(const struct spec *s, struct detector_limits *out);

void detector_init(struct detector *d);

/* One iteration; value: its metrics, step: its number, from 1. Only the
 * figures that come out of the sum are looked at, never the times. */
void detector_feed(struct detector *d, const struct detector_limits *l, uint64_t step,
                   const double value[METRIC_COUNT], struct detector_judgement *out);

/* After step, when the run was changed so that its history says little: soft
 * signals start again with an empty one, and samples have to come back. */
void detector_forget(struct detector *d, uint64_t step);

/* What is to be doubted of a run that ends now, as a sentence; false and "":
 * nothing is. */
enum { DETECTOR_DOUBT_MAX = LIKENESS_MAX + 64 };
bool detector_doubt(const struct detector *d, const struct detector_limits *l,
                    char out[DETECTOR_DOUBT_MAX]);

const char *detector_signal_name(enum detector_signal s); /* "energy-gap" */

/* As a sentence has it ("the energy gap"), and when it is a sign: beyond its
 * limit in so many of the last so many steps. */
const char *detector_signal_what(enum detector_signal s, unsigned *need, unsigned *window);

/* The first step from which something that was beyond its limit lately has been
 * halfway there, or of a history that began anew and in which samples are not
 * known to be back; 0: there is none. What comes from there on proves nothing. */
uint64_t detector_suspect_since(const struct detector *d);

/* Steps more with samples that do not come back that are a trip. */
uint64_t detector_lost_more(const struct detector *d);

/* In how many of those it was. */
unsigned detector_signal_over(const struct detector *d, enum detector_signal s);

/* A signal after a step, in its own units. */
struct detector_reading {
    double now, healthy, low, high; /* low, high: its limits; infinite where there is none */
    double share;                   /* of the nearer limit */
    unsigned over;                  /* steps of its window in which it was beyond it */
};

/* value: the metrics of the step that was fed last. Before there is a history
 * healthy, low, high and share are NaN. */
void detector_read(const struct detector *d, const struct detector_limits *l,
                   const double value[METRIC_COUNT], enum detector_signal s,
                   struct detector_reading *out);

const char *detector_verdict_name(enum detector_verdict v);

#endif
