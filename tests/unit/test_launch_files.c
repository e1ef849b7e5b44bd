/* The files of an attempt's folder: launch, status, shepherd; the reason
 * that is read from a log; and how processes are known again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fsio.h"
#include "launch/folder.h"
#include "launch/plan.h"
#include "launch/process.h"
#include "launch/scratch.h"
#include "launch_stage.h"

#define HEAD  "ebm-launch 1\n"
#define WHOLE HEAD "home=/h\nfence=7\nscratch=/s\nargv=/bin/true\n"

static void put(const struct stage *s, const char *name, const void *bytes, size_t n)
{
    assert_int_equal(folder_write(s->tmp, name, bytes, n, 0600, NULL), EBM_OK);
}

static void put_text(const struct stage *s, const char *name, const char *text)
{
    put(s, name, text, strlen(text));
}

/* ---- launch ---- */

static void plan_comes_back(void **state)
{
    const struct stage *s = *state;
    struct plan_writer w;
    struct plan plan;

    plan_writer_init(&w);
    plan_put(&w, PLAN_HOME, "%s", "/home/a b=c");
    plan_put(&w, PLAN_FENCE, "%s", "18446744073709551615");
    plan_put(&w, PLAN_SCRATCH, "/dev/shm/x");
    plan_put(&w, PLAN_ARGV, "/bin/echo");
    plan_put(&w, PLAN_ARGV, "%s", "");
    plan_put(&w, PLAN_ENV, "A=b=c");
    plan_put(&w, PLAN_NOTE, "as root");
    assert_int_equal(plan_write(&w, s->tmp, NULL), EBM_OK);
    plan_writer_fini(&w);

    plan_init(&plan);
    assert_int_equal(plan_read(&plan, s->tmp, NULL), EBM_OK);
    assert_string_equal(plan.home, "/home/a b=c");
    assert_true(plan.fence == UINT64_MAX);
    assert_string_equal(plan.scratch, "/dev/shm/x");
    assert_int_equal(plan.argv.count, 2);
    assert_string_equal(plan.argv.item[1], "");
    assert_null(plan.argv.item[2]);
    assert_string_equal(plan.env.item[0], "A=b=c");
    assert_string_equal(plan.notes.item[0], "as root");
    plan_fini(&plan);
}

static void plan_value_needs_one_line(void **state)
{
    const struct stage *s = *state;
    struct ebm_error err = {0};
    struct plan_writer w;

    plan_writer_init(&w);
    plan_put(&w, PLAN_HOME, "/home/a\nargv=/bin/sh");
    plan_put(&w, PLAN_SCRATCH, "/dev/shm/x");
    assert_int_equal(plan_write(&w, s->tmp, &err), EBM_EINVAL);
    assert_non_null(strstr(err.text, "line break"));
    plan_writer_fini(&w);
}

static enum ebm_status read_text(const struct stage *s, const char *text, size_t n,
                                 struct ebm_error *err)
{
    struct plan plan;

    put(s, "launch", text, n);
    plan_init(&plan);
    enum ebm_status st = plan_read(&plan, s->tmp, err);
    plan_fini(&plan);
    return st;
}

static void broken_plans_are_refused(void **state)
{
    static const struct {
        const char *text, *told;
    } broken[] = {
        {"", ":1:"},
        {"ebm-launch 2\n", ":1:"},
        {HEAD, "missing"},
        {HEAD "home=/h\nfence=7\nscratch=/s\n", "missing"},
        {WHOLE "\n", ":6:"},
        {WHOLE "argc=1\n", ":6:"},
        {WHOLE "argv\n", ":6:"},
        {WHOLE "argv=cut", ":6:"},
        {WHOLE "home=/other\n", ":6:"},
        {WHOLE "scratch=/other\n", ":6:"},
        {WHOLE "fence=8\n", ":6:"},
        {WHOLE "env=NOTHING\n", ":6:"},
        {WHOLE "env==x\n", ":6:"},
        {HEAD "home=relative\n", ":2:"},
        {HEAD "fence=-7\n", ":2:"},
        {HEAD "fence=7x\n", ":2:"},
        {HEAD "fence=0\n", ":2:"},
        {HEAD "fence=18446744073709551616\n", ":2:"},
    };
    const struct stage *s = *state;

    assert_int_equal(read_text(s, WHOLE, strlen(WHOLE), NULL), EBM_OK);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct ebm_error err = {0};
        enum ebm_status st = read_text(s, broken[i].text, strlen(broken[i].text), &err);
        if (st != EBM_ECORRUPT || strstr(err.text, broken[i].told) == NULL)
            fail_msg("plan %zu: status %d, %s", i, (int)st, err.text);
    }
    static const char with_nul[] = WHOLE "argv=a\0b\n";
    assert_int_equal(read_text(s, with_nul, sizeof with_nul - 1, NULL), EBM_ECORRUPT);
}

static void lists_have_a_limit(void **state)
{
    const struct stage *s = *state;
    struct buf text;

    for (int more = 0; more <= 1; more++) {
        buf_init(&text);
        buf_puts(&text, WHOLE);
        for (int i = 1; i < PLAN_LIST_MAX + more; i++)
            buf_puts(&text, "argv=x\n");
        assert_int_equal(read_text(s, buf_text(&text), text.size, NULL),
                         more == 0 ? EBM_OK : EBM_ECORRUPT);
        buf_fini(&text);
    }
}

/* ---- status and shepherd ---- */

static void status_comes_back(void **state)
{
    const struct stage *s = *state;
    const struct folder_status wrote = {.exit_code = 3, .signal = 9, .ended_ms = 1234567890123};
    struct folder_status read;

    assert_false(folder_read_status(s->tmp, &read));
    assert_int_equal(folder_reserve_status(s->tmp, NULL), EBM_OK);
    assert_false(folder_read_status(s->tmp, &read));
    assert_int_equal(folder_write_status(s->tmp, &wrote, NULL), EBM_OK);
    assert_true(folder_read_status(s->tmp, &read));
    assert_memory_equal(&read, &wrote, sizeof read);
}

static void half_files_count_as_none(void **state)
{
    static const char *const torn[] = {
        "",
        "exit=0",
        "exit=0 signal=0 ended_ms=12",
        "exit=0 signal=0 ended_ms=\n",
        "exit=0 signal=0 ended_ms=1 \n",
        "exit=x signal=0 ended_ms=1\n",
    };
    static const char *const not_pids[] = {"", "12", "12 34", "0 34\n", "-1 34\n", "12 34 56\n"};
    const struct stage *s = *state;
    struct folder_status status;
    struct launch_pid pid;

    for (size_t i = 0; i < sizeof torn / sizeof torn[0]; i++) {
        put_text(s, "status", torn[i]);
        assert_false(folder_read_status(s->tmp, &status));
    }
    for (size_t i = 0; i < sizeof not_pids / sizeof not_pids[0]; i++) {
        put_text(s, "shepherd", not_pids[i]);
        assert_false(folder_read_pid(s->tmp, &pid));
    }
    assert_int_equal(folder_write_pid(s->tmp, (struct launch_pid){.pid = 12, .start = 34}, NULL),
                     EBM_OK);
    assert_true(folder_read_pid(s->tmp, &pid));
    assert_true(pid.pid == 12 && pid.start == 34);
}

/* ---- the reason in a log ---- */

#define STAMP  "2026-01-02T03:04:05.678Z "
#define DASHES "--------------------------------------------------------------------------\n"
#define KILLED_RANK                                                                                \
    DASHES "Primary job  terminated normally, but 1 process returned\n"                            \
           "a non-zero exit code. Per user-direction, the job has been aborted.\n" DASHES DASHES   \
           "mpirun noticed that process rank 1 with PID 0 on node vm exited on signal 9 "          \
           "(Killed).\n" DASHES
#define FAILED_RANK                                                                                \
    DASHES "Primary job  terminated normally, but 1 process returned\n"                            \
           "a non-zero exit code. Per user-direction, the job has been aborted.\n" DASHES DASHES   \
           "mpirun detected that one or more processes exited with non-zero status, thus "         \
           "causing\nthe job to be terminated. The first process to do so was:\n\n"                \
           "  Process name: [[18313,1],0]\n  Exit code:    1\n" DASHES

static const struct {
    const char *log, *text;
} reasons[] = {
    {"", ""},
    {"\n\n", ""},
    {STAMP "info step rank=0 n=5\n", ""},
    {"plain words\n", "plain words"},
    {"plain words", "plain words"},
    {"first\nsecond\n" STAMP "info end rank=0\n" DASHES, "second"},
    {STAMP "error start rank=0 error=\"no such file: \"x\"\"\nlater\n", "no such file: \"x\""},
    {STAMP "error start rank=0 what=7\n", "start rank=0 what=7"},
    {STAMP "error start error=\"\n", "start error=\""},
    {STAMP "error one error=\"1\"\n" STAMP "error two error=\"2\"\n", "2"},
    {STAMP "info x\n" KILLED_RANK STAMP "info mpirun exit=137\n",
     "rank 1 exited on signal 9 (Killed)"},
    {STAMP "error data error=\"labels.gz: cut short\"\n" FAILED_RANK, "labels.gz: cut short"},
    {"tab\there\x01\n", "tab here "},
};

static const char *reason_of(const struct stage *s, const char *log, size_t n)
{
    static struct launch_end end;
    char dir[HOME_PATH_MAX];

    home_attempt_dir(&s->home, STAGE_JOB, 1, dir, sizeof dir);
    assert_int_equal(fsio_mkdirs(dir, 0700, NULL), EBM_OK);
    assert_int_equal(folder_write(dir, "output.log", log, n, 0600, NULL), EBM_OK);
    launch_read_end(&s->home, STAGE_JOB, 1, &end);
    assert_false(end.known);
    return end.text;
}

static void the_line_that_explains(void **state)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        assert_string_equal(reason_of(*state, reasons[i].log, strlen(reasons[i].log)),
                            reasons[i].text);
}

static void only_the_tail_is_read(void **state)
{
    struct buf log;

    buf_init(&log);
    buf_puts(&log, STAMP "error old error=\"long ago\"\n");
    for (int i = 0; i < 20000; i++)
        buf_printf(&log, STAMP "info step n=%d\n", i);
    assert_string_equal(reason_of(*state, buf_text(&log), log.size), "");
    buf_puts(&log, STAMP "error new error=\"just now\"\n");
    assert_string_equal(reason_of(*state, buf_text(&log), log.size), "just now");
    /* One line longer than the tail: its end is all there is. */
    buf_clear(&log);
    for (int i = 0; i < 40000; i++)
        buf_puts(&log, "x");
    assert_int_equal(strlen(reason_of(*state, buf_text(&log), log.size)), 199);
    /* An umlaut at the edge is left out whole. */
    buf_clear(&log);
    for (int i = 0; i < 198; i++)
        buf_puts(&log, "x");
    buf_puts(&log, "\xc3\xa4\xc3\xa4\n");
    assert_int_equal(strlen(reason_of(*state, buf_text(&log), log.size)), 198);
    buf_fini(&log);
}

/* ---- processes ---- */

static void processes_are_known_again(void **state)
{
    struct launch_pid self, later;

    (void)state;
    assert_true(process_identify(getpid(), &self));
    assert_true(process_is_alive(self));
    later = self;
    later.start++;
    assert_false(process_is_alive(later));
    assert_int_equal(launch_watch(later), -1);
    launch_stop(later); /* would end the test */
    assert_false(process_is_alive((struct launch_pid){0}));
    int fd = launch_watch(self);
    assert_true(fd >= 0);
    close(fd);
}

static void a_zombie_is_gone(void **state)
{
    struct launch_pid found;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        _exit(0);
    stage_wait_gone(pid);
    assert_false(process_identify(pid, &found));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static pid_t marked_process(const char *home, const char *fence)
{
    char home_entry[HOME_PATH_MAX + 32], fence_entry[64];
    char *const env[] = {(char *)"A=b", home_entry, (char *)"C=d", fence_entry, NULL};
    pid_t pid = fork();

    snprintf(home_entry, sizeof home_entry, "EBM_HOME_MARK=%s", home);
    snprintf(fence_entry, sizeof fence_entry, "EBM_FENCE=%s", fence);
    if (pid == 0) {
        execle("/bin/sleep", "sleep", "60", (char *)NULL, env);
        _exit(1);
    }
    return pid;
}

static void wait_for_marked(const struct home *home, uint64_t fence, int count)
{
    for (int i = 0; i < 2000 && launch_count_marked(home, fence) != count; i++)
        usleep(1000);
    assert_int_equal(launch_count_marked(home, fence), count);
}

/* The same fence in another home, another fence in this one, and a fence
 * that only begins alike are left alone. */
static void a_sweep_takes_only_the_marked(void **state)
{
    const struct stage *s = *state;
    struct home other = s->home;
    pid_t ours, others[3];

    snprintf(other.state, sizeof other.state, "%.900s-2", s->home.state);
    ours = marked_process(s->home.state, "101");
    others[0] = marked_process(other.state, "101");
    others[1] = marked_process(s->home.state, "102");
    others[2] = marked_process(s->home.state, "1010");
    wait_for_marked(&s->home, 101, 1);
    wait_for_marked(&other, 101, 1);
    wait_for_marked(&s->home, 102, 1);
    wait_for_marked(&s->home, 1010, 1);

    for (int i = 0; launch_sweep(&s->home, 101) > 0; i++)
        assert_true(i < 200);
    assert_int_equal(waitpid(ours, NULL, 0), ours);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(waitpid(others[i], NULL, WNOHANG), 0);
        kill(others[i], SIGKILL);
        waitpid(others[i], NULL, 0);
    }
}

/* ---- scratch ---- */

static void scratch_is_private_and_goes_whole(void **state)
{
    const struct stage *s = *state;
    char path[HOME_PATH_MAX], again[HOME_PATH_MAX], deep[HOME_PATH_MAX + 16];
    struct stat st;

    scratch_path(s->home.state, 7, path, sizeof path);
    scratch_path(s->home.state, 7, again, sizeof again);
    assert_string_equal(path, again);
    scratch_path(s->home.state, 8, again, sizeof again);
    assert_string_not_equal(path, again);
    assert_true(strlen(path) < 64);

    assert_int_equal(scratch_make(path, NULL), EBM_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    snprintf(deep, sizeof deep, "%s/a/b", path);
    assert_int_equal(fsio_mkdirs(deep, 0700, NULL), EBM_OK);
    assert_int_equal(scratch_make(path, NULL), EBM_OK); /* emptied */
    assert_int_equal(access(deep, F_OK), -1);
    scratch_remove(path);
    assert_int_equal(access(path, F_OK), -1);
}

static void scratch_follows_no_link(void **state)
{
    const struct stage *s = *state;
    char path[HOME_PATH_MAX];

    put_text(s, "precious", "x");
    scratch_path(s->home.state, 7, path, sizeof path);
    assert_int_equal(symlink(s->tmp, path), 0);
    scratch_remove(path);
    enum ebm_status st = scratch_make(path, NULL);
    unlink(path);
    assert_int_equal(st, EBM_EEXIST);
    char file[HOME_PATH_MAX + 16];
    snprintf(file, sizeof file, "%s/precious", s->tmp);
    assert_int_equal(access(file, F_OK), 0);
}

#define staged(test) cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        staged(plan_comes_back),
        staged(plan_value_needs_one_line),
        staged(broken_plans_are_refused),
        staged(lists_have_a_limit),
        staged(status_comes_back),
        staged(half_files_count_as_none),
        staged(the_line_that_explains),
        staged(only_the_tail_is_read),
        cmocka_unit_test(processes_are_known_again),
        cmocka_unit_test(a_zombie_is_gone),
        staged(a_sweep_takes_only_the_marked),
        staged(scratch_is_private_and_goes_whole),
        staged(scratch_follows_no_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
