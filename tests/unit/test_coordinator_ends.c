/* How attempts end, and what becomes of their jobs: restarts, divergence,
 * starts that cannot be used, launches that fail. */
#include "coordinator_actor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "launch/launch.h"
#include "orders.h"

static void wait_attempt(struct stage *s, int64_t job, uint32_t attempt)
{
    STAGE_UNTIL(s, stage_job(s, job).attempt == attempt);
}

/* Ends the attempt with this word, at this exit code. */
static void end_with(struct stage *s, struct actor *a, const char *word, int exit_code)
{
    if (word[0] != '\0')
        actor_finish(a, word, "the worker says why");
    actor_close(a);
    stage_end_mpirun(s, a->job, exit_code);
    STAGE_UNTIL(s, stage_attempt(s, a->job, a->attempt).ended_ms != 0);
}

/* The newest attempt begins, is heard, and ends so at this step. */
static void live_through(struct stage *s, int64_t job, uint64_t step, const char *word)
{
    struct actor a;

    actor_start(&a, s, job, step);
    end_with(s, &a, word, 1);
}

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
        end_with(s, &a, "", rows[i].exit_code);
        struct store_attempt row = stage_attempt(s, job, 1);
        assert_string_equal(row.outcome, "crashed");
        assert_string_equal(row.reason, rows[i].reason);
        assert_int_equal(row.last_step, 7);
        wait_attempt(s, job, 2);
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
    wait_attempt(s, job, 2);
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
    wait_attempt(s, job, 2);
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
    end_with(s, &a, "", 1);
    wait_attempt(s, job, 2);
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

    live_through(s, job, 7, "");
    wait_attempt(s, job, 2); /* at once */
    int64_t from = clock_wall_ms();
    live_through(s, job, 7, "");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_QUEUED);
    int64_t wait_ms = stage_job(s, job).not_before_ms - from;
    assert_true(wait_ms >= 1000 && wait_ms < 4000);
    assert_non_null(strstr(stage_show(s, job)->reason, "s more: restart 2 of 2 after a crash"));
    for (int i = 0; i < 5; i++)
        stage_turn(s);
    assert_int_equal(stage_job(s, job).attempt, 2);
    stage_skip_backoff(s, job);
    wait_attempt(s, job, 3);
    live_through(s, job, 7, "");
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

    live_through(s, job, 7, "");
    wait_attempt(s, job, 2);
    live_through(s, job, 7, "");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_QUEUED);
    int64_t not_before = stage_job(s, job).not_before_ms;
    wait_attempt(s, job, 3);
    assert_true(clock_wall_ms() >= not_before);
}

static void a_checkpoint_refills_the_budget(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s, .set = {"resources.max_restarts=1"});

    live_through(s, job, 7, "");
    for (uint32_t n = 2; n < 5; n++) {
        wait_attempt(s, job, n);
        actor_start(&a, s, job, 50 * n);
        assert_int_equal(stage_job(s, job).restarts_used, 1);
        assert_non_null(strstr(stage_show(s, job)->reason, "restart 1 of 1 after a crash"));
        actor_checkpoint(&a, 50 * n);
        assert_int_equal(stage_job(s, job).restarts_used, 0);
        assert_string_equal(stage_show(s, job)->reason, ""); /* that was then */
        end_with(s, &a, "", 1);
    }
    wait_attempt(s, job, 5);
    live_through(s, job, 300, ""); /* none this time */
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
            end_with(s, &a, rows[i].word, code);
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
        end_with(s, &a, rows[i].word, 0);
        assert_int_equal(stage_state(s, job), rows[i].state);
        assert_int_equal(stage_job(s, job).intent, INTENT_NONE);
        assert_int_equal(stage_job(s, job).restarts_used, 0);
    }
}

/* ---- divergence ---- */

/* Checkpoints at steps 50 to 50n, then a beat at the step of the divergence. */
static void train_to(struct actor *a, int64_t id[], uint64_t n, uint64_t step)
{
    for (uint64_t i = 0; i < n; i++)
        id[i] = actor_checkpoint(a, a->step - a->step % 50 + 50);
    actor_beat(a, step);
}

static void a_divergence_goes_back_to_the_newest_healthy(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[5], job = SUBMIT(s, .set = {"checkpoint.keep_last=9"});

    actor_start(&a, s, job, 0);
    train_to(&a, id, 5, 260); /* 50 to 150 have proved themselves at 250 */
    end_with(s, &a, "diverged", 1);
    wait_attempt(s, job, 2);
    struct store_attempt row = stage_attempt(s, job, 2);
    assert_int_equal(row.from_checkpoint, id[2]);
    assert_string_equal(stage_show(s, job)->happened,
                        "rolled back to 150: the worker says why; buffer: outliers purged");
    assert_string_equal(row.cause, "rollback");
    assert_string_equal(row.actor, "ebmd");
    assert_string_equal(row.overrides, "noise_epoch=1 intervention.at_step=150 "
                                       "intervention.skip_batches=200 "
                                       "intervention.purge=outliers");
    assert_string_equal(stage_attempt(s, job, 1).outcome, "diverged");
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(stage_checkpoint(s, id[i]).health, i < 3 ? "healthy" : "suspect");
    struct store_job j = stage_job(s, job);
    assert_int_equal(j.rollbacks_used, 1);
    assert_int_equal(j.restarts_used, 0);
    assert_int_equal(j.noise_epoch, 1);
    assert_non_null(strstr(stage_event_text(s, job, "rollback"), "rollback 1 of 5"));
}

/* A person hears what an earlier recovery still does, and leaves it behind by
 * going back to before it. */
static void a_rollback_by_hand_tells_what_a_recovery_left(void **state)
{
    struct stage *s = *state;
    struct actor a;
    char to[16];
    int64_t id[5], job = SUBMIT(s, .set = {"checkpoint.keep_last=9", "stability.ladder=firm"});

    actor_start(&a, s, job, 0);
    train_to(&a, id, 5, 260);
    end_with(s, &a, "diverged", 1);
    wait_attempt(s, job, 2);
    assert_int_equal(stage_attempt(s, job, 2).from_checkpoint, id[2]);
    assert_non_null(strstr(stage_show(s, job)->happened, "lr x0.5"));
    assert_non_null(strstr(stage_show(s, job)->happened, "buffer: all purged"));
    snprintf(to, sizeof to, "c%d", (int)id[2]);
    const Ebm__Reply *r = stage_try_rollback(s, job, to, true, NULL);
    assert_non_null(r->plan);
    assert_string_equal(r->plan->in_force,
                        "lr x0.5, K x1.5, Langevin step x0.5, buffer: all purged");
    snprintf(to, sizeof to, "c%d", (int)id[1]);
    r = stage_try_rollback(s, job, to, true, NULL);
    assert_non_null(r->plan);
    assert_string_equal(r->plan->in_force, "");
    assert_non_null(strstr(r->plan->overrides, "intervention.lr_factor=1"));
    assert_non_null(strstr(r->plan->overrides, "intervention.at_step=0"));
}

/* Steps under a suspicion that stands are no clean stretch. */
static void what_comes_under_suspicion_proves_nothing(void **state)
{
    Ebm__Stability told = EBM__STABILITY__INIT;
    struct stage *s = *state;
    struct actor a;
    int64_t id[5], job = SUBMIT(s, .set = {"checkpoint.keep_last=9"});

    actor_start(&a, s, job, 0);
    told.verdict = (char *)"warn";
    told.suspect_since = 160;
    a.stability = &told;
    actor_beat(&a, 10);
    train_to(&a, id, 5, 260);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(stage_checkpoint(s, id[i]).health, i < 1 ? "healthy" : "probation");
    actor_close(&a);
}

/* From the onset on nothing is trusted, whatever it had proved. */
static void an_onset_reaches_back(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[5], job = SUBMIT(s, .set = {"checkpoint.keep_last=9"});

    actor_start(&a, s, job, 0);
    train_to(&a, id, 5, 260);
    a.onset = 120;
    end_with(s, &a, "diverged", 1);
    wait_attempt(s, job, 2);
    assert_int_equal(stage_attempt(s, job, 1).reported_onset, 120);
    assert_int_equal(stage_attempt(s, job, 2).from_checkpoint, id[0]); /* 100 is too near */
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(stage_checkpoint(s, id[i]).health, i < 2 ? "healthy" : "suspect");
    assert_non_null(strstr(stage_job(s, job).reason, "rollback 1 of 5 to c1, step 50"));
}

/* A job that is paused as it diverged at step 260, with an onset of 150; id
 * (5): its checkpoints, 50 steps apart. */
static int64_t pause_diverged(struct stage *s, int64_t *id)
{
    struct actor a;
    int64_t job = SUBMIT(s, .set = {"checkpoint.keep_last=9", "stability.on_divergence=pause"});

    actor_start(&a, s, job, 0);
    train_to(&a, id, 5, 260);
    a.onset = 150;
    end_with(s, &a, "diverged", 1);
    assert_int_equal(stage_state(s, job), JOB_PAUSED);
    return job;
}

static void a_run_that_is_not_rolled_back_marks_it_all_the_same(void **state)
{
    struct stage *s = *state;
    int64_t id[5];

    pause_diverged(s, id);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(stage_checkpoint(s, id[i]).health, i < 2 ? "healthy" : "suspect");
}

/* Up the ladder while it fails at the same place; from its first rung again
 * once it has come well beyond. */
static void the_ladder_begins_again_after_progress(void **state)
{
    static const struct {
        uint64_t step;
        uint32_t used;
        const char *override;
    } rows[] = {
        {120, 1, "intervention.skip_batches=200"},
        {130, 2, "intervention.lr_factor=0.5"},
        {240, 1, "intervention.ramp_after=4000"}, /* it needed what it had */
        {250, 2, "intervention.lr_factor=0.25"},
    };
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .set = {"stability.clean_steps=100"});

    for (uint32_t i = 0; i < 4; i++) {
        wait_attempt(s, job, i + 1);
        live_through(s, job, rows[i].step, "diverged");
        wait_attempt(s, job, i + 2);
        assert_int_equal(stage_job(s, job).rollbacks_used, rows[i].used);
        assert_non_null(strstr(stage_attempt(s, job, i + 2).overrides, rows[i].override));
    }
}

/* What diverged before it proved itself is not trusted again. */
static void on_probation_each_gets_one_chance(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[2], job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    train_to(&a, id, 2, 110);
    end_with(s, &a, "diverged", 1);
    wait_attempt(s, job, 2);
    assert_int_equal(stage_attempt(s, job, 2).from_checkpoint, id[1]);
    live_through(s, job, 120, "diverged");
    wait_attempt(s, job, 3);
    assert_string_equal(stage_checkpoint(s, id[1]).health, "suspect");
    assert_int_equal(stage_attempt(s, job, 3).from_checkpoint, id[0]);
    live_through(s, job, 120, "diverged");
    wait_attempt(s, job, 4);
    assert_string_equal(stage_checkpoint(s, id[0]).health, "suspect");
    assert_int_equal(stage_attempt(s, job, 4).from_checkpoint, 0);
    assert_int_equal(stage_job(s, job).noise_epoch, 3); /* other noise each time */
    assert_non_null(strstr(stage_attempt(s, job, 4).overrides, "noise_epoch=3 "));
    assert_non_null(strstr(stage_attempt(s, job, 4).overrides, "intervention.purge=all"));
    assert_non_null(strstr(stage_attempt(s, job, 4).overrides, "intervention.lr_factor=0.25"));
}

static void without_a_checkpoint_it_starts_anew(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s);

    live_through(s, job, 20, "diverged");
    wait_attempt(s, job, 2);
    assert_int_equal(stage_attempt(s, job, 2).from_checkpoint, 0);
    assert_int_equal(stage_job(s, job).noise_epoch, 1);
}

static void rollbacks_are_bounded(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .set = {"stability.max_rollbacks=2"});

    for (uint32_t n = 1; n <= 3; n++) {
        wait_attempt(s, job, n);
        live_through(s, job, 20, "diverged");
    }
    assert_int_equal(stage_state(s, job), JOB_DIVERGED);
    assert_non_null(strstr(stage_job(s, job).reason, "2 rollbacks did not help"));
    assert_string_equal(stage_show(s, job)->health, "bad");
}

/* What no spec can express is an end as well, and not tried for ever. */
static void a_recovery_that_is_refused_is_a_divergence(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .set = {"noise_epoch=4294967295"});

    live_through(s, job, 20, "diverged");
    assert_int_equal(stage_state(s, job), JOB_DIVERGED);
    assert_non_null(strstr(stage_job(s, job).reason, "its recovery is refused: "));
    assert_string_equal(stage_attempt(s, job, 1).outcome, "diverged");
    assert_int_equal(stage_job(s, job).rollbacks_used, 0);
}

/* With other numbers, and not from what the onset made suspect. */
static void a_resume_after_a_divergence_is_another_try(void **state)
{
    struct stage *s = *state;
    int64_t id[5], job = pause_diverged(s, id);

    stage_change(s, job, "resume");
    wait_attempt(s, job, 2);
    assert_int_equal(stage_attempt(s, job, 2).from_checkpoint, id[1]);
    assert_string_equal(stage_attempt(s, job, 2).overrides, "noise_epoch=1");
}

static void policies_pause_or_fail(void **state)
{
    struct stage *s = *state;
    int64_t pause = SUBMIT(s, .set = {"stability.on_divergence=pause"});
    int64_t fail = SUBMIT(s, .set = {"stability.on_divergence=fail"});

    live_through(s, pause, 20, "diverged");
    live_through(s, fail, 20, "diverged");
    assert_int_equal(stage_state(s, pause), JOB_PAUSED);
    assert_int_equal(stage_state(s, fail), JOB_DIVERGED);
    assert_non_null(strstr(stage_job(s, pause).reason, "diverged: the worker says why"));
    assert_string_equal(stage_attempt(s, pause, 1).outcome, "diverged");
    assert_int_equal(stage_job(s, pause).rollbacks_used, 0);
    assert_string_equal(stage_show(s, pause)->health, "bad");
    assert_string_equal(stage_show(s, fail)->health, "bad");
}

/* A fork has no checkpoint of its own yet: it goes back to where it began,
 * not to nothing. */
static void a_fork_that_diverges_goes_back_to_its_fork(void **state)
{
    struct stage *s = *state;
    struct actor a;
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Fork m = EBM__FORK__INIT;
    int64_t parent = SUBMIT(s);

    actor_start(&a, s, parent, 0);
    int64_t id = actor_checkpoint(&a, 50);
    q.body_case = EBM__REQUEST__BODY_FORK;
    q.fork = &m;
    m.job = (uint64_t)parent;
    int64_t fork = (int64_t)stage_ask(s, &q)->job;
    assert_true(fork > parent);
    wait_attempt(s, fork, 1);
    assert_int_equal(stage_attempt(s, fork, 1).from_checkpoint, id);
    live_through(s, fork, 70, "diverged");
    wait_attempt(s, fork, 2);
    assert_int_equal(stage_attempt(s, fork, 2).from_checkpoint, id);
    assert_int_equal(stage_attempt(s, fork, 2).from_step, 50);
    live_through(s, fork, 70, "");
    wait_attempt(s, fork, 3); /* and so for a crash */
    assert_int_equal(stage_attempt(s, fork, 3).from_checkpoint, id);
    actor_close(&a);
}

/* ---- starts that cannot be used ---- */

static void a_corrupt_start_is_poisoned_and_passed_over(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[2], job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    train_to(&a, id, 2, 110);
    end_with(s, &a, "", 1);
    for (uint32_t n = 2; n <= 3; n++) {
        int64_t from = id[3 - n];
        wait_attempt(s, job, n);
        assert_int_equal(stage_attempt(s, job, n).from_checkpoint, from);
        live_through(s, job, 0, "corrupt");
        assert_string_equal(stage_checkpoint(s, from).health, "poisoned");
        if (stage_state(s, job) == JOB_QUEUED)
            stage_skip_backoff(s, job);
    }
    wait_attempt(s, job, 4);
    assert_int_equal(stage_attempt(s, job, 4).from_checkpoint, 0);
    assert_string_equal(stage_attempt(s, job, 2).outcome, "crashed");
    assert_int_equal(stage_events(s, job, "health"), 2);
}

static void corrupt_without_a_start_is_a_crash(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s);

    live_through(s, job, 0, "corrupt");
    wait_attempt(s, job, 2);
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
            wait_attempt(s, job, n + 1);
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
        T(a_divergence_goes_back_to_the_newest_healthy),
        T(a_rollback_by_hand_tells_what_a_recovery_left),
        T(what_comes_under_suspicion_proves_nothing),
        T(an_onset_reaches_back),
        T(a_run_that_is_not_rolled_back_marks_it_all_the_same),
        T(the_ladder_begins_again_after_progress),
        T(on_probation_each_gets_one_chance),
        T(without_a_checkpoint_it_starts_anew),
        T(rollbacks_are_bounded),
        T(a_recovery_that_is_refused_is_a_divergence),
        T(a_resume_after_a_divergence_is_another_try),
        T(policies_pause_or_fail),
        T(a_fork_that_diverges_goes_back_to_its_fork),
        T(a_corrupt_start_is_poisoned_and_passed_over),
        T(corrupt_without_a_start_is_a_crash),
        T(a_missing_program_fails_the_job),
        T(an_mpirun_that_cannot_run_is_a_crash),
        T(many_short_attempts_leave_nothing_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
