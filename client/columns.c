#include "columns.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "suggest.h"

#define MEMBER(kind, type, name) .member = (kind), .offset = offsetof(type, name)
#define COUNT(table)             (sizeof(table) / sizeof((table)[0]))

const char *columns_checkpoint_name(uint64_t id, char out[HUMAN_MAX])
{
    snprintf(out, HUMAN_MAX, id != 0 ? "c%" PRIu64 : "-", id);
    return out;
}

/* ---- jobs ---- */

static const char *show_progress(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const Ebm__Job *j = row;

    (void)c;
    if (j->total_steps == 0)
        return "";
    double share = j->step < j->total_steps ? (double)j->step / (double)j->total_steps : 1;
    snprintf(scratch, HUMAN_MAX, "%d%%", (int)(100 * share));
    return scratch;
}

static const char *show_steps(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const Ebm__Job *j = row;

    (void)c;
    snprintf(scratch, HUMAN_MAX, "%" PRIu64 " of %" PRIu64, j->step, j->total_steps);
    return scratch;
}

static enum style style_job_state(const void *row)
{
    return term_style_of_state(((const Ebm__Job *)row)->state);
}

static enum style style_job_health(const void *row)
{
    return term_style_of_health(((const Ebm__Job *)row)->health);
}

static const char *show_attempt(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const Ebm__Job *j = row;

    (void)c;
    if (j->attempt == 0)
        return "-";
    snprintf(scratch, HUMAN_MAX, "%u", j->attempt);
    return scratch;
}

/* Of the newest metric row; nothing before the first. */
static struct value get_langevin_grad(const void *row, const struct column *c)
{
    const Ebm__Job *j = row;

    (void)c;
    return isnan(j->langevin_grad) ? value_null() : value_real(j->langevin_grad);
}

static struct value get_energy_gap(const void *row, const struct column *c)
{
    const Ebm__Job *j = row;

    (void)c;
    return isnan(j->energy_gap) ? value_null() : value_real(j->energy_gap);
}

static struct value get_rate(const void *row, const struct column *c)
{
    const Ebm__Job *j = row;

    (void)c;
    return j->rate > 0 ? value_real(j->rate) : value_null();
}

static const char *show_rate(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const Ebm__Job *j = row;
    char left[HUMAN_MAX];

    (void)c;
    if (!(j->rate > 0))
        return "";
    double seconds = j->total_steps > j->step ? (double)(j->total_steps - j->step) / j->rate : 0;
    snprintf(scratch, HUMAN_MAX,
             j->rate < 1000 ? "%.3g steps/s, %.12s left" : "%.0f steps/s, %.12s left", j->rate,
             human_seconds(seconds, left));
    return scratch;
}

static struct value get_id_or_null(const void *row, const struct column *c)
{
    uint64_t id = *(const uint64_t *)((const char *)row + c->offset);
    return id != 0 ? value_u64(id) : value_null();
}

static const char *show_id(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    uint64_t id = *(const uint64_t *)((const char *)row + c->offset);

    if (id == 0)
        return "";
    snprintf(scratch, HUMAN_MAX, "%" PRIu64, id);
    return scratch;
}

static const char *show_checkpoint(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    uint64_t id = *(const uint64_t *)((const char *)row + c->offset);
    return id == 0 ? "" : columns_checkpoint_name(id, scratch);
}

static const char *show_restarts(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const Ebm__Job *j = row;

    (void)c;
    snprintf(scratch, HUMAN_MAX, "%u of %u", j->restarts_used, j->max_restarts);
    return scratch;
}

/* What the detector says of a live attempt. */
static struct value get_verdict(const void *row, const struct column *c)
{
    const Ebm__Stability *s = ((const Ebm__Job *)row)->stability;

    (void)c;
    return s != NULL ? value_text(s->verdict) : value_null();
}

static struct value get_outlook(const void *row, const struct column *c)
{
    const Ebm__Stability *s = ((const Ebm__Job *)row)->stability;

    (void)c;
    return s != NULL ? value_text(s->outlook) : value_null();
}

static enum style style_verdict(const void *row)
{
    const Ebm__Stability *s = ((const Ebm__Job *)row)->stability;

    return s != NULL ? term_style_of_health(s->verdict) : STYLE_NONE;
}

static struct value get_suspicion(const void *row, const struct column *c)
{
    const Ebm__Stability *s = ((const Ebm__Job *)row)->stability;

    (void)c;
    return s != NULL ? value_real(s->suspicion) : value_null();
}

#define JOB(kind, name) MEMBER(kind, Ebm__Job, name)

/* The keys up to `reason` are the contract. */
#define JOB_KEYS(steps_title, steps_show)                                                          \
    {.key = "job", .title = "JOB", .right = true, JOB(MEMBER_U64, job)},                           \
        {.key = "name", .title = "NAME", JOB(MEMBER_TEXT, name)},                                  \
        {.key = "state", .title = "STATE", JOB(MEMBER_TEXT, state), .style = style_job_state},     \
        {.key = "step",                                                                            \
         .title = steps_title,                                                                     \
         .right = true,                                                                            \
         JOB(MEMBER_U64, step),                                                                    \
         .show = steps_show},                                                                      \
        {.key = "total_steps", JOB(MEMBER_U64, total_steps)},                                      \
        {.title = "DONE", .right = true, .show = show_progress},                                   \
        {.key = "attempt",                                                                         \
         .title = "ATTEMPT",                                                                       \
         .right = true,                                                                            \
         JOB(MEMBER_U32, attempt),                                                                 \
         .show = show_attempt},                                                                    \
        {.key = "attempts", JOB(MEMBER_U32, attempts)},                                            \
        {.key = "priority", .title = "PRIORITY", .right = true, JOB(MEMBER_I32, priority)},        \
        {.key = "health", .title = "HEALTH", JOB(MEMBER_TEXT, health), .style = style_job_health}, \
    {                                                                                              \
        .key = "reason", .title = "REASON", JOB(MEMBER_TEXT, reason)                               \
    }

/* These follow in list and show. */
#define JOB_KEYS_MORE(detail)                                                                      \
    {.key = "rate", .title = detail("RATE"), .get = get_rate, .show = show_rate},                  \
        {.key = "ranks", .title = detail("RANKS"), JOB(MEMBER_U32, ranks)},                        \
        {.key = "slots", .title = detail("SLOTS"), JOB(MEMBER_U32, slots)},                        \
        {.key = "after",                                                                           \
         .title = detail("AFTER JOB"),                                                             \
         .get = get_id_or_null,                                                                    \
         .offset = offsetof(Ebm__Job, after),                                                      \
         .show = show_id},                                                                         \
        {.key = "parent_job",                                                                      \
         .title = detail("FORK OF JOB"),                                                           \
         .get = get_id_or_null,                                                                    \
         .offset = offsetof(Ebm__Job, parent_job),                                                 \
         .show = show_id},                                                                         \
        {.key = "parent_checkpoint",                                                               \
         .title = detail("AT CHECKPOINT"),                                                         \
         .get = get_id_or_null,                                                                    \
         .offset = offsetof(Ebm__Job, parent_checkpoint),                                          \
         .show = show_checkpoint},                                                                 \
        {.key = "submitted", .title = detail("SUBMITTED"), JOB(MEMBER_TIME, submitted_ms)},        \
        {.key = "started", .title = detail("STARTED"), JOB(MEMBER_TIME, started_ms)},              \
        {.key = "ended", .title = detail("ENDED"), JOB(MEMBER_TIME, ended_ms)},                    \
        {.key = "langevin_grad", .get = get_langevin_grad},                                        \
        {.key = "energy_gap", .get = get_energy_gap},                                              \
        {.key = "restarts_used",                                                                   \
         .title = detail("RESTARTS"),                                                              \
         JOB(MEMBER_U32, restarts_used),                                                           \
         .show = show_restarts},                                                                   \
    {                                                                                              \
        .key = "max_restarts", JOB(MEMBER_U32, max_restarts)                                       \
    }

#define HIDDEN(title) NULL
#define SHOWN(title)  title

const struct column job_columns[] = {JOB_KEYS("STEP", NULL), JOB_KEYS_MORE(HIDDEN)};
const size_t job_column_count = COUNT(job_columns);

const struct column job_detail_columns[] = {
    JOB_KEYS("STEP", show_steps),
    JOB_KEYS_MORE(SHOWN),
    {.key = "happened", .title = "HAPPENED", JOB(MEMBER_TEXT, happened)},
    {.key = "verdict", .title = "STABILITY", .get = get_verdict, .style = style_verdict},
    {.key = "outlook", .title = "OUTLOOK", .get = get_outlook},
    {.key = "suspicion", .get = get_suspicion},
    {.key = "rollbacks_used", JOB(MEMBER_U32, rollbacks_used)},
    {.key = "dir", .title = "FILES", JOB(MEMBER_TEXT, dir)},
    {.key = "spec", JOB(MEMBER_TEXT, spec)},
    {.key = "source", JOB(MEMBER_TEXT, source)},
};
const size_t job_detail_column_count = COUNT(job_detail_columns);

/* ---- attempts ---- */

static enum style style_outcome(const void *row)
{
    return term_style_of_state(((const Ebm__Attempt *)row)->outcome);
}

static const char *show_outcome(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const Ebm__Attempt *a = row;

    (void)c, (void)scratch;
    return a->outcome[0] != '\0' ? a->outcome : "(live)";
}

static const char *show_from(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const Ebm__Attempt *a = row;

    (void)c;
    if (a->from_checkpoint == 0)
        return "scratch";
    snprintf(scratch, HUMAN_MAX, "c%" PRIu64 ", step %" PRIu64, a->from_checkpoint, a->from_step);
    return scratch;
}

static const char *show_took(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const Ebm__Attempt *a = row;
    int64_t end = a->ended_ms != 0 ? a->ended_ms : clock_wall_ms();

    (void)c;
    return a->started_ms != 0 ? human_duration(end - a->started_ms, scratch) : "";
}

#define ATTEMPT(kind, name) MEMBER(kind, Ebm__Attempt, name)

const struct column attempt_columns[] = {
    {.key = "attempt", .title = "ATTEMPT", .right = true, ATTEMPT(MEMBER_U32, attempt)},
    {.key = "cause", .title = "CAUSE", .whole = true, ATTEMPT(MEMBER_TEXT, cause)},
    {.key = "actor", .title = "BY", ATTEMPT(MEMBER_TEXT, actor)},
    {.key = "from_checkpoint",
     .title = "FROM",
     .whole = true,
     .get = get_id_or_null,
     .offset = offsetof(Ebm__Attempt, from_checkpoint),
     .show = show_from},
    {.key = "from_step", ATTEMPT(MEMBER_U64, from_step)},
    {.key = "last_step", .title = "TO STEP", .right = true, ATTEMPT(MEMBER_U64, last_step)},
    {.title = "TOOK", .right = true, .show = show_took, .spare = 2},
    {.key = "outcome",
     .title = "OUTCOME",
     .whole = true,
     ATTEMPT(MEMBER_TEXT, outcome),
     .show = show_outcome,
     .style = style_outcome},
    {.key = "overrides", .title = "OVERRIDES", .spare = 1, ATTEMPT(MEMBER_TEXT, overrides)},
    {.key = "reason", .title = "REASON", ATTEMPT(MEMBER_TEXT, reason)},
    {.key = "started", ATTEMPT(MEMBER_TIME, started_ms)},
    {.key = "ended", ATTEMPT(MEMBER_TIME, ended_ms)},
    {.key = "host", ATTEMPT(MEMBER_TEXT, host)},
    {.key = "onset", .get = get_id_or_null, .offset = offsetof(Ebm__Attempt, onset)},
};
const size_t attempt_column_count = COUNT(attempt_columns);

/* ---- checkpoints ---- */

static const char *show_bytes(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    return human_bytes(*(const uint64_t *)((const char *)row + c->offset), scratch);
}

static const char *show_digest(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    (void)c;
    snprintf(scratch, HUMAN_MAX, "%.12s", ((const Ebm__Checkpoint *)row)->digest);
    return scratch;
}

static enum style style_checkpoint_health(const void *row)
{
    return term_style_of_health(((const Ebm__Checkpoint *)row)->health);
}

#define CHECKPOINT(kind, name) MEMBER(kind, Ebm__Checkpoint, name)

const struct column checkpoint_columns[] = {
    {.key = "checkpoint",
     .title = "CHECKPOINT",
     CHECKPOINT(MEMBER_U64, checkpoint),
     .show = show_checkpoint},
    {.key = "attempt", .title = "ATTEMPT", .right = true, CHECKPOINT(MEMBER_U32, attempt)},
    {.key = "step", .title = "STEP", .right = true, CHECKPOINT(MEMBER_U64, step)},
    {.key = "health",
     .title = "HEALTH",
     .whole = true,
     CHECKPOINT(MEMBER_TEXT, health),
     .style = style_checkpoint_health},
    {.key = "bytes",
     .title = "SIZE",
     .right = true,
     CHECKPOINT(MEMBER_U64, bytes),
     .show = show_bytes},
    {.key = "digest",
     .title = "DIGEST",
     .whole = true,
     .spare = 1,
     CHECKPOINT(MEMBER_TEXT, digest),
     .show = show_digest},
    {.key = "created",
     .title = "CREATED",
     .whole = true,
     .spare = 2,
     CHECKPOINT(MEMBER_TIME, created_ms)},
    {.key = "pinned", CHECKPOINT(MEMBER_BOOL, pinned)},
    {.key = "score", .title = "SCORE", .right = true, CHECKPOINT(MEMBER_REAL, score)},
    {.key = "kept_because",
     .title = "KEPT AS",
     .whole = true,
     CHECKPOINT(MEMBER_TEXT, kept_because)},
    {.key = "job", CHECKPOINT(MEMBER_U64, job)},
};
const size_t checkpoint_column_count = COUNT(checkpoint_columns);

/* ---- events ---- */

#define EVENT(kind, name) MEMBER(kind, Ebm__EventRow, name)

const struct column event_columns[] = {
    {.key = "seq", EVENT(MEMBER_U64, seq)},
    {.key = "time", .title = "TIME", EVENT(MEMBER_TIME, time_ms)},
    {.key = "job", .title = "JOB", .right = true, EVENT(MEMBER_U64, job)},
    {.key = "attempt", .title = "ATTEMPT", .right = true, EVENT(MEMBER_U32, attempt)},
    {.key = "kind", .title = "EVENT", EVENT(MEMBER_TEXT, kind)},
    {.key = "text", .title = "WHAT", EVENT(MEMBER_TEXT, text)},
};
const size_t event_column_count = COUNT(event_columns);

/* ---- the daemon ---- */

static const char *show_since(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const Ebm__DaemonStatus *d = row;

    (void)c;
    return human_duration(clock_wall_ms() - d->started_ms, scratch);
}

static struct value get_pid(const void *row, const struct column *c)
{
    (void)c;
    return value_i64(((const Ebm__DaemonStatus *)row)->pid);
}

static const char *show_slots(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const Ebm__DaemonStatus *d = row;

    (void)c;
    snprintf(scratch, HUMAN_MAX, "%u of %u used", d->slots_used, d->slots_total);
    return scratch;
}

static uint64_t count_of(const Ebm__DaemonStatus *d, const char *state)
{
    for (size_t i = 0; i < d->n_state && i < d->n_count; i++)
        if (strcmp(d->state[i], state) == 0)
            return d->count[i];
    return 0;
}

static struct value get_state_count(const void *row, const struct column *c)
{
    return value_u64(count_of(row, c->key));
}

static const char *show_state_count(const void *row, const struct column *c,
                                    char scratch[HUMAN_MAX])
{
    uint64_t n = count_of(row, c->key);

    if (n == 0)
        return "";
    snprintf(scratch, HUMAN_MAX, "%" PRIu64, n);
    return scratch;
}

#define DAEMON(kind, name) MEMBER(kind, Ebm__DaemonStatus, name)
#define STATE(name)                                                                                \
    {                                                                                              \
        .key = name, .title = name, .get = get_state_count, .show = show_state_count               \
    }

const struct column daemon_columns[] = {
    {.key = "version", .title = "version", DAEMON(MEMBER_TEXT, version)},
    {.key = "pid", .title = "pid", .get = get_pid},
    {.key = "started", .title = "up for", DAEMON(MEMBER_TIME, started_ms), .show = show_since},
    {.key = "home", .title = "home", DAEMON(MEMBER_TEXT, home)},
    {.key = "slots_total", .title = "slots", DAEMON(MEMBER_U32, slots_total), .show = show_slots},
    {.key = "slots_used", DAEMON(MEMBER_U32, slots_used)},
    STATE("queued"),
    STATE("held"),
    STATE("starting"),
    STATE("running"),
    STATE("pausing"),
    STATE("paused"),
    STATE("succeeded"),
    STATE("failed"),
    STATE("cancelled"),
    STATE("diverged"),
    STATE("unknown"),
    {.key = "store_bytes", .title = "jobs", DAEMON(MEMBER_U64, store_bytes), .show = show_bytes},
    {.key = "metrics_bytes",
     .title = "metrics",
     DAEMON(MEMBER_U64, metrics_bytes),
     .show = show_bytes},
    {.key = "vault_bytes",
     .title = "checkpoints",
     DAEMON(MEMBER_U64, vault_bytes),
     .show = show_bytes},
    {.key = "disk_free_bytes",
     .title = "disk free",
     DAEMON(MEMBER_U64, disk_free_bytes),
     .show = show_bytes},
};
const size_t daemon_column_count = COUNT(daemon_columns);

/* ---- plans ---- */

#define PLAN(kind, name) MEMBER(kind, Ebm__Plan, name)

const struct column plan_columns[] = {
    {.key = "job", PLAN(MEMBER_U64, job)},
    {.key = "checkpoint", PLAN(MEMBER_U64, checkpoint)},
    {.key = "step", PLAN(MEMBER_U64, step)},
    {.key = "health", PLAN(MEMBER_TEXT, health)},
    {.key = "stops_attempt", PLAN(MEMBER_U32, stops_attempt)},
    {.key = "at_step", PLAN(MEMBER_U64, at_step)},
    {.key = "abandons_steps", PLAN(MEMBER_U64, abandons_steps)},
    {.key = "overrides", PLAN(MEMBER_TEXT, overrides)},
    {.key = "in_force", PLAN(MEMBER_TEXT, in_force)},
    {.key = "why", PLAN(MEMBER_TEXT, why)},
};
const size_t plan_column_count = COUNT(plan_columns);

/* ---- metrics ---- */

static struct value get_metric(const void *row, const struct column *c)
{
    const Ebm__Metric *m = row;
    return c->index < m->n_value ? value_real(m->value[c->index]) : value_null();
}

static enum ebm_status fail_metric(const char *typed, struct ebm_error *err)
{
    struct buf all;

    buf_init(&all);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        buf_printf(&all, "%s%s", i > 0 ? ", " : "", wire_metric_names[i]);
    ebm_fail(err, EBM_EINVAL, "no metric '%s': there are %s", typed, buf_text(&all));
    buf_fini(&all);
    return EBM_EINVAL;
}

static bool is_added(const struct column *columns, size_t count, size_t metric)
{
    for (size_t i = 0; i < count; i++)
        if (columns[i].get == get_metric && columns[i].index == metric)
            return true;
    return false;
}

static enum ebm_status find_metric(const char *name, size_t n, size_t *out, struct ebm_error *err)
{
    char typed[64];
    struct suggest s;

    snprintf(typed, sizeof typed, "%.*s", (int)n, name);
    suggest_init(&s, typed);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        suggest_try(&s, wire_metric_names[i]);
        if (strcmp(wire_metric_names[i], typed) == 0) {
            *out = i;
            return EBM_OK;
        }
    }
    if (s.best != NULL)
        return ebm_fail(err, EBM_EINVAL, "no metric '%s' (did you mean '%s'?)", typed, s.best);
    return fail_metric(typed, err);
}

static void add_metric(struct column out[METRIC_COLUMNS_MAX], size_t *count, size_t metric)
{
    const char *name = wire_metric_names[metric];
    out[(*count)++] = (struct column){
        .key = name, .title = name, .right = true, .get = get_metric, .index = metric};
}

enum ebm_status columns_of_metrics(const char *names, struct column out[METRIC_COLUMNS_MAX],
                                   size_t *count, struct ebm_error *err)
{
    static const struct column first[] = {
        {.key = "attempt",
         .title = "ATTEMPT",
         .right = true,
         MEMBER(MEMBER_U32, Ebm__Metric, attempt)},
        {.key = "step", .title = "STEP", .right = true, MEMBER(MEMBER_U64, Ebm__Metric, step)},
        {.key = "time", .title = "TIME", MEMBER(MEMBER_TIME, Ebm__Metric, time_ms)},
    };
    size_t metric = 0;

    memcpy(out, first, sizeof first);
    *count = COUNT(first);
    for (size_t i = 0; names == NULL && i < METRIC_COUNT; i++)
        add_metric(out, count, i);
    for (bool more = names != NULL; more;) {
        size_t n = strcspn(names, ",");
        enum ebm_status rc = find_metric(names, n, &metric, err);
        if (rc != EBM_OK)
            return rc;
        if (is_added(out, *count, metric))
            return ebm_fail(err, EBM_EINVAL, "metric '%s' is named twice",
                            wire_metric_names[metric]);
        add_metric(out, count, metric);
        more = names[n] == ',';
        names += n + more;
    }
    return EBM_OK;
}
