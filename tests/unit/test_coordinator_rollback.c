/* Going back: to which checkpoint, from which state, with which overrides,
 * and what is on record afterwards. */
#include "coordinator_actor.h"

#include <stdio.h>

static const char *const no_sets[] = {NULL};

/* A running job with checkpoints at 50, 100, 150, at step 160. */
static int64_t run_job(struct stage *s, struct actor *a, int64_t id[3])
{
    int64_t job = SUBMIT(s, .set = {"checkpoint.keep_last=20"});

    actor_start(a, s, job, 0);
    for (uint64_t i = 0; i < 3; i++)
        id[i] = actor_checkpoint(a, 50 * (i + 1));
    actor_beat(a, 160);
    return job;
}

/* The worker obeys, and mpirun ends. */
static void end_as(struct actor *a, const char *word)
{
    actor_finish(a, word, "");
    actor_close(a);
    stage_end_mpirun(a->stage, a->job, 0);
    STAGE_UNTIL(a->stage, stage_attempt(a->stage, a->job, a->attempt).ended_ms != 0);
}

static void wait_start(struct stage *s, int64_t job, uint32_t attempt, int64_t checkpoint)
{
    STAGE_UNTIL(s, stage_job(s, job).attempt == attempt);
    struct store_attempt a = stage_attempt(s, job, attempt);
    assert_int_equal(a.from_checkpoint, checkpoint);
    assert_string_equal(a.cause, "rollback");
    assert_string_equal(a.actor, "user");
}

static void dump(struct stage *s, int64_t job, struct buf *out)
{
    buf_clear(out);
    stage_dump(s, job, out);
}

/* ---- refused ---- */

static void assert_unchanged(struct stage *s, int64_t job, const char *to, const char *const set[],
                             enum ebm_status status, const char *text)
{
    struct buf before, after;

    buf_init(&before);
    buf_init(&after);
    dump(s, job, &before);
    for (int dry = 0; dry < 2; dry++) {
        const Ebm__Reply *r = stage_try_rollback(s, job, to, dry != 0, set);
        const char *said = r->n_problem > 0 ? r->problem[0]->text : r->error;
        if (r->status != (uint32_t)status || strstr(said, text) == NULL)
            fail_msg("--to %s: %s (%s)", to, said, r->error);
        assert_null(r->plan);
    }
    dump(s, job, &after);
    assert_string_equal(buf_text(&after), buf_text(&before));
    buf_fini(&before);
    buf_fini(&after);
}

static void wrong_overrides_change_nothing(void **state)
{
    static const struct {
        const char *set, *text;
    } rows[] = {
        {"optimizer.lerning_rate=1", "unknown"},
        {"optimizer.lr=fast", "optimizer.lr"},
        {"optimizer.lr=-1", "optimizer.lr"},
        {"optimizer.lr", ""},
        {"data.batch_size=128", "smaller than data.batch_size"},
        {"resources.ranks=5", "need 5 slots"},
        {"name=other", "a job keeps its name"},
        {"model.preset=mlp", ""},
        {"replay.size=128", "holds 64 slots, and 128 are asked for"},
        {"train.steps=50", "is at step 50 of 50: nothing is left to train"},
        {"train.steps=40", "nothing is left to train"},
    };
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const set[] = {rows[i].set, NULL};
        assert_unchanged(s, job, "c1", set, EBM_EINVAL, rows[i].text);
    }
    assert_string_equal(actor_beat(&a, 161), ""); /* nobody told the worker to stop */
    actor_close(&a);
}

static void the_net_cannot_change(void **state)
{
    static const char *const set[] = {"model.layers=[ dense: {out: 5}, swish, dense: {out: 1} ]",
                                      NULL};
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    assert_unchanged(s, job, "c1", set, EBM_EINVAL, "the net cannot change");
    actor_close(&a);
}

static void samples_keep_their_shape(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);
    const char *const set[] = {stage_set_pictures(s), NULL};

    assert_unchanged(s, job, "c1", set, EBM_EINVAL,
                     "checkpoint c1 is of samples of 2 x 1 x 1, and those of idx:");
    assert_string_equal(actor_beat(&a, 161), "");
    actor_close(&a);
}

static void targets_that_are_none_change_nothing(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id), other = SUBMIT(s, .hold = true);

    assert_unchanged(s, job, "c99", no_sets, EBM_ENOTFOUND, "job 1: no checkpoint c99");
    assert_unchanged(s, job, "75", no_sets, EBM_ENOTFOUND, "nearest are c1 at step 50");
    assert_unchanged(s, job, "3", no_sets, EBM_ENOTFOUND, "with that number, at step 150, is c3");
    assert_unchanged(s, job, "yesterday", no_sets, EBM_EINVAL, "'yesterday' is no checkpoint");
    assert_unchanged(s, other, "c1", no_sets, EBM_ENOTFOUND, "no checkpoint yet");
    actor_close(&a);
}

/* A chain of another kind leaves no buffer in its checkpoints, and no buffer
 * can be had from them later, with or without an override. */
static void without_a_buffer_there_is_no_replay(void **state)
{
    static const char *const noise[] = {"sampler.init=noise", NULL};
    static const char *const replay[] = {"sampler.init=replay", NULL};
    struct stage *s = *state;
    struct actor a;
    char to[16];
    int64_t id[3], job = run_job(s, &a, id);

    assert_int_equal(stage_try_rollback(s, job, "c1", false, noise)->status, EBM_OK);
    end_as(&a, "stopped");
    wait_start(s, job, 2, id[0]);
    actor_start(&a, s, job, 50);
    snprintf(to, sizeof to, "c%d", (int)actor_checkpoint(&a, 100));
    assert_unchanged(s, job, to, replay, EBM_EINVAL, "has no replay buffer");
    assert_int_equal(stage_try_rollback(s, job, "c2", false, replay)->status, EBM_OK);
    end_as(&a, "stopped");
    wait_start(s, job, 3, id[1]);
    assert_unchanged(s, job, to, no_sets, EBM_EINVAL, "has no replay buffer");
}

/* ---- its sentence ---- */

static void the_sentence_has_what_a_person_set(void **state)
{
    static const char *const set[] = {"on_event.command='tell x=1 y'", "sampler.clamp=[-1, 1]",
                                      "optimizer.lr=5e-5", NULL};
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    assert_int_equal(stage_try_rollback(s, job, "c1", false, set)->status, EBM_OK);
    end_as(&a, "stopped");
    wait_start(s, job, 2, id[0]);
    assert_string_equal(
        stage_show(s, job)->happened,
        "rolled back to 50 by hand; sampler.clamp=[-1.0, 1.0]; optimizer.lr=5.0e-5; "
        "on_event.command=\"tell x=1 y\"");
}

/* ---- the target ---- */

static void each_way_to_say_where_leads_there(void **state)
{
    static const struct {
        const char *to;
        size_t index;
    } rows[] = {{"c1", 0}, {"100", 1}, {"newest", 2}, {"c3", 2}, {"", 0}, {"last-healthy", 0}};
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const Ebm__Reply *r = stage_try_rollback(s, job, rows[i].to, true, NULL);
        assert_int_equal(r->status, EBM_OK);
        assert_int_equal(r->plan->checkpoint, id[rows[i].index]);
        assert_int_equal(r->plan->step, 50 * (rows[i].index + 1));
        assert_int_equal(r->plan->abandons_steps, 160 - r->plan->step);
        assert_int_equal(r->plan->stops_attempt, 1);
        assert_string_equal(r->plan->health, rows[i].index == 0 ? "healthy" : "probation");
        assert_true(r->plan->why[0] != '\0');
    }
    actor_close(&a);
}

static void a_dry_run_changes_nothing(void **state)
{
    static const char *const set[] = {"optimizer.lr=0.5", NULL};
    struct stage *s = *state;
    struct actor a;
    struct buf before, after;
    int64_t id[3], job = run_job(s, &a, id);

    buf_init(&before);
    buf_init(&after);
    dump(s, job, &before);
    const Ebm__Reply *r = stage_try_rollback(s, job, "c2", true, set);
    assert_int_equal(r->status, EBM_OK);
    assert_string_equal(r->plan->overrides, "noise_epoch=1 optimizer.lr=0.5");
    dump(s, job, &after);
    assert_string_equal(buf_text(&after), buf_text(&before));
    assert_string_equal(actor_beat(&a, 161), "");
    buf_fini(&before);
    buf_fini(&after);
    actor_close(&a);
}

/* ---- from each state ---- */

static void a_running_job_is_stopped_first(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    const Ebm__Plan *p = stage_rollback(s, job, "c2");
    assert_int_equal(p->stops_attempt, 1);
    assert_int_equal(p->abandons_steps, 60);
    struct store_job j = stage_job(s, job);
    assert_int_equal(j.state, JOB_PAUSING);
    assert_int_equal(j.intent, INTENT_ROLLBACK);
    assert_string_equal(j.reason, "rolled back to c2, step 100; noise_epoch=1");
    assert_string_equal(actor_beat(&a, 161), "stop");
    actor_checkpoint(&a, 200); /* what it still sends is kept, and not gone on from */
    end_as(&a, "stopped");
    struct store_attempt first = stage_attempt(s, job, 1);
    assert_string_equal(first.outcome, "rolled-back");
    assert_non_null(strstr(first.reason, "rolled back to c2"));
    wait_start(s, job, 2, id[1]);
    j = stage_job(s, job);
    assert_int_equal(j.intent, INTENT_NONE);
    assert_int_equal(j.noise_epoch, 1);
    assert_string_equal(j.plan_cause, "");
    assert_int_equal(j.step, 100);
}

/* That it was about to be done does not matter to who goes back. */
static void a_success_is_rolled_back_too(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    stage_rollback(s, job, "c1");
    end_as(&a, "succeeded");
    assert_string_equal(stage_attempt(s, job, 1).outcome, "rolled-back");
    wait_start(s, job, 2, id[0]);
}

static void final_and_paused_jobs_go_back_at_once(void **state)
{
    static const struct {
        const char *word;
        enum job_state state;
    } rows[] = {{"succeeded", JOB_SUCCEEDED},
                {"failed", JOB_FAILED},
                {"cancelled", JOB_CANCELLED},
                {"paused", JOB_PAUSED}};
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct actor a;
        int64_t id[3], job = run_job(s, &a, id);
        end_as(&a, rows[i].word);
        assert_int_equal(stage_state(s, job), rows[i].state);
        const Ebm__Plan *p = stage_rollback(s, job, "100");
        assert_int_equal(p->stops_attempt, 0);
        assert_int_equal(p->abandons_steps, 60);
        wait_start(s, job, 2, id[1]);
        assert_int_equal(stage_job(s, job).ended_ms, 0);
        stage_change(s, job, "kill");
        STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
    }
}

/* In its back-off, with another plan: the new one counts, and at once. */
static void a_queued_job_gets_another_plan(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    actor_close(&a);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_QUEUED);
    assert_true(stage_job(s, job).not_before_ms > 0);
    stage_rollback(s, job, "c1");
    assert_int_equal(stage_job(s, job).restarts_used, 0);
    wait_start(s, job, 3, id[0]);
}

static void a_held_job_stays_held(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    actor_close(&a);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_QUEUED);
    stage_change(s, job, "hold");
    stage_rollback(s, job, "c1");
    assert_int_equal(stage_state(s, job), JOB_HELD);
    stage_change(s, job, "release");
    wait_start(s, job, 3, id[0]);
}

/* ---- one after the other ---- */

static void a_second_rollback_replaces_the_first(void **state)
{
    static const char *const set[] = {"optimizer.lr=0.5", "resources.ranks=3", NULL};
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    assert_int_equal(stage_try_rollback(s, job, "c3", false, set)->status, EBM_OK);
    int64_t stop_at_ms = live_find(&s->daemon.live, job)->stop_at_ms;
    stage_rollback(s, job, "c1");
    assert_int_equal(live_find(&s->daemon.live, job)->stop_at_ms, stop_at_ms);
    assert_non_null(strstr(stage_job(s, job).reason, "rolled back to c1"));
    end_as(&a, "stopped");
    wait_start(s, job, 2, id[0]);
    assert_string_equal(stage_attempt(s, job, 2).overrides, "noise_epoch=2"); /* and no other */
    assert_int_equal(stage_job(s, job).ranks, 1);
    assert_int_equal(stage_events(s, job, "rollback"), 3);
}

/* Also where the first one waits in the queue. */
static void a_second_plan_replaces_one_that_is_queued(void **state)
{
    static const char *const set[] = {"optimizer.lr=0.5", "train.steps=500", NULL};
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    end_as(&a, "paused");
    SUBMIT(s, .set = {"resources.ranks=4"}, .priority = 9);
    assert_int_equal(stage_try_rollback(s, job, "c3", false, set)->status, EBM_OK);
    assert_int_equal(stage_job(s, job).total_steps, 500);
    stage_rollback(s, job, "c2");
    struct store_job j = stage_job(s, job);
    assert_int_equal(j.plan_checkpoint, id[1]);
    assert_int_equal(j.total_steps, 1000);
    assert_null(strstr(stage_show(s, job)->spec, "lr: 0.5"));
}

static void a_kill_overtakes_it(void **state)
{
    static const char *const set[] = {"optimizer.lr=0.5", "resources.ranks=3", "train.steps=500",
                                      NULL};
    static const char *const verbs[] = {"kill", "cancel"};
    struct stage *s = *state;

    for (size_t i = 0; i < 2; i++) {
        struct actor a;
        int64_t id[3], job = run_job(s, &a, id);
        assert_int_equal(stage_try_rollback(s, job, "50", false, set)->status, EBM_OK);
        stage_change(s, job, verbs[i]);
        actor_close(&a);
        if (i == 1)
            stage_end_mpirun(s, job, 0);
        STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
        struct store_job j = stage_job(s, job);
        assert_string_equal(j.plan_cause, "");
        assert_int_equal(j.plan_checkpoint, 0);
        assert_int_equal(j.attempt, 1);
        assert_int_equal(j.ranks, 1);
        assert_int_equal(j.total_steps, 1000);
        stage_change(s, job, "resume"); /* as if there had been no rollback */
        STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
        assert_int_equal(stage_attempt(s, job, 2).from_checkpoint, id[2]);
        assert_string_equal(stage_attempt(s, job, 2).overrides, "");
        stage_change(s, job, "kill");
        STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
    }
}

/* ---- afterwards ---- */

static void history_tells_what_was_changed(void **state)
{
    static const char *const set[] = {"optimizer.lr=0.5", "noise_epoch=7", NULL};
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    assert_int_equal(stage_try_rollback(s, job, "c1", false, set)->status, EBM_OK);
    end_as(&a, "stopped");
    wait_start(s, job, 2, id[0]);
    const Ebm__Reply *r = stage_history(s, job);
    assert_int_equal(r->n_attempts, 2);
    assert_string_equal(r->attempts[1]->overrides, "noise_epoch=7 optimizer.lr=0.5");
    assert_int_equal(r->attempts[1]->from_step, 50);
    assert_non_null(strstr(stage_show(s, job)->spec, "lr: 0.5"));
    assert_string_equal(stage_show(s, job)->source, stage_spec); /* as submitted */
}

/* A crash after it goes on from its own line, not from what it left behind. */
static void what_was_abandoned_is_not_gone_on_from(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    stage_rollback(s, job, "c1");
    end_as(&a, "stopped");
    wait_start(s, job, 2, id[0]);
    actor_start(&a, s, job, 60);
    actor_close(&a);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 3);
    assert_int_equal(stage_attempt(s, job, 3).from_checkpoint, id[0]);
    actor_start(&a, s, job, 60);
    int64_t own = actor_checkpoint(&a, 70);
    actor_close(&a);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 4);
    assert_int_equal(stage_attempt(s, job, 4).from_checkpoint, own);
}

/* Nor is it chosen; it can be named. */
static void what_was_abandoned_is_reached_by_name_alone(void **state)
{
    static const struct {
        const char *to;
        size_t index; /* of id; 3: own */
        uint64_t abandons;
        const char *why;
    } rows[] = {
        {"", 0, 60, "the newest healthy one"},
        {"last-healthy", 0, 60, "the newest healthy one"},
        {"newest", 3, 10, "the newest one"},
        {"100", 3, 10, "the newest with step 100, as asked"},
        {"50", 0, 60, "the newest with step 50, as asked"},
        {"150", 2, 60, "as asked; of a stretch of attempt 1 that was abandoned"},
        {"c2", 1, 60, "as asked; of a stretch of attempt 1 that was abandoned"},
        {"c1", 0, 60, "as asked"},
    };
    struct stage *s = *state;
    struct actor a;
    int64_t id[4], job = run_job(s, &a, id);

    actor_beat(&a, 400); /* c1, c2, c3 prove healthy */
    actor_checkpoint(&a, 450);
    stage_rollback(s, job, "c1");
    end_as(&a, "stopped");
    wait_start(s, job, 2, id[0]);
    actor_start(&a, s, job, 60);
    id[3] = actor_checkpoint(&a, 100);
    actor_beat(&a, 110);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const Ebm__Reply *r = stage_try_rollback(s, job, rows[i].to, true, NULL);
        assert_int_equal(r->status, EBM_OK);
        assert_int_equal(r->plan->checkpoint, id[rows[i].index]);
        assert_int_equal(r->plan->at_step, 110);
        assert_int_equal(r->plan->abandons_steps, rows[i].abandons);
        if (strstr(r->plan->why, rows[i].why) == NULL ||
            (strstr(rows[i].why, "abandoned") == NULL && strstr(r->plan->why, "abandoned") != NULL))
            fail_msg("--to %s: %s", rows[i].to, r->plan->why);
    }
    actor_close(&a);
}

/* While it waits for the old attempt to stop, and retention runs on. */
static void the_target_is_not_retired_meanwhile(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s); /* keeps three */

    actor_start(&a, s, job, 0);
    int64_t first = actor_checkpoint(&a, 50), second = actor_checkpoint(&a, 60);
    stage_rollback(s, job, "c1");
    for (uint64_t step = 70; step < 120; step += 10)
        actor_checkpoint(&a, step);
    assert_false(stage_checkpoint(s, first).deleted);
    assert_true(stage_checkpoint(s, second).deleted);
    end_as(&a, "stopped");
    wait_start(s, job, 2, first);
    assert_false(stage_checkpoint(s, first).deleted);
}

/* It was gone back to, and nothing newer was written on its line: whatever a
 * job goes on from, when it is resumed, is there. */
static void what_a_resume_goes_on_from_is_not_retired(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s); /* keeps three, and the newest healthy one */

    actor_start(&a, s, job, 0);
    int64_t first = actor_checkpoint(&a, 50);
    stage_rollback(s, job, "c1");
    for (uint64_t step = 100; step <= 400; step += 50)
        actor_checkpoint(&a, step);
    end_as(&a, "stopped");
    wait_start(s, job, 2, first);
    stage_change(s, job, "kill");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
    assert_false(stage_checkpoint(s, first).deleted);
    const Ebm__Reply *r = stage_checkpoints(s, job);
    assert_int_equal(r->checkpoints[0]->checkpoint, first);
    assert_string_equal(r->checkpoints[0]->kept_because, "line");
    stage_change(s, job, "resume");
    STAGE_UNTIL(s, stage_job(s, job).attempt == 3);
    assert_int_equal(stage_attempt(s, job, 3).from_checkpoint, first);
}

static void pin(struct stage *s, int64_t checkpoint, bool pinned)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Pin m = EBM__PIN__INIT;

    q.body_case = EBM__REQUEST__BODY_PIN;
    q.pin = &m;
    m.checkpoint = (uint64_t)checkpoint;
    m.pinned = pinned;
    assert_int_equal(stage_ask(s, &q)->status, EBM_OK);
}

/* The healthy one that a divergence would go back to is of the line that
 * runs, not of the one that was abandoned. */
static void the_healthy_one_of_the_line_is_not_retired(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    int64_t old = actor_checkpoint(&a, 50);
    pin(s, old, true);
    for (uint64_t step = 100; step <= 350; step += 50)
        actor_checkpoint(&a, step);
    assert_string_equal(stage_checkpoint(s, old + 4).health, "healthy");
    stage_rollback(s, job, "50");
    end_as(&a, "stopped");
    wait_start(s, job, 2, old);
    pin(s, old, false);
    actor_start(&a, s, job, 50);
    for (uint64_t step = 60; step <= 100; step += 10)
        actor_checkpoint(&a, step);
    actor_close(&a);
    stage_end_mpirun(s, job, 1); /* attempt 3 starts from step 100 */
    STAGE_UNTIL(s, stage_job(s, job).attempt == 3);
    actor_start(&a, s, job, 100);
    actor_checkpoint(&a, 110);
    assert_false(stage_checkpoint(s, old).deleted);
    actor_finish(&a, "diverged", "");
    actor_close(&a);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 4);
    assert_int_equal(stage_attempt(s, job, 4).from_checkpoint, old);
}

static void a_key_makes_it_one_rollback(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[3], job = run_job(s, &a, id);

    for (int i = 0; i < 3; i++) {
        Ebm__Request q = EBM__REQUEST__INIT;
        Ebm__Rollback m = EBM__ROLLBACK__INIT;
        q.key = "once";
        q.body_case = EBM__REQUEST__BODY_ROLLBACK;
        q.rollback = &m;
        m.job = (uint64_t)job;
        m.to = "c1";
        const Ebm__Reply *r = stage_ask(s, &q);
        assert_int_equal(r->status, EBM_OK);
        assert_int_equal(r->plan->checkpoint, id[0]);
        if (i == 1) {
            actor_close(&a);
            stage_reopen(s);
        }
    }
    assert_int_equal(stage_events(s, job, "rollback"), 1);
    assert_int_equal(stage_job(s, job).noise_epoch, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(wrong_overrides_change_nothing),
        T(the_net_cannot_change),
        T(samples_keep_their_shape),
        T(targets_that_are_none_change_nothing),
        T(without_a_buffer_there_is_no_replay),
        T(the_sentence_has_what_a_person_set),
        T(each_way_to_say_where_leads_there),
        T(a_dry_run_changes_nothing),
        T(a_running_job_is_stopped_first),
        T(a_success_is_rolled_back_too),
        T(final_and_paused_jobs_go_back_at_once),
        T(a_queued_job_gets_another_plan),
        T(a_held_job_stays_held),
        T(a_second_rollback_replaces_the_first),
        T(a_second_plan_replaces_one_that_is_queued),
        T(a_kill_overtakes_it),
        T(history_tells_what_was_changed),
        T(what_was_abandoned_is_not_gone_on_from),
        T(what_was_abandoned_is_reached_by_name_alone),
        T(the_target_is_not_retired_meanwhile),
        T(what_a_resume_goes_on_from_is_not_retired),
        T(the_healthy_one_of_the_line_is_not_retired),
        T(a_key_makes_it_one_rollback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
