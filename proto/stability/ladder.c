#include "stability/ladder.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SKIP_BATCHES = 200, BURN_IN = 5, RAMP_AFTER_MOST = 1000000000 };

/* On the learning rate and on the size of a Langevin step. */
#define GENTLE 0.5
#define OLDER  0.25

#define LEAST (1.0 / 64)

#define STEPS_GENTLE 1.5
#define STEPS_TRAVEL 2.0
#define STEPS_MOST   8.0
#define ENERGY_L2    0.1
/* How far one Langevin step may move an element, as a share of the range:
 * the clip of the recipes for images (0.03 at a step size of 20), then 0.01. */
#define MOVE       0.3
#define MOVE_AGAIN 0.1
#define CLIP_NORM  0.1
/* What the fields take at most. */
#define CLIP_MOST  1e9
#define WHOLE_MOST 4294967295

static const char blanks[] = " ,\t";

static const char *const names[LADDER_COUNT] = {
    [LADDER_RELOAD] = "reload", [LADDER_NOISE] = "noise", [LADDER_GENTLE] = "gentle",
    [LADDER_FIRM] = "firm",     [LADDER_OLDER] = "older",
};

const char *ladder_name(enum ladder_rung r)
{
    return (unsigned)r < LADDER_COUNT ? names[r] : "?";
}

static enum ladder_rung find(const char *word, size_t n)
{
    int r = 0;

    while (r < LADDER_COUNT && (strlen(names[r]) != n || strncmp(names[r], word, n) != 0))
        r++;
    return (enum ladder_rung)r;
}

/* The next word; NULL at the end. */
static const char *next_word(const char **text, size_t *n)
{
    const char *word = *text + strspn(*text, blanks);

    *n = strcspn(word, blanks);
    *text = word + *n;
    return *n > 0 ? word : NULL;
}

bool ladder_is_list(const char *text, char *word, size_t size)
{
    size_t n, words = 0;
    const char *w;

    snprintf(word, size, "%s", "");
    while ((w = next_word(&text, &n)) != NULL) {
        words++;
        if (find(w, n) != LADDER_COUNT)
            continue;
        snprintf(word, size, "%.*s", (int)n, w);
        return false;
    }
    return words > 0;
}

enum ladder_rung ladder_at(const char *text, uint64_t n)
{
    enum ladder_rung r = LADDER_NOISE;
    size_t length;
    const char *w;

    for (uint64_t i = 0; i <= n && (w = next_word(&text, &length)) != NULL; i++)
        r = find(w, length);
    return r < LADDER_COUNT ? r : LADDER_NOISE;
}

static void add(struct ladder_change *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct ladder_change *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->set[c->sets++], LADDER_SET_MAX, fmt, ap);
    va_end(ap);
}

/* The next of the notches .005, .03, .1 (of a range of 1). */
static double more_noise(double now, double range)
{
    static const double notch[] = {0.005, 0.03, 0.1};

    for (size_t i = 0; i < sizeof notch / sizeof notch[0]; i++)
        if (now < notch[i] * range * 0.999)
            return notch[i] * range;
    return now;
}

static void make_firm(const struct spec *s, double range, struct ladder_change *c)
{
    double clip = 2 * MOVE * range / s->sampler.step_size;
    double noise = more_noise(s->data.noise_std, range);

    if (s->sampler.gradient_clip > 0 && s->sampler.gradient_clip <= clip * 1.001)
        clip = 2 * MOVE_AGAIN * range / s->sampler.step_size;
    clip = clip < CLIP_MOST ? clip : CLIP_MOST;
    if (s->sampler.gradient_clip <= 0 || clip < s->sampler.gradient_clip)
        add(c, "sampler.gradient_clip=%.6g", clip);
    if (noise > s->data.noise_std && noise <= 10)
        add(c, "data.noise_std=%.6g", noise);
    if (s->objective.energy_l2 < ENERGY_L2)
        add(c, "objective.energy_l2=%g", ENERGY_L2);
    if (s->optimizer.kind == OPTIMIZER_ADAM && s->optimizer.gradient_clip <= 0)
        add(c, "optimizer.gradient_clip=%g", CLIP_NORM);
}

/* On what is left of the last intervention. */
struct factors {
    double lr, steps, size;
};

static bool is_relapse(const struct spec *s, const struct ladder_case *c)
{
    const double f[] = {s->intervention.lr_factor, s->intervention.steps_factor,
                        s->intervention.step_size_factor};
    uint64_t end = (uint64_t)s->intervention.at_step + 2 * (uint64_t)s->intervention.ramp_after +
                   (uint64_t)s->intervention.ramp_steps;

    return !c->again && c->diverged < end && (f[0] != 1 || f[1] != 1 || f[2] != 1);
}

/* Chains from noise have but these steps to come to the data in: they get
 * more of them, as long as they were. */
static void make_gentle(const struct spec *s, enum ladder_rung rung, struct factors *f)
{
    bool travels = s->sampler.init == CHAIN_NOISE;
    double by = rung == LADDER_OLDER ? OLDER : GENTLE;

    f->lr *= by;
    f->size *= travels ? 1 : by;
    f->steps *= travels ? STEPS_TRAVEL : STEPS_GENTLE;
    f->lr = f->lr > LEAST ? f->lr : LEAST;
    f->size = f->size > LEAST ? f->size : LEAST;
    f->steps = f->steps < STEPS_MOST ? f->steps : STEPS_MOST;
}

void ladder_plan(const struct spec *s, enum ladder_rung rung, const struct ladder_case *c,
                 struct ladder_change *out)
{
    bool whole = rung >= LADDER_FIRM, relapse = is_relapse(s, c);
    struct factors f = {1, 1, 1};

    *out = (struct ladder_change){.sets = 0};
    if (rung == LADDER_RELOAD)
        return;
    if (c->again || relapse)
        f = (struct factors){s->intervention.lr_factor, s->intervention.steps_factor,
                             s->intervention.step_size_factor};
    if (rung >= LADDER_GENTLE)
        make_gentle(s, rung, &f);
    add(out, "intervention.at_step=%" PRIu64, c->at_step);
    add(out, "intervention.skip_batches=%" PRId64,
        s->intervention.skip_batches < WHOLE_MOST - SKIP_BATCHES
            ? s->intervention.skip_batches + SKIP_BATCHES
            : SKIP_BATCHES);
    add(out, "intervention.purge=%s", whole ? "all" : "outliers");
    add(out, "intervention.burn_in=%d", whole ? BURN_IN : 0);
    add(out, "intervention.lr_factor=%.6g", f.lr);
    add(out, "intervention.steps_factor=%.6g", f.steps);
    add(out, "intervention.step_size_factor=%.6g", f.size);
    if (relapse && s->intervention.ramp_after <= RAMP_AFTER_MOST / 2)
        add(out, "intervention.ramp_after=%" PRId64, 2 * s->intervention.ramp_after);
    if (whole)
        make_firm(s, c->range, out);
}

void ladder_in_force(const struct spec *s, uint64_t from_step, struct ladder_change *out)
{
    static const char *const purges[] = {
        [PURGE_NONE] = "none", [PURGE_OUTLIERS] = "outliers", [PURGE_ALL] = "all"};
    uint64_t at = (uint64_t)s->intervention.at_step;
    uint64_t end = at + (uint64_t)s->intervention.ramp_after + (uint64_t)s->intervention.ramp_steps;

    *out = (struct ladder_change){.sets = 0};
    if (from_step < at)
        return;
    if (from_step < end) {
        add(out, "intervention.lr_factor=%.6g", s->intervention.lr_factor);
        add(out, "intervention.steps_factor=%.6g", s->intervention.steps_factor);
        add(out, "intervention.step_size_factor=%.6g", s->intervention.step_size_factor);
    }
    if (from_step == at && at > 0)
        add(out, "intervention.purge=%s", purges[s->intervention.purge]);
}

/* How an override is said; the rest is not worth a word. */
static const struct {
    const char *key, *fmt, *silent; /* silent: the value that says nothing */
} said[] = {
    {"intervention.lr_factor=", "lr x%s", "1"},
    {"intervention.steps_factor=", "K x%s", "1"},
    {"intervention.step_size_factor=", "Langevin step x%s", "1"},
    {"sampler.gradient_clip=", "sampler clip %s", ""},
    {"data.noise_std=", "data noise %s", ""},
    {"objective.energy_l2=", "energy L2 %s", ""},
    {"optimizer.gradient_clip=", "gradient clip %s", ""},
    {"intervention.ramp_after=", "factors kept for %s steps", ""},
    {"intervention.purge=", "buffer: %s purged", "none"},
};

static const char *value_of(const struct ladder_change *c, const char *key)
{
    size_t n = strlen(key);

    for (size_t i = 0; i < c->sets; i++)
        if (strncmp(c->set[i], key, n) == 0)
            return c->set[i] + n;
    return NULL;
}

void ladder_describe(const struct ladder_change *c, char *out, size_t size)
{
    size_t used = 0;

    snprintf(out, size, "%s", "");
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        const char *value = value_of(c, said[i].key), *hole = strstr(said[i].fmt, "%s");
        if (value == NULL || strcmp(value, said[i].silent) == 0 || used >= size)
            continue;
        used += (size_t)snprintf(out + used, size - used, "%s%.*s%s%s", used > 0 ? ", " : "",
                                 (int)(hole - said[i].fmt), said[i].fmt, value, hole + 2);
    }
}
