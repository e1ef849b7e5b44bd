#include "stability/likeness.h"

#include <math.h>
#include <stdio.h>

#define SLOW  0.01
#define TINY  1e-30
#define FLOOR 0.01 /* of the range: the least spread, as of data of one colour */

/* How far the two may be apart. */
struct limits {
    double gap, mean, spread;
};

static const struct limits differ = {0.5, 0.1, 0.470};      /* spread: log 1.6 */
static const struct limits lost = {INFINITY, 0.25, 0.6931}; /* log 2 */

void likeness_feed(struct likeness *k, const double value[METRIC_COUNT], double range)
{
    double rms = value[METRIC_ENERGY_RMS];
    double gap = value[METRIC_ENERGY_GAP], square = rms * rms;
    double mean = (value[METRIC_SAMPLE_MEAN] - value[METRIC_DATA_MEAN]) / range;
    double floor = FLOOR * range;
    double spread =
        log(fmax(value[METRIC_SAMPLE_STD], floor) / fmax(value[METRIC_DATA_STD], floor));

    if (!isfinite(gap) || !isfinite(square) || !isfinite(mean) ||
        !isfinite(value[METRIC_SAMPLE_STD]) || !isfinite(value[METRIC_DATA_STD]))
        return;
    double rate = k->count == 0 ? 1 : SLOW;
    k->gap += rate * (gap - k->gap);
    k->square += rate * (square - k->square);
    k->mean += rate * (mean - k->mean);
    k->spread += rate * (spread - k->spread);
    k->count++;
}

static bool is_beyond(double now, double before, double limit)
{
    return fabs(now) > limit && fabs(now - before) > limit;
}

/* Those of before that are all 0 leave the limits as they are. */
static bool compare(const struct likeness *k, const struct likeness *before, const struct limits *l,
                    double range, char why[LIKENESS_MAX])
{
    double gap = k->gap / (sqrt(k->square) + TINY);

    why[0] = '\0';
    if (k->count < LIKENESS_STEPS)
        return false;
    if (is_beyond(k->spread, before->spread, l->spread))
        snprintf(why, LIKENESS_MAX, "their spread is %.2g of the data's", exp(k->spread));
    else if (is_beyond(k->mean, before->mean, l->mean))
        snprintf(why, LIKENESS_MAX, "their mean is %.2g off the data's", k->mean * range);
    else if (fabs(gap) > l->gap)
        snprintf(why, LIKENESS_MAX, "the energy gap is %.2g of the energies' own size", gap);
    return why[0] != '\0';
}

bool likeness_differs(const struct likeness *k, double range, char why[LIKENESS_MAX])
{
    static const struct likeness nothing;

    return compare(k, &nothing, &differ, range, why);
}

bool likeness_is_lost(const struct likeness *k, const struct likeness *before, double range,
                      char why[LIKENESS_MAX])
{
    return compare(k, before, &lost, range, why);
}
