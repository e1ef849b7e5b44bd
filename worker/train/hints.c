#include "train/hints.h"

#include <math.h>

#define GROWN     10.0 /* times the first energies */
#define SATURATED 0.95 /* share of the samples' elements at a bound */

/* One trip, and its signals read. */
struct case_file {
    const struct detector *detector;
    const double *value;
    struct detector_reading reading[SIGNAL_COUNT];
};

static bool is_beyond(const struct case_file *c, enum detector_signal s)
{
    return c->reading[s].share >= 1;
}

static bool is_above(const struct case_file *c, enum detector_signal s)
{
    return is_beyond(c, s) && c->reading[s].now > c->reading[s].healthy;
}

static bool is_below(const struct case_file *c, enum detector_signal s)
{
    return is_beyond(c, s) && c->reading[s].now < c->reading[s].healthy;
}

static bool is_not_finite(const struct case_file *c)
{
    return !isfinite(c->value[METRIC_LOSS]) || !isfinite(c->value[METRIC_PARAM_GRAD]) ||
           !isfinite(c->value[METRIC_LANGEVIN_GRAD]);
}

static bool is_dead(const struct case_file *c)
{
    return c->value[METRIC_LANGEVIN_GRAD] == 0;
}

/* Before there is a history to compare with. */
static bool runs_away(const struct case_file *c)
{
    return isnan(c->reading[SIGNAL_ENERGY].share) && c->detector->first_energy > 0 &&
           c->value[METRIC_ENERGY_RMS] > GROWN * c->detector->first_energy;
}

static bool is_saturated(const struct case_file *c)
{
    return c->value[METRIC_SATURATION] > SATURATED;
}

static bool is_steep(const struct case_file *c)
{
    return is_above(c, SIGNAL_LANGEVIN);
}

static bool is_flat(const struct case_file *c)
{
    return is_below(c, SIGNAL_LANGEVIN);
}

static bool lags(const struct case_file *c)
{
    return is_below(c, SIGNAL_GAP);
}

static bool runs_ahead(const struct case_file *c)
{
    return is_above(c, SIGNAL_GAP);
}

static bool does_not_arrive(const struct case_file *c)
{
    return is_above(c, SIGNAL_FRESH);
}

static bool kicks(const struct case_file *c)
{
    return is_above(c, SIGNAL_GRAD);
}

static bool inflates(const struct case_file *c)
{
    return is_above(c, SIGNAL_ENERGY);
}

static bool stays_away(const struct case_file *c)
{
    return c->detector->lost > 0;
}

static bool misses(const struct case_file *c)
{
    return is_beyond(c, SIGNAL_MEAN) || is_beyond(c, SIGNAL_SPREAD);
}

/* The practice of the field; see Du & Mordatch 2019, Nijkamp et al. 2020. */
static const struct {
    bool (*holds)(const struct case_file *c);
    const char *looks, *helps;
} hints[] = {
    {is_not_finite, "a figure is not finite",
     "look for such values in the data; a smaller optimizer.lr, optimizer.gradient_clip"},
    {is_dead, "the energy is the same everywhere (r_t is 0): units that are off for good",
     "a smaller optimizer.lr, optimizer.gradient_clip; leaky_relu or swish instead of relu"},
    {runs_away, "the energies grew manyfold within the warm-up",
     "a smaller optimizer.lr, optimizer.gradient_clip, objective.energy_l2; sampler.gradient_clip"},
    {is_saturated, "nearly all of the samples lies at the bounds of sampler.clamp",
     "shorter Langevin steps: sampler.step_size, sampler.gradient_clip"},
    {is_steep, "the energy has become steep (r_t above its band)",
     "objective.energy_l2, more data.noise_std, a smaller optimizer.lr"},
    {is_flat, "the energy has become flat (r_t below its band), chains hardly move",
     "a smaller optimizer.lr, less objective.energy_l2"},
    {lags, "samples have much higher energies than data: chains do not keep up",
     "more sampler.steps, a smaller optimizer.lr"},
    {runs_ahead,
     "samples have much lower energies than data: chains have left for holes of the energy",
     "more sampler.steps, objective.energy_l2, a larger replay.reinit_prob"},
    {does_not_arrive, "chains from noise end far above those of the buffer",
     "more sampler.steps, so that they arrive; a larger replay.reinit_prob"},
    {kicks, "the parameter gradient is far above its usual size",
     "optimizer.gradient_clip, a smaller optimizer.lr"},
    {inflates, "energies as such have grown far beyond what they were", "objective.energy_l2"},
    {stays_away, "samples did not come back to the data after a recovery that began anew",
     "the spec as such: more sampler.steps, shorter ones, sampler.init: replay, a smaller "
     "optimizer.lr from the start"},
    {misses, "mean or spread of the samples is not that of the data any more",
     "see evidence.png; sampler.noise_std and step_size set how far chains spread"},
};

void hints_write(const struct detector *d, const struct detector_limits *l,
                 const double value[METRIC_COUNT], struct buf *out)
{
    struct case_file c = {.detector = d, .value = value};
    bool any = false;

    for (int s = 0; s < SIGNAL_COUNT; s++)
        detector_read(d, l, value, (enum detector_signal)s, &c.reading[s]);
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        if (!hints[i].holds(&c))
            continue;
        if (!any)
            buf_puts(out, "\nwhat it looks like, and what usually helps\n");
        any = true;
        buf_printf(out, "- %s:\n    %s\n", hints[i].looks, hints[i].helps);
    }
}
