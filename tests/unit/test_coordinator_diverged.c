/* Attempts that end diverged: what is distrusted, where the job goes back to
 * and what changes, and when it is given up. */
#include "coordinator_actor.h"

#include <stdio.h>

#include "orders.h"

/* The first attempt diverges at 260, with this onset (0: it names none); 50 to
 * 150 have proved themselves at 250. id (5): its checkpoints, 50 steps apart. */
static void diverge(struct stage *s, struct actor *a, int64_t job, uint64_t onset, int64_t *id)
{
    actor_start(a, s, job, 0);
    actor_train_to(a, id, 5, 260);
    a->onset = onset;
    actor_end_with(s, a, "diverged", 1);
    stage_wait_attempt(s, job, 2);
}

static void a_divergence_goes_back_to_the_newest_healthy(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[5], job = SUBMIT(s, .set = {"checkpoint.keep_last=9"});

    diverge(s, &a, job, 0, id);
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

/* What was to happen at its start happens at the one before it. */
static void a_purge_moves_with_a_start_that_is_corrupt(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[5], job = SUBMIT(s, .set = {"checkpoint.keep_last=9", "stability.ladder=firm"});

    diverge(s, &a, job, 0, id);
    assert_int_equal(stage_attempt(s, job, 2).from_checkpoint, id[2]);
    for (uint32_t n = 3; n <= 5; n++) {
        actor_live_through(s, job, 0, "corrupt");
        stage_skip_backoff(s, job);
        stage_wait_attempt(s, job, n);
        struct store_attempt row = stage_attempt(s, job, n);
        assert_int_equal(row.from_checkpoint, n < 5 ? id[4 - n] : 0);
        assert_string_equal(row.overrides, n == 3   ? "intervention.at_step=100"
                                           : n == 4 ? "intervention.at_step=50"
                                                    : "intervention.at_step=0");
    }
}

/* A person hears what an earlier recovery still does, and leaves it behind by
 * going back to before it. */
static void a_rollback_by_hand_tells_what_a_recovery_left(void **state)
{
    struct stage *s = *state;
    struct actor a;
    char to[16];
    int64_t id[5], job = SUBMIT(s, .set = {"checkpoint.keep_last=9", "stability.ladder=firm"});

    diverge(s, &a, job, 0, id);
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
    Ebm__Stability told;
    struct stage *s = *state;
    struct actor a;
    int64_t id[5], job = SUBMIT(s, .set = {"checkpoint.keep_last=9"});

    actor_start(&a, s, job, 0);
    actor_train_warned(&a, &told, 160, id, 5, 260);
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

    diverge(s, &a, job, 120, id);
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
    actor_train_to(&a, id, 5, 260);
    a.onset = 150;
    actor_end_with(s, &a, "diverged", 1);
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
        stage_wait_attempt(s, job, i + 1);
        actor_live_through(s, job, rows[i].step, "diverged");
        stage_wait_attempt(s, job, i + 2);
        assert_int_equal(stage_job(s, job).rollbacks_used, rows[i].used);
        assert_non_null(strstr(stage_attempt(s, job, i + 2).overrides, rows[i].override));
    }
}

/* What happened further on counts no more for budget and ladder. */
static void a_person_who_goes_back_begins_anew(void **state)
{
    struct stage *s = *state;
    struct actor a;
    char to[16];
    int64_t id[5], job = SUBMIT(s, .set = {"stability.clean_steps=100", "checkpoint.keep_last=9"});

    diverge(s, &a, job, 0, id);
    actor_start(&a, s, job, 155);
    snprintf(to, sizeof to, "c%d", (int)id[0]);
    stage_rollback(s, job, to);
    actor_end_with(s, &a, "stopped", 0);
    stage_wait_attempt(s, job, 3);
    assert_int_equal(stage_attempt(s, job, 3).from_step, 50);
    for (uint32_t n = 3; n <= 4; n++) {
        actor_live_through(s, job, n == 3 ? 120 : 230, "diverged");
        stage_wait_attempt(s, job, n + 1);
        assert_int_equal(stage_job(s, job).rollbacks_used, 1);
    }
}

/* What diverged before it proved itself is not trusted again. */
static void on_probation_each_gets_one_chance(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[2], job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    actor_train_to(&a, id, 2, 110);
    actor_end_with(s, &a, "diverged", 1);
    stage_wait_attempt(s, job, 2);
    assert_int_equal(stage_attempt(s, job, 2).from_checkpoint, id[1]);
    actor_live_through(s, job, 120, "diverged");
    stage_wait_attempt(s, job, 3);
    assert_string_equal(stage_checkpoint(s, id[1]).health, "suspect");
    assert_int_equal(stage_attempt(s, job, 3).from_checkpoint, id[0]);
    actor_live_through(s, job, 120, "diverged");
    stage_wait_attempt(s, job, 4);
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

    actor_live_through(s, job, 20, "diverged");
    stage_wait_attempt(s, job, 2);
    assert_int_equal(stage_attempt(s, job, 2).from_checkpoint, 0);
    assert_int_equal(stage_job(s, job).noise_epoch, 1);
}

static void rollbacks_are_bounded(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .set = {"stability.max_rollbacks=2"});

    for (uint32_t n = 1; n <= 3; n++) {
        stage_wait_attempt(s, job, n);
        actor_live_through(s, job, 20, "diverged");
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

    actor_live_through(s, job, 20, "diverged");
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
    stage_wait_attempt(s, job, 2);
    assert_int_equal(stage_attempt(s, job, 2).from_checkpoint, id[1]);
    assert_string_equal(stage_attempt(s, job, 2).overrides, "noise_epoch=1");
}

static void policies_pause_or_fail(void **state)
{
    struct stage *s = *state;
    int64_t pause = SUBMIT(s, .set = {"stability.on_divergence=pause"});
    int64_t fail = SUBMIT(s, .set = {"stability.on_divergence=fail"});

    actor_live_through(s, pause, 20, "diverged");
    actor_live_through(s, fail, 20, "diverged");
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
    stage_wait_attempt(s, fork, 1);
    assert_int_equal(stage_attempt(s, fork, 1).from_checkpoint, id);
    actor_live_through(s, fork, 70, "diverged");
    stage_wait_attempt(s, fork, 2);
    assert_int_equal(stage_attempt(s, fork, 2).from_checkpoint, id);
    assert_int_equal(stage_attempt(s, fork, 2).from_step, 50);
    actor_live_through(s, fork, 70, "");
    stage_wait_attempt(s, fork, 3); /* and so for a crash */
    assert_int_equal(stage_attempt(s, fork, 3).from_checkpoint, id);
    actor_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(a_divergence_goes_back_to_the_newest_healthy),
        T(a_purge_moves_with_a_start_that_is_corrupt),
        T(a_rollback_by_hand_tells_what_a_recovery_left),
        T(what_comes_under_suspicion_proves_nothing),
        T(an_onset_reaches_back),
        T(a_run_that_is_not_rolled_back_marks_it_all_the_same),
        T(the_ladder_begins_again_after_progress),
        T(a_person_who_goes_back_begins_anew),
        T(on_probation_each_gets_one_chance),
        T(without_a_checkpoint_it_starts_anew),
        T(rollbacks_are_bounded),
        T(a_recovery_that_is_refused_is_a_divergence),
        T(a_resume_after_a_divergence_is_another_try),
        T(policies_pause_or_fail),
        T(a_fork_that_diverges_goes_back_to_its_fork),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
