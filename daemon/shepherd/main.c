/* ebm-shepherd DIR: runs what DIR/launch says, as a process of its own that
 * outlives ebmd, and writes into DIR/status how it ended.
 *
 * Its standard output tells whoever started it that it runs ("ok PID START")
 * or why not; after that line nobody need listen. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "herd.h"
#include "launch/folder.h"
#include "launch/process.h"
#include "launch/report.h"
#include "launch/scratch.h"

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };
/* For all that is waited for before the report, which has 2 s (report.c). */
enum { READY_MS = 1500, LOCK_AGAIN_MS = 10 };

struct shepherd {
    char dir[HOME_PATH_MAX];
    int lock, output;
    int64_t ready_by_ms;
    struct launch_pid self;
    struct plan plan;
    struct herd herd;
};

/* The parent ends at once, so that its caller has nothing to reap later. */
static void leave_parent(void)
{
    pid_t pid = fork();

    if (pid < 0) {
        struct ebm_error err;
        ebm_fail_errno(&err, errno, "cannot start a process");
        report_error(STDOUT_FILENO, &err);
    }
    if (pid != 0)
        _exit(pid > 0 ? EXIT_DONE : EXIT_FAILED);
    setsid();
}

/* What a killed shepherd was about to start has the lock until it is gone as
 * well, which on a busy machine takes a moment. 0 or an errno; EWOULDBLOCK:
 * somebody keeps it. */
static int lock_soon(const struct shepherd *s)
{
    const struct timespec pause = {.tv_nsec = LOCK_AGAIN_MS * 1000000L};

    while (flock(s->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EINTR && (errno != EWOULDBLOCK || clock_mono_ms() >= s->ready_by_ms))
            return errno;
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* One shepherd an attempt, and one run. */
static enum ebm_status take_lock(struct shepherd *s, struct ebm_error *err)
{
    char path[HOME_PATH_MAX];
    struct folder_status ended;
    enum ebm_status st = folder_path(s->dir, "lock", path, sizeof path, err);

    if (st != EBM_OK)
        return st;
    s->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (s->lock < 0)
        return ebm_fail_errno(err, errno, "%s: cannot open", path);
    int failed = lock_soon(s);
    if (failed != 0 && failed != EWOULDBLOCK)
        return ebm_fail_errno(err, failed, "%s: cannot lock", path);
    if (failed != 0)
        return ebm_fail(err, EBM_EEXIST, "%s: another shepherd has this attempt", path);
    if (folder_read_status(s->dir, &ended))
        return ebm_fail(err, EBM_EEXIST, "%s: this attempt has already run", s->dir);
    return EBM_OK;
}

static enum ebm_status open_output(struct shepherd *s, struct ebm_error *err)
{
    char path[HOME_PATH_MAX];
    enum ebm_status st = folder_path(s->dir, "output.log", path, sizeof path, err);

    if (st != EBM_OK)
        return st;
    s->output = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (s->output < 0)
        return ebm_fail_errno(err, errno, "%s: cannot open", path);
    log_add_file(s->output);
    return EBM_OK;
}

/* What a killed shepherd of the same attempt has left. */
static enum ebm_status clear_leftovers(const struct shepherd *s, struct ebm_error *err)
{
    const struct process_mark mark = {.home = s->plan.home, .fence = s->plan.fence};
    int64_t left_ms = s->ready_by_ms - clock_mono_ms();

    if (process_kill_marked(&mark, left_ms > 0 ? left_ms : 0) > 0)
        return ebm_fail(err, EBM_ESTATE, "processes of an earlier launch do not end");
    return EBM_OK;
}

static enum ebm_status prepare(struct shepherd *s, struct ebm_error *err)
{
    s->ready_by_ms = clock_mono_ms() + READY_MS;
    enum ebm_status st = take_lock(s, err);

    if (st == EBM_OK)
        st = plan_read(&s->plan, s->dir, err);
    if (st == EBM_OK)
        st = open_output(s, err);
    if (st == EBM_OK)
        st = herd_init(&s->herd, &s->plan, s->output, err);
    if (st == EBM_OK)
        st = clear_leftovers(s, err);
    if (st == EBM_OK)
        st = folder_reserve_status(s->dir, err);
    if (st == EBM_OK)
        st = scratch_make(s->plan.scratch, err);
    if (st == EBM_OK && !process_identify(getpid(), &s->self))
        st = ebm_fail(err, EBM_EIO, "/proc/self/stat: cannot read (is /proc mounted?)");
    return st == EBM_OK ? folder_write_pid(s->dir, s->self, err) : st;
}

/* Nothing has been started yet; from a true on, somebody knows of us. */
static bool announce(const struct shepherd *s, enum ebm_status st, const struct ebm_error *err)
{
    bool heard = st == EBM_OK && report_ok(STDOUT_FILENO, s->self);

    if (st != EBM_OK) {
        log_error("start", "error=\"%s\"", err->text);
        report_error(STDOUT_FILENO, err);
    } else if (!heard) {
        log_warn("start", "reason=\"nobody waits for this launch any more\"");
    }
    dup2(STDERR_FILENO, STDOUT_FILENO);
    return heard;
}

static void log_end(const struct folder_status *status)
{
    if (status->signal != 0)
        log_error("mpirun", "error=\"mpirun was killed by signal %d (%s)\"", status->signal,
                  strsignal(status->signal));
    else
        log_info("mpirun", "exit=%d", status->exit_code);
}

static struct folder_status status_of(const struct herd *h)
{
    struct folder_status status = {.ended_ms = clock_wall_ms()};

    if (!h->ended)
        status.signal = SIGKILL;
    else if (WIFSIGNALED(h->wait_status))
        status.signal = WTERMSIG(h->wait_status);
    else
        status.exit_code = WEXITSTATUS(h->wait_status);
    return status;
}

/* mpirun's life. The status is the last thing written: who reads it knows
 * that nothing of the attempt is left. */
static int tend(struct shepherd *s)
{
    struct ebm_error err = {0};

    for (size_t i = 0; i < s->plan.notes.count; i++)
        log_info("note", "text=\"%s\"", s->plan.notes.item[i]);
    enum ebm_status st = herd_start(&s->herd, &err);
    if (st == EBM_OK) {
        herd_run(&s->herd);
        struct folder_status status = status_of(&s->herd);
        log_end(&status);
        scratch_remove(s->plan.scratch);
        st = folder_write_status(s->dir, &status, &err);
    }
    if (st != EBM_OK)
        log_error("end", "error=\"%s\"", err.text);
    return st == EBM_OK ? EXIT_DONE : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    static struct shepherd s = {.lock = -1, .output = -1};
    struct ebm_error err = {0};
    int code = EXIT_FAILED;

    if (argc != 2 || argv[1][0] != '/' || strlen(argv[1]) >= sizeof s.dir) {
        fputs("usage: ebm-shepherd /path/of/attempt-N\n", stderr);
        return EXIT_USAGE;
    }
    leave_parent();
    snprintf(s.dir, sizeof s.dir, "%s", argv[1]);
    signal(SIGPIPE, SIG_IGN); /* a caller that went away is seen by write */
    log_set_context("program=ebm-shepherd");
    plan_init(&s.plan);
    enum ebm_status st = chdir(s.dir) == 0 ? prepare(&s, &err)
                                           : ebm_fail_errno(&err, errno, "%s: cannot enter", s.dir);
    if (announce(&s, st, &err))
        code = tend(&s);
    else if (st == EBM_OK)
        scratch_remove(s.plan.scratch);
    plan_fini(&s.plan);
    return code;
}
