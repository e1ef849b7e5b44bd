/* Checkpoints up to ebmd and down from it, whole and verified, whatever the
 * scripted ebmd does to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent_stage.h"
#include "base/log.h"

enum { BLOB_MAX = 9 << 20, SOME = (5 << 20) + 12345 };

static const struct fake_script normal;
static uint8_t *bytes; /* BLOB_MAX of no pattern */

static int make_bytes(void **state)
{
    uint64_t x = 88172645463325252u;

    (void)state;
    log_set_level(LOG_ERROR + 1);
    bytes = malloc(BLOB_MAX);
    assert_non_null(bytes);
    for (size_t i = 0; i < BLOB_MAX; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes[i] = (uint8_t)x;
    }
    return 0;
}

static int free_bytes(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

static void put_checkpoint(struct stage *s, uint64_t step, size_t n)
{
    static const uint8_t math[DIGEST_BYTES] = {1, 2, 3};
    struct buf blob;

    buf_init(&blob);
    buf_put(&blob, bytes, n);
    s->sink.ops->checkpoint(s->sink.sink, step, 0.25, math, &blob);
    assert_null(blob.data); /* taken */
}

static void assert_commit(struct stage *s, size_t i, uint64_t step, size_t n)
{
    const struct fake_record *r = fake_peek(s->daemon);
    uint8_t digest[DIGEST_BYTES];

    assert_true(i < r->commits);
    digest_of(bytes, n, digest);
    assert_int_equal(r->commit[i].step, step);
    assert_int_equal(r->commit[i].bytes, n);
    assert_true(r->commit[i].sound);
    assert_true(r->commit[i].score == 0.25);
    assert_memory_equal(r->commit[i].digest, digest, DIGEST_BYTES);
}

/* One checkpoint through whatever the script does, and the end after it. */
static void deliver(const struct fake_script *script, size_t n)
{
    struct stage s;

    stage_open(&s, script);
    stage_start(&s);
    put_checkpoint(&s, 200, n);
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    assert_int_equal(fake_peek(s.daemon)->commits, 1);
    assert_commit(&s, 0, 200, n);
    stage_close(&s);
}

static void a_checkpoint_of_any_size_arrives(void **state)
{
    static const size_t sizes[] = {1, 1000, 1 << 20, (1 << 20) + 1, 4 << 20, SOME};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        deliver(&normal, sizes[i]);
}

static void forgotten_halfway_it_begins_again(void **state)
{
    (void)state;
    deliver(&(struct fake_script){.forget_at = 3 << 20}, SOME);
}

static void forgotten_when_all_is_there_it_begins_again(void **state)
{
    (void)state;
    deliver(&(struct fake_script){.forget_at = SOME}, SOME);
}

static void lost_answers_are_asked_for_again(void **state)
{
    (void)state;
    deliver(&(struct fake_script){.lose_one_in = 2}, SOME);
    deliver(&(struct fake_script){.lose_one_in = 3}, SOME);
}

static void lies_and_garbage_change_nothing(void **state)
{
    (void)state;
    deliver(&(struct fake_script){.lie = true, .garbage = true, .wrong_fence = true}, SOME);
}

static void a_slow_daemon_is_given_time(void **state)
{
    (void)state;
    deliver(&(struct fake_script){.delay_ms = 15}, SOME);
}

static void a_failed_commit_is_tried_again(void **state)
{
    (void)state;
    deliver(&(struct fake_script){.refuse_commits = 2, .commit_status = EBM_ECORRUPT}, SOME);
}

/* Whoever starts from it never takes the steps before it again. */
static void rows_are_stored_before_a_checkpoint_that_follows_them(void **state)
{
    struct fake_script script = {.hold_rows = true};
    struct stage s;

    (void)state;
    stage_open(&s, &script);
    stage_start(&s);
    stage_put_rows(&s, 0, 5);
    put_checkpoint(&s, 200, 1000);
    uint64_t beats = fake_peek(s.daemon)->heartbeats;
    assert_true(fake_wait(s.daemon, beats_reach, beats + 6));
    assert_int_equal(fake_peek(s.daemon)->begins, 0);
    script.hold_rows = false;
    fake_set_script(s.daemon, &script);
    assert_true(fake_wait(s.daemon, commits_reach, 1));
    stage_close(&s);
}

/* An ebmd that was killed and is back before anybody missed it. */
static void a_welcome_that_nobody_asked_for_is_heard(void **state)
{
    struct fake_script script = {.hold_rows = true};
    struct stage s;

    (void)state;
    stage_open(&s, &script);
    stage_start(&s);
    stage_put_rows(&s, 0, 5);
    assert_true(fake_wait(s.daemon, rows_reach, 5));
    put_checkpoint(&s, 200, 1000);
    script.greet = true; /* and it says which rows it has */
    fake_set_script(s.daemon, &script);
    assert_true(fake_wait(s.daemon, commits_reach, 1));
    assert_int_equal(fake_peek(s.daemon)->hellos, 1);
    stage_close(&s);
}

static void a_full_disk_drops_the_snapshot(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){.refuse_commits = 1, .commit_status = EBM_ENOSPC});
    stage_start(&s);
    put_checkpoint(&s, 200, 1000);
    assert_true(fake_wait(s.daemon, ends_reach, 1));
    put_checkpoint(&s, 400, 2000); /* there is room again */
    assert_int_equal(stage_finish(&s, "paused"), EBM_OK);
    assert_int_equal(fake_peek(s.daemon)->commits, 1);
    assert_commit(&s, 0, 400, 2000);
    assert_string_equal(fake_peek(s.daemon)->outcome, "paused");
    stage_close(&s);
}

static void one_that_never_commits_is_given_up(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){.refuse_commits = 99, .commit_status = EBM_EIO});
    stage_start(&s);
    put_checkpoint(&s, 200, 1000);
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    assert_int_equal(fake_peek(s.daemon)->commits, 0);
    assert_string_equal(fake_peek(s.daemon)->outcome, "stopped"); /* it is nowhere */
    assert_string_equal(fake_peek(s.daemon)->reason,
                        "its last checkpoint could not be stored: by the script");
    stage_close(&s);
}

static void one_that_forgets_at_once_does_not_make_us_spin(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){.forget_always = true});
    s.config.hello_ms = 200;
    stage_reopen(&s);
    stage_start(&s);
    put_checkpoint(&s, 200, SOME);
    assert_true(fake_wait(s.daemon, begins_reach, 3));
    assert_true(fake_peek(s.daemon)->heartbeats > 4); /* 200 ms lay between two of them */
    fake_set_script(s.daemon, &normal);
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    assert_commit(&s, 0, 200, SOME);
    stage_close(&s);
}

static void a_newer_snapshot_replaces_a_waiting_one(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){.hold_commits = true});
    stage_start(&s);
    put_checkpoint(&s, 200, SOME);
    assert_true(fake_wait(s.daemon, ends_reach, 1));
    for (uint64_t step = 400; step <= 1000; step += 200)
        put_checkpoint(&s, step, 1000 + (size_t)step);
    fake_set_script(s.daemon, &normal);
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    assert_int_equal(fake_peek(s.daemon)->commits, 2);
    assert_commit(&s, 0, 200, SOME);
    assert_commit(&s, 1, 1000, 2000);
    stage_close(&s);
}

static void a_restart_in_the_middle_loses_nothing(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &(struct fake_script){.hold_commits = true, .delay_ms = 2});
    stage_start(&s);
    put_checkpoint(&s, 200, BLOB_MAX);
    assert_true(fake_wait(s.daemon, begins_reach, 1));
    fake_set_down(s.daemon, true);
    fake_set_down(s.daemon, false);
    assert_true(fake_wait(s.daemon, ends_reach, 1));
    fake_set_down(s.daemon, true);
    fake_set_script(s.daemon, &normal);
    fake_set_down(s.daemon, false);
    assert_int_equal(stage_finish(&s, "succeeded"), EBM_OK);
    assert_int_equal(fake_peek(s.daemon)->commits, 1);
    assert_commit(&s, 0, 200, BLOB_MAX);
    stage_close(&s);
}

/* ---- down ---- */

static enum ebm_status fetch(const struct fake_script *script, struct buf *blob,
                             struct ebm_error *err)
{
    struct stage s;

    stage_open(&s, script);
    enum ebm_status rc = s.sink.ops->start(s.sink.sink, 1, blob, err);
    stage_close(&s);
    return rc;
}

static void assert_fetched(struct fake_script script, size_t n)
{
    struct buf blob;
    struct ebm_error err = {0};

    buf_init(&blob);
    script.checkpoint = bytes;
    script.checkpoint_size = n;
    assert_int_equal(fetch(&script, &blob, &err), EBM_OK);
    assert_int_equal(blob.size, n);
    assert_memory_equal(blob.data, bytes, n);
    buf_fini(&blob);
}

static void a_checkpoint_is_fetched_whole(void **state)
{
    (void)state;
    assert_fetched(normal, 1);
    assert_fetched(normal, 1 << 20);
    assert_fetched(normal, SOME);
}

static void pieces_may_be_short_late_lost_or_lies(void **state)
{
    (void)state;
    assert_fetched((struct fake_script){.piece = 300000}, 2 << 20);
    assert_fetched((struct fake_script){.delay_ms = 10}, SOME);
    assert_fetched((struct fake_script){.lose_one_in = 3}, SOME);
    assert_fetched((struct fake_script){.lie = true, .garbage = true, .wrong_fence = true}, SOME);
}

static void it_is_appended_to_what_the_caller_has(void **state)
{
    struct fake_script script = {.checkpoint = bytes, .checkpoint_size = 1000};
    struct buf blob;
    struct ebm_error err;

    (void)state;
    buf_init(&blob);
    buf_put(&blob, "abc", 3);
    assert_int_equal(fetch(&script, &blob, &err), EBM_OK);
    assert_int_equal(blob.size, 1003);
    assert_memory_equal(blob.data, "abc", 3);
    buf_fini(&blob);
}

static void assert_refused(struct fake_script script, size_t n, enum ebm_status code)
{
    struct buf blob;
    struct ebm_error err = {0};

    buf_init(&blob);
    script.checkpoint = bytes;
    script.checkpoint_size = n;
    assert_int_equal(fetch(&script, &blob, &err), code);
    assert_int_equal(err.code, code);
    assert_int_equal(blob.size, 0);
    buf_fini(&blob);
}

static void what_does_not_verify_is_not_given_out(void **state)
{
    (void)state;
    assert_refused((struct fake_script){.wrong_digest = true}, SOME, EBM_ECORRUPT);
    assert_refused((struct fake_script){.fetch_status = EBM_ENOTFOUND}, 1000, EBM_ENOTFOUND);
    assert_refused((struct fake_script){.fetch_status = 9999}, 1000, EBM_EIO);
    assert_refused(normal, 0, EBM_EPROTO);
    assert_refused(normal, SIZE_MAX, EBM_EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_of_any_size_arrives),
        cmocka_unit_test(forgotten_halfway_it_begins_again),
        cmocka_unit_test(forgotten_when_all_is_there_it_begins_again),
        cmocka_unit_test(lost_answers_are_asked_for_again),
        cmocka_unit_test(lies_and_garbage_change_nothing),
        cmocka_unit_test(a_slow_daemon_is_given_time),
        cmocka_unit_test(a_failed_commit_is_tried_again),
        cmocka_unit_test(rows_are_stored_before_a_checkpoint_that_follows_them),
        cmocka_unit_test(a_welcome_that_nobody_asked_for_is_heard),
        cmocka_unit_test(a_full_disk_drops_the_snapshot),
        cmocka_unit_test(one_that_never_commits_is_given_up),
        cmocka_unit_test(one_that_forgets_at_once_does_not_make_us_spin),
        cmocka_unit_test(a_newer_snapshot_replaces_a_waiting_one),
        cmocka_unit_test(a_restart_in_the_middle_loses_nothing),
        cmocka_unit_test(a_checkpoint_is_fetched_whole),
        cmocka_unit_test(pieces_may_be_short_late_lost_or_lies),
        cmocka_unit_test(it_is_appended_to_what_the_caller_has),
        cmocka_unit_test(what_does_not_verify_is_not_given_out),
    };

    return cmocka_run_group_tests_name("upload", tests, make_bytes, free_bytes);
}
