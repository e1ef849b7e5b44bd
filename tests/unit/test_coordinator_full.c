/* Nothing can be written: the store is full (a change fails), or the disk
 * fails at the commit (all of a turn is lost), or the vault is over its
 * quota. Nothing is acknowledged that is not on disk, ebmd goes on, and
 * recovers when it can. */
#include "coordinator_actor.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/store_private.h"
#include "uploads.h"

static void dump(struct stage *s, int64_t job, struct buf *out)
{
    buf_clear(out);
    stage_dump(s, job, out);
}

/* The end of an attempt is tried again, each second, until it is on record. */
static void wait_end(struct stage *s, int64_t job, uint32_t attempt)
{
    STAGE_UNTIL(s, stage_attempt(s, job, attempt).ended_ms != 0);
    STAGE_UNTIL(s, live_find(&s->daemon.live, job) == NULL ||
                       live_find(&s->daemon.live, job)->attempt > attempt);
    assert_int_equal(stage_events(s, job, "ended"), attempt);
}

static bool has_ended(struct stage *s, int64_t job)
{
    const struct live *l = live_find(&s->daemon.live, job);

    return l != NULL && l->gone;
}

/* ---- the store is full ---- */

static void a_submit_is_refused_and_can_be_sent_again(void **state)
{
    struct stage *s = *state;

    stage_fill_store(s);
    for (int i = 0; i < 3; i++)
        stage_assert_refused(stage_try_submit(s, &(struct submission){.key = "k"}), EBM_ENOSPC,
                             "no space left");
    stage_empty_store(s);
    assert_int_equal(SUBMIT(s, .key = "k"), 1);
    assert_int_equal(SUBMIT(s, .key = "k"), 1);
}

static void a_change_that_cannot_be_written_is_none(void **state)
{
    static const char *const verbs[] = {"pause", "cancel", "kill"};
    struct stage *s = *state;
    struct actor a;
    struct buf before, after;
    int64_t job = SUBMIT(s);

    buf_init(&before);
    buf_init(&after);
    actor_start(&a, s, job, 5);
    stage_wait_mpirun(s, job);
    stage_fill_store(s);
    dump(s, job, &before);
    for (size_t i = 0; i < 3; i++)
        stage_assert_refused(stage_try_change(s, job, verbs[i]), EBM_ENOSPC, "no space left");
    dump(s, job, &after);
    assert_string_equal(buf_text(&after), buf_text(&before));
    assert_string_equal(actor_beat(&a, 6), "");
    assert_false(live_find(&s->daemon.live, job)->forced);
    stage_empty_store(s);
    stage_change(s, job, "pause");
    assert_string_equal(
        actor_expect(&a, EBM__TO_WORKER__BODY_HEARTBEAT_ACK)->heartbeat_ack->command->verb,
        "pause");
    buf_fini(&before);
    buf_fini(&after);
    actor_close(&a);
}

static void a_job_starts_when_there_is_room(void **state)
{
    struct stage *s = *state;
    int64_t first = SUBMIT(s, .set = {"resources.ranks=4"});
    int64_t job = SUBMIT(s, .set = {"resources.ranks=4"});

    stage_wait_mpirun(s, first);
    stage_end_mpirun(s, first, 0);
    STAGE_UNTIL(s, stage_attempt(s, first, 1).ended_ms != 0);
    stage_change(s, first, "kill");
    stage_fill_store(s);
    for (int i = 0; i < 5; i++)
        stage_turn(s);
    stage_empty_store(s);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_STARTING);
    assert_int_equal(stage_job(s, job).attempt, 1);
}

static void an_end_is_recorded_when_there_is_room(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s);

    stage_wait_mpirun(s, job);
    stage_fill_store(s);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, has_ended(s, job));
    for (int i = 0; i < 5; i++)
        stage_turn(s);
    assert_int_equal(stage_attempt(s, job, 1).ended_ms, 0);
    stage_empty_store(s);
    wait_end(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
}

static void a_report_waits_for_room(void **state)
{
    struct stage *s = *state;
    struct actor a;
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__Finished body = EBM__FINISHED__INIT;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    stage_break_disk(true);
    body.outcome = "succeeded";
    m.body_case = EBM__FROM_WORKER__BODY_FINISHED;
    m.finished = &body;
    actor_send(&a, &m, NULL, 0);
    for (int i = 0; i < 10; i++)
        stage_turn(s);
    stage_break_disk(false);
    assert_string_equal(stage_attempt(s, job, 1).reported, "");
    assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_FINISHED_ACK), 0);
    actor_finish(&a, "succeeded", "");
    assert_string_equal(stage_attempt(s, job, 1).reported, "succeeded");
    actor_close(&a);
}

/* ---- a worker comes or goes while its state cannot be written ---- */

static void who_came_is_running_when_there_is_room(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    stage_wait_mpirun(s, job);
    stage_fill_store(s);
    actor_open(&a, s, job);
    actor_hello(&a); /* it may train: nothing that it does is lost */
    assert_int_equal(stage_state(s, job), JOB_STARTING);
    actor_beat(&a, 1);
    stage_empty_store(s);
    actor_beat(&a, 2);
    assert_int_equal(stage_state(s, job), JOB_RUNNING);
    actor_close(&a);
}

static void who_came_back_is_running_when_there_is_room(void **state)
{
    struct stage *s = *state;
    struct actor a;

    setenv("EBM_LEASE_MS", "300", 1);
    stage_reopen(s);
    int64_t job = SUBMIT(s);
    actor_start(&a, s, job, 1);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_UNKNOWN);
    stage_fill_store(s);
    actor_beat(&a, 2);
    assert_int_equal(stage_state(s, job), JOB_UNKNOWN);
    stage_empty_store(s);
    actor_beat(&a, 3);
    assert_int_equal(stage_state(s, job), JOB_RUNNING);
    actor_close(&a);
}

static void who_went_is_unknown_when_there_is_room(void **state)
{
    struct stage *s = *state;
    struct actor a;

    for (int broken = 0; broken < 2; broken++) {
        setenv("EBM_LEASE_MS", "200", 1);
        stage_reopen(s);
        int64_t job = SUBMIT(s);
        actor_start(&a, s, job, 1);
        stage_wait_mpirun(s, job);
        if (broken != 0)
            stage_break_disk(true);
        else
            stage_fill_store(s);
        for (int64_t until = clock_mono_ms() + 400; clock_mono_ms() < until;)
            stage_turn(s);
        if (broken != 0)
            stage_break_disk(false);
        else
            stage_empty_store(s);
        STAGE_UNTIL(s, stage_state(s, job) == JOB_UNKNOWN);
        assert_int_equal(stage_events(s, job, "lost"), 1);
        actor_close(&a);
    }
}

/* ---- the commit fails ---- */

static void replies_of_a_lost_turn_are_errors(void **state)
{
    struct stage *s = *state;

    stage_break_disk(true);
    const Ebm__Reply *r = stage_try_submit(s, &(struct submission){.key = "k"});
    stage_break_disk(false);
    assert_int_not_equal(r->status, EBM_OK);
    assert_true(r->error[0] != '\0');
    assert_int_equal(r->job, 0);
    assert_int_equal(SUBMIT(s, .key = "k"), 1);
    assert_int_equal(stage_events(s, 1, "submitted"), 1);
}

static void orders_of_a_lost_turn_are_not_given(void **state)
{
    static const char *const verbs[] = {"pause", "cancel", "kill"};
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    stage_wait_mpirun(s, job);
    for (size_t i = 0; i < 3; i++) {
        stage_break_disk(true);
        const Ebm__Reply *r = stage_try_change(s, job, verbs[i]);
        stage_break_disk(false);
        assert_int_not_equal(r->status, EBM_OK);
        assert_string_equal(actor_beat(&a, 6), "");
        assert_int_equal(stage_state(s, job), JOB_RUNNING);
        assert_int_equal(stage_job(s, job).intent, INTENT_NONE);
    }
    assert_false(live_find(&s->daemon.live, job)->forced);
    actor_close(&a);
}

static void an_end_of_a_lost_turn_is_recorded_once(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    stage_wait_mpirun(s, job);
    stage_break_disk(true);
    stage_end_mpirun(s, job, 1); /* the shepherd is a process of its own */
    STAGE_UNTIL(s, has_ended(s, job));
    for (int i = 0; i < 5; i++)
        stage_turn(s);
    stage_break_disk(false);
    assert_int_equal(stage_attempt(s, job, 1).ended_ms, 0);
    assert_string_equal(actor_beat(&a, 6), ""); /* still the one that speaks */
    wait_end(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    actor_close(&a);
}

/* The attempt was begun and lost with its turn: it is begun again, and runs
 * once, under a number that nobody has seen before. */
static void an_attempt_of_a_lost_turn_is_begun_again(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .hold = true);
    struct store_job j = stage_job(s, job);

    j.state = JOB_QUEUED;
    assert_int_equal(store_job_update(s->daemon.store, &j, NULL), EBM_OK);
    s->daemon.queue.dirty = true;
    stage_break_disk(true);
    for (int i = 0; i < 5; i++)
        stage_turn(s);
    stage_break_disk(false);
    assert_int_equal(stage_state(s, job), JOB_QUEUED);
    assert_int_equal(s->daemon.live.count, 0);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_STARTING);
    assert_int_equal(stage_job(s, job).attempt, 1);
    assert_true(stage_attempt(s, job, 1).fence > 1);
    assert_int_equal(stage_events(s, job, "started"), 1);
    stage_wait_mpirun(s, job);
}

static void steps_of_a_lost_turn_are_written_later(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_open(&a, s, job);
    actor_hello(&a);
    stage_wait_mpirun(s, job);
    live_find(&s->daemon.live, job)->step_saved_ms = 0; /* it is time to write it */
    stage_break_disk(true);
    a.step = 77;
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__Heartbeat body = EBM__HEARTBEAT__INIT;
    body.step = 77;
    m.body_case = EBM__FROM_WORKER__BODY_HEARTBEAT;
    m.heartbeat = &body;
    actor_send(&a, &m, NULL, 0);
    for (int i = 0; i < 5; i++)
        stage_turn(s);
    stage_break_disk(false);
    assert_int_equal(live_find(&s->daemon.live, job)->step, 77);
    live_find(&s->daemon.live, job)->step_saved_ms = 0;
    STAGE_UNTIL(s, stage_job(s, job).step == 77);
    actor_close(&a);
}

static bool has_row(struct stage *s, int64_t job, unsigned n)
{
    uploads_take(&s->daemon);
    return stage_events(s, job, "checkpoint") == n;
}

/* The vault has all of it, and the row is lost with its turn: so is the
 * acknowledgement, and what retention did beside it. */
/* c2 goes with it; c1 stays, to prove healthy. */
static void a_checkpoint_of_a_lost_turn_is_stored_once(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t deadline = clock_mono_ms() + STAGE_WAIT_MS, job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    for (uint64_t step = 10; step <= 40; step += 10)
        actor_checkpoint(&a, step);
    actor_begin(&a, 5, 50);
    actor_expect(&a, EBM__TO_WORKER__BODY_CHUNK_ACK);
    actor_chunk(&a, 5, 50, 0, ACTOR_BLOB);
    actor_expect(&a, EBM__TO_WORKER__BODY_CHUNK_ACK);
    actor_end(&a, 5);
    while (!has_row(s, job, 5)) {
        assert_true(clock_mono_ms() < deadline);
        if (live_find(&s->daemon.live, job)->upload.state != UPLOAD_FINISHING)
            stage_turn(s);
    }
    assert_int_equal(db_exec_text(s->daemon.store->db, "ROLLBACK", NULL), EBM_OK);
    stage_turn(s); /* its commit fails */
    assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK), 0);
    assert_int_equal(stage_events(s, job, "checkpoint"), 4);
    assert_false(stage_checkpoint(s, 2).deleted);
    assert_int_equal(stage_count_blobs(s), 5);
    actor_end(&a, 5);
    const Ebm__CheckpointAck *ack =
        actor_expect(&a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK)->checkpoint_ack;
    assert_int_equal(ack->status, EBM_OK);
    assert_int_equal(ack->checkpoint, 5);
    assert_int_equal(stage_events(s, job, "checkpoint"), 5);
    assert_true(stage_checkpoint(s, 2).deleted);
    STAGE_UNTIL(s, stage_count_blobs(s) == 4);
    actor_close(&a);
}

/* ---- the vault is over its quota ---- */

/* The step that found no room. */
static uint64_t upload_until_full(struct actor *a)
{
    for (uint64_t step = 50;; step += 50) {
        actor_beat(a, step);
        actor_begin(a, ++a->uploads, step);
        if (actor_next(a)->body_case == EBM__TO_WORKER__BODY_CHECKPOINT_ACK) {
            assert_int_equal(a->heard->checkpoint_ack->status, EBM_ENOSPC);
            return step;
        }
        actor_chunk(a, a->uploads, step, 0, ACTOR_BLOB);
        actor_expect(a, EBM__TO_WORKER__BODY_CHUNK_ACK);
        actor_end(a, a->uploads);
        assert_int_equal(
            actor_expect(a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK)->checkpoint_ack->status, EBM_OK);
        assert_true(step < 5000);
    }
}

static void open_with_quota(struct stage *s, const char *quota)
{
    setenv("EBM_VAULT_MAX_BYTES", quota, 1);
    stage_reopen(s);
}

static void a_full_vault_pauses_the_job(void **state)
{
    struct stage *s = *state;
    struct actor a;

    open_with_quota(s, "700kB");
    int64_t job = SUBMIT(s, .set = {"checkpoint.keep_last=100"});
    actor_start(&a, s, job, 0);
    uint64_t refused = upload_until_full(&a);
    assert_true(refused > 50);
    struct store_job j = stage_job(s, job);
    assert_int_equal(j.state, JOB_PAUSING);
    assert_int_equal(j.intent, INTENT_PAUSE_NOSPACE);
    assert_int_equal(strncmp(j.reason, "disk full: ", 11), 0);
    assert_non_null(strstr(j.reason, "the quota is"));
    stage_assert_refused(stage_try_change(s, job, "pause"), EBM_ESTATE, "the disk is full");
    actor_begin(&a, ++a.uploads, refused); /* once more, in vain */
    actor_expect(&a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK);
    assert_int_equal(stage_events(s, job, "disk-full"), 1);
    a.command_seen = 0;
    assert_string_equal(actor_beat(&a, refused), "stop");
    actor_finish(&a, "stopped", "");
    actor_close(&a);
    stage_end_mpirun(s, job, 0);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_PAUSED);
    assert_int_equal(strncmp(stage_job(s, job).reason, "disk full: ", 11), 0);
    assert_string_equal(stage_attempt(s, job, 1).outcome, "paused");
    const Ebm__Reply *r = stage_checkpoints(s, job); /* the older ones are there */
    assert_int_equal(r->n_checkpoints, (refused - 50) / 50);
    assert_int_equal(stage_count_blobs(s), r->n_checkpoints);
}

static void with_room_it_is_resumed(void **state)
{
    struct stage *s = *state;
    struct actor a;

    open_with_quota(s, "700kB");
    int64_t job = SUBMIT(s, .set = {"checkpoint.keep_last=100"});
    actor_start(&a, s, job, 0);
    uint64_t refused = upload_until_full(&a);
    actor_close(&a);
    stage_end_mpirun(s, job, 0);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_PAUSED);
    open_with_quota(s, "10MB");
    stage_change(s, job, "resume");
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    assert_int_equal(stage_attempt(s, job, 2).from_step, refused - 50);
    actor_start(&a, s, job, refused);
    assert_true(actor_checkpoint(&a, refused) > 0);
    actor_close(&a);
}

/* Its last checkpoint found no room, as the agent says: paused, not crashed.
 * If it is an earlier one that found none, what it learned is there. */
static void an_end_at_a_full_vault(void **state)
{
    struct stage *s = *state;

    for (int stored = 0; stored < 2; stored++) {
        struct actor a;
        open_with_quota(s, "10MB");
        int64_t job = SUBMIT(s, .set = {"train.steps=100"});
        actor_start(&a, s, job, 0);
        actor_checkpoint(&a, stored != 0 ? 100 : 50);
        stage_wait_mpirun(s, job);
        actor_close(&a);
        open_with_quota(s, "100kB");
        actor_start(&a, s, job, 100);
        actor_begin(&a, 9, 101);
        assert_int_equal(
            actor_expect(&a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK)->checkpoint_ack->status,
            EBM_ENOSPC);
        actor_finish(&a, stored != 0 ? "succeeded" : "stopped", "");
        actor_close(&a);
        stage_end_mpirun(s, job, 0);
        STAGE_UNTIL(s, stage_state(s, job) == (stored != 0 ? JOB_SUCCEEDED : JOB_PAUSED));
    }
}

static void a_full_vault_lowers_no_order(void **state)
{
    struct stage *s = *state;
    struct actor a;

    open_with_quota(s, "100kB"); /* nothing at all fits */
    int64_t job = SUBMIT(s);
    actor_start(&a, s, job, 5);
    stage_change(s, job, "cancel");
    actor_begin(&a, 1, 5);
    assert_int_equal(actor_expect(&a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK)->checkpoint_ack->status,
                     EBM_ENOSPC);
    assert_int_equal(stage_job(s, job).intent, INTENT_CANCEL);
    assert_int_equal(stage_events(s, job, "disk-full"), 0);
    actor_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(a_submit_is_refused_and_can_be_sent_again),
        T(a_change_that_cannot_be_written_is_none),
        T(a_job_starts_when_there_is_room),
        T(an_end_is_recorded_when_there_is_room),
        T(a_report_waits_for_room),
        T(who_came_is_running_when_there_is_room),
        T(who_came_back_is_running_when_there_is_room),
        T(who_went_is_unknown_when_there_is_room),
        T(replies_of_a_lost_turn_are_errors),
        T(orders_of_a_lost_turn_are_not_given),
        T(an_end_of_a_lost_turn_is_recorded_once),
        T(an_attempt_of_a_lost_turn_is_begun_again),
        T(steps_of_a_lost_turn_are_written_later),
        T(a_checkpoint_of_a_lost_turn_is_stored_once),
        T(a_full_vault_pauses_the_job),
        T(with_room_it_is_resumed),
        T(an_end_at_a_full_vault),
        T(a_full_vault_lowers_no_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
