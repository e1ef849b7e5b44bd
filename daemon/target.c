#include "target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_health(const struct store_checkpoint *c, const char *health)
{
    return strcmp(c->health, health) == 0;
}

/* By id: after a rollback the newest is not the one of the highest step. */
static size_t find_newest(const struct store_checkpoint *rows, size_t n, const char *health)
{
    size_t best = n;

    for (size_t i = 0; i < n; i++)
        if (has_health(&rows[i], health) && (best == n || rows[i].id > rows[best].id))
            best = i;
    return best;
}

static enum ebm_status choose_healthy(const struct store_checkpoint *rows, size_t n, size_t *index,
                                      char *why, struct ebm_error *err)
{
    *index = find_newest(rows, n, "healthy");
    if (*index < n) {
        snprintf(why, TARGET_WHY_MAX, "the newest healthy one");
        return EBM_OK;
    }
    *index = find_newest(rows, n, "probation");
    if (*index < n) {
        snprintf(why, TARGET_WHY_MAX, "the newest on probation: none has proved healthy yet");
        return EBM_OK;
    }
    return ebm_fail(err, EBM_ENOTFOUND,
                    "all %zu checkpoints are suspect or poisoned; name one to go there all the "
                    "same (--to c%" PRId64 ")",
                    n, rows[n - 1].id);
}

static enum ebm_status choose_newest(const struct store_checkpoint *rows, size_t n, size_t *index,
                                     char *why, struct ebm_error *err)
{
    *index = n;
    for (size_t i = 0; i < n; i++)
        if (!has_health(&rows[i], "poisoned") && (*index == n || rows[i].id > rows[*index].id))
            *index = i;
    if (*index == n)
        return ebm_fail(err, EBM_ENOTFOUND, "all %zu checkpoints are poisoned", n);
    snprintf(why, TARGET_WHY_MAX, "the newest one");
    return EBM_OK;
}

/* Digits only. */
static bool read_number(const char *text, uint64_t *out)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static size_t find_id(const struct store_checkpoint *rows, size_t n, uint64_t id)
{
    size_t i = 0;

    while (i < n && (uint64_t)rows[i].id != id)
        i++;
    return i;
}

/* Rows rise by (step, id), so the last one of a step is its newest; one that
 * can be used comes before one that cannot. */
static size_t find_step(const struct store_checkpoint *rows, size_t n, uint64_t step)
{
    size_t best = n;

    for (size_t i = 0; i < n; i++)
        if (rows[i].step == step &&
            (best == n || has_health(&rows[best], "poisoned") || !has_health(&rows[i], "poisoned")))
            best = i;
    return best;
}

static enum ebm_status fail_id(const char *to, const struct store_checkpoint *rows, size_t n,
                               struct ebm_error *err)
{
    char list[TARGET_WHY_MAX] = "";
    size_t used = 0;

    for (size_t i = 0; i < n && used < sizeof list - 32; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%sc%" PRId64, i > 0 ? ", " : "",
                                 rows[i].id);
    return ebm_fail(err, EBM_ENOTFOUND, "no checkpoint %.40s of this job (there are %s)", to, list);
}

static void say_nearest(uint64_t step, const struct store_checkpoint *rows, size_t n, char *out,
                        size_t size)
{
    size_t after = 0;

    while (after < n && rows[after].step < step)
        after++;
    const struct store_checkpoint *c = &rows[after < n ? after : n - 1];
    if (after == 0 || after == n)
        snprintf(out, size, "the %s is c%" PRId64 " at step %" PRIu64,
                 after == 0 ? "first" : "last", c->id, c->step);
    else
        snprintf(out, size,
                 "the nearest are c%" PRId64 " at step %" PRIu64 " and c%" PRId64
                 " at step %" PRIu64,
                 rows[after - 1].id, rows[after - 1].step, c->id, c->step);
}

static enum ebm_status fail_step(uint64_t step, const struct store_checkpoint *rows, size_t n,
                                 struct ebm_error *err)
{
    char nearest[TARGET_WHY_MAX];
    size_t same = find_id(rows, n, step);

    say_nearest(step, rows, n, nearest, sizeof nearest);
    if (same == n)
        return ebm_fail(err, EBM_ENOTFOUND, "no checkpoint at step %" PRIu64 " (%s)", step,
                        nearest);
    return ebm_fail(err, EBM_ENOTFOUND,
                    "no checkpoint at step %" PRIu64 " (%s; the one with that number, at step "
                    "%" PRIu64 ", is c%" PRIu64 ")",
                    step, nearest, rows[same].step, step);
}

static enum ebm_status fail_word(const char *to, struct ebm_error *err)
{
    return ebm_fail(err, EBM_EINVAL,
                    "'%.40s' is no checkpoint: c7, a step as 400, last-healthy or newest", to);
}

/* A person may go where the run diverged from, but never to bytes that
 * cannot be loaded. */
static enum ebm_status take(const struct store_checkpoint *c, const char *as, char *why,
                            struct ebm_error *err)
{
    if (has_health(c, "poisoned"))
        return ebm_fail(err, EBM_ESTATE,
                        "checkpoint c%" PRId64 " (step %" PRIu64
                        ") is poisoned: its bytes cannot be used",
                        c->id, c->step);
    snprintf(why, TARGET_WHY_MAX, "%s%s", as,
             has_health(c, "suspect")
                 ? "; it is suspect: the run diverged after it, from where it is not trusted"
                 : "");
    return EBM_OK;
}

static enum ebm_status choose_id(const char *to, const struct store_checkpoint *rows, size_t n,
                                 size_t *index, char *why, struct ebm_error *err)
{
    uint64_t id;

    if (!read_number(to + 1, &id))
        return fail_word(to, err);
    *index = find_id(rows, n, id);
    return *index < n ? take(&rows[*index], "as asked", why, err) : fail_id(to, rows, n, err);
}

static enum ebm_status choose_step(uint64_t step, const struct store_checkpoint *rows, size_t n,
                                   size_t *index, char *why, struct ebm_error *err)
{
    char as[64];

    *index = find_step(rows, n, step);
    if (*index == n)
        return fail_step(step, rows, n, err);
    snprintf(as, sizeof as, "the newest with step %" PRIu64 ", as asked", step);
    return take(&rows[*index], as, why, err);
}

static bool is_healthy(const char *to)
{
    return to[0] == '\0' || strcmp(to, "last-healthy") == 0;
}

static bool is_newest(const char *to)
{
    return strcmp(to, "newest") == 0;
}

bool target_is_named(const char *to)
{
    return !is_healthy(to) && !is_newest(to);
}

enum ebm_status target_choose(const char *to, const struct store_checkpoint *rows, size_t n,
                              size_t *index, char why[TARGET_WHY_MAX], struct ebm_error *err)
{
    uint64_t step;

    *index = n;
    why[0] = '\0';
    if (n == 0)
        return ebm_fail(err, EBM_ENOTFOUND,
                        "it has no checkpoint yet to go from; with other settings, submit it anew");
    if (is_healthy(to))
        return choose_healthy(rows, n, index, why, err);
    if (is_newest(to))
        return choose_newest(rows, n, index, why, err);
    if (to[0] == 'c')
        return choose_id(to, rows, n, index, why, err);
    if (read_number(to, &step))
        return choose_step(step, rows, n, index, why, err);
    return fail_word(to, err);
}
