#include "story.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replan.h"
#include "stability/ladder.h"

/* The last rollback, and the attempt that it undid. */
struct last {
    struct store_attempt undone, after, before; /* before: the one visited last */
    uint32_t rollbacks;
};

static bool look(void *arg, const struct store_attempt *a)
{
    struct last *l = arg;

    if (strcmp(a->cause, "rollback") == 0) {
        l->undone = l->before;
        l->after = *a;
        l->rollbacks++;
    }
    l->before = *a;
    return true;
}

/* A word that begins a setting: its key, then =. */
static bool begins_setting(const char *text)
{
    size_t key = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.");

    return key > 0 && text[key] == '=';
}

/* Of the setting that text begins with: up to a blank before another one; a
 * value may have blanks, as [0, 1], and in quotes anything. */
static size_t setting_length(const char *text)
{
    bool quoted = false;
    size_t n = 0;

    for (; text[n] != '\0'; n++) {
        if (text[n] == '"' && (n == 0 || text[n - 1] != '\\'))
            quoted = !quoted;
        if (!quoted && text[n] == ' ' && begins_setting(text + n + 1))
            break;
    }
    return n;
}

/* Adds the overrides of an attempt, apart by blanks; what its spec's
 * intervention does is told whole, and not by what changed in it. */
static void read_change(const char *text, bool all, struct ladder_change *out)
{
    while (*text != '\0' && out->sets < LADDER_SETS_MAX) {
        size_t n = setting_length(text);
        bool told = !all && strncmp(text, "intervention.", 13) == 0 &&
                    strncmp(text, "intervention.ramp_after=", 24) != 0;
        if (n > 0 && !told)
            snprintf(out->set[out->sets++], LADDER_SET_MAX, "%.*s", (int)n, text);
        text += n + strspn(text + n, " ");
    }
}

/* What a person changed. */
static void tell_overrides(const struct ladder_change *c, struct buf *out)
{
    for (size_t i = 0; i < c->sets; i++)
        if (strncmp(c->set[i], "noise_epoch=", 12) != 0)
            buf_printf(out, "; %s", c->set[i]);
}

static void tell(const struct last *l, const struct spec *s, struct buf *out)
{
    struct ladder_change change, in_force;
    char what[256];

    if (l->after.from_checkpoint != 0)
        buf_printf(out, "rolled back to %" PRIu64, l->after.from_step);
    else
        buf_puts(out, "rolled back to the start");
    ladder_in_force(s, l->after.from_step, &in_force);
    if (strcmp(l->after.actor, "ebmd") == 0) {
        change = in_force;
        read_change(l->after.overrides, false, &change);
        ladder_describe(&change, what, sizeof what);
        buf_printf(out, ": %.*s%s%s", (int)strcspn(l->undone.reason, ";"), l->undone.reason,
                   what[0] != '\0' ? "; " : "", what);
    } else {
        change.sets = 0;
        read_change(l->after.overrides, true, &change);
        buf_puts(out, " by hand");
        tell_overrides(&change, out);
        ladder_describe(&in_force, what, sizeof what);
        if (what[0] != '\0')
            buf_printf(out, "; still in force: %s", what);
    }
    if (l->rollbacks > 1)
        buf_printf(out, " (the last of %u rollbacks)", l->rollbacks);
}

enum ebm_status story_tell(struct daemon *d, int64_t job, struct buf *out, struct ebm_error *err)
{
    struct last l = {.rollbacks = 0};
    enum ebm_status rc = store_attempt_each(d->store, job, look, &l, err);

    if (rc != EBM_OK || l.rollbacks == 0)
        return rc;
    struct spec *spec = malloc(sizeof *spec);
    if (spec == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for a spec");
    rc = replan_read_attempt_spec(d, job, l.after.attempt, spec, err);
    if (rc == EBM_OK)
        tell(&l, spec, out);
    free(spec);
    return rc;
}
