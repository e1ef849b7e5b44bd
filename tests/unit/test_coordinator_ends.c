/* How attempts end, and what becomes of their jobs: restarts, starts that
 * cannot be used, launches that fail. */
#include "coordinator_actor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "launch/launch.h"
#include "orders.h"

/* ---- crashes ---- */

static void an_end_without_a_word_is_a_crash(void **state)
{
    static const struct {
        int exit_code;
        const char *reason;
    } rows[] = {
        {0, "mpirun ended with exit status 0 and no word from the workers"},
        {3, "mpirun ended with exit status 3 and no word from the workers"},
    };
    struct stage *s = *state;

    for (size_t i = 0; i < 2; i++) {
        struct actor a;
        int64_t job = SUBMIT(s);
        actor_start(&a, s, job, 7);
        actor_end_with(s, &a, "", rows[i].exit_code);
        struct store_attempt row = stage_attempt(s, job, 1);
        assert_string_equal(row.outcome, "crashed");
        assert_string_equal(row.reason, rows[i].reason);
        assert_int_equal(row.last_step, 7);
        stage_wait_attempt(s, job, 2);
        assert_string_equal(stage_attempt(s, job, 2).cause, "restart");
        assert_string_equal(stage_attempt(s, job, 2).actor, "ebmd");
        assert_int_equal(stage_job(s, job).restarts_used, 1);
        assert_int_equal(stage_events(s, job, "restart"), 1);
    }
}

static void a_killed_mpirun_is_a_crash(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s);

    stage_kill_mpirun(s, job);
    stage_wait_attempt(s, job, 2);
    assert_string_equal(stage_attempt(s, job, 1).outcome, "crashed");
    assert_non_null(strstr(stage_attempt(s, job, 1).reason, "signal 9"));
}

/* Not even what has left mpirun's group, before the job may start again. */
static void a_killed_shepherd_leaves_nothing_running(void **state)
{
    struct stage *s = *state;

    stage_set_mpirun(s, "#!/bin/sh\ncd \"$EBM_ATTEMPT_DIR\" || exit 9\n"
                        "setsid sleep 60 &\necho $$ > pid\nwait\n");
    int64_t job = SUBMIT(s);
    stage_wait_mpirun(s, job);
    uint64_t fence = stage_attempt(s, job, 1).fence;
    STAGE_UNTIL(s, launch_count_marked(&s->daemon.home, fence) == 2);
    stage_kill_shepherd(s, job);
    stage_wait_attempt(s, job, 2);
    assert_string_equal(stage_attempt(s, job, 1).outcome, "crashed");
    assert_string_equal(stage_attempt(s, job, 1).reason, "its shepherd was killed");
    assert_int_equal(launch_count_marked(&s->daemon.home, fence), 0);
}

/* Not even one that was stopped itself keeps a job from being killed. */
static void a_stopped_shepherd_saves_nothing_from_a_kill(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 20);
    stage_wait_mpirun(s, job);
    struct live *l = live_find(&s->daemon.live, job);
    uint64_t fence = l->fence;
    kill((pid_t)l->shepherd.pid, SIGSTOP);
    int64_t before_ms = clock_mono_ms();
    stage_change(s, job, "kill");
    assert_in_range(l->kill_at_ms, before_ms + 1000, before_ms + 4000);
    assert_true(orders_due(&s->daemon) == l->kill_at_ms);
    assert_true(launch_count_marked(&s->daemon.home, fence) > 0);
    l->kill_at_ms = before_ms;
    STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
    assert_int_equal(launch_count_marked(&s->daemon.home, fence), 0);
    assert_string_equal(stage_attempt(s, job, 1).outcome, "killed");
    assert_string_equal(stage_job(s, job).reason, "killed on request");
    actor_close(&a);
}

static void a_restart_goes_on_from_the_newest(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    actor_checkpoint(&a, 50);
    int64_t newest = actor_checkpoint(&a, 100);
    actor_beat(&a, 130);
    actor_end_with(s, &a, "", 1);
    stage_wait_attempt(s, job, 2);
    struct store_attempt row = stage_attempt(s, job, 2);
    assert_int_equal(row.from_checkpoint, newest);
    assert_int_equal(row.from_step, 100);
    assert_string_equal(row.overrides, "");
    assert_int_equal(stage_job(s, job).step, 100);
}

static void restarts_are_bounded_and_slower_each_time(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .set = {"resources.max_restarts=2"});

    actor_live_through(s, job, 7, "");
    stage_wait_attempt(s, job, 2); /* at once */
    int64_t from = clock_wall_ms();
    actor_live_through(s, job, 7, "");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_QUEUED);
    int64_t wait_ms = stage_job(s, job).not_before_ms - from;
    assert_true(wait_ms >= 1000 && wait_ms < 4000);
    assert_non_null(strstr(stage_show(s, job)->reason, "s more: restart 2 of 2 after a crash"));
    for (int i = 0; i < 5; i++)
        stage_turn(s);
    assert_int_equal(stage_job(s, job).attempt, 2);
    stage_skip_backoff(s, job);
    stage_wait_attempt(s, job, 3);
    actor_live_through(s, job, 7, "");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_FAILED);
    struct store_job j = stage_job(s, job);
    assert_non_null(strstr(j.reason, "crashed again after 2 restarts"));
    assert_true(j.ended_ms > 0);
    assert_string_equal(j.plan_cause, "");
    assert_int_equal(stage_history(s, job)->n_attempts, 3);
}

/* Woken by the clock alone. */
static void the_back_off_ends_by_itself(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s);

    actor_live_through(s, job, 7, "");
    stage_wait_attempt(s, job, 2);
    actor_live_through(s, job, 7, "");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_QUEUED);
    int64_t not_before = stage_job(s, job).not_before_ms;
    stage_wait_attempt(s, job, 3);
    assert_true(clock_wall_ms() >= not_before);
}

static void a_checkpoint_refills_the_budget(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s, .set = {"resources.max_restarts=1"});

    actor_live_through(s, job, 7, "");
    for (uint32_t n = 2; n < 5; n++) {
        stage_wait_attempt(s, job, n);
        actor_start(&a, s, job, 50 * n);
        assert_int_equal(stage_job(s, job).restarts_used, 1);
        assert_non_null(strstr(stage_show(s, job)->reason, "restart 1 of 1 after a crash"));
        actor_checkpoint(&a, 50 * n);
        assert_int_equal(stage_job(s, job).restarts_used, 0);
        assert_string_equal(stage_show(s, job)->reason, ""); /* that was then */
        actor_end_with(s, &a, "", 1);
    }
    stage_wait_attempt(s, job, 5);
    actor_live_through(s, job, 300, ""); /* none this time */
    STAGE_UNTIL(s, stage_state(s, job) == JOB_FAILED);
}

/* ---- words ---- */

static void a_word_decides_whatever_the_exit_code(void **state)
{
    static const struct {
        const char *word;
        enum job_state state;
    } rows[] = {{"succeeded", JOB_SUCCEEDED},
                {"failed", JOB_FAILED},
                {"paused", JOB_PAUSED},
                {"cancelled", JOB_CANCELLED}};
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int code = 0; code < 2; code++) {
            struct actor a;
            int64_t job = SUBMIT(s);
            actor_start(&a, s, job, 9);
            actor_end_with(s, &a, rows[i].word, code);
            struct store_job j = stage_job(s, job);
            assert_int_equal(j.state, rows[i].state);
            assert_int_equal(j.step, 9);
            assert_string_equal(j.reason, "the worker says why");
            assert_string_equal(stage_attempt(s, job, 1).outcome, rows[i].word);
            assert_int_equal(j.ended_ms != 0, job_state_is_final(j.state));
            STAGE_UNTIL(s, live_find(&s->daemon.live, job) == NULL);
        }
}

static void orders_lead_where_they_should(void **state)
{
    static const struct {
        const char *verb, *word;
        enum job_state state;
    } rows[] = {
        {"pause", "paused", JOB_PAUSED},       {"pause", "", JOB_PAUSED},
        {"pause", "succeeded", JOB_SUCCEEDED}, {"pause", "failed", JOB_FAILED},
        {"pause", "diverged", JOB_PAUSED},     {"cancel", "cancelled", JOB_CANCELLED},
        {"cancel", "", JOB_CANCELLED},         {"cancel", "succeeded", JOB_SUCCEEDED},
        {"cancel", "failed", JOB_CANCELLED},
    };
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct actor a;
        int64_t job = SUBMIT(s);
        actor_start(&a, s, job, 9);
        stage_change(s, job, rows[i].verb);
        actor_end_with(s, &a, rows[i].word, 0);
        assert_int_equal(stage_state(s, job), rows[i].state);
        assert_int_equal(stage_job(s, job).intent, INTENT_NONE);
        assert_int_equal(stage_job(s, job).restarts_used, 0);
    }
}

/* ---- starts that cannot be used ---- */

static void a_corrupt_start_is_poisoned_and_passed_over(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[2], job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    actor_train_to(&a, id, 2, 110);
    actor_end_with(s, &a, "", 1);
    for (uint32_t n = 2; n <= 3; n++) {
        int64_t from = id[3 - n];
        stage_wait_attempt(s, job, n);
        assert_int_equal(stage_attempt(s, job, n).from_checkpoint, from);
        actor_live_through(s, job, 0, "corrupt");
        assert_string_equal(stage_checkpoint(s, from).health, "poisoned");
        if (stage_state(s, job) == JOB_QUEUED)
            stage_skip_backoff(s, job);
    }
    stage_wait_attempt(s, job, 4);
    assert_int_equal(stage_attempt(s, job, 4).from_checkpoint, 0);
    assert_string_equal(stage_attempt(s, job, 2).outcome, "crashed");
    assert_int_equal(stage_events(s, job, "health"), 2);
}

static void corrupt_without_a_start_is_a_crash(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s);

    actor_live_through(s, job, 0, "corrupt");
    stage_wait_attempt(s, job, 2);
    assert_int_equal(stage_events(s, job, "health"), 0);
}

/* ---- launches ---- */

static void a_missing_program_fails_the_job(void **state)
{
    struct stage *s = *state;

    setenv("EBM_MPIRUN", "/nonexistent/mpirun", 1);
    int64_t job = SUBMIT(s);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_FAILED);
    assert_non_null(strstr(stage_job(s, job).reason, "/nonexistent/mpirun"));
    assert_string_equal(stage_attempt(s, job, 1).outcome, "failed");
    assert_int_equal(stage_job(s, job).restarts_used, 0);
    assert_null(live_find(&s->daemon.live, job));
    stage_set_mpirun(s, NULL);
    stage_change(s, job, "resume");
    stage_wait_mpirun(s, job);
    assert_int_equal(stage_job(s, job).attempt, 2);
}

static void an_mpirun_that_cannot_run_is_a_crash(void **state)
{
    struct stage *s = *state;

    stage_set_mpirun(s, "#!/nonexistent/sh\n");
    int64_t job = SUBMIT(s, .set = {"resources.max_restarts=0"});
    STAGE_UNTIL(s, stage_state(s, job) == JOB_FAILED);
    assert_string_equal(stage_attempt(s, job, 1).outcome, "crashed");
    assert_non_null(strstr(stage_job(s, job).reason, "cannot run"));
}

static void many_short_attempts_leave_nothing_open(void **state)
{
    struct stage *s = *state;

    stage_set_mpirun(s, "#!/bin/sh\nexit 1\n");
    stage_show(s, SUBMIT(s, .hold = true));
    int before = dup(0); /* the lowest free descriptor */
    close(before);
    int64_t job = SUBMIT(s, .set = {"resources.max_restarts=12"});
    for (uint32_t n = 1; n <= 13; n++) {
        STAGE_UNTIL(s, stage_attempt(s, job, n).ended_ms != 0);
        STAGE_UNTIL(s, live_find(&s->daemon.live, job) == NULL ||
                           live_find(&s->daemon.live, job)->attempt > n);
        if (stage_state(s, job) == JOB_QUEUED)
            stage_skip_backoff(s, job);
        if (n < 13)
            stage_wait_attempt(s, job, n + 1);
    }
    int after = dup(0);
    close(after);
    assert_int_equal(stage_state(s, job), JOB_FAILED);
    assert_int_equal(before, after);
    assert_int_equal(s->daemon.live.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(an_end_without_a_word_is_a_crash),
        T(a_killed_mpirun_is_a_crash),
        T(a_killed_shepherd_leaves_nothing_running),
        T(a_stopped_shepherd_saves_nothing_from_a_kill),
        T(a_restart_goes_on_from_the_newest),
        T(restarts_are_bounded_and_slower_each_time),
        T(the_back_off_ends_by_itself),
        T(a_checkpoint_refills_the_budget),
        T(a_word_decides_whatever_the_exit_code),
        T(orders_lead_where_they_should),
        T(a_corrupt_start_is_poisoned_and_passed_over),
        T(corrupt_without_a_start_is_a_crash),
        T(a_missing_program_fails_the_job),
        T(an_mpirun_that_cannot_run_is_a_crash),
        T(many_short_attempts_leave_nothing_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
