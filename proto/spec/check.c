#include "spec/check.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "spec/problems.h"
#include "spec/text.h"
#include "stability/ladder.h"

enum { SLOTS_MAX = 4096, HEALTHY_CHECKPOINTS = 3 };

static size_t row_of(const char *path)
{
    size_t row = field_find(path);
    assert(row < FIELD_COUNT);
    return row;
}

static bool is_bad(const struct spec_draft *d, const char *path)
{
    return d->bad[row_of(path)];
}

static bool is_given(const struct spec_draft *d, const char *path)
{
    return d->given[row_of(path)];
}

/* A problem that belongs to a field; when that was not given, to its group. */
static void complain(struct spec_draft *d, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void complain(struct spec_draft *d, const char *path, const char *fmt, ...)
{
    size_t row = row_of(path);
    uint32_t line = d->spec->place[row].line, column = d->spec->place[row].column;
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (size_t i = 0; !d->given[row] && i < FIELD_GROUP_COUNT; i++)
        if (field_in_group(&field_table[row], field_group_table[i].name)) {
            line = d->group[i].line;
            column = d->group[i].column;
        }
    d->bad[row] = true;
    problem_at(d->problems, line, column, "%s", text);
}

static void check_name(struct spec_draft *d)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    const char *name = d->spec->name;

    if (is_bad(d, "name"))
        return;
    if (strspn(name, allowed) != strlen(name) || strchr("._-", name[0]) != NULL)
        complain(d, "name",
                 "name '%.40s' must be letters, digits and . _ - , beginning with a letter or "
                 "digit",
                 name);
}

static void check_dataset(struct spec_draft *d)
{
    char why[260];

    if (is_bad(d, "data.dataset"))
        return;
    if (!is_given(d, "data.dataset"))
        complain(d, "data.dataset",
                 "data.dataset is missing: say what to learn from, as "
                 "fashion-mnist, idx:DIR or toy/rings");
    else if (!dataset_settle_name(d->spec, why, sizeof why))
        complain(d, "data.dataset", "data.dataset: %s", why);
}

static void check_model(struct spec_draft *d)
{
    const char *presets = field_table[row_of("model.preset")].words;
    struct spec *s = d->spec;
    char near[SPEC_NAME_MAX];

    if (is_bad(d, "model.preset") || is_bad(d, "model.layers"))
        return;
    if (is_given(d, "model.preset") && is_given(d, "model.layers")) {
        complain(d, "model.layers", "model has both 'preset' and 'layers': give one of them");
        return;
    }
    if (!is_given(d, "model.preset") && !is_given(d, "model.layers")) {
        complain(d, "model.preset",
                 "model.preset is missing: give a preset (mlp, conv-seed, conv-small) or a list of "
                 "layers");
        return;
    }
    if (is_given(d, "model.layers") || net_preset(s->model.preset, s->layers, &s->layer_count))
        return;
    if (text_nearest(presets, s->model.preset, near, sizeof near, NULL))
        complain(d, "model.preset", "model.preset: no preset '%.40s' (did you mean '%s'?)",
                 s->model.preset, near);
    else
        complain(d, "model.preset",
                 "model.preset: no preset '%.40s': there are mlp, conv-seed and conv-small",
                 s->model.preset);
}

static void check_train(struct spec_draft *d)
{
    bool epochs = is_given(d, "train.epochs"), steps = is_given(d, "train.steps");

    if (is_bad(d, "train.epochs") || is_bad(d, "train.steps"))
        return;
    if (epochs && steps)
        complain(d, "train.steps", "train has both 'epochs' and 'steps': give one of them");
    else if (!epochs && !steps)
        complain(d, "train.steps", "train.steps is missing: give either 'epochs' or 'steps'");
    else if (epochs && !is_bad(d, "data.dataset") && dataset_is_toy(d->spec->data.dataset))
        complain(d, "train.epochs", "train.epochs: a toy set has no end: give 'steps' instead");
}

static void check_replay(struct spec_draft *d)
{
    const struct spec *s = d->spec;

    if (is_bad(d, "replay.size") || is_bad(d, "data.batch_size") || is_bad(d, "sampler.init") ||
        s->sampler.init != CHAIN_REPLAY || s->replay.size >= s->data.batch_size)
        return;
    complain(d, is_given(d, "replay.size") ? "replay.size" : "data.batch_size",
             "replay.size (%" PRId64 ") is smaller than data.batch_size (%" PRId64
             "): each step draws a batch of different slots",
             s->replay.size, s->data.batch_size);
}

static void check_retention(struct spec_draft *d)
{
    const struct spec *s = d->spec;

    if (is_bad(d, "checkpoint.keep_last") || is_bad(d, "checkpoint.every_steps") ||
        s->checkpoint.keep_last >= HEALTHY_CHECKPOINTS)
        return;
    complain(d, "checkpoint.keep_last",
             "checkpoint.keep_last (%" PRId64 ") is shorter than the detection of a divergence: a "
             "checkpoint is known to be healthy after 2 x every_steps (%" PRId64
             " steps), so keep at least %d",
             s->checkpoint.keep_last, 2 * s->checkpoint.every_steps, HEALTHY_CHECKPOINTS);
}

static void check_resources(struct spec_draft *d)
{
    const struct spec *s = d->spec;

    if (is_bad(d, "resources.ranks") || is_bad(d, "resources.threads") ||
        s->resources.ranks * s->resources.threads <= SLOTS_MAX)
        return;
    complain(d, is_given(d, "resources.ranks") ? "resources.ranks" : "resources.threads",
             "resources: ranks x threads is %" PRId64 ": at most %d",
             s->resources.ranks * s->resources.threads, SLOTS_MAX);
}

static void check_optimizer(struct spec_draft *d)
{
    const struct spec *s = d->spec;

    if (is_bad(d, "optimizer.kind") || is_bad(d, "optimizer.momentum"))
        return;
    if (s->optimizer.kind == OPTIMIZER_ADAM && s->optimizer.momentum > 0)
        complain(d, "optimizer.momentum",
                 "optimizer.momentum is for sgd: adam has 'betas' (the first one)");
}

static void check_ladder(struct spec_draft *d)
{
    char word[32], near[32];

    if (is_bad(d, "stability.ladder") ||
        ladder_is_list(d->spec->stability.ladder, word, sizeof word))
        return;
    const char *words = field_table[row_of("stability.ladder")].words;
    if (word[0] == '\0')
        complain(d, "stability.ladder",
                 "stability.ladder is empty: say what to do, as 'noise gentle'");
    else if (text_nearest(words, word, near, sizeof near, NULL))
        complain(d, "stability.ladder", "stability.ladder: no rung '%s' (did you mean '%s'?)", word,
                 near);
    else
        complain(d, "stability.ladder", "stability.ladder: no rung '%s': there are %s", word,
                 words);
}

/* With a host after it; blanks would be cut off in a request. */
static bool is_web_address(const char *url)
{
    const char *host = strncasecmp(url, "https://", 8) == 0  ? url + 8
                       : strncasecmp(url, "http://", 7) == 0 ? url + 7
                                                             : "";

    return host[0] != '\0' && strchr("/:?#", host[0]) == NULL && strchr(url, ' ') == NULL;
}

static void check_on_event(struct spec_draft *d)
{
    const char *events = field_table[row_of("on_event.events")].words;
    const struct spec *s = d->spec;
    char word[SPEC_NAME_MAX], near[SPEC_NAME_MAX];

    if (!is_bad(d, "on_event.url") && s->on_event.url[0] != '\0' &&
        !is_web_address(s->on_event.url))
        complain(d, "on_event.url",
                 "on_event.url must begin with http:// or https:// and a host, not '%.80s'",
                 s->on_event.url);
    if (is_bad(d, "on_event.events"))
        return;
    if (events_are_known(s->on_event.events, word, sizeof word)) {
        if (events_contradict(s->on_event.events))
            complain(d, "on_event.events", "on_event.events: none goes with no other event");
        return;
    }
    if (text_nearest(events, word, near, sizeof near, NULL))
        complain(d, "on_event.events", "on_event.events: no event '%s' (did you mean '%s'?)", word,
                 near);
    else
        complain(d, "on_event.events",
                 "on_event.events: no event '%s': there are diverged, rolled-back, finished, "
                 "failed, paused and cancelled, or none",
                 word);
}

/* The shapes, where the data set's are known without a disk: so that their
 * problems come with all the others. */
static void check_net(struct spec_draft *d)
{
    const struct spec *s = d->spec;
    struct ebm_error err;
    struct net_shape shape;
    struct net net;
    size_t bad = 0;

    if (is_bad(d, "data.dataset") || is_bad(d, "model.preset") || is_bad(d, "model.layers") ||
        strncmp(s->data.dataset, "idx:", 4) == 0)
        return;
    if (spec_dataset_shape(s->data.dataset, &shape, NULL, NULL) != EBM_OK ||
        net_settle(&net, shape, s->layers, s->layer_count, &bad, &err) == EBM_OK)
        return;
    if (bad < s->layer_count && s->layers[bad].line != 0)
        problem_at(d->problems, s->layers[bad].line, s->layers[bad].column, "%s", err.text);
    else
        complain(d, s->model.preset[0] != '\0' ? "model.preset" : "model.layers", "%s", err.text);
}

void check_draft(struct spec_draft *d)
{
    static void (*const checks[])(struct spec_draft *) = {
        check_name,   check_dataset,   check_model,     check_train,
        check_replay, check_retention, check_resources, check_optimizer,
        check_ladder, check_on_event,  check_net,
    };

    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        checks[i](d);
    size_t clamp = row_of("sampler.clamp");
    if (!d->given[clamp])
        field_set_clamp(d->spec);
}
