/* How an attempt ended: every intent, word, end, launch and budget, and what
 * must hold for all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "outcome.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const words[] = {"",          "succeeded", "failed",  "diverged", "paused",
                                    "cancelled", "stopped",   "corrupt", "dancing"};

static const enum store_intent intents[] = {INTENT_NONE,     INTENT_PAUSE,  INTENT_PAUSE_NOSPACE,
                                            INTENT_ROLLBACK, INTENT_CANCEL, INTENT_KILL};

static const struct launch_end ends[] = {
    {.known = true},
    {.known = true, .exit_code = 3},
    {.known = true, .exit_code = 1, .text = "rank 1 exited on signal 9 (Killed)"},
    {.known = true, .signal = 9},
    {.known = false},
};

static const enum ebm_status launches[] = {EBM_OK,     EBM_ENOTFOUND, EBM_EINVAL,
                                           EBM_ENOSPC, EBM_ETIMEOUT,  EBM_EIO};

static const struct {
    uint32_t used, max;
} budgets[] = {{0, 0}, {0, 1}, {1, 1}, {1, 5}, {4, 5}, {7, 5}, {6, 1000}, {999, 1000}};

static const enum spec_on_divergence policies[] = {DIVERGENCE_ROLLBACK, DIVERGENCE_PAUSE,
                                                   DIVERGENCE_FAIL};

static bool says(const struct outcome_case *c, const char *word)
{
    return strcmp(c->reported, word) == 0;
}

/* ---- what holds for each case ---- */

static void check_event(const struct outcome_case *c, const struct outcome *o)
{
    static const enum job_state live[] = {JOB_STARTING, JOB_RUNNING, JOB_PAUSING, JOB_UNKNOWN};

    (void)c;
    for (size_t i = 0; i < COUNT(live); i++)
        assert_int_not_equal(job_state_next(live[i], o->event), JOB_STATE_COUNT);
    assert_true(o->event >= JOB_EV_REQUEUE); /* an end, no UP or STOP */
    assert_int_equal(o->next == NEXT_NONE, o->event != JOB_EV_REQUEUE);
}

static void check_reasons(const struct outcome_case *c, const struct outcome *o)
{
    static const char *const outcomes[] = {"succeeded", "failed", "crashed",     "paused",
                                           "cancelled", "killed", "rolled-back", "diverged"};
    bool known = false;

    for (size_t i = 0; i < COUNT(outcomes); i++)
        known |= strcmp(o->attempt_outcome, outcomes[i]) == 0;
    assert_true(known);
    if (o->event == JOB_EV_SUCCEEDED) { /* no reason, or what is to be doubted */
        assert_string_equal(o->attempt_reason, c->reported_reason);
        assert_string_equal(o->job_reason, c->reported_reason);
    } else {
        assert_true(o->attempt_reason[0] != '\0' && o->job_reason[0] != '\0');
    }
    assert_non_null(memchr(o->attempt_reason, '\0', sizeof o->attempt_reason));
    assert_non_null(memchr(o->job_reason, '\0', sizeof o->job_reason));
}

/* Who succeeded has succeeded, except for who goes back from there. */
static void check_success(const struct outcome_case *c, const struct outcome *o)
{
    bool wanted = says(c, "succeeded") && c->intent != INTENT_ROLLBACK;

    assert_int_equal(o->event == JOB_EV_SUCCEEDED, wanted);
    assert_int_equal(strcmp(o->attempt_outcome, "succeeded") == 0, wanted);
}

static void check_intent(const struct outcome_case *c, const struct outcome *o)
{
    if (o->event == JOB_EV_SUCCEEDED || c->intent == INTENT_NONE)
        return;
    if (c->intent == INTENT_ROLLBACK) {
        assert_int_equal(o->next, NEXT_PLANNED);
        assert_string_equal(o->attempt_outcome, "rolled-back");
    } else if (c->intent == INTENT_CANCEL || c->intent == INTENT_KILL) {
        assert_int_equal(o->event, JOB_EV_CANCELLED);
    } else if (c->intent == INTENT_PAUSE && says(c, "failed")) {
        assert_int_equal(o->event, JOB_EV_FAILED);
    } else {
        assert_int_equal(o->event, JOB_EV_PAUSED);
    }
    assert_false(o->uses_restart);
    assert_false(o->uses_rollback);
    assert_false(o->bad_checkpoint);
}

static void check_budgets(const struct outcome_case *c, const struct outcome *o)
{
    assert_int_equal(o->uses_restart, o->next == NEXT_NEWEST);
    assert_int_equal(o->uses_rollback, o->next == NEXT_RECOVER);
    if (o->uses_restart)
        assert_true(c->intent == INTENT_NONE && c->restarts_used < c->max_restarts);
    if (o->uses_rollback)
        assert_true(c->intent == INTENT_NONE && says(c, "diverged") &&
                    c->on_divergence == DIVERGENCE_ROLLBACK &&
                    c->rollbacks_used < c->max_rollbacks);
    assert_true(o->delay_ms <= 30000);
    assert_int_equal(o->delay_ms > 0, o->uses_restart && c->restarts_used > 0);
}

/* Only what can pass by itself is tried again. */
static void check_launch(const struct outcome_case *c, const struct outcome *o)
{
    if (c->intent != INTENT_NONE || says(c, "succeeded"))
        return;
    if (c->launch == EBM_ENOTFOUND || c->launch == EBM_EINVAL)
        assert_int_equal(o->event, JOB_EV_FAILED);
    if (c->launch == EBM_ENOSPC)
        assert_int_equal(o->event, JOB_EV_PAUSED);
    if (c->launch != EBM_OK)
        assert_string_equal(o->attempt_reason, c->launch_reason);
}

static void check_word(const struct outcome_case *c, const struct outcome *o)
{
    if (c->intent != INTENT_NONE || c->launch != EBM_OK)
        return;
    assert_int_equal(o->bad_checkpoint, says(c, "corrupt"));
    if (says(c, "failed"))
        assert_int_equal(o->event, JOB_EV_FAILED);
    if (says(c, "paused"))
        assert_int_equal(o->event, JOB_EV_PAUSED);
    if (says(c, "cancelled"))
        assert_int_equal(o->event, JOB_EV_CANCELLED);
    if (!says(c, "diverged")) {
        assert_int_not_equal(o->event, JOB_EV_DIVERGED);
        return;
    }
    assert_string_equal(o->attempt_outcome, "diverged");
    if (c->on_divergence == DIVERGENCE_PAUSE)
        assert_int_equal(o->event, JOB_EV_PAUSED);
    else if (o->next != NEXT_RECOVER)
        assert_int_equal(o->event, JOB_EV_DIVERGED);
}

/* Neither the exit code nor who made it stop decides what becomes of a job. */
static void check_against_other_ends(const struct outcome_case *c, const struct outcome *o)
{
    for (size_t i = 0; c->end == ends && !c->forced && i < 2 * COUNT(ends); i++) {
        struct outcome_case other = *c;
        struct outcome out;
        other.end = &ends[i / 2];
        other.forced = i % 2 != 0;
        outcome_decide(&other, &out);
        assert_int_equal(out.event, o->event);
        assert_int_equal(out.next, o->next);
        assert_int_equal(out.uses_restart, o->uses_restart);
        assert_int_equal(out.uses_rollback, o->uses_rollback);
        assert_int_equal(out.bad_checkpoint, o->bad_checkpoint);
        assert_int_equal(out.delay_ms, o->delay_ms);
    }
}

static void check(const struct outcome_case *c)
{
    struct outcome o;

    memset(&o, 0x55, sizeof o); /* nothing is taken from before */
    outcome_decide(c, &o);
    check_event(c, &o);
    check_reasons(c, &o);
    check_success(c, &o);
    check_intent(c, &o);
    check_budgets(c, &o);
    check_launch(c, &o);
    check_word(c, &o);
    check_against_other_ends(c, &o);
}

/* ---- all cases ---- */

static void check_with_budgets(struct outcome_case *c)
{
    for (size_t r = 0; r < COUNT(budgets); r++)
        for (size_t b = 0; b < COUNT(budgets); b++)
            for (size_t p = 0; p < COUNT(policies); p++) {
                c->restarts_used = budgets[r].used;
                c->max_restarts = budgets[r].max;
                c->rollbacks_used = budgets[b].used;
                c->max_rollbacks = budgets[b].max;
                c->on_divergence = policies[p];
                check(c);
            }
}

static void check_with_ends(struct outcome_case *c)
{
    for (size_t e = 0; e < COUNT(ends); e++)
        for (int forced = 0; forced < 2; forced++) {
            c->end = &ends[e];
            c->forced = forced != 0;
            check_with_budgets(c);
        }
}

static void check_all(const char *intent_reason, const char *launch_reason, const char *reason)
{
    for (size_t i = 0; i < COUNT(intents); i++)
        for (size_t w = 0; w < COUNT(words); w++)
            for (size_t l = 0; l < COUNT(launches); l++) {
                struct outcome_case c = {.intent = intents[i],
                                         .intent_reason = intent_reason,
                                         .launch = launches[l],
                                         .launch_reason = launch_reason,
                                         .reported = words[w],
                                         .reported_reason = reason};
                check_with_ends(&c);
            }
}

static void all_cases_hold(void **state)
{
    (void)state;
    check_all("", "mpirun: no such program", "");
    check_all(NULL, "x", "loss is not finite at step 7");
}

static void long_reasons_are_cut(void **state)
{
    char reason[STORE_REASON_MAX];

    (void)state;
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    check_all(reason, reason, reason);
}

/* ---- words ---- */

static void words_of_workers_are_known(void **state)
{
    (void)state;
    assert_false(outcome_is_word(""));
    assert_false(outcome_is_word("dancing"));
    assert_false(outcome_is_word("Succeeded"));
    assert_false(outcome_is_word("killed"));
    assert_false(outcome_is_word("crashed"));
    for (size_t i = 1; i + 1 < COUNT(words); i++)
        assert_true(outcome_is_word(words[i]));
}

/* ---- sentences ---- */

static struct outcome decide(struct outcome_case c)
{
    struct outcome o;

    c.reported = c.reported != NULL ? c.reported : "";
    c.reported_reason = c.reported_reason != NULL ? c.reported_reason : "";
    c.launch_reason = "no mpirun in PATH";
    c.end = c.end != NULL ? c.end : &ends[0];
    outcome_decide(&c, &o);
    return o;
}

static void delays_double_up_to_half_a_minute(void **state)
{
    static const uint32_t delay[] = {0, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};

    (void)state;
    for (uint32_t i = 0; i < COUNT(delay); i++)
        assert_int_equal(
            decide((struct outcome_case){.restarts_used = i, .max_restarts = 99}).delay_ms,
            delay[i]);
}

static void a_crash_says_how(void **state)
{
    static const char *const how[] = {
        "mpirun ended with exit status 0 and no word from the workers",
        "mpirun ended with exit status 3 and no word from the workers",
        "rank 1 exited on signal 9 (Killed)", "mpirun was killed by signal 9",
        "its shepherd was killed"};

    (void)state;
    for (size_t i = 0; i < COUNT(how); i++) {
        struct outcome o = decide((struct outcome_case){.end = &ends[i], .max_restarts = 2});
        assert_string_equal(o.attempt_reason, how[i]);
        assert_non_null(strstr(o.job_reason, how[i]));
        assert_non_null(strstr(o.job_reason, "restart 1 of 2"));
    }
}

static void giving_up_says_what_was_tried(void **state)
{
    (void)state;
    struct outcome o = decide((struct outcome_case){.restarts_used = 2, .max_restarts = 2});
    assert_non_null(strstr(o.job_reason, "crashed again after 2 restarts"));
    o = decide((struct outcome_case){.max_restarts = 0});
    assert_int_equal(strncmp(o.job_reason, "crashed: ", 9), 0);
    o = decide((struct outcome_case){
        .reported = "diverged", .reported_reason = "gap", .rollbacks_used = 3, .max_rollbacks = 3});
    assert_non_null(strstr(o.job_reason, "3 rollbacks did not help: gap"));
}

static void a_reason_tells_of_a_divergence(void **state)
{
    (void)state;
    assert_true(outcome_says_diverged("diverged: the net is dead"));
    assert_true(outcome_says_diverged("paused on request (diverged: the net is dead)"));
    assert_false(outcome_says_diverged("paused on request"));
    assert_false(outcome_says_diverged("disk full: it diverged: or not"));
}

static void a_warning_outlives_a_pause(void **state)
{
    struct outcome_case c = {
        .intent = INTENT_PAUSE, .reported = "paused", .warning = "r_t left its band"};

    (void)state;
    struct outcome o = decide(c);
    assert_string_equal(o.job_reason, "paused on request; a warning stands: r_t left its band");
    assert_true(outcome_says_warned(o.job_reason));
    assert_false(outcome_says_warned("paused on request"));
    c.intent = INTENT_CANCEL;
    c.reported = "cancelled";
    assert_string_equal(decide(c).job_reason, "cancelled on request");
}

static void an_order_says_who_asked_and_how_it_went(void **state)
{
    (void)state;
    struct outcome o = decide((struct outcome_case){.intent = INTENT_PAUSE, .reported = "paused"});
    assert_string_equal(o.job_reason, "paused on request");
    assert_string_equal(o.attempt_outcome, "paused");
    o = decide((struct outcome_case){.intent = INTENT_PAUSE, .forced = true});
    assert_string_equal(o.attempt_outcome, "killed");
    assert_non_null(strstr(o.job_reason, "did not stop in time"));
    o = decide((struct outcome_case){
        .intent = INTENT_CANCEL, .reported = "diverged", .reported_reason = "gap"});
    assert_string_equal(o.job_reason, "cancelled on request (diverged: gap)");
    o = decide((struct outcome_case){.intent = INTENT_PAUSE_NOSPACE,
                                     .intent_reason = "disk full: 3 MiB",
                                     .reported = "stopped"});
    assert_string_equal(o.job_reason, "disk full: 3 MiB");
    o = decide((struct outcome_case){.intent = INTENT_KILL, .forced = true});
    assert_string_equal(o.attempt_outcome, "killed");
    assert_string_equal(o.attempt_reason, "killed on request");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_workers_are_known),
        cmocka_unit_test(all_cases_hold),
        cmocka_unit_test(long_reasons_are_cut),
        cmocka_unit_test(delays_double_up_to_half_a_minute),
        cmocka_unit_test(a_crash_says_how),
        cmocka_unit_test(giving_up_says_what_was_tried),
        cmocka_unit_test(a_reason_tells_of_a_divergence),
        cmocka_unit_test(a_warning_outlives_a_pause),
        cmocka_unit_test(an_order_says_who_asked_and_how_it_went),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
