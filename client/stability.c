/* stability: where a job stands with the detector, and a recorded run judged
 * again with other thresholds. */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "commands.h"
#include "inquiry.h"
#include "stability/ladder.h"
#include "stability/outlook.h"

/* ---- where it stands ---- */

struct signal_row {
    const char *signal;
    struct detector_reading r;
    unsigned need, window;
};

static struct value get_reading(const void *row, const struct column *c)
{
    double v = *(const double *)(const void *)((const char *)row + c->offset);

    return isfinite(v) ? value_real(v) : value_null();
}

static const char *show_band(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const struct signal_row *s = row;

    (void)c;
    if (isnan(s->r.low))
        return "not known yet";
    if (isinf(s->r.low))
        snprintf(scratch, HUMAN_MAX, "up to %.3g", s->r.high);
    else
        snprintf(scratch, HUMAN_MAX, "%.3g to %.3g", s->r.low, s->r.high);
    return scratch;
}

static const char *show_share(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const struct signal_row *s = row;

    (void)c;
    if (!isfinite(s->r.share))
        return "-";
    snprintf(scratch, HUMAN_MAX, "%.0f %%", 100 * s->r.share);
    return scratch;
}

static const char *show_sign(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    const struct signal_row *s = row;

    (void)c;
    snprintf(scratch, HUMAN_MAX, "%u/%u (%u)", s->r.over, s->window, s->need);
    return scratch;
}

static enum style style_share(const void *row)
{
    const struct signal_row *s = row;

    return s->r.share >= 1 ? STYLE_RED : s->r.share >= 0.5 ? STYLE_YELLOW : STYLE_NONE;
}

#define READING(name) .get = get_reading, .offset = offsetof(struct signal_row, r.name)

static const struct column signal_columns[] = {
    {.key = "signal",
     .title = "SIGNAL",
     .member = MEMBER_TEXT,
     .offset = offsetof(struct signal_row, signal)},
    {.key = "now", .title = "NOW", .right = true, READING(now)},
    {.key = "healthy", .title = "HEALTHY", .right = true, .spare = 2, READING(healthy)},
    {.key = "low", READING(low)},
    {.key = "high", READING(high)},
    {.title = "BAND", .show = show_band, .whole = true},
    {.key = "share",
     .title = "OF LIMIT",
     .right = true,
     READING(share),
     .show = show_share,
     .style = style_share},
    {.title = "BEYOND (SIGN AT)", .show = show_sign, .spare = 1},
    {.key = "over", .member = MEMBER_U32, .offset = offsetof(struct signal_row, r.over)},
    {.key = "need", .member = MEMBER_U32, .offset = offsetof(struct signal_row, need)},
    {.key = "window", .member = MEMBER_U32, .offset = offsetof(struct signal_row, window)},
};

static void read_signal(const struct rejudge *j, enum detector_signal s, struct signal_row *out)
{
    out->signal = detector_signal_name(s);
    detector_signal_what(s, &out->need, &out->window);
    detector_read(&j->now, rejudge_limits(j), j->value, s, &out->r);
}

/* Of a job that is not trained now: as its recorded rows leave the detector. */
static void tell_verdict(const struct inquiry *q)
{
    const Ebm__Stability *told = inquiry_job(q)->stability;
    const struct rejudge *j = &q->judge;
    char text[OUTLOOK_MAX];

    if (told != NULL) {
        printf("%s: %s\n", told->verdict, told->outlook);
        return;
    }
    outlook_say(&j->now, rejudge_limits(j), j->last.verdict, j->last.signal, j->last.suspicion,
                j->last.reason, text);
    printf("%s at step %" PRIu64 ": %s\n",
           outlook_word(&j->now, rejudge_limits(j), j->last.verdict), j->last_step, text);
}

/* Budget and ladder begin again with progress: as recovery_is_new of ebmd. */
static bool has_come_on(const struct inquiry *q)
{
    uint64_t furthest = 0;

    for (size_t i = 0; i < q->history.reply->n_attempts; i++) {
        const Ebm__Attempt *a = q->history.reply->attempts[i];
        if (strcmp(a->cause, "rollback") == 0 && strcmp(a->actor, "ebmd") != 0)
            furthest = 0; /* a person began anew */
        if (q->attempt[i].diverged && a->last_step > furthest)
            furthest = a->last_step;
    }
    return inquiry_job(q)->step >= furthest + (uint64_t)q->spec.stability.clean_steps;
}

static void tell_recovery(const struct inquiry *q)
{
    const struct spec *s = &q->spec;
    uint32_t used = inquiry_job(q)->rollbacks_used, past = has_come_on(q) ? used : 0;
    int64_t most = s->stability.max_rollbacks;

    if (job_state_is_final(job_state_from_name(inquiry_job(q)->state)))
        return;
    if (s->stability.on_divergence != DIVERGENCE_ROLLBACK) {
        printf("a divergence %s\n", s->stability.on_divergence == DIVERGENCE_PAUSE
                                        ? "pauses it: on_divergence is pause"
                                        : "ends it: on_divergence is fail");
        return;
    }
    used -= past;
    printf("%u of %" PRId64 " rollbacks used", used, most);
    if (past > 0)
        printf(" (%u before it came stability.clean_steps further count no more)", past);
    if (used < most)
        printf("; the next one would be \"%s\"", ladder_name(ladder_at(s->stability.ladder, used)));
    puts("");
}

static void tell_evidence(const struct inquiry *q)
{
    uint32_t last = 0;

    for (size_t i = 0; i < q->history.reply->n_attempts; i++)
        if (q->attempt[i].diverged)
            last = q->attempt[i].attempt;
    if (last > 0)
        printf("evidence of the last divergence: %s/attempt-%u/evidence.txt\n", inquiry_job(q)->dir,
               last);
}

static int print_standing(const struct inquiry *q)
{
    struct signal_row row[SIGNAL_COUNT];
    const void *rows[SIGNAL_COUNT];
    const struct call *c = q->call;
    const Ebm__Job *j = inquiry_job(q);
    bool any = q->judge.rows_here > 0;

    for (int s = 0; any && s < SIGNAL_COUNT; s++) {
        read_signal(&q->judge, (enum detector_signal)s, &row[s]);
        rows[s] = &row[s];
    }
    if (c->format == FORMAT_TABLE) {
        printf("job %" PRIu64 " %s: %s, attempt %u, step %" PRIu64 " of %" PRIu64 "%s%s\n", j->job,
               j->name, j->state, j->attempt, j->step, j->total_steps,
               j->reason[0] != '\0' ? "; " : "", j->reason);
        if (any)
            tell_verdict(q);
        else if (j->attempt == 0)
            puts("no metrics yet");
        else
            printf("no step of attempt %u yet\n", j->attempt);
        tell_recovery(q);
        tell_evidence(q);
        if (!any)
            return CODE_OK;
        puts("");
    }
    return call_done(record_list(signal_columns, sizeof signal_columns / sizeof signal_columns[0],
                                 rows, any ? SIGNAL_COUNT : 0, c->format, &c->term, stdout));
}

/* ---- judged again ---- */

static struct value get_attempt(const void *row, const struct column *c)
{
    (void)c;
    return value_u64(((const struct rejudge_finding *)row)->in->attempt);
}

static struct value get_verdict(const void *row, const struct column *c)
{
    const struct rejudge_finding *f = row;

    (void)c;
    return value_text(f->verdict == VERDICT_OK ? "none" : detector_verdict_name(f->verdict));
}

static struct value get_signal(const void *row, const struct column *c)
{
    const struct rejudge_finding *f = row;

    (void)c;
    return f->signal == SIGNAL_COUNT ? value_null() : value_text(detector_signal_name(f->signal));
}

static struct value get_why(const void *row, const struct column *c)
{
    (void)c;
    return value_text(((const struct rejudge_finding *)row)->reason);
}

static struct value get_run(const void *row, const struct column *c)
{
    const struct rejudge_finding *f = row;

    (void)c;
    if (!f->run_too)
        return value_text(f->verdict == VERDICT_TRIP ? "went on" : "");
    return value_text("diverged");
}

static struct value get_run_onset(const void *row, const struct column *c)
{
    const struct rejudge_finding *f = row;

    (void)c;
    return f->run_too && f->in->onset > 0 ? value_u64(f->in->onset) : value_null();
}

static enum style style_verdict(const void *row)
{
    switch (((const struct rejudge_finding *)row)->verdict) {
    case VERDICT_TRIP:
        return STYLE_RED;
    case VERDICT_OK:
        return STYLE_NONE;
    default:
        return STYLE_YELLOW;
    }
}

#define FINDING(kind, name) .member = (kind), .offset = offsetof(struct rejudge_finding, name)

static const struct column finding_columns[] = {
    {.key = "attempt", .title = "ATTEMPT", .right = true, .get = get_attempt},
    {.key = "step", .title = "STEP", .right = true, FINDING(MEMBER_U64, step)},
    {.key = "verdict", .title = "VERDICT", .get = get_verdict, .style = style_verdict},
    {.key = "onset", .title = "ONSET", .right = true, FINDING(MEMBER_U64, onset)},
    {.key = "signal", .get = get_signal},
    {.key = "suspicion", FINDING(MEMBER_REAL, suspicion)},
    {.key = "run", .title = "THE RUN", .get = get_run},
    {.key = "run_onset", .get = get_run_onset},
    {.key = "reason", .title = "WHY", .get = get_why},
};

/* Divergences of the run itself that are none now, or elsewhere. */
static uint64_t count_differing(const struct rejudge *j)
{
    uint64_t n = 0;

    for (size_t i = 0; i < j->findings; i++) {
        const struct rejudge_finding *f = &j->finding[i];
        bool trip = f->verdict == VERDICT_TRIP;
        n += trip != f->run_too || (trip && f->onset != f->in->onset);
    }
    return n;
}

static void tell_replay(const struct inquiry *q)
{
    const struct rejudge *j = &q->judge;
    uint64_t differ = 0;

    printf("%" PRIu64 " steps of %zu attempt%s judged again", j->rows, j->attempts,
           j->attempts == 1 ? "" : "s");
    if (j->missing > 0)
        printf(" (%" PRIu64 " steps have no row)", j->missing);
    printf(": %" PRIu64 " trip%s, %" PRIu64 " warning%s, %" PRIu64 " skipped", j->trips,
           j->trips == 1 ? "" : "s", j->warnings, j->warnings == 1 ? "" : "s", j->skips);
    if (j->trips == 0)
        printf("; at most %.0f %% of a limit was reached", 100 * j->nearest);
    puts("");
    for (size_t i = 0; i < j->findings; i++)
        differ += j->finding[i].verdict == VERDICT_TRIP || j->finding[i].run_too;
    if (differ == 0)
        puts("the run itself was never stopped either");
    else if (count_differing(j) == 0)
        puts("the run itself was stopped in the same steps, with the same onsets");
    else
        puts("this is not what the run itself did: see the column THE RUN");
}

static int print_replay(const struct inquiry *q)
{
    const struct rejudge *j = &q->judge;
    const struct call *c = q->call;
    const void **rows = malloc((j->findings + 1) * sizeof *rows);

    if (rows == NULL)
        return call_done(false);
    for (size_t i = 0; i < j->findings; i++)
        rows[i] = &j->finding[i];
    bool done = true;
    if (c->format == FORMAT_TABLE && j->rows == 0)
        printf("job %" PRIu64 " has no metrics yet\n", q->job);
    else if (c->format == FORMAT_TABLE)
        tell_replay(q);
    if (c->format != FORMAT_TABLE || j->findings > 0) {
        if (c->format == FORMAT_TABLE)
            puts("");
        done = record_list(finding_columns, sizeof finding_columns / sizeof finding_columns[0],
                           rows, j->findings, c->format, &c->term, stdout);
    }
    free(rows);
    return call_done(done);
}

int command_stability(struct call *c)
{
    bool replay = args_has(&c->args, "replay");
    struct inquiry *q = NULL;
    struct ebm_error err;
    int code;

    if (!replay && args_has(&c->args, "set")) {
        ebm_fail(&err, EBM_EINVAL, "option '--set' goes with '--replay'");
        code = call_fail_usage(c, &err);
    } else if (inquiry_make(c, args_job(&c->args, 0), &q, &err) != EBM_OK) {
        code = call_fail(&err);
    } else {
        code = replay ? print_replay(q) : print_standing(q);
    }
    inquiry_free(q);
    return code;
}
