/* Which job starts, which waits, and why. */
#include "coordinator_actor.h"
#include "dice.h"

#include <stdio.h>
#include <stdlib.h>

#include "queue.h"

static const char *const ranks[] = {"resources.ranks=0", "resources.ranks=1", "resources.ranks=2",
                                    "resources.ranks=3", "resources.ranks=4"};

#define RANKS(n) .set = {ranks[n]}

static void settle(struct stage *s)
{
    for (int i = 0; i < 3; i++)
        stage_turn(s);
}

static void assert_states(struct stage *s, int64_t first, const char *const states[], size_t n)
{
    settle(s);
    for (size_t i = 0; i < n; i++) {
        const char *is = job_state_name(stage_state(s, first + (int64_t)i));
        if (strcmp(is, states[i]) != 0)
            fail_msg("job %d is %s and not %s", (int)(first + (int64_t)i), is, states[i]);
    }
}

#define ASSERT_STATES(s, first, ...)                                                               \
    assert_states((s), (first), (const char *const[]){__VA_ARGS__},                                \
                  sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void assert_reason(struct stage *s, int64_t job, const char *text)
{
    const char *reason = stage_show(s, job)->reason;

    if (strcmp(reason, text) != 0)
        fail_msg("job %d: %s", (int)job, reason);
}

/* It ends by this word of its workers. */
static void finish(struct stage *s, int64_t job, const char *word)
{
    struct actor a;

    actor_start(&a, s, job, 10);
    actor_finish(&a, word, "as scripted");
    actor_close(&a);
    stage_end_mpirun(s, job, 0);
    STAGE_UNTIL(s, live_find(&s->daemon.live, job) == NULL);
}

/* ---- order ---- */

static void priority_comes_before_age(void **state)
{
    struct stage *s = *state;

    SUBMIT(s, RANKS(4));
    SUBMIT(s, RANKS(2), .priority = 0);
    SUBMIT(s, RANKS(2), .priority = 5);
    SUBMIT(s, RANKS(2), .priority = -5);
    SUBMIT(s, RANKS(2), .priority = 5);
    ASSERT_STATES(s, 1, "starting", "queued", "queued", "queued", "queued");
    finish(s, 1, "succeeded");
    ASSERT_STATES(s, 1, "succeeded", "queued", "starting", "queued", "starting");
    finish(s, 3, "succeeded");
    ASSERT_STATES(s, 2, "starting", "succeeded", "queued", "starting");
}

static void nobody_overtakes_a_large_job(void **state)
{
    struct stage *s = *state;

    SUBMIT(s, RANKS(2));
    SUBMIT(s, RANKS(3));
    SUBMIT(s, RANKS(1));
    SUBMIT(s, RANKS(1));
    ASSERT_STATES(s, 1, "starting", "queued", "queued", "queued");
    assert_reason(s, 2, "waits for 3 slots: 2 of 4 are free");
    assert_reason(s, 3, "waits behind job 2, which is next (2 of 4 slots are free)");
    assert_reason(s, 4, "waits behind job 2, which is next (2 of 4 slots are free)");
    finish(s, 1, "succeeded");
    ASSERT_STATES(s, 1, "succeeded", "starting", "starting", "queued");
    assert_reason(s, 4, "waits for 1 slot: 0 of 4 are free");
}

/* The pass that stopped at it was before the slots became free. */
static void who_has_its_slots_does_not_wait_for_them(void **state)
{
    struct stage *s = *state;

    SUBMIT(s, RANKS(2));
    SUBMIT(s, RANKS(3));
    ASSERT_STATES(s, 1, "starting", "queued");
    struct live *l = live_find(&s->daemon.live, 1);
    l->slots = 1;
    assert_reason(s, 2, "is about to start");
    l->slots = 2;
    assert_reason(s, 2, "waits for 3 slots: 2 of 4 are free");
}

static void who_leaves_the_queue_lets_others_pass(void **state)
{
    static const char *const verbs[] = {"hold", "pause", "cancel", "kill"};
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        int64_t first = SUBMIT(s, RANKS(2));
        SUBMIT(s, RANKS(3));
        SUBMIT(s, RANKS(1));
        ASSERT_STATES(s, first, "starting", "queued", "queued");
        stage_change(s, first + 1, verbs[i]);
        settle(s);
        assert_int_equal(stage_state(s, first + 2), JOB_STARTING);
        finish(s, first, "succeeded");
        finish(s, first + 2, "succeeded");
        if (i < 2)
            stage_change(s, first + 1, "cancel");
    }
}

static void held_jobs_come_back_to_their_place(void **state)
{
    struct stage *s = *state;

    SUBMIT(s, RANKS(4));
    SUBMIT(s, RANKS(4));
    SUBMIT(s, RANKS(4));
    stage_change(s, 2, "hold");
    ASSERT_STATES(s, 1, "starting", "held", "queued");
    assert_reason(s, 3, "waits for 4 slots: 0 of 4 are free");
    assert_reason(s, 2, "held: release it to let it start");
    stage_change(s, 2, "release");
    settle(s);
    assert_reason(s, 3, "waits behind job 2, which is next (0 of 4 slots are free)");
    finish(s, 1, "succeeded");
    ASSERT_STATES(s, 1, "succeeded", "starting", "queued");
}

/* ---- passed over ---- */

static void who_waits_for_something_else_is_passed_over(void **state)
{
    struct stage *s = *state;

    SUBMIT(s, RANKS(1), .hold = true);
    SUBMIT(s, RANKS(4), .after = 1, .priority = 9);
    SUBMIT(s, RANKS(1));
    ASSERT_STATES(s, 1, "held", "queued", "starting");
    assert_reason(s, 2, "waits for job 1 to succeed (held now)");
}

static void what_the_machine_cannot_run_is_passed_over(void **state)
{
    struct stage *s = *state;

    SUBMIT(s, RANKS(4), .hold = true);
    setenv("EBM_SLOTS", "3", 1);
    stage_reopen(s);
    stage_change(s, 1, "release");
    SUBMIT(s, RANKS(1));
    ASSERT_STATES(s, 1, "queued", "starting");
    assert_reason(s, 1, "needs 4 slots, and this machine has 3 (EBM_SLOTS sets how many)");
}

/* ---- after ---- */

static void after_a_success_it_starts(void **state)
{
    struct stage *s = *state;

    SUBMIT(s, RANKS(1));
    SUBMIT(s, RANKS(1), .after = 1);
    ASSERT_STATES(s, 1, "starting", "queued");
    assert_reason(s, 2, "waits for job 1 to succeed (starting now)");
    finish(s, 1, "succeeded");
    ASSERT_STATES(s, 1, "succeeded", "starting");
    SUBMIT(s, RANKS(1), .after = 1);
    ASSERT_STATES(s, 3, "starting");
}

static void after_a_failure_all_that_follow_fail(void **state)
{
    struct stage *s = *state;

    SUBMIT(s, RANKS(1));
    SUBMIT(s, RANKS(1), .after = 1);
    SUBMIT(s, RANKS(1), .after = 2);
    SUBMIT(s, RANKS(1), .after = 3, .hold = true);
    finish(s, 1, "failed");
    STAGE_UNTIL(s, stage_state(s, 3) == JOB_FAILED);
    ASSERT_STATES(s, 1, "failed", "failed", "failed", "held");
    assert_reason(s, 2, "job 1, which it was to follow, has ended as failed");
    assert_reason(s, 3, "job 2, which it was to follow, has ended as failed");
    assert_int_equal(stage_job(s, 2).attempt, 0);
    stage_change(s, 4, "release");
    STAGE_UNTIL(s, stage_state(s, 4) == JOB_FAILED);
}

/* However many follow, no turn ends more than some of them. */
static void a_crowd_fails_bit_by_bit(void **state)
{
    enum { CROWD = 150, A_TURN = 64 };
    struct stage *s = *state;
    uint64_t counts[JOB_STATE_COUNT];

    SUBMIT(s, RANKS(1), .hold = true);
    for (int i = 0; i < CROWD; i++)
        SUBMIT(s, RANKS(1), .after = 1);
    SUBMIT(s, RANKS(1));
    struct store_job j = stage_job(s, 1);
    j.state = JOB_CANCELLED;
    assert_int_equal(store_job_update(s->daemon.store, &j, NULL), EBM_OK);
    queue_touch(&s->daemon);
    stage_turn(s);
    assert_int_equal(store_job_counts(s->daemon.store, counts, NULL), EBM_OK);
    assert_int_equal(counts[JOB_FAILED], A_TURN);
    STAGE_UNTIL(s, stage_state(s, CROWD + 1) == JOB_FAILED);
    assert_int_equal(store_job_counts(s->daemon.store, counts, NULL), EBM_OK);
    assert_int_equal(counts[JOB_FAILED], CROWD);
    assert_int_equal(stage_state(s, CROWD + 2), JOB_STARTING);
}

static void after_a_cancel_it_fails_and_may_be_resumed(void **state)
{
    struct stage *s = *state;

    SUBMIT(s, RANKS(1), .hold = true);
    SUBMIT(s, RANKS(1), .after = 1);
    stage_change(s, 1, "cancel");
    STAGE_UNTIL(s, stage_state(s, 2) == JOB_FAILED);
    stage_change(s, 2, "resume"); /* in vain, as long as nothing has changed */
    STAGE_UNTIL(s, stage_state(s, 2) == JOB_FAILED);
    stage_change(s, 1, "resume");
    stage_change(s, 2, "resume");
    STAGE_UNTIL(s, stage_state(s, 1) == JOB_STARTING);
    ASSERT_STATES(s, 1, "starting", "queued");
    finish(s, 1, "succeeded");
    STAGE_UNTIL(s, stage_state(s, 2) == JOB_STARTING);
    assert_string_equal(stage_attempt(s, 2, 1).cause, "submit");
}

static void it_waits_while_the_other_is_paused_or_starts_again(void **state)
{
    struct stage *s = *state;

    SUBMIT(s, RANKS(1));
    SUBMIT(s, RANKS(1), .after = 1);
    finish(s, 1, "paused");
    ASSERT_STATES(s, 1, "paused", "queued");
    assert_reason(s, 2, "waits for job 1 to succeed (paused now)");
    stage_change(s, 1, "resume");
    STAGE_UNTIL(s, stage_state(s, 1) == JOB_STARTING);
    stage_end_mpirun(s, 1, 1); /* a crash, and a restart */
    STAGE_UNTIL(s, stage_job(s, 1).attempt == 3);
    ASSERT_STATES(s, 2, "queued");
    finish(s, 1, "succeeded");
    STAGE_UNTIL(s, stage_state(s, 2) == JOB_STARTING);
}

/* Once it has started it depends on nobody: what becomes of the other later
 * is no reason to wait after a crash, or to fail. */
static void a_job_that_has_started_follows_nobody(void **state)
{
    struct stage *s = *state;
    struct actor a;

    SUBMIT(s, RANKS(1));
    SUBMIT(s, RANKS(1), .after = 1);
    actor_start(&a, s, 1, 0);
    actor_checkpoint(&a, 50);
    actor_close(&a);
    finish(s, 1, "succeeded");
    STAGE_UNTIL(s, stage_state(s, 2) == JOB_STARTING);
    stage_rollback(s, 1, "");
    STAGE_UNTIL(s, stage_state(s, 1) == JOB_STARTING);
    stage_end_mpirun(s, 2, 1);
    STAGE_UNTIL(s, stage_job(s, 2).attempt == 2);
    stage_change(s, 1, "kill");
    STAGE_UNTIL(s, stage_state(s, 1) == JOB_CANCELLED);
    stage_end_mpirun(s, 2, 1);
    STAGE_UNTIL(s, stage_attempt(s, 2, 2).ended_ms != 0);
    settle(s);
    assert_int_equal(stage_state(s, 2), JOB_QUEUED); /* for its back-off */
    stage_skip_backoff(s, 2);
    STAGE_UNTIL(s, stage_job(s, 2).attempt == 3);
}

/* ---- slots ---- */

enum { JOBS = 40 };

struct tally {
    struct stage *stage;
    uint32_t used;
    unsigned open;
};

static bool add_up(void *arg, const struct store_job *j)
{
    struct tally *t = arg;

    if (job_state_is_live(j->state))
        t->used += j->ranks * j->threads;
    t->open += !job_state_is_final(j->state);
    return true;
}

static struct tally count(struct stage *s)
{
    struct tally t = {.stage = s};

    assert_int_equal(store_job_each(s->daemon.store, 0, 0, add_up, &t, NULL), EBM_OK);
    return t;
}

/* Jobs of all sizes that end by themselves, some of them cancelled on the
 * way: by the store and by memory never more slots than there are, and all
 * of them get their turn. */
static void slots_are_never_exceeded(void **state)
{
    struct stage *s = *state;
    uint64_t dice = 3;
    bool was_full = false;

    stage_set_mpirun(s, "#!/bin/sh\nexit 3\n");
    for (int i = 0; i < JOBS; i++)
        SUBMIT(s, .priority = (int32_t)dice_below(&dice, 3),
               .set = {ranks[1 + dice_below(&dice, 4)], "resources.max_restarts=0"});
    while (count(s).open > 0) {
        stage_turn(s);
        uint32_t used = count(s).used;
        assert_true(used <= STAGE_SLOTS);
        assert_true(queue_used(&s->daemon) <= STAGE_SLOTS);
        was_full |= used == STAGE_SLOTS;
        int64_t job = 1 + dice_below(&dice, JOBS);
        if (dice_below(&dice, 8) == 0 && !job_state_is_final(stage_state(s, job)) &&
            stage_try_change(s, job, "kill")->status != EBM_OK)
            assert_true(job_state_is_final(stage_state(s, job))); /* ended meanwhile */
    }
    assert_true(was_full);
    STAGE_UNTIL(s, s->daemon.live.count == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(priority_comes_before_age),
        T(nobody_overtakes_a_large_job),
        T(who_has_its_slots_does_not_wait_for_them),
        T(who_leaves_the_queue_lets_others_pass),
        T(held_jobs_come_back_to_their_place),
        T(who_waits_for_something_else_is_passed_over),
        T(what_the_machine_cannot_run_is_passed_over),
        T(after_a_success_it_starts),
        T(after_a_failure_all_that_follow_fail),
        T(a_crowd_fails_bit_by_bit),
        T(after_a_cancel_it_fails_and_may_be_resumed),
        T(it_waits_while_the_other_is_paused_or_starts_again),
        T(a_job_that_has_started_follows_nobody),
        T(slots_are_never_exceeded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
