/* ebmd goes and comes back: whatever it was doing goes on, once. */
#include "coordinator_actor.h"
#include "dice.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "attempt.h"
#include "base/fsio.h"
#include "control.h"
#include "launch/process.h"
#include "queue.h"
#include "uploads.h"

/* ---- killed between a commit and its effects ---- */

static void commit_and_die(struct stage *s)
{
    assert_int_equal(store_commit(s->daemon.store, NULL), EBM_OK);
    stage_close(s);
}

static bool handle_one(struct stage *s)
{
    struct link_message m;

    if (link_recv(s->daemon.control, &m, NULL) != EBM_OK)
        return false;
    control_handle(&s->daemon, &m);
    link_message_fini(&m);
    return true;
}

/* The request is committed, and nobody hears of it. */
static void ask_and_die(struct stage *s, Ebm__Request *q)
{
    int64_t deadline = clock_mono_ms() + STAGE_WAIT_MS;

    q->id = 1;
    assert_int_equal(wire_send(s->client, NULL, 0, &q->base, NULL, 0, NULL), EBM_OK);
    while (!handle_one(s))
        assert_true(clock_mono_ms() < deadline);
    commit_and_die(s);
}

static void change_and_die(struct stage *s, int64_t job, const char *verb)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Change m = EBM__CHANGE__INIT;

    q.body_case = EBM__REQUEST__BODY_CHANGE;
    q.change = &m;
    m.job = (uint64_t)job;
    m.verb = (char *)verb;
    ask_and_die(s, &q);
}

/* ---- how often mpirun ran ---- */

static int count_runs(struct stage *s, int64_t job, uint32_t attempt)
{
    char dir[HOME_PATH_MAX], path[HOME_PATH_MAX + 16];
    struct buf text;
    int lines = 0;

    home_attempt_dir(&s->daemon.home, job, (int)attempt, dir, sizeof dir);
    snprintf(path, sizeof path, "%s/runs", dir);
    buf_init(&text);
    fsio_read(path, 4096, &text, NULL);
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    buf_fini(&text);
    return lines;
}

#define RUN "#!/bin/sh\ncd \"$EBM_ATTEMPT_DIR\" || exit 9\necho run >> runs\n"

/* ---- attempts that live on ---- */

static void adopted(struct stage *s, int64_t job, enum job_state state)
{
    const struct live *l;

    assert_int_equal(stage_state(s, job), state);
    assert_int_equal(stage_job(s, job).attempt, 1);
    l = live_find(&s->daemon.live, job);
    assert_non_null(l);
    assert_true(l->pidfd >= 0);
    stage_turn(s);
    assert_int_equal(stage_state(s, job), state);
}

static bool sockets_are_there(const struct stage *s)
{
    return access(s->daemon.home.control + strlen("ipc://"), F_OK) == 0 &&
           access(s->daemon.home.worker + strlen("ipc://"), F_OK) == 0;
}

/* A file lies where their folder was: said once, and mended when it is gone. */
static void sockets_that_cannot_be_made_again_are_told_once(void **state)
{
    static const char *const names[] = {"control", "worker", "events", ""};
    struct stage *s = *state;
    char path[HOME_PATH_MAX + 16];

    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", s->daemon.home.run, names[i]);
        assert_int_equal(i < 3 ? unlink(path) : rmdir(path), 0);
    }
    assert_int_equal(fsio_write_atomic(s->daemon.home.run, "x", 1, 0600, NULL), EBM_OK);
    STAGE_UNTIL(s, s->daemon.mend_said_ms != 0);
    int64_t said_ms = s->daemon.mend_said_ms;
    s->daemon.second_ms = 0;
    stage_turn(s);
    assert_int_equal(s->daemon.mend_said_ms, said_ms);
    unlink(s->daemon.home.run);
    STAGE_UNTIL(s, s->daemon.mend_said_ms == 0);
    assert_true(sockets_are_there(s));
}

/* Nobody timed the steps that it took meanwhile. */
static void the_rate_begins_where_it_is_heard_again(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 20);
    actor_close(&a);
    stage_reopen(s);
    actor_open(&a, s, job);
    actor_rows(&a, 1, 21, 300); /* from while nobody was there */
    actor_beat(&a, 500);
    struct live *l = live_find(&s->daemon.live, job);
    assert_int_equal(l->rate.step, 500);
    assert_true(l->rate.value == 0);
    l->rate.ms -= 5000;
    actor_beat(&a, 550);
    assert_true(l->rate.value > 5 && l->rate.value <= 10);
    actor_close(&a);
}

static void a_live_attempt_is_adopted_in_each_state(void **state)
{
    struct stage *s = *state;
    struct actor a;

    int64_t starting = SUBMIT(s), running = SUBMIT(s), pausing = SUBMIT(s);
    actor_start(&a, s, running, 20);
    actor_close(&a);
    actor_start(&a, s, pausing, 20);
    stage_change(s, pausing, "pause");
    actor_close(&a);
    stage_wait_mpirun(s, starting);
    for (int i = 0; i < 3; i++) {
        stage_reopen(s);
        adopted(s, starting, JOB_STARTING);
        adopted(s, running, JOB_RUNNING);
        adopted(s, pausing, JOB_PAUSING);
        assert_int_equal(queue_used(&s->daemon), 3);
    }
    actor_start(&a, s, starting, 1);
    assert_int_equal(stage_state(s, starting), JOB_RUNNING);
    actor_close(&a);
    actor_open(&a, s, pausing);
    assert_string_equal(actor_beat(&a, 21), "pause");
    actor_close(&a);
    stage_end_mpirun(s, running, 3); /* its end is noticed */
    STAGE_UNTIL(s, stage_job(s, running).attempt == 2);
}

/* A job whose attempt is begun, and not committed. */
static int64_t begin_one(struct stage *s)
{
    stage_set_mpirun(s, RUN "mkfifo go\necho $$ > pid\nread code < go\nexit $code\n");
    int64_t job = SUBMIT(s, .hold = true);
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Change m = EBM__CHANGE__INIT;
    q.body_case = EBM__REQUEST__BODY_CHANGE;
    q.change = &m;
    m.job = (uint64_t)job;
    m.verb = "release";
    q.id = 1;
    assert_int_equal(wire_send(s->client, NULL, 0, &q.base, NULL, 0, NULL), EBM_OK);
    while (!handle_one(s))
        ;
    queue_pass(&s->daemon);
    return job;
}

/* Launched, and killed before the shepherd's pid was on record. */
static void a_launch_that_was_not_recorded_is_found(void **state)
{
    struct stage *s = *state;
    int64_t job = begin_one(s);

    assert_int_equal(store_commit(s->daemon.store, NULL), EBM_OK);
    outbox_flush(&s->daemon.outbox, &s->daemon);
    stage_close(s);
    stage_open(s);
    assert_int_equal(stage_attempt(s, job, 1).shepherd_pid, 0);
    adopted(s, job, JOB_STARTING);
    stage_end_mpirun(s, job, 3);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    assert_int_equal(count_runs(s, job, 1), 1);
}

/* As if the store could not be read at that moment. */
static void a_launch_that_was_lost_is_made_up_for(void **state)
{
    static const struct ebm_error lost = {.code = EBM_EIO, .text = "lost"};
    struct stage *s = *state;
    int64_t job = begin_one(s);

    assert_int_equal(store_commit(s->daemon.store, NULL), EBM_OK);
    outbox_drop(&s->daemon.outbox, &s->daemon, &lost);
    assert_null(live_find(&s->daemon.live, job));
    s->daemon.unlaunched = true;
    stage_wait_mpirun(s, job);
    assert_false(s->daemon.unlaunched);
    adopted(s, job, JOB_STARTING);
    assert_int_equal(count_runs(s, job, 1), 1);
}

/* Committed, and killed before it could be launched. */
static void an_attempt_that_was_not_launched_is(void **state)
{
    struct stage *s = *state;
    int64_t job = begin_one(s);

    commit_and_die(s);
    for (int i = 0; i < 2; i++) {
        stage_open(s);
        assert_int_equal(stage_job(s, job).attempt, 1);
        stage_wait_mpirun(s, job);
        adopted(s, job, JOB_STARTING);
        stage_close(s);
    }
    stage_open(s);
    stage_end_mpirun(s, job, 3);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    assert_int_equal(count_runs(s, job, 1), 1);
}

/* Launched and not recorded, and then the shepherd was killed as well: what is
 * left of it says that it ran, so it is not run again under its number. */
static void what_is_left_of_a_launch_tells_that_it_ran(void **state)
{
    struct stage *s = *state;

    stage_set_mpirun(s, RUN "setsid sleep 60 &\necho $$ > pid\nwait\n");
    int64_t job = SUBMIT(s);
    uint64_t fence = stage_attempt(s, job, 1).fence;
    struct launch_pid shepherd = live_find(&s->daemon.live, job)->shepherd;
    int64_t deadline = clock_mono_ms() + STAGE_WAIT_MS;
    while (launch_count_marked(&s->daemon.home, fence) < 2)
        assert_true(clock_mono_ms() < deadline);
    stage_kill_shepherd(s, job);
    while (process_is_alive(shepherd))
        assert_true(clock_mono_ms() < deadline);
    stage_close(s);
    stage_open(s);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    assert_int_equal(launch_count_marked(&s->daemon.home, fence), 0);
    assert_string_equal(stage_attempt(s, job, 1).outcome, "crashed");
    STAGE_UNTIL(s, count_runs(s, job, 2) == 1);
    assert_int_equal(count_runs(s, job, 1), 1);
}

/* ---- attempts that ended meanwhile ---- */

/* Ends it while nobody looks. */
static void end_unseen(struct stage *s, int64_t job, bool by_kill)
{
    struct launch_pid shepherd = live_find(&s->daemon.live, job)->shepherd;

    stage_wait_mpirun(s, job);
    if (by_kill)
        stage_kill_shepherd(s, job);
    else
        stage_end_mpirun(s, job, 0);
    struct link_poll item = {.fd = launch_watch(shepherd)};
    if (item.fd >= 0)
        assert_int_equal(link_wait(&item, 1, STAGE_WAIT_MS, NULL), EBM_OK);
    close(item.fd);
    stage_close(s);
}

static void an_end_that_nobody_saw_is_recorded(void **state)
{
    struct stage *s = *state;
    struct actor a;

    for (int by_kill = 0; by_kill < 2; by_kill++) {
        int64_t job = SUBMIT(s);
        actor_start(&a, s, job, 20);
        actor_close(&a);
        end_unseen(s, job, by_kill != 0);
        stage_open(s);
        STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
        assert_string_equal(stage_attempt(s, job, 1).outcome, "crashed");
        assert_int_equal(stage_attempt(s, job, 1).last_step, 20);
        assert_int_equal(stage_events(s, job, "ended"), 1);
    }
}

static void a_word_on_record_decides_an_end_that_nobody_saw(void **state)
{
    static const struct {
        const char *word;
        enum job_state state;
    } rows[] = {{"succeeded", JOB_SUCCEEDED}, {"failed", JOB_FAILED}, {"paused", JOB_PAUSED}};
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int by_kill = 0; by_kill < 2; by_kill++) {
            struct actor a;
            int64_t job = SUBMIT(s);
            actor_start(&a, s, job, 20);
            actor_finish(&a, rows[i].word, "");
            actor_close(&a);
            end_unseen(s, job, by_kill != 0);
            stage_open(s);
            STAGE_UNTIL(s, stage_state(s, job) == rows[i].state);
        }
}

/* ---- orders ---- */

static void an_order_that_was_only_committed_is_given(void **state)
{
    static const struct {
        const char *verb, *word;
        enum job_state state;
    } rows[] = {{"pause", "paused", JOB_PAUSED}, {"cancel", "cancelled", JOB_CANCELLED}};
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct actor a;
        int64_t job = SUBMIT(s);
        actor_start(&a, s, job, 20);
        actor_close(&a);
        stage_wait_mpirun(s, job);
        change_and_die(s, job, rows[i].verb);
        stage_open(s);
        actor_open(&a, s, job);
        assert_string_equal(actor_beat(&a, 21), rows[i].verb);
        actor_finish(&a, rows[i].word, "");
        actor_close(&a);
        stage_end_mpirun(s, job, 0);
        STAGE_UNTIL(s, stage_state(s, job) == rows[i].state);
        assert_int_equal(stage_events(s, job, rows[i].verb), 1);
    }
}

static void a_kill_that_was_only_committed_is_carried_out(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s);

    stage_wait_mpirun(s, job);
    change_and_die(s, job, "kill");
    stage_open(s);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
    assert_string_equal(stage_attempt(s, job, 1).outcome, "killed");
}

static void a_rollback_survives(void **state)
{
    struct stage *s = *state;
    struct actor a;

    for (int unseen = 0; unseen < 2; unseen++) {
        int64_t job = SUBMIT(s);
        actor_start(&a, s, job, 0);
        int64_t first = actor_checkpoint(&a, 50);
        actor_checkpoint(&a, 100);
        actor_close(&a);
        stage_rollback(s, job, "50");
        if (unseen != 0) {
            end_unseen(s, job, false);
            stage_open(s);
        } else {
            stage_reopen(s);
            actor_open(&a, s, job);
            assert_string_equal(actor_beat(&a, 101), "stop");
            actor_close(&a);
            stage_end_mpirun(s, job, 0);
        }
        STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
        assert_int_equal(stage_attempt(s, job, 2).from_checkpoint, first);
        assert_string_equal(stage_attempt(s, job, 1).outcome, "rolled-back");
        stage_change(s, job, "kill");
        STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
    }
}

/* The slots of what runs, not of what is planned next. */
static void slots_are_those_of_the_attempt(void **state)
{
    static const char *const set[] = {"resources.ranks=1", NULL};
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s, .set = {"resources.ranks=3"});

    actor_start(&a, s, job, 0);
    actor_checkpoint(&a, 50);
    actor_close(&a);
    stage_wait_mpirun(s, job);
    assert_int_equal(stage_try_rollback(s, job, "", false, set)->status, EBM_OK);
    assert_int_equal(queue_used(&s->daemon), 3);
    stage_reopen(s);
    assert_int_equal(queue_used(&s->daemon), 3);
    int64_t other = SUBMIT(s, .set = {"resources.ranks=2"});
    for (int i = 0; i < 3; i++)
        stage_turn(s);
    assert_int_equal(stage_state(s, other), JOB_QUEUED);
}

/* ---- replies that were lost ---- */

static void a_submit_that_nobody_heard_of_is_the_same_job(void **state)
{
    struct stage *s = *state;
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Submit m = EBM__SUBMIT__INIT;

    q.key = "once";
    q.body_case = EBM__REQUEST__BODY_SUBMIT;
    q.submit = &m;
    m.spec = (char *)stage_spec;
    m.hold = true;
    ask_and_die(s, &q);
    stage_open(s);
    assert_int_equal(SUBMIT(s, .key = "once", .hold = true), 1);
    assert_int_equal(SUBMIT(s, .key = "twice", .hold = true), 2);
}

static bool is_stored(struct stage *s, int64_t job)
{
    uploads_take(&s->daemon);
    return stage_events(s, job, "checkpoint") == 1;
}

static void a_checkpoint_that_nobody_heard_of_is_acknowledged(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 50);
    actor_begin(&a, 1, 50);
    actor_expect(&a, EBM__TO_WORKER__BODY_CHUNK_ACK);
    actor_chunk(&a, 1, 50, 0, ACTOR_BLOB);
    actor_expect(&a, EBM__TO_WORKER__BODY_CHUNK_ACK);
    actor_end(&a, 1);
    STAGE_UNTIL(s, live_find(&s->daemon.live, job)->upload.state == UPLOAD_FINISHING);
    stage_wait_mpirun(s, job);
    int64_t deadline = clock_mono_ms() + STAGE_WAIT_MS;
    while (!is_stored(s, job))
        assert_true(clock_mono_ms() < deadline);
    actor_close(&a);
    commit_and_die(s);
    stage_open(s);
    actor_start(&a, s, job, 50);
    actor_begin(&a, 1, 50);
    const Ebm__CheckpointAck *ack =
        actor_expect(&a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK)->checkpoint_ack;
    assert_int_equal(ack->status, EBM_OK);
    assert_int_equal(ack->checkpoint, 1);
    assert_int_equal(stage_count_blobs(s), 1);
    actor_close(&a);
}

/* ---- the queue ---- */

static void a_back_off_is_kept(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s);

    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_QUEUED);
    int64_t not_before = stage_job(s, job).not_before_ms;
    stage_reopen(s);
    stage_turn(s);
    assert_int_equal(stage_state(s, job), JOB_QUEUED);
    assert_true(stage_job(s, job).not_before_ms == not_before);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 3);
    assert_true(clock_wall_ms() >= not_before);
}

/* ---- at any time ---- */

enum { CHAOS_JOBS = 6, CHAOS_TURNS = 220 };

static void do_something(struct stage *s, uint64_t *dice)
{
    static const char *const verbs[] = {"pause", "resume", "kill", "hold", "release", "resume"};
    int64_t job = 1 + dice_below(dice, CHAOS_JOBS);

    switch (dice_below(dice, 5)) {
    case 0:
        stage_try_change(s, job, verbs[dice_below(dice, 6)]);
        break;
    case 1:
        if (stage_state(s, job) == JOB_QUEUED)
            stage_skip_backoff(s, job);
        break;
    case 2:
        stage_reopen(s);
        break;
    default:
        stage_turn(s);
    }
}

struct history {
    struct stage *stage;
    unsigned attempts, live;
};

static bool check_attempt(void *arg, const struct store_attempt *a)
{
    struct history *h = arg;

    assert_int_equal(a->attempt, ++h->attempts);
    assert_int_equal(a->ended_ms == 0, a->outcome[0] == '\0');
    assert_true(count_runs(h->stage, a->job, a->attempt) <= 1); /* never twice */
    h->live += a->ended_ms == 0;
    return true;
}

/* From the store alone: a question would turn the loop. */
static void assert_history(struct stage *s, int64_t job)
{
    struct store_job j = stage_job(s, job);
    struct history h = {.stage = s};

    assert_int_equal(store_attempt_each(s->daemon.store, job, check_attempt, &h, NULL), EBM_OK);
    assert_int_equal(h.attempts, j.attempt);
    assert_int_equal(h.live, job_state_is_live(j.state));
    assert_int_equal(stage_events(s, job, "ended"), j.attempt - h.live);
    assert_int_equal(stage_events(s, job, "started"), j.attempt);
}

/* Jobs that crash at once and are started again, and an ebmd that is gone
 * every other moment. */
static void history_is_whole_whenever_ebmd_was_killed(void **state)
{
    struct stage *s = *state;
    uint64_t dice = 17;

    stage_set_mpirun(s, RUN "exit 3\n");
    for (int i = 0; i < CHAOS_JOBS; i++)
        SUBMIT(s, .set = {"resources.max_restarts=1000", "resources.ranks=2"});
    for (int i = 0; i < CHAOS_TURNS; i++) {
        do_something(s, &dice);
        assert_true(queue_used(&s->daemon) <= STAGE_SLOTS);
    }
    for (int64_t job = 1; job <= CHAOS_JOBS; job++)
        assert_history(s, job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(sockets_that_cannot_be_made_again_are_told_once),
        T(the_rate_begins_where_it_is_heard_again),
        T(a_live_attempt_is_adopted_in_each_state),
        T(a_launch_that_was_not_recorded_is_found),
        T(an_attempt_that_was_not_launched_is),
        T(a_launch_that_was_lost_is_made_up_for),
        T(what_is_left_of_a_launch_tells_that_it_ran),
        T(an_end_that_nobody_saw_is_recorded),
        T(a_word_on_record_decides_an_end_that_nobody_saw),
        T(an_order_that_was_only_committed_is_given),
        T(a_kill_that_was_only_committed_is_carried_out),
        T(a_rollback_survives),
        T(slots_are_those_of_the_attempt),
        T(a_submit_that_nobody_heard_of_is_the_same_job),
        T(a_checkpoint_that_nobody_heard_of_is_acknowledged),
        T(a_back_off_is_kept),
        T(history_is_whole_whenever_ebmd_was_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
