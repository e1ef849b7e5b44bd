/* launch_start and ebm-shepherd, above scripts that stand for mpirun. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "launch/folder.h"
#include "launch/process.h"
#include "launch_stage.h"

extern char **environ;

#define SH "#!/bin/sh\ncd \"$EBM_ATTEMPT_DIR\" || exit 9\n"
/* The script writes a file when it is at work, then stays. */
#define STAY SH "echo $$ > pid.new; mv pid.new pid; exec sleep 60\n"

/* ---- what mpirun is given ---- */

static void mpirun_gets_its_arguments(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, SH "printf '%s\\n' \"$@\" > args\n");
    struct launch_pid pid = stage_start(s, 1);
    assert_int_equal(stage_end(s, 1, pid).exit_code, 0);
    const char *args = stage_text(s, 1, "args");
    assert_non_null(strstr(args, "-n\n2\n"));
    assert_non_null(strstr(args, "--oversubscribe\n"));
    assert_null(strstr(args, "a-secret"));
    const char *last = args + strlen(args) - strlen("/bin/true\n");
    assert_string_equal(last, "/bin/true\n");
}

static void mpirun_gets_its_environment(void **state)
{
    static const char *const entries[] = {
        "EBM_JOB=3\n",     "EBM_ATTEMPT=2\n",     "EBM_FENCE=102\n",
        "EBM_THREADS=1\n", "OMP_NUM_THREADS=1\n", "OF_EBMD=kept\n",
    };
    const struct stage *s = *state;
    char expected[HOME_PATH_MAX + 64];

    setenv("OF_EBMD", "kept", 1);
    setenv("EBM_FENCE", "1", 1); /* of an attempt around us */
    stage_mpirun(s, SH "env > env\n");
    struct launch_pid pid = stage_start(s, 2);
    unsetenv("OF_EBMD");
    unsetenv("EBM_FENCE");
    assert_int_equal(stage_end(s, 2, pid).exit_code, 0);
    const char *env = stage_text(s, 2, "env");
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        assert_non_null(strstr(env, entries[i]));
    snprintf(expected, sizeof expected, "EBM_HOME_MARK=%s\n", s->home.state);
    assert_non_null(strstr(env, expected));
    snprintf(expected, sizeof expected, "EBM_ENDPOINT=%s\n", s->home.worker);
    assert_non_null(strstr(env, expected));
    assert_non_null(strstr(env, "/token\n"));
    assert_null(strstr(env, "a-secret"));
}

static void assert_private(const struct stage *s, const char *name)
{
    struct stat st;

    assert_int_equal(stat(stage_path(s, 1, name), &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
}

static void the_folder_is_private(void **state)
{
    const struct stage *s = *state;
    mode_t old = umask(0);

    stage_mpirun(s, SH "cat token > token-seen; echo >> token-seen\n");
    struct launch_pid pid = stage_start(s, 1);
    umask(old);
    stage_end(s, 1, pid);
    assert_private(s, "");
    assert_private(s, "token");
    assert_private(s, "output.log");
    assert_private(s, "status");
    assert_string_equal(stage_text(s, 1, "token-seen"), "a-secret\n");
    assert_string_equal(stage_text(s, 1, "spec.yaml"), "name: staged\n");
}

/* Descriptors of ebmd stay with ebmd, and so does what it does to signals. */
static void nothing_is_inherited(void **state)
{
    const struct stage *s = *state;
    sigset_t all, old;
    int fd = open("/dev/zero", O_RDONLY); /* not CLOEXEC */

    stage_mpirun(s, SH "readlink /proc/self/fd/* > fds\n"
                       /* Without a process of its own: the shell blocks signals while
                        * it makes one. */
                       "while read -r name mask; do\n"
                       "  case $name in Sig[BI]*) echo $name $mask;; esac\n"
                       "done < /proc/$$/status > signals\n");
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    signal(SIGPIPE, SIG_IGN);
    struct launch_pid pid = stage_start(s, 1);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(fd);
    stage_end(s, 1, pid);
    const char *fds = stage_text(s, 1, "fds");
    assert_int_equal(strncmp(fds, "/dev/null\n", 10), 0);
    assert_null(strstr(fds, "/dev/zero"));
    assert_null(strstr(fds, "lock"));
    assert_null(strstr(fds, "pipe:"));
    /* posix_spawn leaves two signals ignored that are glibc's own: 32 and 33. */
    unsigned long long blocked, ignored;
    assert_int_equal(
        sscanf(stage_text(s, 1, "signals"), "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    assert_true(blocked == 0 && (ignored & ~0x180000000ull) == 0);
}

static void the_shepherd_stands_apart(void **state)
{
    const struct stage *s = *state;
    struct launch_pid found;

    stage_mpirun(s, STAY);
    struct launch_pid pid = stage_start(s, 1);
    long mpirun = stage_number(s, 1, "pid");
    assert_true(getsid((pid_t)pid.pid) != getsid(0));
    assert_int_equal(getpgid((pid_t)mpirun), mpirun);
    assert_int_equal(waitpid((pid_t)pid.pid, NULL, WNOHANG), -1); /* no child of ours */
    assert_true(launch_find(&s->home, STAGE_JOB, 1, &found));
    assert_memory_equal(&found, &pid, sizeof found);
    assert_false(launch_find(&s->home, STAGE_JOB, 2, &found));
    /* mpirun bears the mark, its shepherd does not. */
    stage_wait_marked(s, 1, 1);
    launch_stop(pid);
    assert_int_equal(stage_end(s, 1, pid).signal, SIGTERM);
    assert_false(launch_find(&s->home, STAGE_JOB, 1, &found));
    stage_assert_clean(s, 1);
}

/* ---- ends ---- */

static void an_exit_status_is_kept(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, SH "echo to output; echo the reason >&2; exit 3\n");
    struct launch_end end = stage_end(s, 1, stage_start(s, 1));
    assert_int_equal(end.exit_code, 3);
    assert_int_equal(end.signal, 0);
    assert_string_equal(end.text, "the reason");
    assert_non_null(strstr(stage_text(s, 1, "output.log"), "to output\n"));
    stage_assert_clean(s, 1);
}

static void a_clean_end_needs_no_reason(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, SH "echo all is well\n");
    struct launch_end end = stage_end(s, 1, stage_start(s, 1));
    assert_int_equal(end.exit_code, 0);
    assert_string_equal(end.text, "");
}

static void root_is_told_in_the_log(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, SH "echo \"allowed $OMPI_ALLOW_RUN_AS_ROOT\"\n");
    stage_end(s, 1, stage_start(s, 1));
    const char *log = stage_text(s, 1, "output.log");
    bool root = geteuid() == 0;
    assert_int_equal(root, strstr(log, "running mpirun as root: by ebmd's own setting") != NULL);
    assert_int_equal(root, strstr(log, "allowed 1\n") != NULL);
}

static void a_killed_mpirun_is_told(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, STAY);
    struct launch_pid pid = stage_start(s, 1);
    kill((pid_t)stage_number(s, 1, "pid"), SIGKILL);
    struct launch_end end = stage_end(s, 1, pid);
    assert_int_equal(end.signal, SIGKILL);
    assert_string_equal(end.text, "mpirun was killed by signal 9 (Killed)");
    stage_assert_clean(s, 1);
}

static void an_mpirun_that_cannot_run_is_told(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, "#!/no/such/interpreter\n");
    struct launch_end end = stage_end(s, 1, stage_start(s, 1));
    assert_int_equal(end.exit_code, 127);
    assert_non_null(strstr(end.text, "cannot run "));
    assert_non_null(strstr(end.text, "/mpirun: No such file or directory"));
}

/* ---- stops ---- */

static void a_deaf_mpirun_is_killed(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, SH "trap '' TERM\necho $$ > pid\n"
                       "while :; do sleep 0.1; done\n");
    struct launch_pid pid = stage_start(s, 1);
    stage_number(s, 1, "pid");
    launch_stop(pid);
    long ms = stage_wait(pid);
    assert_int_equal(stage_end(s, 1, pid).signal, SIGKILL);
    assert_in_range(ms, 4500, 7000);
    stage_assert_clean(s, 1);
}

/* Without the mark, in a session of their own, deaf to SIGTERM. */
#define HIDE                                                                                       \
    "env -i setsid /bin/sh -c 'trap \"\" TERM; echo $$ > hidden.new; mv hidden.new hidden; "       \
    "while :; do /bin/sleep 1; done' &\n"                                                          \
    "while [ ! -e hidden ]; do sleep 0.01; done\n"

/* Neither a grace nor a stopped mpirun holds it up. */
static void a_kill_waits_for_nothing(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, SH "trap '' TERM\n" HIDE "echo $$ > pid.new; mv pid.new pid\n"
                       "while :; do sleep 0.1; done\n");
    struct launch_pid pid = stage_start(s, 1);
    kill((pid_t)stage_number(s, 1, "pid"), SIGSTOP);
    launch_stop(pid);
    launch_kill(pid);
    assert_in_range(stage_wait(pid), 0, 900);
    assert_int_equal(stage_end(s, 1, pid).signal, SIGKILL);
    stage_wait_gone(stage_number(s, 1, "hidden"));
    stage_assert_clean(s, 1);
}

static void descendants_do_not_outlive_mpirun(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, SH HIDE "exit 4\n");
    struct launch_pid pid = stage_start(s, 1);
    long hidden = stage_number(s, 1, "hidden");
    long ms = stage_wait(pid);
    assert_int_equal(stage_end(s, 1, pid).exit_code, 4);
    assert_in_range(ms, 0, 2000);
    stage_wait_gone(hidden);
    stage_assert_clean(s, 1);
}

static void descendants_may_end_by_themselves(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, SH "(sleep 0.2; echo late > late) &\nexit 0\n");
    struct launch_end end = stage_end(s, 1, stage_start(s, 1));
    assert_int_equal(end.exit_code, 0);
    assert_true(stage_exists(s, 1, "late"));
}

static void descendants_of_a_killed_mpirun_go_at_once(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, SH HIDE "echo $$ > pid.new; mv pid.new pid; exec sleep 60\n");
    struct launch_pid pid = stage_start(s, 1);
    kill((pid_t)stage_number(s, 1, "pid"), SIGKILL);
    assert_in_range(stage_wait(pid), 0, 900);
    stage_wait_gone(stage_number(s, 1, "hidden"));
    stage_assert_clean(s, 1);
}

/* The kernel takes mpirun along; what mpirun leaves is for the sweep. */
static void a_killed_shepherd_leaves_nothing(void **state)
{
    const struct stage *s = *state;
    struct launch_pid found;
    struct launch_end end;

    stage_mpirun(s, SH "sleep 60 &\necho $! > child\necho $$ > pid.new; mv pid.new pid; wait\n");
    struct launch_pid pid = stage_start(s, 1);
    long mpirun = stage_number(s, 1, "pid");
    kill((pid_t)pid.pid, SIGKILL);
    stage_wait(pid);
    stage_wait_gone(mpirun);
    assert_int_equal(launch_watch(pid), -1);
    assert_false(launch_find(&s->home, STAGE_JOB, 1, &found));
    launch_read_end(&s->home, STAGE_JOB, 1, &end);
    assert_false(end.known);
    stage_sweep(s, 1);
    stage_wait_gone(stage_number(s, 1, "child"));
    stage_assert_clean(s, 1);
}

/* Whoever reaches the home by another way finds the same processes. */
static void a_sweep_through_a_link_finds_them(void **state)
{
    const struct stage *s = *state;
    struct stage other = *s;
    char *link = other.home.state;

    snprintf(link, sizeof other.home.state, "%.900s/link", s->tmp);
    assert_int_equal(symlink(s->home.state, link), 0);
    stage_mpirun(s, SH "sleep 60 &\necho $$ > pid.new; mv pid.new pid; wait\n");
    struct launch_pid pid = stage_start(&other, 1);
    stage_number(s, 1, "pid");
    kill((pid_t)pid.pid, SIGKILL);
    stage_wait(pid);
    stage_sweep(s, 1);
    assert_int_equal(launch_count_marked(&other.home, STAGE_FENCE + 1), 0);
    unlink(link);
    stage_assert_clean(s, 1);
}

/* ---- again ---- */

static void a_living_shepherd_is_adopted(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, STAY);
    struct launch_pid pid = stage_start(s, 1);
    struct launch_pid again = stage_start(s, 1);
    assert_memory_equal(&again, &pid, sizeof pid);
    launch_stop(pid);
    stage_end(s, 1, pid);
}

/* Runs ebm-shepherd as launch_start would, and returns what it says. */
static const char *second_shepherd(const struct stage *s)
{
    static char said[1024];
    char program[HOME_PATH_MAX], dir[HOME_PATH_MAX];
    char *const argv[] = {program, dir, NULL};
    posix_spawn_file_actions_t files;
    int ends[2];
    pid_t pid;

    assert_int_equal(home_find_program("ebm-shepherd", program, sizeof program, NULL), EBM_OK);
    home_attempt_dir(&s->home, STAGE_JOB, 1, dir, sizeof dir);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], 1);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawn(&pid, program, &files, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    close(ends[1]);
    waitpid(pid, NULL, 0);
    ssize_t n = read(ends[0], said, sizeof said - 1);
    close(ends[0]);
    said[n > 0 ? n : 0] = '\0';
    return said;
}

static void a_second_shepherd_refuses(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, STAY);
    struct launch_pid pid = stage_start(s, 1);
    long mpirun = stage_number(s, 1, "pid");
    assert_non_null(strstr(second_shepherd(s), "another shepherd has this attempt"));
    stage_wait_marked(s, 1, 1);
    assert_int_equal(kill((pid_t)mpirun, 0), 0);
    launch_stop(pid);
    stage_end(s, 1, pid);
    assert_non_null(strstr(second_shepherd(s), "already run"));
}

static void an_attempt_runs_once(void **state)
{
    const struct stage *s = *state;
    struct ebm_error err = {0};
    struct launch_pid pid;

    stage_mpirun(s, SH "echo run >> runs\n");
    stage_end(s, 1, stage_start(s, 1));
    assert_int_equal(stage_launch(s, 1, &pid, &err), EBM_EEXIST);
    assert_non_null(strstr(err.text, "already run"));
    assert_string_equal(stage_text(s, 1, "runs"), "run\n");
}

static void a_killed_shepherd_is_replaced(void **state)
{
    const struct stage *s = *state;

    stage_mpirun(s, SH "sleep 60 &\necho $! > child.new; mv child.new child; wait\n");
    struct launch_pid pid = stage_start(s, 1);
    long child = stage_number(s, 1, "child");
    kill((pid_t)pid.pid, SIGKILL);
    stage_wait(pid);
    stage_mpirun(s, SH "exit 5\n");
    struct launch_pid next = stage_start(s, 1);
    stage_wait_gone(child);
    assert_int_equal(stage_end(s, 1, next).exit_code, 5);
    stage_assert_clean(s, 1);
}

/* ebmd was killed between starting it and hearing from it. */
static void an_unheard_shepherd_starts_nothing(void **state)
{
    const struct stage *s = *state;
    char program[HOME_PATH_MAX], dir[HOME_PATH_MAX];
    char *const argv[] = {program, dir, NULL};
    posix_spawn_file_actions_t files;
    struct launch_pid pid;
    int ends[2];
    pid_t parent;

    stage_mpirun(s, STAY);
    pid = stage_start(s, 1); /* makes the folder */
    kill((pid_t)pid.pid, SIGKILL);
    stage_wait(pid);
    stage_sweep(s, 1);
    unlink(stage_path(s, 1, "pid"));
    unlink(stage_path(s, 1, "shepherd"));

    assert_int_equal(home_find_program("ebm-shepherd", program, sizeof program, NULL), EBM_OK);
    home_attempt_dir(&s->home, STAGE_JOB, 1, dir, sizeof dir);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], 1);
    assert_int_equal(posix_spawn(&parent, program, &files, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    close(ends[1]);
    waitpid(parent, NULL, 0);
    stage_text(s, 1, "shepherd"); /* it was there, and is gone soon */
    while (launch_find(&s->home, STAGE_JOB, 1, &pid))
        usleep(1000);
    assert_false(stage_exists(s, 1, "pid"));
    stage_assert_clean(s, 1);
}

/* ---- what is missing ---- */

static void assert_refused(const struct stage *s, enum ebm_status code, const char *told)
{
    struct ebm_error err = {0};
    struct launch_pid pid;
    enum ebm_status st = stage_launch(s, 1, &pid, &err);

    if (st != code || strstr(err.text, told) == NULL)
        fail_msg("status %d, text: %s", (int)st, err.text);
    stage_assert_clean(s, 1);
}

static void missing_programs_have_their_sentence(void **state)
{
    const struct stage *s = *state;
    char *path = strdup(getenv("PATH"));

    setenv("PATH", "/nowhere:relative::", 1);
    assert_refused(s, EBM_ENOTFOUND, "no mpirun in PATH (/nowhere:relative::)");
    assert_refused(s, EBM_ENOTFOUND, "apt-get install openmpi-bin");
    setenv("EBM_MPIRUN", "/nowhere/mpirun", 1);
    assert_refused(s, EBM_ENOTFOUND, "EBM_MPIRUN=/nowhere/mpirun: no such program");
    setenv("EBM_MPIRUN", "/etc", 1);
    assert_refused(s, EBM_ENOTFOUND, "EBM_MPIRUN=/etc: no such program");
    stage_mpirun(s, STAY);
    setenv("EBM_WORKER_PROGRAM", "/nowhere/worker", 1);
    assert_refused(s, EBM_ENOTFOUND, "EBM_WORKER_PROGRAM=/nowhere/worker: no such program");
    setenv("PATH", path, 1);
    free(path);
    assert_false(stage_exists(s, 1, ""));
}

static void mpirun_is_found_in_path(void **state)
{
    const struct stage *s = *state;
    char path[HOME_PATH_MAX + 64], *old = strdup(getenv("PATH"));

    stage_script(s, "mpirun", SH "exit 6\n");
    snprintf(path, sizeof path, ":%s:/usr/bin:/bin", s->tmp);
    setenv("PATH", path, 1);
    struct launch_pid pid = stage_start(s, 1);
    setenv("PATH", old, 1);
    free(old);
    assert_int_equal(stage_end(s, 1, pid).exit_code, 6);
}

static void a_shepherd_that_fails_is_told(void **state)
{
    static const struct {
        const char *script, *told;
        enum ebm_status code;
    } shepherds[] = {
        {"#!/no/such/interpreter\n", "ebm-shepherd: cannot start: No such file", EBM_ENOTFOUND},
        {"#!/bin/sh\nexit 0\n", "did not say that it runs", EBM_ETIMEOUT},
        {"#!/bin/sh\necho hello\n", "said: hello", EBM_EPROTO},
        {"#!/bin/sh\necho error 4 disk is full\n", "disk is full", EBM_ENOSPC},
    };
    const struct stage *s = *state;

    stage_mpirun(s, STAY);
    setenv("EBM_LIBEXEC", s->tmp, 1);
    for (size_t i = 0; i < sizeof shepherds / sizeof shepherds[0]; i++) {
        stage_script(s, "ebm-shepherd", shepherds[i].script);
        assert_refused(s, shepherds[i].code, shepherds[i].told);
    }
}

static void a_place_that_takes_no_folder_is_told(void **state)
{
    const struct stage *s = *state;
    char jobs[HOME_PATH_MAX + 16];

    snprintf(jobs, sizeof jobs, "%s/jobs", s->home.state);
    assert_int_equal(close(open(jobs, O_CREAT | O_WRONLY, 0600)), 0);
    stage_mpirun(s, STAY);
    assert_refused(s, EBM_EIO, "cannot create folder");
}

static void a_line_break_in_the_home_is_told(void **state)
{
    struct stage s = *(const struct stage *)*state;

    stage_mpirun(&s, STAY);
    snprintf(s.home.state, sizeof s.home.state, "%.900s/two\nlines", s.tmp);
    assert_refused(&s, EBM_EINVAL, "line break");
}

#define staged(test) cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        staged(mpirun_gets_its_arguments),
        staged(mpirun_gets_its_environment),
        staged(the_folder_is_private),
        staged(nothing_is_inherited),
        staged(the_shepherd_stands_apart),
        staged(an_exit_status_is_kept),
        staged(a_clean_end_needs_no_reason),
        staged(root_is_told_in_the_log),
        staged(a_killed_mpirun_is_told),
        staged(an_mpirun_that_cannot_run_is_told),
        staged(a_deaf_mpirun_is_killed),
        staged(a_kill_waits_for_nothing),
        staged(descendants_do_not_outlive_mpirun),
        staged(descendants_may_end_by_themselves),
        staged(descendants_of_a_killed_mpirun_go_at_once),
        staged(a_killed_shepherd_leaves_nothing),
        staged(a_sweep_through_a_link_finds_them),
        staged(a_living_shepherd_is_adopted),
        staged(a_second_shepherd_refuses),
        staged(an_attempt_runs_once),
        staged(a_killed_shepherd_is_replaced),
        staged(an_unheard_shepherd_starts_nothing),
        staged(missing_programs_have_their_sentence),
        staged(mpirun_is_found_in_path),
        staged(a_shepherd_that_fails_is_told),
        staged(a_place_that_takes_no_folder_is_told),
        staged(a_line_break_in_the_home_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
