/* The coordinator and its workers: who may speak, orders, metrics, reports,
 * leases. Uploads are in test_coordinator_uploads.c. */
#include "coordinator_actor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { LEASE_MS = 200 };

static void reopen_with(struct stage *s, const char *variable, const char *value)
{
    setenv(variable, value, 1);
    stage_reopen(s);
}

/* ---- who speaks ---- */

static void strangers_are_refused(void **state)
{
    struct stage *s = *state;
    struct actor a, b;
    int64_t job = SUBMIT(s);

    actor_open(&a, s, job);
    actor_open(&b, s, job);
    b.token[0] ^= 1;
    actor_count_until_beat(&b, EBM__TO_WORKER__BODY_REFUSED);
    assert_non_null(strstr(b.heard->refused->reason, "token"));
    b.token[0] = '\0';
    assert_int_equal(actor_count_until_beat(&b, EBM__TO_WORKER__BODY_REFUSED), 1);
    strcpy(b.token, a.token);
    b.fence--;
    actor_count_until_beat(&b, EBM__TO_WORKER__BODY_REFUSED);
    assert_non_null(strstr(b.heard->refused->reason, "another attempt"));
    b.fence = a.fence;
    b.attempt++;
    actor_count_until_beat(&b, EBM__TO_WORKER__BODY_REFUSED);
    assert_non_null(strstr(b.heard->refused->reason, "another attempt"));
    b.attempt = a.attempt;
    b.job = 99;
    actor_count_until_beat(&b, EBM__TO_WORKER__BODY_REFUSED);
    assert_non_null(strstr(b.heard->refused->reason, "no attempt of this job"));
    b.job = -1;
    assert_int_equal(actor_count_until_beat(&b, EBM__TO_WORKER__BODY_REFUSED), 1);
    assert_int_equal(stage_state(s, job), JOB_STARTING); /* nobody was heard */
    actor_close(&a);
    actor_close(&b);
}

/* Whoever is refused does not get the orders of the one who is not. */
static void a_stranger_takes_nobodys_place(void **state)
{
    struct stage *s = *state;
    struct actor a, b;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    actor_open(&b, s, job);
    b.token[0] ^= 1;
    actor_count_until_beat(&b, EBM__TO_WORKER__BODY_REFUSED);
    stage_change(s, job, "pause");
    assert_string_equal(
        actor_expect(&a, EBM__TO_WORKER__BODY_HEARTBEAT_ACK)->heartbeat_ack->command->verb,
        "pause");
    actor_close(&a);
    actor_close(&b);
}

static void a_worker_of_an_older_attempt_is_refused(void **state)
{
    struct stage *s = *state;
    struct actor a, b;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    actor_count_until_beat(&a, EBM__TO_WORKER__BODY_REFUSED);
    assert_non_null(strstr(a.heard->refused->reason, "another attempt"));
    actor_start(&b, s, job, 0);
    assert_true(b.fence > a.fence);
    assert_string_not_equal(a.token, b.token);
    stage_change(s, job, "kill");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
    actor_count_until_beat(&b, EBM__TO_WORKER__BODY_REFUSED);
    assert_non_null(strstr(b.heard->refused->reason, "no attempt of this job is live"));
    actor_close(&a);
    actor_close(&b);
}

/* ---- hello ---- */

static void hello_is_welcomed(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_open(&a, s, job);
    assert_int_equal(stage_state(s, job), JOB_STARTING);
    const Ebm__Welcome *w = actor_hello(&a);
    assert_int_equal(w->checkpoint, 0);
    assert_int_equal(w->checkpoint_digest.len, 0);
    assert_int_equal(w->lease_ms, 30000);
    assert_int_equal(w->heartbeat_ms, 1000);
    assert_int_equal(w->metrics_have, 0);
    assert_int_equal(stage_state(s, job), JOB_RUNNING);
    assert_string_equal(stage_attempt(s, job, 1).host, "stage");
    assert_int_equal(stage_events(s, job, "running"), 1);
    actor_hello(&a); /* a resend */
    assert_int_equal(stage_events(s, job, "running"), 1);
    actor_close(&a);
}

static void heartbeats_fit_into_a_lease(void **state)
{
    struct stage *s = *state;
    struct actor a;

    reopen_with(s, "EBM_LEASE_MS", "400");
    int64_t job = SUBMIT(s);
    actor_open(&a, s, job);
    const Ebm__Welcome *w = actor_hello(&a);
    assert_int_equal(w->lease_ms, 400);
    assert_int_equal(w->heartbeat_ms, 100);
    actor_close(&a);
}

/* ---- orders ---- */

static const Ebm__Command *expect_push(struct actor *a)
{
    const Ebm__HeartbeatAck *ack =
        actor_expect(a, EBM__TO_WORKER__BODY_HEARTBEAT_ACK)->heartbeat_ack;

    assert_non_null(ack->command);
    return ack->command;
}

static void an_order_is_repeated_until_it_is_seen(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    assert_string_equal(actor_beat(&a, 6), "");
    stage_change(s, job, "pause");
    uint64_t seq = expect_push(&a)->seq; /* at once */
    assert_true(seq > 0);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(actor_beat(&a, 7), "pause");
        assert_int_equal(a.command_seen, seq); /* it is always the same one */
        a.command_seen = 0;
    }
    a.command_seen = seq;
    assert_string_equal(actor_beat(&a, 8), "");
    assert_int_equal(stage_state(s, job), JOB_PAUSING);
    actor_close(&a);
}

/* Its numbers are not known before the first heartbeat. */
static void an_order_waits_for_the_first_heartbeat(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_open(&a, s, job);
    stage_change(s, job, "pause");
    actor_hello(&a);
    a.command_seen = 41; /* of an earlier ebmd */
    assert_string_equal(actor_beat(&a, 1), "pause");
    assert_int_equal(a.command_seen, 42);
    assert_string_equal(actor_beat(&a, 1), "");
    actor_close(&a);
}

static void asked_twice_it_is_one_order(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    stage_change(s, job, "pause");
    a.command_seen = expect_push(&a)->seq;
    assert_string_equal(actor_beat(&a, 6), "");
    int64_t stop_at_ms = live_find(&s->daemon.live, job)->stop_at_ms;
    stage_change(s, job, "pause");
    assert_string_equal(actor_beat(&a, 7), "");
    assert_int_equal(live_find(&s->daemon.live, job)->stop_at_ms, stop_at_ms);
    actor_close(&a);
}

static void a_stronger_order_replaces_a_weaker(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    int64_t checkpoint = actor_checkpoint(&a, 50);
    stage_change(s, job, "pause");
    a.command_seen = expect_push(&a)->seq;
    stage_rollback(s, job, "");
    assert_true(checkpoint > 0);
    const Ebm__Command *c = expect_push(&a);
    assert_string_equal(c->verb, "stop");
    assert_true(c->seq > a.command_seen);
    stage_assert_refused(stage_try_change(s, job, "pause"), EBM_ESTATE, "is being rolled back");
    stage_change(s, job, "cancel");
    assert_string_equal(expect_push(&a)->verb, "cancel");
    stage_assert_refused(stage_try_change(s, job, "pause"), EBM_ESTATE, "is being cancelled");
    stage_change(s, job, "kill");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
    assert_string_equal(stage_attempt(s, job, 1).outcome, "killed");
    actor_close(&a);
}

static void an_order_survives_ebmd(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 5);
    stage_change(s, job, "cancel");
    uint64_t seq = expect_push(&a)->seq;
    actor_close(&a);
    stage_reopen(s);
    actor_open(&a, s, job);
    a.command_seen = seq; /* it may have been lost on the way to the one who should obey */
    assert_string_equal(actor_beat(&a, 6), "cancel");
    assert_true(a.command_seen > seq);
    actor_finish(&a, "cancelled", "");
    stage_end_mpirun(s, job, 0);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
    assert_string_equal(stage_attempt(s, job, 1).outcome, "cancelled");
    actor_close(&a);
}

static void who_does_not_obey_is_made_to(void **state)
{
    struct stage *s = *state;
    struct actor a;

    reopen_with(s, "EBM_STOP_GRACE_MS", "50");
    int64_t job = SUBMIT(s);
    actor_start(&a, s, job, 5);
    stage_change(s, job, "pause");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_PAUSED);
    assert_string_equal(stage_attempt(s, job, 1).outcome, "killed");
    assert_non_null(strstr(stage_job(s, job).reason, "did not stop in time"));
    actor_close(&a);
}

/* ---- reports ---- */

static void reports_are_recorded_once(void **state)
{
    static const char *const words[] = {"succeeded", "failed",  "diverged", "paused",
                                        "cancelled", "stopped", "corrupt"};
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct actor a;
        int64_t job = SUBMIT(s);
        actor_start(&a, s, job, 77);
        actor_finish(&a, words[i], "so it is");
        actor_finish(&a, "failed", "another word"); /* acknowledged, and too late */
        struct store_attempt row = stage_attempt(s, job, 1);
        assert_string_equal(row.reported, words[i]);
        assert_string_equal(row.reported_reason, "so it is");
        assert_int_equal(row.last_step, 77);
        assert_int_equal(stage_state(s, job), JOB_RUNNING); /* until its processes have ended */
        actor_close(&a);
        stage_change(s, job, "kill");
        STAGE_UNTIL(s, !job_state_is_live(stage_state(s, job)));
        assert_int_equal(stage_state(s, job), i == 0 ? JOB_SUCCEEDED : JOB_CANCELLED);
    }
}

static void a_word_that_is_none_is_not_taken(void **state)
{
    static const char *const words[] = {"", "dancing", "crashed", "killed"};
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 7);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
        Ebm__Finished body = EBM__FINISHED__INIT;
        body.outcome = (char *)words[i];
        body.step = 9;
        m.body_case = EBM__FROM_WORKER__BODY_FINISHED;
        m.finished = &body;
        actor_send(&a, &m, NULL, 0);
    }
    assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_FINISHED_ACK), 0);
    assert_string_equal(stage_attempt(s, job, 1).reported, "");
    assert_int_equal(stage_show(s, job)->step, 7);
    actor_close(&a);
}

/* ---- metrics ---- */

static uint64_t expect_rows_ack(struct actor *a)
{
    return actor_expect(a, EBM__TO_WORKER__BODY_METRICS_ACK)->metrics_ack->seq;
}

static bool count_row(void *arg, const struct metrics_row *row)
{
    (void)row;
    ++*(int *)arg;
    return true;
}

static int count_rows(struct stage *s, int64_t job)
{
    const struct metrics_query q = {.job = job};
    int n = 0;

    assert_int_equal(metrics_each(s->daemon.metrics, &q, count_row, &n, NULL), EBM_OK);
    return n;
}

static void resent_rows_are_not_doubled(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    actor_rows(&a, 1, 1, 5);
    assert_int_equal(expect_rows_ack(&a), 5);
    actor_rows(&a, 1, 1, 5);
    assert_int_equal(expect_rows_ack(&a), 5);
    actor_rows(&a, 4, 4, 5);
    assert_int_equal(expect_rows_ack(&a), 8);
    assert_int_equal(count_rows(s, job), 8);
    assert_int_equal(actor_hello(&a)->metrics_have, 8);
    actor_close(&a);
    stage_reopen(s);
    actor_open(&a, s, job);
    assert_int_equal(actor_hello(&a)->metrics_have, 8);
    actor_close(&a);
}

/* An acknowledgement is for all rows up to its number, so none goes out for
 * rows behind a gap. */
static void rows_behind_a_gap_wait_for_those_before(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    actor_rows(&a, 2, 2, 5);
    assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_METRICS_ACK), 0);
    assert_int_equal(count_rows(s, job), 0);
    actor_rows(&a, 1, 1, 1);
    assert_int_equal(expect_rows_ack(&a), 1);
    actor_rows(&a, 2, 2, 5);
    assert_int_equal(expect_rows_ack(&a), 6);
    assert_int_equal(count_rows(s, job), 6);
    actor_close(&a);
}

/* Who takes us for the ebmd before us is told that we are another one, and
 * what we have. */
static void a_worker_of_the_ebmd_before_is_welcomed_unasked(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    actor_rows(&a, 1, 1, 3);
    expect_rows_ack(&a);
    stage_wait_mpirun(s, job);
    actor_close(&a);
    stage_reopen(s);
    actor_open(&a, s, job);
    a.step = 4;
    assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_WELCOME), 1);
    assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_WELCOME), 0);
    assert_int_equal(actor_hello(&a)->metrics_have, 3);
    actor_close(&a);
}

/* ---- leases ---- */

static bool is_alive(long pid)
{
    return kill((pid_t)pid, 0) == 0;
}

static void a_silent_job_is_unknown_and_left_alone(void **state)
{
    struct stage *s = *state;
    struct actor a;
    char lease[16];

    snprintf(lease, sizeof lease, "%d", LEASE_MS);
    reopen_with(s, "EBM_LEASE_MS", lease);
    int64_t job = SUBMIT(s);
    actor_start(&a, s, job, 5);
    long shepherd = (long)live_find(&s->daemon.live, job)->shepherd.pid;
    STAGE_UNTIL(s, stage_state(s, job) == JOB_UNKNOWN);
    assert_non_null(strstr(stage_show(s, job)->reason, "out of sight"));
    assert_int_equal(stage_events(s, job, "lost"), 1);
    assert_string_equal(actor_beat(&a, 6), ""); /* heard again */
    STAGE_UNTIL(s, stage_state(s, job) == JOB_RUNNING);
    assert_string_equal(stage_event_text(s, job, "running"), "its workers are heard again");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_UNKNOWN);
    for (int64_t until = clock_mono_ms() + 2 * LEASE_MS; clock_mono_ms() < until;)
        stage_turn(s);
    assert_true(is_alive(shepherd));
    assert_int_equal(stage_events(s, job, "lost"), 2); /* once each time */
    assert_int_equal(stage_job(s, job).attempt, 1);
    actor_hello(&a);
    assert_int_equal(stage_state(s, job), JOB_RUNNING);
    actor_close(&a);
}

static void workers_that_never_come_are_missed_too(void **state)
{
    struct stage *s = *state;
    struct actor a;

    reopen_with(s, "EBM_LEASE_MS", "100");
    int64_t job = SUBMIT(s);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_UNKNOWN);
    stage_reopen(s);
    assert_int_equal(stage_state(s, job), JOB_UNKNOWN);
    actor_open(&a, s, job);
    actor_beat(&a, 1);
    assert_int_equal(stage_state(s, job), JOB_RUNNING);
    actor_close(&a);
}

static void who_is_being_stopped_may_be_silent(void **state)
{
    struct stage *s = *state;
    struct actor a;

    reopen_with(s, "EBM_LEASE_MS", "100");
    int64_t job = SUBMIT(s);
    actor_start(&a, s, job, 5);
    stage_change(s, job, "pause");
    STAGE_UNTIL(s, live_find(&s->daemon.live, job)->lost);
    assert_int_equal(stage_state(s, job), JOB_PAUSING);
    a.command_seen = 0;
    assert_string_equal(actor_beat(&a, 6), "pause");
    assert_int_equal(stage_state(s, job), JOB_PAUSING);
    actor_close(&a);
}

static void one_out_of_sight_can_be_stopped(void **state)
{
    struct stage *s = *state;

    reopen_with(s, "EBM_LEASE_MS", "100");
    int64_t job = SUBMIT(s);
    stage_wait_mpirun(s, job);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_UNKNOWN);
    stage_change(s, job, "kill");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(strangers_are_refused),
        T(a_stranger_takes_nobodys_place),
        T(a_worker_of_an_older_attempt_is_refused),
        T(hello_is_welcomed),
        T(heartbeats_fit_into_a_lease),
        T(an_order_is_repeated_until_it_is_seen),
        T(an_order_waits_for_the_first_heartbeat),
        T(asked_twice_it_is_one_order),
        T(a_stronger_order_replaces_a_weaker),
        T(an_order_survives_ebmd),
        T(who_does_not_obey_is_made_to),
        T(reports_are_recorded_once),
        T(a_word_that_is_none_is_not_taken),
        T(resent_rows_are_not_doubled),
        T(rows_behind_a_gap_wait_for_those_before),
        T(a_worker_of_the_ebmd_before_is_welcomed_unasked),
        T(a_silent_job_is_unknown_and_left_alone),
        T(workers_that_never_come_are_missed_too),
        T(who_is_being_stopped_may_be_silent),
        T(one_out_of_sight_can_be_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
