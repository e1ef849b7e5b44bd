/* Median and spread of the last healthy values of a signal. */
#ifndef EBM_STABILITY_BASELINE_H
#define EBM_STABILITY_BASELINE_H

#include <stddef.h>
#include <stdint.h>

enum { BASELINE_VALUES = 1024, BASELINE_EVERY = 32 };

struct baseline {
    uint64_t count; /* values put, ever; the newest BASELINE_VALUES are kept */
    double median;
    double deviation; /* 1.4826 x the median absolute deviation: sigma, were it normal */
    float value[BASELINE_VALUES];
};

/* The median and deviation follow every BASELINE_EVERY values, and with each
 * of the first ones. A value that is not finite is not put. */
void baseline_put(struct baseline *b, double value);

/* The median of v (n > 0) and the deviation as above. Reorders v and spoils
 * it; there must be no NaN in it. */
void baseline_of(float *v, size_t n, double *median, double *deviation);

#endif
