#include "outcome.h"

#include <stdio.h>
#include <string.h>

enum { DELAY_FIRST_MS = 1000, DELAY_MAX_MS = 30000 };

static bool said(const struct outcome_case *c, const char *word)
{
    return strcmp(c->reported, word) == 0;
}

static const char *const words[] = {
    "succeeded", "failed", "diverged", "paused", "cancelled", "stopped", "corrupt",
};

bool outcome_is_word(const char *reported)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i], reported) == 0)
            return true;
    return false;
}

/* ---- why it ended ---- */

static void say_end(const struct outcome_case *c, char *text, size_t size)
{
    const struct launch_end *e = c->end;

    if (c->launch != EBM_OK)
        snprintf(text, size, "%s", c->launch_reason);
    else if (c->reported[0] != '\0' && c->reported_reason[0] != '\0')
        snprintf(text, size, "%s", c->reported_reason);
    else if (c->forced)
        snprintf(text, size, "it did not stop in time and was made to");
    else if (e->text[0] != '\0')
        snprintf(text, size, "%s", e->text);
    else if (!e->known)
        snprintf(text, size, "its shepherd was killed");
    else if (e->signal != 0)
        snprintf(text, size, "mpirun was killed by signal %d", e->signal);
    else if (c->reported[0] == '\0')
        snprintf(text, size, "mpirun ended with exit status %d and no word from the workers",
                 e->exit_code);
    else
        snprintf(text, size, "%s", c->reported);
}

/* ---- what becomes of the job ---- */

static uint32_t delay_after(uint32_t restarts)
{
    uint32_t ms = DELAY_FIRST_MS;

    if (restarts == 0)
        return 0;
    while (--restarts > 0 && ms < DELAY_MAX_MS)
        ms *= 2;
    return ms < DELAY_MAX_MS ? ms : DELAY_MAX_MS;
}

static void end_crashed(const struct outcome_case *c, struct outcome *out)
{
    const char *why = out->attempt_reason;

    out->attempt_outcome = "crashed";
    out->bad_checkpoint = said(c, "corrupt");
    if (c->restarts_used < c->max_restarts) {
        out->event = JOB_EV_REQUEUE;
        out->next = NEXT_NEWEST;
        out->uses_restart = true;
        out->delay_ms = delay_after(c->restarts_used);
        snprintf(out->job_reason, sizeof out->job_reason, "restart %u of %u after a crash: %.300s",
                 c->restarts_used + 1, c->max_restarts, why);
        return;
    }
    out->event = JOB_EV_FAILED;
    if (c->restarts_used == 0)
        snprintf(out->job_reason, sizeof out->job_reason, "crashed: %.300s", why);
    else
        snprintf(out->job_reason, sizeof out->job_reason,
                 "crashed again after %u restarts without a new checkpoint: %.280s",
                 c->restarts_used, why);
}

static const char diverged[] = "diverged: ";

bool outcome_says_diverged(const char *job_reason)
{
    /* "diverged: ...", or an order that came first: "paused on request (diverged: ...)" */
    return strncmp(job_reason, diverged, strlen(diverged)) == 0 ||
           strstr(job_reason, "(diverged: ") != NULL;
}

static void end_diverged(const struct outcome_case *c, struct outcome *out)
{
    const char *why = out->attempt_reason;

    out->attempt_outcome = "diverged";
    if (c->on_divergence == DIVERGENCE_PAUSE) {
        out->event = JOB_EV_PAUSED;
        snprintf(out->job_reason, sizeof out->job_reason, "%s%.300s", diverged, why);
    } else if (c->on_divergence == DIVERGENCE_ROLLBACK && c->rollbacks_used < c->max_rollbacks) {
        out->event = JOB_EV_REQUEUE;
        out->next = NEXT_RECOVER;
        out->uses_rollback = true;
        snprintf(out->job_reason, sizeof out->job_reason,
                 "rollback %u of %u after a divergence: %.300s", c->rollbacks_used + 1,
                 c->max_rollbacks, why);
    } else {
        out->event = JOB_EV_DIVERGED;
        if (c->rollbacks_used > 0)
            snprintf(out->job_reason, sizeof out->job_reason, "%u rollback%s did not help: %.280s",
                     c->rollbacks_used, c->rollbacks_used == 1 ? "" : "s", why);
        else
            snprintf(out->job_reason, sizeof out->job_reason, "%.300s", why);
    }
}

/* What it was told to do leads to this, whatever it did. */
static const struct intent_row {
    enum job_event event;
    enum outcome_next next;
    const char *obeyed;  /* the worker's word for having done so */
    const char *outcome; /* of the attempt that did */
    const char *reason;  /* of the job */
} intents[] = {
    [INTENT_PAUSE] = {JOB_EV_PAUSED, NEXT_NONE, "paused", "paused", "paused on request"},
    [INTENT_PAUSE_NOSPACE] = {JOB_EV_PAUSED, NEXT_NONE, "stopped", "paused", "disk full"},
    [INTENT_ROLLBACK] = {JOB_EV_REQUEUE, NEXT_PLANNED, "stopped", "rolled-back",
                         "rolled back on request"},
    [INTENT_CANCEL] = {JOB_EV_CANCELLED, NEXT_NONE, "cancelled", "cancelled",
                       "cancelled on request"},
    [INTENT_KILL] = {JOB_EV_CANCELLED, NEXT_NONE, "", "killed", "killed on request"},
};

static const char *outcome_of(const struct outcome_case *c, const struct intent_row *row)
{
    static const char *const own[] = {"failed", "diverged", "paused", "cancelled"};

    if (row->next == NEXT_PLANNED || c->intent == INTENT_KILL || said(c, row->obeyed))
        return row->outcome;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (said(c, own[i]))
            return own[i];
    return c->forced ? "killed" : "crashed";
}

static void end_as_told(const struct outcome_case *c, struct outcome *out)
{
    const struct intent_row *row = &intents[c->intent];
    const char *why =
        c->intent_reason != NULL && c->intent_reason[0] != '\0' ? c->intent_reason : row->reason;

    out->event = row->event;
    out->next = row->next;
    out->attempt_outcome = outcome_of(c, row);
    if (said(c, row->obeyed))
        snprintf(out->attempt_reason, sizeof out->attempt_reason, "%s", why);
    if (strcmp(out->attempt_outcome, row->outcome) == 0)
        snprintf(out->job_reason, sizeof out->job_reason, "%s", why);
    else
        snprintf(out->job_reason, sizeof out->job_reason, "%.150s (%s: %.200s)", why,
                 out->attempt_outcome, out->attempt_reason);
}

static void end_plainly(struct outcome *out, enum job_event event, const char *outcome)
{
    out->event = event;
    out->attempt_outcome = outcome;
    snprintf(out->job_reason, sizeof out->job_reason, "%s", out->attempt_reason);
}

/* A job whose mpirun is missing has failed; one that found the disk full
 * waits for room; what else keeps a process from starting may pass. */
static void end_unlaunched(const struct outcome_case *c, struct outcome *out)
{
    if (c->launch == EBM_ENOSPC)
        end_plainly(out, JOB_EV_PAUSED, "crashed");
    else if (c->launch == EBM_ENOTFOUND || c->launch == EBM_EINVAL)
        end_plainly(out, JOB_EV_FAILED, "failed");
    else
        end_crashed(c, out);
}

static void end_by_itself(const struct outcome_case *c, struct outcome *out)
{
    if (c->launch != EBM_OK)
        end_unlaunched(c, out);
    else if (said(c, "failed"))
        end_plainly(out, JOB_EV_FAILED, "failed");
    else if (said(c, "paused"))
        end_plainly(out, JOB_EV_PAUSED, "paused");
    else if (said(c, "cancelled"))
        end_plainly(out, JOB_EV_CANCELLED, "cancelled");
    else if (said(c, "diverged"))
        end_diverged(c, out);
    else
        end_crashed(c, out);
}

static const char warned[] = "; a warning stands: ";

bool outcome_says_warned(const char *job_reason)
{
    return strstr(job_reason, warned) != NULL;
}

/* The job stands still, and what was wrong with it does too. */
static void say_warning(const struct outcome_case *c, struct outcome *out)
{
    size_t used = strlen(out->job_reason);

    if (c->warning != NULL && out->event == JOB_EV_PAUSED &&
        strcmp(out->attempt_outcome, "paused") == 0)
        snprintf(out->job_reason + used, sizeof out->job_reason - used, "%s%.250s", warned,
                 c->warning);
}

void outcome_decide(const struct outcome_case *c, struct outcome *out)
{
    *out = (struct outcome){.next = NEXT_NONE};
    say_end(c, out->attempt_reason, sizeof out->attempt_reason);
    /* Who asked for a stop of what was over already is not lied to. */
    if (said(c, "succeeded") && c->intent != INTENT_ROLLBACK) {
        snprintf(out->attempt_reason, sizeof out->attempt_reason, "%s", c->reported_reason);
        end_plainly(out, JOB_EV_SUCCEEDED, "succeeded"); /* with a doubt, if there is one */
    } else if (c->intent == INTENT_PAUSE && said(c, "failed")) {
        end_plainly(out, JOB_EV_FAILED, "failed");
    } else if (c->intent != INTENT_NONE) {
        end_as_told(c, out);
    } else {
        end_by_itself(c, out);
    }
    say_warning(c, out);
}
