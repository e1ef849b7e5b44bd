#include "stability/outlook.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_warm(const struct detector *d, const struct detector_limits *l)
{
    return d->healthy >= l->warmup;
}

const char *outlook_word(const struct detector *d, const struct detector_limits *l,
                         enum detector_verdict v)
{
    if (!l->soft && v == VERDICT_OK)
        return "off";
    if (!is_warm(d, l) && v == VERDICT_OK)
        return "warm-up";
    return detector_verdict_name(v);
}

/* The signal that is nearest to being a sign; SIGNAL_COUNT: none was beyond
 * its limit lately. *steps: in how many of its window. */
static enum detector_signal find_pending(const struct detector *d, unsigned *steps)
{
    enum detector_signal found = SIGNAL_COUNT;
    double best = 0;

    *steps = 0;
    for (int s = 0; s < SIGNAL_COUNT; s++) {
        unsigned need, window;
        detector_signal_what((enum detector_signal)s, &need, &window);
        unsigned over = detector_signal_over(d, (enum detector_signal)s);
        if ((double)over / need <= best)
            continue;
        best = (double)over / need;
        found = (enum detector_signal)s;
        *steps = over;
    }
    return found;
}

static void say_ok(const struct detector *d, const struct detector_limits *l,
                   enum detector_signal signal, double suspicion, char out[OUTLOOK_MAX])
{
    char why[LIKENESS_MAX];
    unsigned steps, need, window;
    enum detector_signal pending = find_pending(d, &steps);

    if (pending != SIGNAL_COUNT) {
        const char *what = detector_signal_what(pending, &need, &window);
        snprintf(out, OUTLOOK_MAX,
                 "%s was beyond its limit in %u of the last %u steps; %u make it a sign", what,
                 steps, window, need);
        return;
    }
    if (likeness_differs(&d->likeness, l->range, why)) {
        snprintf(out, OUTLOOK_MAX,
                 "nothing stands out from its own past, but samples differ from the data: %s", why);
        return;
    }
    const char *what = detector_signal_what(signal, &need, &window);
    snprintf(out, OUTLOOK_MAX, "nothing stands out: %s is nearest, at %.0f %% of its limit", what,
             100 * suspicion);
}

void outlook_say(const struct detector *d, const struct detector_limits *l, enum detector_verdict v,
                 enum detector_signal signal, double suspicion, const char *why,
                 char out[OUTLOOK_MAX])
{
    if (v == VERDICT_WARN && d->lost > 0)
        snprintf(out, OUTLOOK_MAX, "%s; %" PRIu64 " more steps of this are a trip", why,
                 detector_lost_more(d));
    else if (v == VERDICT_WARN)
        snprintf(out, OUTLOOK_MAX, "%s; a second sign, or long enough of this one, is a trip", why);
    else if (v != VERDICT_OK)
        snprintf(out, OUTLOOK_MAX, "%s", why);
    else if (!l->soft)
        snprintf(out, OUTLOOK_MAX,
                 "only a figure that is not finite, or an energy beyond %g, is a trip",
                 l->max_energy);
    else if (d->renewed != 0 && d->likeness.count < LIKENESS_STEPS)
        snprintf(out, OUTLOOK_MAX,
                 "begins anew after the whole purge at step %" PRIu64 ": from step %" PRIu64
                 " on its samples must be back",
                 d->renewed - 1, d->renewed - 1 + LIKENESS_STEPS);
    else if (!is_warm(d, l))
        snprintf(out, OUTLOOK_MAX,
                 "learns what is healthy: %" PRIu64 " of %" PRIu64
                 " steps; until then only a runaway is a trip",
                 d->healthy, l->warmup);
    else
        say_ok(d, l, signal, suspicion, out);
}
