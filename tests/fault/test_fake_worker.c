/* The scripted worker itself, against the scripted ebmd: a run, a run cut
 * short and restored, and how each kind of end looks from outside. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent_stage.h"

enum { STEPS = 100 };

static void write_token(const struct fake_daemon *f)
{
    char path[128];

    snprintf(path, sizeof path, "%s/token", f->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(FAKE_TOKEN "\n", file);
    fclose(file);
    setenv("EBM_TOKEN_FILE", path, 1);
    setenv("EBM_JOB", "7", 1);
    setenv("EBM_ATTEMPT", "3", 1);
    setenv("EBM_FENCE", "41", 1);
    setenv("EBM_ENDPOINT", f->endpoint, 1);
    setenv("EBM_ATTEMPT_DIR", f->dir, 1);
    setenv("EBM_FAKE_STEPS", "100", 1);
    setenv("EBM_FAKE_EVERY", "50", 1);
    setenv("EBM_FAKE_STEP_MS", "1", 1);
}

static pid_t spawn(const struct fake_daemon *f, const char *behaviour)
{
    write_token(f);
    setenv("EBM_FAKE", behaviour, 1);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        freopen("/dev/null", "w", stderr);
        execl(FAKE_WORKER, "fake-worker", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int reap(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void stop_daemon(struct fake_daemon *f)
{
    char path[128];

    snprintf(path, sizeof path, "%s/token", f->dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/fake-done", f->dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/metrics.spool", f->dir);
    unlink(path);
    fake_stop(f);
}

static struct fake_commit last_commit(struct fake_daemon *f)
{
    const struct fake_record *r = fake_peek(f);

    assert_true(r->commits > 0);
    return r->commit[r->commits - 1];
}

static void it_runs_from_start_to_end(void **state)
{
    struct fake_daemon *f = fake_start(&(struct fake_script){0});

    (void)state;
    assert_int_equal(reap(spawn(f, "normal")), 0);
    assert_string_equal(fake_peek(f)->outcome, "succeeded");
    assert_int_equal(fake_peek(f)->rows, STEPS);
    assert_int_equal(fake_peek(f)->picture_step, STEPS);
    assert_int_equal(last_commit(f).step, STEPS);
    assert_true(last_commit(f).sound);
    assert_int_equal(fake_peek(f)->broken, 0);
    stop_daemon(f);
}

static void restored_equals_uninterrupted(void **state)
{
    struct fake_daemon *f = fake_start(&(struct fake_script){0});
    struct buf half;

    (void)state;
    assert_int_equal(reap(spawn(f, "normal")), 0);
    struct fake_commit whole = last_commit(f);
    stop_daemon(f);
    f = fake_start(&(struct fake_script){0});
    pid_t pid = spawn(f, "hang-at:60");
    assert_true(fake_wait(f, commits_reach, 1));
    kill(pid, SIGKILL);
    assert_true(WIFSIGNALED(reap(pid)));
    buf_init(&half);
    pthread_mutex_lock(&f->lock);
    buf_put(&half, f->upload_blob.data, f->upload_blob.size);
    pthread_mutex_unlock(&f->lock);
    stop_daemon(f);
    f = fake_start(&(struct fake_script){.checkpoint = half.data, .checkpoint_size = half.size});
    assert_int_equal(reap(spawn(f, "normal")), 0);
    assert_int_equal(fake_peek(f)->rows, STEPS / 2);
    assert_memory_equal(last_commit(f).digest, whole.digest, DIGEST_BYTES);
    stop_daemon(f);
    buf_fini(&half);
}

static void each_end_shows(void **state)
{
    static const struct {
        const char *behaviour;
        int code, signal;
        const char *outcome;
    } ends[] = {
        {"fail-at:30", 0, 0, "failed"}, {"nan-at:30", 0, 0, "diverged"},
        {"exit-at:30", 3, 0, ""},       {"exit-quietly-at:30", 0, 0, ""},
        {"die-at:30", 0, SIGKILL, ""},  {"deaf,die-at:30", 0, SIGKILL, ""},
        {"bad-end", 0, 0, "dancing"},   {"die-once-at:30", 0, 0, "succeeded"}, /* attempt 3 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct fake_daemon *f = fake_start(&(struct fake_script){0});
        int status = reap(spawn(f, ends[i].behaviour));
        assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, ends[i].signal);
        assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 0, ends[i].code);
        assert_string_equal(fake_peek(f)->outcome, ends[i].outcome);
        stop_daemon(f);
    }
}

static void a_refused_one_exits_75(void **state)
{
    struct fake_daemon *f = fake_start(&(struct fake_script){.refuse = true});

    (void)state;
    assert_int_equal(WEXITSTATUS(reap(spawn(f, "normal"))), 75);
    stop_daemon(f);
}

static void orders_are_obeyed(void **state)
{
    static const struct {
        const char *verb, *outcome;
        size_t commits;
    } orders[] = {{"pause", "paused", 1}, {"cancel", "cancelled", 1}, {"stop", "stopped", 0}};

    (void)state;
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct fake_script script = {.command_seq = 1};
        strcpy(script.command, orders[i].verb);
        struct fake_daemon *f = fake_start(&script);
        assert_int_equal(reap(spawn(f, "slow")), 0);
        assert_string_equal(fake_peek(f)->outcome, orders[i].outcome);
        assert_int_equal(fake_peek(f)->commits, orders[i].commits);
        stop_daemon(f);
    }
}

static void its_lies_are_told(void **state)
{
    struct fake_daemon *f = fake_start(&(struct fake_script){0});

    (void)state;
    pid_t pid = spawn(f, "lying,exit-at:1");
    assert_int_equal(WEXITSTATUS(reap(pid)), 3);
    assert_true(fake_peek(f)->broken >= 5); /* garbage, and wrong envelopes */
    assert_true(fake_peek(f)->begins >= 5);
    assert_string_equal(fake_peek(f)->reason, "by an impostor");
    stop_daemon(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_runs_from_start_to_end),
        cmocka_unit_test(restored_equals_uninterrupted),
        cmocka_unit_test(each_end_shows),
        cmocka_unit_test(a_refused_one_exits_75),
        cmocka_unit_test(orders_are_obeyed),
        cmocka_unit_test(its_lies_are_told),
    };
    return cmocka_run_group_tests_name("fake-worker", tests, NULL, NULL);
}
