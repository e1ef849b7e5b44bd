#include "retention.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_health(const struct retention_row *r, const char *health)
{
    return strcmp(r->c.health, health) == 0;
}

static bool may_be_best(const struct retention_row *r)
{
    return isfinite(r->c.score) && !has_health(r, "suspect") && !has_health(r, "poisoned");
}

/* ---- orders ---- */

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Newest first. */
static int by_age(const void *a, const void *b)
{
    const struct retention_row *x = a, *y = b;

    return compare_u64((uint64_t)y->c.id, (uint64_t)x->c.id);
}

/* Best first; those that cannot be the best come last. */
static int by_score(const void *a, const void *b)
{
    const struct retention_row *x = a, *y = b;
    bool first = may_be_best(x), second = may_be_best(y);

    if (!first || !second)
        return second - first;
    if (x->c.score != y->c.score)
        return x->c.score < y->c.score ? -1 : 1;
    return by_age(a, b);
}

/* As the store lists them. */
static int by_step(const void *a, const void *b)
{
    const struct retention_row *x = a, *y = b;

    return x->c.step != y->c.step ? compare_u64(x->c.step, y->c.step) : by_age(b, a);
}

/* ---- reasons ---- */

static void keep(struct retention_row *r, const char *why)
{
    size_t used = strlen(r->because);

    r->keep = true;
    snprintf(r->because + used, sizeof r->because - used, "%s%s", used > 0 ? " " : "", why);
}

/* Marks the first `most` of the rows that are there and, for the best, may be. */
static void keep_first(struct retention_row *row, size_t n, uint32_t most, const char *name,
                       bool best)
{
    char why[32];
    uint32_t kept = 0;

    snprintf(why, sizeof why, "%s-%u", name, most);
    for (size_t i = 0; i < n && kept < most; i++) {
        if (row[i].c.deleted || (best && !may_be_best(&row[i])))
            continue;
        keep(&row[i], why);
        kept++;
    }
}

static struct retention_row *find_newest_healthy(struct retention_row *row, size_t n)
{
    struct retention_row *best = NULL;

    for (size_t i = 0; i < n; i++)
        if (!row[i].c.deleted && has_health(&row[i], "healthy") &&
            (best == NULL || row[i].c.id > best->c.id))
            best = &row[i];
    return best;
}

/* For want of any other reason. */
static void keep_if_lost(struct retention_row *r, const char *why)
{
    if (r != NULL && !r->keep)
        keep(r, why);
}

/* The rows rise by step. */
static void keep_line(struct retention_row *row, size_t n)
{
    struct retention_row *newest = NULL, *healthy = NULL, *proving = NULL;

    for (size_t i = 0; i < n; i++) {
        if (row[i].c.deleted || !row[i].on_line)
            continue;
        if (!has_health(&row[i], "poisoned"))
            newest = &row[i];
        if (has_health(&row[i], "healthy")) {
            healthy = &row[i];
            proving = NULL;
        } else if (proving == NULL && has_health(&row[i], "probation")) {
            proving = &row[i];
        }
    }
    keep_if_lost(newest, "line");
    keep_if_lost(healthy, "line");
    keep_if_lost(proving, "proving");
}

static bool may_fall_back(const struct retention_row *r)
{
    return !r->c.deleted && r->on_line && has_health(r, "healthy");
}

/* The rows rise by step. */
static void keep_fallback(struct retention_row *row, size_t n)
{
    struct retention_row *fallback = NULL, *ageing = NULL;
    uint64_t end = 0;

    for (size_t i = 0; i < n; i++)
        if (may_fall_back(&row[i]))
            end = row[i].c.step;
    for (size_t i = 0; i < n; i++) {
        if (!may_fall_back(&row[i]))
            continue;
        if (end - row[i].c.step >= RETENTION_LATENCY)
            fallback = &row[i];
        else if (ageing == NULL)
            ageing = &row[i];
    }
    keep_if_lost(fallback, "fallback");
    keep_if_lost(ageing, "ageing");
}

void retention_choose(struct retention_row *row, size_t n, uint32_t keep_last, uint32_t keep_best)
{
    for (size_t i = 0; i < n; i++) {
        row[i].keep = false;
        row[i].because[0] = '\0';
    }
    if (n == 0)
        return;
    qsort(row, n, sizeof *row, by_age);
    keep_first(row, n, keep_last, "last", false);
    qsort(row, n, sizeof *row, by_score);
    keep_first(row, n, keep_best, "best", true);
    qsort(row, n, sizeof *row, by_step);
    for (size_t i = 0; i < n; i++) {
        if (row[i].c.pinned && !row[i].c.deleted)
            keep(&row[i], "pinned");
        if (row[i].referenced && !row[i].c.deleted)
            keep(&row[i], "used");
        if (row[i].evidence && !row[i].c.deleted)
            keep(&row[i], "evidence");
    }
    struct retention_row *healthy = find_newest_healthy(row, n);
    if (healthy != NULL)
        keep(healthy, "healthy");
    keep_line(row, n);
    keep_fallback(row, n);
}

void retention_mark_evidence(struct retention_row *row, size_t n, const struct lineage *line,
                             uint64_t onset)
{
    struct retention_row *before = NULL, *after = NULL;

    for (size_t i = 0; i < n && after == NULL; i++) {
        if (row[i].c.deleted || !lineage_has(line, row[i].c.attempt, row[i].c.step))
            continue;
        if (row[i].c.step < onset)
            before = &row[i];
        else
            after = &row[i];
    }
    if (before != NULL)
        before->evidence = true;
    if (after != NULL)
        after->evidence = true;
}

/* ---- health ---- */

uint64_t retention_clean_stretch(uint64_t every_steps)
{
    uint64_t twice = every_steps > UINT64_MAX / 2 ? UINT64_MAX : 2 * every_steps;

    return twice > RETENTION_CLEAN_MIN ? twice : RETENTION_CLEAN_MIN;
}

bool retention_has_proved(const struct store_checkpoint *c, const struct lineage *line,
                          uint64_t step, uint64_t clean_stretch)
{
    return strcmp(c->health, "probation") == 0 && lineage_has(line, c->attempt, c->step) &&
           step >= c->step && step - c->step >= clean_stretch;
}
