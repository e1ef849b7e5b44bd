/* The agent against a scripted ebmd: start, metrics, orders, heartbeats,
 * the end and the fence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent_stage.h"
#include "base/log.h"

/* ---- the environment ---- */

static void each_missing_variable_is_named(void **state)
{
    static const char *const names[] = {"EBM_JOB",      "EBM_ATTEMPT",     "EBM_FENCE",
                                        "EBM_ENDPOINT", "EBM_ATTEMPT_DIR", "EBM_TOKEN_FILE"};
    static const char *const values[] = {"7", "3", "41", "ipc:///tmp/x", "/tmp", "/dev/null"};
    struct sink_handle sink;
    struct ebm_error err;

    (void)state;
    for (size_t i = 0; i < 6; i++)
        unsetenv(names[i]);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(agent_open(&sink, &err), EBM_EINVAL);
        assert_non_null(strstr(err.text, names[i]));
        setenv(names[i], values[i], 1);
    }
    assert_int_equal(agent_open(&sink, &err), EBM_EINVAL); /* an empty token */
    assert_non_null(strstr(err.text, "/dev/null"));
    setenv("EBM_FENCE", "-1", 1);
    assert_int_equal(agent_open(&sink, &err), EBM_EINVAL);
    assert_non_null(strstr(err.text, "EBM_FENCE"));
    setenv("EBM_FENCE", "12x", 1);
    assert_int_equal(agent_open(&sink, &err), EBM_EINVAL);
}

static void the_environment_opens_an_agent(void **state)
{
    struct fake_daemon *f = fake_start(&(struct fake_script){0});
    char path[128];
    struct stage s = {.daemon = f};
    struct ebm_error err;

    (void)state;
    snprintf(path, sizeof path, "%s/token", f->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%s\n", FAKE_TOKEN);
    fclose(file);
    setenv("EBM_JOB", "7", 1);
    setenv("EBM_ATTEMPT", "3", 1);
    setenv("EBM_FENCE", "41", 1);
    setenv("EBM_ENDPOINT", f->endpoint, 1);
    setenv("EBM_ATTEMPT_DIR", f->dir, 1);
    setenv("EBM_TOKEN_FILE", path, 1);
    assert_int_equal(agent_open(&s.sink, &err), EBM_OK);
    stage_start(&s);
    unlink(path);
    stage_close(&s);
}

/* ---- the usual way ---- */

static void a_whole_life(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){0});
    stage_start(&s);
    assert_int_equal(fake_peek(s.daemon)->ranks, 2);
    stage_put_rows(&s, 0, 3000);
    s.sink.ops->progress(s.sink.sink, 77, "training");
    assert_true(fake_wait(s.daemon, beat_step_is, 77));
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    stage_assert_rows(&s, 3000);
    assert_string_equal(fake_peek(s.daemon)->outcome, "succeeded");
    assert_string_equal(fake_peek(s.daemon)->reason, "as told");
    assert_int_equal(fake_peek(s.daemon)->hellos_again, 0);
    stage_close(&s);
}

static void few_rows_go_without_waiting_for_a_full_batch(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){0});
    stage_start(&s);
    stage_put_rows(&s, 0, 3);
    assert_true(fake_wait(s.daemon, rows_reach, 3));
    stage_put_rows(&s, 3, 4);
    assert_true(fake_wait(s.daemon, rows_reach, 4));
    stage_close(&s);
}

static void destroyed_at_any_moment(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){.silent = true});
    s.sink.ops->destroy(NULL);
    stage_close(&s); /* before start */
    stage_open(&s, &(struct fake_script){.delay_ms = 2});
    stage_start(&s);
    stage_put_rows(&s, 0, 5000);
    stage_close(&s); /* with results under way */
}

static void an_end_without_a_start_is_told(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){0});
    assert_int_equal(stage_finish(&s, "failed"), EBM_OK);
    assert_string_equal(fake_peek(s.daemon)->outcome, "failed");
    stage_close(&s);
}

static void a_reason_is_made_plain_and_cut(void **state)
{
    struct stage s;
    char reason[2000];
    struct ebm_error err;

    (void)state;
    stage_open(&s, &(struct fake_script){0});
    memset(reason, 0xe4, sizeof reason - 1); /* no UTF-8 */
    reason[sizeof reason - 1] = '\0';
    const struct sink_ending ending = {"failed", reason, 0, 0};
    assert_int_equal(s.sink.ops->finish(s.sink.sink, &ending, &err), EBM_OK);
    assert_int_equal(fake_peek(s.daemon)->reason[0], '?');
    stage_close(&s);
}

/* ---- orders and heartbeats ---- */

static void heartbeats_need_no_training_thread(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){0});
    stage_start(&s);
    assert_true(fake_wait(s.daemon, beats_reach, 8));
    stage_close(&s);
}

static void orders_are_seen_until_obeyed(void **state)
{
    struct fake_script script = {.command_seq = 5, .command = "checkpoint"};
    struct stage s;

    (void)state;
    stage_open(&s, &script);
    assert_int_equal(s.sink.ops->order(s.sink.sink), SINK_GO_ON);
    stage_start(&s);
    stage_await_order(&s, SINK_CHECKPOINT);
    assert_true(fake_wait(s.daemon, command_is_seen, 5));
    assert_int_equal(s.sink.ops->order(s.sink.sink), SINK_CHECKPOINT);
    s.sink.ops->order_done(s.sink.sink, SINK_CHECKPOINT);
    assert_int_equal(s.sink.ops->order(s.sink.sink), SINK_GO_ON);
    strcpy(script.command, "pause");
    script.command_seq = 6;
    fake_set_script(s.daemon, &script);
    stage_await_order(&s, SINK_PAUSE);
    strcpy(script.command, "checkpoint"); /* a pause takes one anyway */
    script.command_seq = 7;
    fake_set_script(s.daemon, &script);
    assert_true(fake_wait(s.daemon, command_is_seen, 7));
    assert_int_equal(s.sink.ops->order(s.sink.sink), SINK_PAUSE);
    s.sink.ops->order_done(s.sink.sink, SINK_CHECKPOINT);
    assert_int_equal(s.sink.ops->order(s.sink.sink), SINK_PAUSE);
    stage_close(&s);
}

static void every_verb_has_its_order(void **state)
{
    static const struct {
        const char *verb;
        enum sink_order order;
    } verbs[] = {{"dance", SINK_GO_ON},
                 {"checkpoint", SINK_CHECKPOINT},
                 {"pause", SINK_PAUSE},
                 {"cancel", SINK_CANCEL},
                 {"stop", SINK_STOP}};
    struct fake_script script = {0};
    struct stage s;

    (void)state;
    stage_open(&s, &script);
    stage_start(&s);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        script.command_seq = i + 1;
        snprintf(script.command, sizeof script.command, "%s", verbs[i].verb);
        fake_set_script(s.daemon, &script);
        assert_true(fake_wait(s.daemon, command_is_seen, i + 1));
        stage_await_order(&s, verbs[i].order);
    }
    stage_close(&s);
}

/* ---- fencing ---- */

static void refused_at_the_start(void **state)
{
    struct stage s;
    struct ebm_error err;
    struct buf blob;

    (void)state;
    stage_open(&s, &(struct fake_script){.refuse = true});
    buf_init(&blob);
    assert_int_equal(s.sink.ops->start(s.sink.sink, 1, &blob, &err), EBM_ESTALE);
    assert_non_null(strstr(err.text, "attempt 4 runs"));
    assert_int_equal(s.sink.ops->order(s.sink.sink), SINK_FENCED);
    assert_int_equal(stage_finish(&s, "failed"), EBM_ESTALE);
    stage_close(&s);
}

static void refused_while_training(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){0});
    stage_start(&s);
    stage_put_rows(&s, 0, 10);
    fake_set_script(s.daemon,
                    &(struct fake_script){.refuse = true, .refuse_fence = FAKE_FENCE + 1});
    stage_await_order(&s, SINK_FENCED);
    stage_put_rows(&s, 10, 2000); /* goes nowhere, and does no harm */
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_ESTALE);
    assert_int_equal(fake_peek(s.daemon)->finished, 0);
    stage_close(&s);
}

static void a_refusal_of_an_older_fence_is_ignored(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){0});
    stage_start(&s);
    fake_set_script(s.daemon,
                    &(struct fake_script){.refuse = true, .refuse_fence = FAKE_FENCE - 1});
    stage_put_rows(&s, 0, 5);
    assert_true(fake_wait(s.daemon, refusals_reach, 3));
    fake_set_script(s.daemon, &(struct fake_script){0});
    assert_true(fake_wait(s.daemon, rows_reach, 5));
    assert_int_equal(s.sink.ops->order(s.sink.sink), SINK_GO_ON);
    stage_close(&s);
}

static void whoever_waits_for_the_end_is_told_of_the_fence(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){.no_finished_ack = true});
    stage_start(&s);
    pthread_t thread = stage_finish_aside(&s);
    assert_true(fake_wait(s.daemon, finished_reaches, 2)); /* it is sent again */
    fake_set_script(s.daemon, &(struct fake_script){.refuse = true});
    assert_int_equal(stage_join(thread), EBM_ESTALE);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_missing_variable_is_named),
        cmocka_unit_test(the_environment_opens_an_agent),
        cmocka_unit_test(a_whole_life),
        cmocka_unit_test(few_rows_go_without_waiting_for_a_full_batch),
        cmocka_unit_test(destroyed_at_any_moment),
        cmocka_unit_test(an_end_without_a_start_is_told),
        cmocka_unit_test(a_reason_is_made_plain_and_cut),
        cmocka_unit_test(heartbeats_need_no_training_thread),
        cmocka_unit_test(orders_are_seen_until_obeyed),
        cmocka_unit_test(every_verb_has_its_order),
        cmocka_unit_test(refused_at_the_start),
        cmocka_unit_test(refused_while_training),
        cmocka_unit_test(a_refusal_of_an_older_fence_is_ignored),
        cmocka_unit_test(whoever_waits_for_the_end_is_told_of_the_fence),
    };

    log_set_level(LOG_ERROR + 1);
    return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
