/* Who is told of what becomes of a job: which events, by real processes that
 * nobody waits for, at least once. */
#include "coordinator_actor.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fsio.h"
#include "notice_order.h"
#include "store/store_private.h"

enum { PATH_SIZE = 256, FLOOD = 40 };

#define TELL_ALL "on_event.events=diverged rolled-back finished failed paused cancelled"
/* Of each event a line in "told", in the home. */
#define NOTE "on_event.command=echo \"$EBM_JOB $EBM_EVENT $EBM_STATE\" >>../../told"
/* It does not end before there is "gate"; that it began is a line. */
#define HANG                                                                                       \
    "on_event.command=echo \"$EBM_JOB $EBM_EVENT\" >>../../begun; "                                \
    "while [ ! -e ../../gate ]; do sleep 0.02; done; echo \"$EBM_JOB $EBM_EVENT\" >>../../told"

static const char *text_of(struct stage *s, const char *name)
{
    static struct buf text;
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    buf_clear(&text);
    return fsio_read(path, 1 << 20, &text, NULL) == EBM_OK ? buf_text(&text) : "";
}

static unsigned lines_of(struct stage *s, const char *name)
{
    unsigned n = 0;

    for (const char *p = text_of(s, name); (p = strchr(p, '\n')) != NULL; p++)
        n++;
    return n;
}

static bool is_there(struct stage *s, const char *name)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    return access(path, F_OK) == 0;
}

static bool has_line(struct stage *s, const char *name, const char *line)
{
    return strstr(text_of(s, name), line) != NULL;
}

static void open_gate(struct stage *s)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "%s/gate", s->dir);
    assert_int_equal(fsio_write_atomic(path, "", 0, 0600, NULL), EBM_OK);
}

static int64_t count_rows(struct stage *s, const char *query)
{
    int64_t n = -1;
    struct db_query q = db_query_text(s->daemon.store->db, query);

    assert_int_equal(db_run_int(&q, &n, NULL), EBM_OK);
    return n;
}

static int64_t count_due(struct stage *s)
{
    return count_rows(s, "SELECT count(*) FROM notice WHERE ended_ms = 0");
}

static unsigned count_runs(const struct stage *s)
{
    unsigned n = 0;

    for (size_t i = 0; i < NOTICES_AT_ONCE; i++)
        n += s->daemon.notices.run[i].id != 0;
    return n;
}

/* The worker says so, mpirun ends, and it is on record. */
static void end_as(struct actor *a, const char *word)
{
    actor_finish(a, word, "as scripted");
    actor_close(a);
    stage_end_mpirun(a->stage, a->job, 0);
    STAGE_UNTIL(a->stage, stage_attempt(a->stage, a->job, a->attempt).ended_ms != 0);
}

/* What a test before has left was killed with its stage. */
static int setup(void **state)
{
    while (waitpid(-1, NULL, 0) > 0)
        ;
    return stage_setup(state);
}

/* No child, running or dead, is left to this process. */
static void assert_no_zombie(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- what is told ---- */

static void ends_are_told(void **state)
{
    static const char *const rows[][2] = {
        {"succeeded", "finished succeeded"},
        {"failed", "failed failed"},
        {"diverged", "diverged diverged"},
    };
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct actor a;
        char line[64];
        int64_t job = SUBMIT(s, .set = {NOTE, "stability.on_divergence=fail"});
        actor_start(&a, s, job, 0);
        end_as(&a, rows[i][0]);
        snprintf(line, sizeof line, "%d %s\n", (int)job, rows[i][1]);
        STAGE_UNTIL(s, has_line(s, "told", line));
    }
    STAGE_UNTIL(s, count_due(s) == 0);
    assert_int_equal(lines_of(s, "told"), 3);
    assert_int_equal(count_rows(s, "SELECT count(*) FROM notice WHERE outcome = 'told'"), 3);
    STAGE_UNTIL(s, count_runs(s) == 0);
    assert_no_zombie();
    /* nothing is left of the process but its log */
    assert_true(is_there(s, "jobs/1/attempt-1") && !is_there(s, "jobs/1/notice-1"));
    assert_true(
        has_line(s, "jobs/1/notify.log", "told program=ebm-notify notice=1 event=finished"));
}

/* A divergence that pauses it is one; each rollback, by ebmd or a person. */
static void what_goes_back_is_told(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s, .set = {NOTE, "stability.max_rollbacks=1"});

    actor_start(&a, s, job, 0);
    actor_checkpoint(&a, 50);
    actor_beat(&a, 60);
    end_as(&a, "diverged");
    STAGE_UNTIL(s, has_line(s, "told", "1 rolled-back queued\n"));
    actor_start(&a, s, job, 50);
    stage_rollback(s, job, "newest");
    assert_int_equal(lines_of(s, "told"), 1); /* it still runs */
    end_as(&a, "stopped");
    STAGE_UNTIL(s, lines_of(s, "told") == 2);
    actor_start(&a, s, job, 50);
    const char *const set[] = {"stability.on_divergence=pause", NULL};
    assert_int_equal(stage_try_rollback(s, job, "newest", false, set)->status, EBM_OK);
    end_as(&a, "stopped");
    STAGE_UNTIL(s, lines_of(s, "told") == 3);
    actor_start(&a, s, job, 50);
    end_as(&a, "diverged");
    STAGE_UNTIL(s, has_line(s, "told", "1 diverged paused\n"));
    stage_rollback(s, job, "newest"); /* it is in the queue at once */
    STAGE_UNTIL(s, lines_of(s, "told") == 5);
    assert_int_equal(count_rows(s, "SELECT count(*) FROM notice WHERE event = 'rolled-back'"), 4);
}

static void stops_are_told_where_they_are_chosen(void **state)
{
    struct stage *s = *state;
    int64_t quiet = SUBMIT(s, .hold = true, .set = {NOTE});
    int64_t job = SUBMIT(s, .hold = true, .set = {NOTE, TELL_ALL});
    int64_t follows = SUBMIT(s, .after = job, .set = {NOTE});

    stage_change(s, quiet, "cancel");
    stage_change(s, job, "cancel");
    STAGE_UNTIL(s, has_line(s, "told", "2 cancelled cancelled\n"));
    STAGE_UNTIL(s, has_line(s, "told", "3 failed failed\n")); /* it waited in vain */
    assert_int_equal(stage_state(s, follows), JOB_FAILED);
    STAGE_UNTIL(s, count_due(s) == 0);
    assert_int_equal(lines_of(s, "told"), 2);
}

static void nobody_is_told_when_none_is_named(void **state)
{
    struct stage *s = *state;
    struct actor a;

    actor_start(&a, s, SUBMIT(s, .set = {TELL_ALL}), 0);
    end_as(&a, "succeeded");
    actor_start(&a, s, SUBMIT(s, .set = {NOTE, "on_event.events=none"}), 0);
    end_as(&a, "succeeded");
    assert_int_equal(count_rows(s, "SELECT count(*) FROM notice"), 0);
}

/* A rollback may say who is told from now on. */
static void a_rollback_changes_who_is_told(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    actor_checkpoint(&a, 50);
    end_as(&a, "succeeded");
    const char *const set[] = {NOTE, NULL};
    assert_int_equal(stage_try_rollback(s, job, "newest", false, set)->status, EBM_OK);
    STAGE_UNTIL(s, has_line(s, "told", "1 rolled-back queued\n"));
}

static void json_says_it_all(void **state)
{
    const struct store_notice n = {.job = 3,
                                   .attempt = 2,
                                   .time_ms = 1764145580012,
                                   .event = "failed",
                                   .state = JOB_FAILED,
                                   .step = 7,
                                   .total_steps = 9,
                                   .reason = "a \"b\"\\\n\xc3\xa4"};
    struct buf out;

    (void)state;
    buf_init(&out);
    notice_put_json(&n, "net.1", &out);
    assert_string_equal(buf_text(&out),
                        "{\"event\": \"failed\", \"job\": 3, \"name\": \"net.1\", \"state\": "
                        "\"failed\", \"step\": 7, \"total_steps\": 9, \"attempt\": 2, \"reason\": "
                        "\"a \\\"b\\\"\\\\\\u000a\xc3\xa4\", \"time\": 1764145580.012}\n");
    buf_fini(&out);
}

/* ---- nobody waits ---- */

/* All slots are taken: what is resumed stays in the queue. */
static void fill_machine(struct stage *s)
{
    stage_wait_mpirun(s, SUBMIT(s, .set = {"resources.ranks=4"}));
}

static void the_loop_does_not_wait(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .hold = true, .set = {HANG, TELL_ALL});

    stage_change(s, job, "cancel");
    STAGE_UNTIL(s, lines_of(s, "begun") == 1);
    for (int i = 0; i < 20; i++) {
        int64_t began = clock_mono_ms();
        stage_show(s, job);
        assert_true(clock_mono_ms() - began < 2000);
    }
    assert_int_equal(count_due(s), 1);
    assert_int_equal(count_runs(s), 1);
    open_gate(s);
    STAGE_UNTIL(s, count_due(s) == 0);
    assert_int_equal(lines_of(s, "told"), 1);
}

/* Many at once: some at a time, of each job one, and all in the end. */
static void a_flood_has_its_bound(void **state)
{
    struct stage *s = *state;

    fill_machine(s);
    for (int i = 0; i < FLOOD; i++) {
        int64_t job = SUBMIT(s, .hold = true, .set = {HANG, TELL_ALL});
        stage_change(s, job, "cancel");
        if (i == 0) { /* two of the first */
            stage_change(s, job, "resume");
            stage_change(s, job, "cancel");
        }
    }
    STAGE_UNTIL(s, lines_of(s, "begun") == NOTICES_AT_ONCE);
    assert_int_equal(count_due(s), FLOOD + 1);
    assert_int_equal(count_runs(s), NOTICES_AT_ONCE);
    open_gate(s);
    STAGE_UNTIL(s, count_due(s) == 0);
    assert_int_equal(lines_of(s, "told"), FLOOD + 1);
    STAGE_UNTIL(s, count_runs(s) == 0);
    assert_no_zombie();
}

/* Of one job one after the other, in order; and others do not wait for it. */
static void events_of_a_job_keep_their_order(void **state)
{
    struct stage *s = *state;
    fill_machine(s);
    int64_t job = SUBMIT(s, .hold = true, .set = {HANG, TELL_ALL});
    int64_t other = SUBMIT(s, .hold = true, .set = {NOTE, TELL_ALL});

    stage_change(s, job, "cancel");
    stage_change(s, job, "resume");
    stage_change(s, job, "pause");
    stage_change(s, other, "cancel");
    STAGE_UNTIL(s, has_line(s, "told", "3 cancelled cancelled\n"));
    STAGE_UNTIL(s, lines_of(s, "begun") == 1);
    open_gate(s);
    STAGE_UNTIL(s, count_due(s) == 0);
    assert_string_equal(text_of(s, "told"), "3 cancelled cancelled\n2 cancelled\n2 paused\n");
}

static void one_that_fails_is_given_up_and_said(void **state)
{
    struct stage *s = *state;
    int64_t job =
        SUBMIT(s, .hold = true, .set = {"on_event.command=exit 9", TELL_ALL, "on_event.retries=0"});

    stage_change(s, job, "cancel");
    STAGE_UNTIL(s, stage_events(s, job, "not-told") == 1);
    STAGE_UNTIL(s, count_due(s) == 0);
    assert_int_equal(count_rows(s, "SELECT count(*) FROM notice WHERE outcome = 'failed'"), 1);
    assert_non_null(strstr(text_of(s, "jobs/1/notify.log"), "exit status 9"));
    assert_int_equal(stage_state(s, job), JOB_CANCELLED);
}

/* ---- deaths ---- */

/* ebmd is gone, its ebm-notify is not: the next one waits for it, and nobody
 * is told twice. */
static void a_notifier_outlives_ebmd(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .hold = true, .set = {HANG, TELL_ALL});

    stage_change(s, job, "cancel");
    STAGE_UNTIL(s, lines_of(s, "begun") == 1);
    stage_reopen(s);
    STAGE_UNTIL(s, count_runs(s) == 1);
    open_gate(s);
    STAGE_UNTIL(s, count_due(s) == 0);
    assert_int_equal(lines_of(s, "begun"), 1);
    assert_int_equal(lines_of(s, "told"), 1);
}

/* Both are gone: the next ebmd tells. */
static void what_was_not_told_is_told_by_the_next(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .hold = true, .set = {HANG, TELL_ALL});

    stage_change(s, job, "cancel");
    STAGE_UNTIL(s, lines_of(s, "begun") == 1);
    assert_int_equal(kill(s->daemon.notices.run[0].pid, SIGKILL), 0);
    stage_close(s);
    open_gate(s);
    stage_open(s);
    STAGE_UNTIL(s, count_due(s) == 0);
    assert_int_equal(lines_of(s, "told"), 1);
}

static void one_that_is_killed_is_told_again(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .hold = true, .set = {HANG, TELL_ALL});

    stage_change(s, job, "cancel");
    STAGE_UNTIL(s, lines_of(s, "begun") == 1);
    open_gate(s);
    kill(s->daemon.notices.run[0].pid, SIGKILL);
    STAGE_UNTIL(s, count_due(s) == 0 || s->daemon.notices.run[0].again_ms != 0);
    if (count_due(s) > 0)
        s->daemon.notices.run[0].again_ms = clock_mono_ms(); /* the wait is over */
    STAGE_UNTIL(s, count_due(s) == 0);
    assert_true(lines_of(s, "told") >= 1);
}

/* It holds up no other job, and is given up in the end. */
static void one_that_is_killed_each_time_is_given_up(void **state)
{
    struct stage *s = *state;
    struct notice_run *r = &s->daemon.notices.run[0];
    int64_t job = SUBMIT(s, .hold = true, .set = {"on_event.command=kill -9 $PPID", TELL_ALL});
    int64_t other = SUBMIT(s, .hold = true, .set = {NOTE, TELL_ALL});

    stage_change(s, job, "cancel");
    STAGE_UNTIL(s, r->again_ms != 0);
    stage_change(s, other, "cancel");
    STAGE_UNTIL(s, lines_of(s, "told") == 1);
    for (unsigned deaths = 1; deaths < 5; deaths++) {
        STAGE_UNTIL(s, r->again_ms != 0);
        assert_int_equal(r->deaths, deaths);
        r->again_ms = clock_mono_ms();
        STAGE_UNTIL(s, r->deaths != deaths);
    }
    STAGE_UNTIL(s, count_due(s) == 0);
    assert_int_equal(stage_events(s, job, "not-told"), 1);
    assert_int_equal(stage_events(s, other, "not-told"), 0);
}

/* A missing program delays, and loses nothing. */
static void a_start_that_fails_comes_again(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .hold = true, .set = {NOTE, TELL_ALL});
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "%s/jobs", s->dir); /* where its folder should be */
    assert_int_equal(fsio_write_atomic(path, "", 0, 0600, NULL), EBM_OK);
    stage_change(s, job, "cancel");
    STAGE_UNTIL(s, s->daemon.notices.start_ms != 0);
    assert_int_equal(count_due(s), 1);
    assert_int_equal(count_runs(s), 0);
    unlink(path);
    s->daemon.notices.start_ms = clock_mono_ms(); /* the wait is over */
    STAGE_UNTIL(s, count_due(s) == 0);
    assert_int_equal(lines_of(s, "told"), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        T(ends_are_told),
        T(what_goes_back_is_told),
        T(stops_are_told_where_they_are_chosen),
        T(nobody_is_told_when_none_is_named),
        T(a_rollback_changes_who_is_told),
        cmocka_unit_test(json_says_it_all),
        T(the_loop_does_not_wait),
        T(a_flood_has_its_bound),
        T(events_of_a_job_keep_their_order),
        T(one_that_fails_is_given_up_and_said),
        T(a_notifier_outlives_ebmd),
        T(what_was_not_told_is_told_by_the_next),
        T(one_that_is_killed_is_told_again),
        T(one_that_is_killed_each_time_is_given_up),
        T(a_start_that_fails_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
