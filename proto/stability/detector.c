#include "stability/detector.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    VERSION = 8,
    QUIET_ENDS = 10, /* iterations below halfway that end an onset */
    TOGETHER = 100,  /* rules that fire within so many iterations count together */
    TRIP_WEIGHT = 2,
    HELD_DOUBLES = 300, /* a rule that holds so long counts twice */
    ONE_SIDED = 500,
    ONE_SIDED_GROWTH = 4,
    DRASTIC_SIGNALS = 2, /* so many signals ... */
    DRASTIC_STEPS = 5,   /* ... so far out, so many steps in a row, are a trip */
    DEAD_STEPS = 20,     /* so many steps in a row without a Langevin gradient are one */
    LOST_STEPS = 100,    /* so many with samples that have not come back are one */
    BACK_STEPS = 1000    /* so many after a history began anew, they are back or lost */
};

#define FRESH_SLOW  0.05 /* of the slow mean of the fresh chains' excess */
#define LEVEL_SLOW  0.01 /* of the slow mean of |gap| */
#define GAP_FLOOR   0.02 /* of the energies: the least deviation of the gap */
#define FRESH_FLOOR 3.0  /* energies: the least excess of fresh chains that counts */
#define RUNAWAY     1e3  /* first energies (at least 1): before there is a history */
#define VIOLENT     20.0 /* shares of a limit */
#define DRASTIC     3.0
#define PLAIN       1.5
#define TINY        1e-30

/* A soft signal and when it counts. `sigmas`: its limit is at least so many
 * deviations of its own healthy history, so that a noisy run is given room. */
struct rule {
    const char *name, *what;
    double sigmas;
    unsigned need, window; /* at most 64 */
    unsigned weight;
};

static const struct rule detector_rules[SIGNAL_COUNT] = {
    [SIGNAL_GAP] = {"energy-gap", "the energy gap", 0, 20, 20, 2},
    [SIGNAL_LANGEVIN] = {"langevin-grad", "r_t", 6, 45, 50, 1},
    [SIGNAL_GRAD] = {"param-grad", "the parameter gradient", 6, 10, 20, 1},
    [SIGNAL_ENERGY] = {"energy", "the size of the energies", 6, 20, 20, 1},
    [SIGNAL_MEAN] = {"sample-mean", "the samples' mean", 6, 45, 50, 1},
    [SIGNAL_SPREAD] = {"sample-spread", "the samples' spread", 6, 45, 50, 1},
    [SIGNAL_FRESH] = {"fresh-chains", "the excess energy of fresh chains", 10, 50, 60, 1},
};

unsigned detector_signal_over(const struct detector *d, enum detector_signal s)
{
    unsigned window = detector_rules[s].window;
    uint64_t mask = window >= 64 ? UINT64_MAX : ((uint64_t)1 << window) - 1;

    return (unsigned)__builtin_popcountll(d->watch[s].over & mask);
}

/* After a history began anew, and before its samples are known to be back. */
static bool is_unproven(const struct detector *d)
{
    return d->renewed != 0 && (d->likeness.count < LIKENESS_STEPS || d->lost > 0);
}

/* This step, or the first one of a history that is not trusted yet. */
static uint64_t trusted_before(const struct detector *d, uint64_t step)
{
    return is_unproven(d) && d->renewed < step ? d->renewed : step;
}

uint64_t detector_suspect_since(const struct detector *d)
{
    uint64_t first = trusted_before(d, UINT64_MAX);

    for (int s = 0; s < SIGNAL_COUNT; s++) {
        uint64_t since = d->watch[s].since;
        if (since != 0 && since < first && detector_signal_over(d, (enum detector_signal)s) > 0)
            first = since;
    }
    return first < UINT64_MAX ? first : 0;
}

const char *detector_signal_name(enum detector_signal s)
{
    return (unsigned)s < SIGNAL_COUNT ? detector_rules[s].name : "?";
}

const char *detector_signal_what(enum detector_signal s, unsigned *need, unsigned *window)
{
    *need = detector_rules[s].need;
    *window = detector_rules[s].window;
    return detector_rules[s].what;
}

const char *detector_verdict_name(enum detector_verdict v)
{
    static const char *const name[] = {"ok", "warn", "skip", "trip"};

    return (unsigned)v < sizeof name / sizeof name[0] ? name[v] : "?";
}

void detector_limits_of(const struct spec *s, struct detector_limits *out)
{
    float lo, hi;

    spec_sample_range(s, &lo, &hi);
    *out = (struct detector_limits){
        .warmup = (uint64_t)s->stability.warmup_steps,
        .gap = s->stability.gap_deviations,
        .langevin = s->stability.langevin_ratio,
        .grad = s->stability.gradient_ratio,
        .max_energy = s->stability.max_energy,
        .range = (double)(hi - lo),
        .skips_max = (uint64_t)s->stability.skip_bad_steps,
        .soft = s->stability.detector == SWITCH_ON,
    };
}

void detector_init(struct detector *d)
{
    memset(d, 0, sizeof *d);
    d->version = VERSION;
}

void detector_forget(struct detector *d, uint64_t step)
{
    struct likeness before = d->renewed != 0 ? d->before : d->likeness;

    detector_init(d);
    d->renewed = step + 1;
    d->before = before;
}

/* ---- signals ---- */

static double ratio(double a, double b)
{
    return log((a > TINY ? a : TINY) / (b > TINY ? b : TINY));
}

/* How far each signal may go up and down from its median. */
struct room {
    double up, down;
};

static double spread_of(const struct detector *d)
{
    double floor = GAP_FLOOR * exp(d->baseline[SIGNAL_ENERGY].median);
    double deviation = d->baseline[SIGNAL_GAP].deviation;

    return (deviation > floor ? deviation : floor) + TINY;
}

static struct room room_of(const struct detector *d, const struct detector_limits *l,
                           enum detector_signal s)
{
    double sigmas = detector_rules[s].sigmas * d->baseline[s].deviation;
    struct room r = {INFINITY, INFINITY};

    switch (s) {
    case SIGNAL_GAP:
        r.up = r.down = l->gap * spread_of(d);
        return r;
    case SIGNAL_LANGEVIN:
        r = (struct room){log(l->langevin), log(2 * l->langevin)};
        break;
    case SIGNAL_GRAD:
        r.up = log(l->grad);
        break;
    case SIGNAL_ENERGY:
        r.up = log(30.0);
        break;
    case SIGNAL_MEAN:
        r = (struct room){0.25, 0.25};
        break;
    case SIGNAL_SPREAD:
        r = (struct room){log(2.5), log(4.0)};
        break;
    case SIGNAL_FRESH:
        r.up = FRESH_FLOOR * exp(d->baseline[SIGNAL_ENERGY].median);
        break;
    case SIGNAL_COUNT:
        break;
    }
    r.up = r.up > sigmas ? r.up : sigmas;
    r.down = r.down > sigmas ? r.down : sigmas;
    return r;
}

static void read_signals(const struct detector *d, const struct detector_limits *l,
                         const double value[METRIC_COUNT], double signal[SIGNAL_COUNT])
{
    signal[SIGNAL_GAP] = value[METRIC_ENERGY_GAP];
    signal[SIGNAL_LANGEVIN] = ratio(value[METRIC_LANGEVIN_GRAD], 1);
    signal[SIGNAL_GRAD] = ratio(value[METRIC_PARAM_GRAD], 1);
    signal[SIGNAL_ENERGY] = ratio(value[METRIC_ENERGY_RMS], 1);
    signal[SIGNAL_MEAN] = (value[METRIC_SAMPLE_MEAN] - value[METRIC_DATA_MEAN]) / l->range;
    signal[SIGNAL_SPREAD] = ratio(value[METRIC_SAMPLE_STD], value[METRIC_DATA_STD]);
    signal[SIGNAL_FRESH] = d->fresh_mean;
}

/* Share of its room that a signal has used. */
static double share_of(const struct detector *d, const struct detector_limits *l,
                       enum detector_signal s, double signal)
{
    struct room r = room_of(d, l, s);
    double away = signal - d->baseline[s].median;

    return away >= 0 ? away / r.up : -away / r.down;
}

/* From what is compared to what people know. */
static double unit_of(const struct detector_limits *l, enum detector_signal s, double v)
{
    switch (s) {
    case SIGNAL_LANGEVIN:
    case SIGNAL_GRAD:
    case SIGNAL_ENERGY:
    case SIGNAL_SPREAD:
        return exp(v);
    case SIGNAL_MEAN:
        return v * l->range;
    default:
        return v;
    }
}

void detector_read(const struct detector *d, const struct detector_limits *l,
                   const double value[METRIC_COUNT], enum detector_signal s,
                   struct detector_reading *out)
{
    double signal[SIGNAL_COUNT], median = d->baseline[s].median;
    struct room r = room_of(d, l, s);

    read_signals(d, l, value, signal);
    *out = (struct detector_reading){unit_of(l, s, signal[s]), NAN, NAN, NAN, NAN, 0};
    if (d->baseline[s].count == 0)
        return;
    out->healthy = unit_of(l, s, median);
    out->low = isinf(r.down) ? -INFINITY : unit_of(l, s, median - r.down);
    out->high = isinf(r.up) ? INFINITY : unit_of(l, s, median + r.up);
    out->share = share_of(d, l, s, signal[s]);
    out->over = detector_signal_over(d, s);
}

/* ---- hard signs ---- */

static bool is_hard(const struct detector_limits *l, const double value[METRIC_COUNT])
{
    static const enum wire_metric must[] = {
        METRIC_LOSS,       METRIC_ENERGY_DATA, METRIC_ENERGY_SAMPLE, METRIC_LANGEVIN_GRAD,
        METRIC_PARAM_GRAD, METRIC_SAMPLE_MEAN, METRIC_SAMPLE_STD,
    };

    for (size_t i = 0; i < sizeof must / sizeof must[0]; i++)
        if (!isfinite(value[must[i]]))
            return true;
    return fabs(value[METRIC_ENERGY_DATA]) > l->max_energy ||
           fabs(value[METRIC_ENERGY_SAMPLE]) > l->max_energy;
}

/* Before there is a history: three orders of magnitude within the warm-up. */
static bool runs_away(const struct detector *d, const double value[METRIC_COUNT])
{
    return value[METRIC_ENERGY_RMS] > RUNAWAY * d->first_energy;
}

/* How far the energies have run within the warm-up: a share of a runaway. */
static double runaway_share(const struct detector *d, const double value[METRIC_COUNT])
{
    double share = ratio(value[METRIC_ENERGY_RMS], d->first_energy) / log(RUNAWAY);

    return share > 0 ? share : 0;
}

/* ---- rules ---- */

static void watch_one(struct detector *d, enum detector_signal s, double share, uint64_t step)
{
    struct detector_watch *w = &d->watch[s];

    w->over = w->over << 1 | (share >= 1);
    w->quiet = share >= 0.5 ? 0 : w->quiet + 1;
    if (share >= 0.5 && w->since == 0)
        w->since = step;
    else if (w->quiet >= QUIET_ENDS)
        w->since = w->left = 0;
    if (share >= 1 && w->left == 0)
        w->left = step;
    bool holds = detector_signal_over(d, s) >= detector_rules[s].need;
    w->held = holds ? w->held + 1 : 0;
    if (holds)
        w->fired = step;
}

/* The gap has had one sign for long, and has grown: what comes before data
 * and samples part for good. */
static bool is_one_sided(const struct detector *d)
{
    double usual = fabs(d->baseline[SIGNAL_GAP].median) + spread_of(d);

    return fabs(d->one_sided) >= ONE_SIDED && d->gap_level > ONE_SIDED_GROWTH * usual;
}

static void follow_gap(struct detector *d, double gap)
{
    if ((gap > 0) != (d->one_sided > 0))
        d->one_sided = 0;
    d->one_sided += gap > 0 ? 1 : -1;
    d->gap_level += LEVEL_SLOW * (fabs(gap) - d->gap_level);
}

static unsigned weight_of(const struct detector *d, enum detector_signal s, uint64_t step)
{
    const struct detector_watch *w = &d->watch[s];

    if (w->fired == 0 || step - w->fired > TOGETHER)
        return s == SIGNAL_GAP && is_one_sided(d);
    return w->held >= HELD_DOUBLES ? TRIP_WEIGHT : detector_rules[s].weight;
}

/* ---- the verdict ---- */

static uint64_t onset_of(const struct detector *d, uint64_t step)
{
    uint64_t onset = step;

    for (int s = 0; s < SIGNAL_COUNT; s++)
        if (d->watch[s].since != 0 && d->watch[s].since < onset)
            onset = d->watch[s].since;
    return trusted_before(d, onset);
}

/* Of a logarithm: where that ends, at TINY, is 0. */
static double level_of(double signal)
{
    double level = exp(signal);

    return level > 2 * TINY ? level : 0;
}

static void explain(const struct detector *d, const struct detector_limits *l,
                    enum detector_signal s, double signal, uint64_t step, char *text, size_t size)
{
    const struct rule *r = &detector_rules[s];
    const struct detector_watch *w = &d->watch[s];
    double median = d->baseline[s].median;
    uint64_t left = w->left != 0 ? w->left : step;

    if (s == SIGNAL_GAP && is_one_sided(d) && w->fired == 0)
        snprintf(text, size, "%s (%.4g) has had one sign for %.0f steps and has grown", r->what,
                 signal, fabs(d->one_sided));
    else if (s == SIGNAL_GAP)
        snprintf(text, size,
                 "%s is %.4g, %.1f deviations from its healthy %.4g, since step %" PRIu64, r->what,
                 signal, fabs(signal - median) / spread_of(d), median, left);
    else if (s == SIGNAL_MEAN || s == SIGNAL_FRESH)
        snprintf(text, size, "%s left its band (%.3g, healthy %.3g) at step %" PRIu64, r->what,
                 signal * (s == SIGNAL_MEAN ? l->range : 1),
                 median * (s == SIGNAL_MEAN ? l->range : 1), left);
    else
        snprintf(text, size, "%s left its band (%.4g, healthy %.4g) at step %" PRIu64, r->what,
                 level_of(signal), level_of(median), left);
}

/* Far out in several ways at once: no need to wait for the windows. A blow
 * that can be over in three steps is seen in the first one. */
static void follow_drastic(struct detector *d, const double share[SIGNAL_COUNT])
{
    unsigned n = 0, plain = 0, violent = 0;

    for (int s = 0; s < SIGNAL_COUNT; s++) {
        n += share[s] >= DRASTIC;
        plain += share[s] >= PLAIN;
        violent += share[s] >= VIOLENT;
    }
    if (violent > 0 && plain >= DRASTIC_SIGNALS)
        d->drastic = DRASTIC_STEPS;
    else
        d->drastic = n >= DRASTIC_SIGNALS ? d->drastic + 1 : 0;
}

/* A lone bad gradient: nothing else stands out. */
static bool is_lone(const double share[SIGNAL_COUNT])
{
    for (int s = 0; s < SIGNAL_COUNT; s++)
        if (s != SIGNAL_GRAD && share[s] >= 1)
            return false;
    return share[SIGNAL_GRAD] >= 1;
}

static bool may_skip(const struct detector *d, const struct detector_limits *l)
{
    return (uint64_t)__builtin_popcountll(d->skips) < l->skips_max;
}

static void say(const struct detector *d, const struct detector_limits *l,
                const double signal[SIGNAL_COUNT], enum detector_signal first,
                enum detector_signal second, uint64_t step, struct detector_judgement *out)
{
    size_t n = sizeof out->reason;
    char text[sizeof out->reason];

    out->signal = first;
    explain(d, l, first, signal[first], step, out->reason, n);
    if (second == SIGNAL_COUNT)
        return;
    explain(d, l, second, signal[second], step, text, sizeof text);
    size_t used = strlen(out->reason);
    snprintf(out->reason + used, n - used, "; %s", text);
}

static void judge(struct detector *d, const struct detector_limits *l,
                  const double signal[SIGNAL_COUNT], const double share[SIGNAL_COUNT],
                  uint64_t step, struct detector_judgement *out)
{
    enum detector_signal first = SIGNAL_COUNT, second = SIGNAL_COUNT;
    unsigned sum = 0, best = 0;

    follow_drastic(d, share);
    for (int s = 0; s < SIGNAL_COUNT; s++) {
        unsigned weight = weight_of(d, (enum detector_signal)s, step);
        if (weight == 0 && d->drastic >= DRASTIC_STEPS && share[s] >= PLAIN)
            weight = 1;
        sum += weight;
        if (weight > best) {
            second = first;
            first = (enum detector_signal)s;
            best = weight;
        } else if (weight > 0 && second == SIGNAL_COUNT) {
            second = (enum detector_signal)s;
        }
    }
    bool lone = sum < TRIP_WEIGHT && is_lone(share), skips = lone && may_skip(d, l);
    d->skips = d->skips << 1 | skips;
    if (lone && !skips && sum == 0 && l->skips_max > 0) { /* one too many, so it is taken */
        out->verdict = VERDICT_WARN;
        say(d, l, signal, SIGNAL_GRAD, SIGNAL_COUNT, step, out);
    } else if (sum >= TRIP_WEIGHT || (sum > 0 && !skips)) {
        out->verdict = sum >= TRIP_WEIGHT ? VERDICT_TRIP : VERDICT_WARN;
        say(d, l, signal, first, second, step, out);
    } else if (skips) {
        out->verdict = VERDICT_SKIP;
        say(d, l, signal, SIGNAL_GRAD, SIGNAL_COUNT, step, out);
    }
    out->onset = onset_of(d, step);
}

/* ---- history ---- */

static bool is_quiet(const struct detector *d, const double share[SIGNAL_COUNT])
{
    for (int s = 0; s < SIGNAL_COUNT; s++) {
        const struct rule *r = &detector_rules[s];
        unsigned over = detector_signal_over(d, (enum detector_signal)s);
        if (share[s] >= 1 || over > r->need / 4)
            return false;
    }
    return true;
}

static void remember(struct detector *d, const struct detector_limits *l,
                     const double signal[SIGNAL_COUNT])
{
    /* The first half of the warm-up is no history: r_t begins far below. */
    if (++d->healthy <= l->warmup / 2)
        return;
    for (int s = 0; s < SIGNAL_COUNT; s++)
        baseline_put(&d->baseline[s], signal[s]);
}

static void note_band(const struct detector *d, const struct detector_limits *l,
                      struct detector_judgement *out)
{
    const struct baseline *b = &d->baseline[SIGNAL_LANGEVIN];
    struct room r = room_of(d, l, SIGNAL_LANGEVIN);

    if (b->count == 0)
        return;
    out->langevin_low = exp(b->median - r.down);
    out->langevin_high = exp(b->median + r.up);
}

static void trip_dead(const struct detector *d, uint64_t step, struct detector_judgement *out)
{
    out->verdict = VERDICT_TRIP;
    out->suspicion = 1;
    out->signal = SIGNAL_LANGEVIN;
    out->onset = onset_of(d, step - d->dead + 1); /* a net that died slowly was ill before */
    snprintf(out->reason, sizeof out->reason,
             "the net is dead: r_t is 0 since step %" PRIu64
             ", so the energy does not depend on the samples",
             step - d->dead + 1);
}

/* Samples after a history began anew: a warning while they are away, and a
 * trip when they stay so. */
static bool are_lost(struct detector *d, const struct detector_limits *l, uint64_t step,
                     struct detector_judgement *out)
{
    char why[LIKENESS_MAX];

    if (d->renewed == 0)
        return false;
    d->lost = likeness_is_lost(&d->likeness, &d->before, l->range, why) ? d->lost + 1 : 0;
    if (d->lost == 0 && d->likeness.count >= BACK_STEPS)
        d->renewed = 0;
    if (d->lost == 0)
        return false;
    out->verdict = d->lost < LOST_STEPS ? VERDICT_WARN : VERDICT_TRIP;
    out->suspicion = (double)d->lost / LOST_STEPS;
    out->signal = SIGNAL_SPREAD;
    out->onset = d->renewed;
    snprintf(out->reason, sizeof out->reason,
             "%" PRIu64 " steps after the whole purge at step %" PRIu64
             " the samples have not come back to the data: %s",
             step - d->renewed + 1, d->renewed - 1, why);
    return out->verdict == VERDICT_TRIP;
}

uint64_t detector_lost_more(const struct detector *d)
{
    return d->lost < LOST_STEPS ? LOST_STEPS - d->lost : 0;
}

bool detector_doubt(const struct detector *d, const struct detector_limits *l,
                    char out[DETECTOR_DOUBT_MAX])
{
    char why[LIKENESS_MAX];

    out[0] = '\0';
    if (likeness_differs(&d->likeness, l->range, why))
        snprintf(out, DETECTOR_DOUBT_MAX, "its samples differ from its data: %s", why);
    else if (is_unproven(d))
        snprintf(out, DETECTOR_DOUBT_MAX,
                 "it ended %" PRIu64 " steps after a whole purge, too soon to know whether its "
                 "samples came back",
                 d->likeness.count);
    return out[0] != '\0';
}

void detector_feed(struct detector *d, const struct detector_limits *l, uint64_t step,
                   const double value[METRIC_COUNT], struct detector_judgement *out)
{
    double signal[SIGNAL_COUNT], share[SIGNAL_COUNT] = {0};
    bool warm = d->healthy >= l->warmup;

    *out = (struct detector_judgement){.onset = step};
    note_band(d, l, out);
    if (is_hard(l, value)) {
        out->verdict = VERDICT_TRIP;
        out->suspicion = 1;
        out->onset = onset_of(d, step);
        snprintf(out->reason, sizeof out->reason,
                 "step %" PRIu64 ": a figure is not finite, or an energy is beyond its limit",
                 step);
        return;
    }
    likeness_feed(&d->likeness, value, l->range);
    if (!l->soft)
        return;
    if (d->first_energy == 0)
        d->first_energy = value[METRIC_ENERGY_RMS] > 1 ? value[METRIC_ENERGY_RMS] : 1;
    if (!warm && runs_away(d, value)) {
        out->verdict = VERDICT_TRIP;
        out->suspicion = 1;
        out->signal = SIGNAL_ENERGY;
        out->onset = onset_of(d, step);
        snprintf(out->reason, sizeof out->reason,
                 "%s ran away from %.3g to %.3g within the warm-up",
                 detector_rules[SIGNAL_ENERGY].what, d->first_energy, value[METRIC_ENERGY_RMS]);
        return;
    }
    d->dead = value[METRIC_LANGEVIN_GRAD] <= TINY ? d->dead + 1 : 0;
    if (d->dead >= DEAD_STEPS) {
        trip_dead(d, step, out);
        return;
    }
    if (are_lost(d, l, step, out))
        return;
    if (isfinite(value[METRIC_FRESH_GAP]))
        d->fresh_mean += FRESH_SLOW * (value[METRIC_FRESH_GAP] - d->fresh_mean);
    follow_gap(d, value[METRIC_ENERGY_GAP]);
    read_signals(d, l, value, signal);
    for (int s = 0; s < SIGNAL_COUNT; s++) {
        if (warm)
            share[s] = share_of(d, l, (enum detector_signal)s, signal[s]);
        else if (s == SIGNAL_ENERGY)
            share[s] = runaway_share(d, value);
        watch_one(d, (enum detector_signal)s, share[s], step);
        if (share[s] > out->suspicion) {
            out->suspicion = share[s];
            out->signal = (enum detector_signal)s;
        }
    }
    if (is_quiet(d, share) && d->dead == 0)
        remember(d, l, signal);
    if (warm)
        judge(d, l, signal, share, step, out);
}
