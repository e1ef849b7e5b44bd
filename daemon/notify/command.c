#include "notify/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsio.h"

enum { OUTPUT_MAX = 16 << 10, EXIT_NO_EXEC = 127 };

struct running {
    pid_t pid;
    int pidfd;
    int output; /* -1: closed */
    size_t printed;
    char last; /* of what it printed */
};

/* ---- starting ---- */

/* The body as a file that is nowhere: a pipe would want a reader. */
static int open_body(const char *body, struct ebm_error *err)
{
    int fd = memfd_create("notice", MFD_CLOEXEC);

    if (fd < 0) {
        ebm_fail_errno(err, errno, "cannot create a file in memory");
        return -1;
    }
    if (fsio_write_all(fd, body, strlen(body), "a file in memory", err) == EBM_OK &&
        lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    close(fd);
    return -1;
}

static void set_environment(const struct order *o)
{
    setenv("EBM_EVENT", o->event, 1);
    setenv("EBM_JOB", o->job, 1);
    setenv("EBM_STATE", o->state, 1);
    setenv("EBM_REASON", o->reason, 1);
}

static void become(const struct order *o, pid_t parent, int body, int output)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    if (getppid() != parent || dup2(body, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
        _exit(EXIT_NO_EXEC);
    execl("/bin/sh", "sh", "-c", o->command, (char *)NULL);
    _exit(EXIT_NO_EXEC);
}

static enum ebm_status start_with(const struct order *o, int body, struct running *r,
                                  struct ebm_error *err)
{
    int ends[2];
    pid_t self = getpid();

    if (pipe2(ends, O_CLOEXEC) != 0)
        return ebm_fail_errno(err, errno, "cannot create a pipe");
    r->pid = fork();
    if (r->pid == 0)
        become(o, self, body, ends[1]);
    close(ends[1]);
    r->output = ends[0];
    if (r->pid < 0)
        return ebm_fail_errno(err, errno, "cannot start a process");
    setpgid(r->pid, r->pid); /* whoever comes first */
    fcntl(r->output, F_SETFL, O_NONBLOCK);
    r->pidfd = pidfd_open(r->pid, 0);
    return r->pidfd >= 0 ? EBM_OK : ebm_fail_errno(err, errno, "cannot watch a process");
}

static enum ebm_status start(const struct order *o, struct running *r, struct ebm_error *err)
{
    int body = open_body(o->body, err);

    *r = (struct running){.pid = -1, .pidfd = -1, .output = -1, .last = '\n'};
    if (body < 0)
        return EBM_EIO;
    set_environment(o);
    enum ebm_status st = start_with(o, body, r, err);
    close(body);
    return st;
}

/* ---- while it runs ---- */

static void keep_output(struct running *r, const char *part, size_t n)
{
    size_t room = OUTPUT_MAX - r->printed;

    if (n > room)
        n = room;
    if (n == 0)
        return;
    fsio_write_all(STDERR_FILENO, part, n, "the log", NULL);
    r->printed += n;
    r->last = part[n - 1];
}

/* What is there now; nobody waits for the rest. */
static void take_output(struct running *r)
{
    char part[4096];
    ssize_t n;

    while ((n = read(r->output, part, sizeof part)) > 0)
        keep_output(r, part, (size_t)n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    close(r->output);
    r->output = -1;
}

/* false: it has not ended by then. */
static bool wait_end(struct running *r, int64_t deadline_ms)
{
    for (;;) {
        struct pollfd p[2] = {{.fd = r->pidfd, .events = POLLIN},
                              {.fd = r->output, .events = POLLIN}};
        int64_t left = deadline_ms - clock_mono_ms();
        if (left <= 0)
            return false;
        int n = poll(p, 2, (int)left);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0 && p[1].revents != 0)
            take_output(r);
        if (n > 0 && p[0].revents != 0)
            return true;
    }
}

static int reap(struct running *r)
{
    int status = 0;

    while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r->output >= 0)
        take_output(r);
    if (r->last != '\n')
        fsio_write_all(STDERR_FILENO, "\n", 1, "the log", NULL);
    return status;
}

static void finish(struct running *r)
{
    if (r->pidfd >= 0)
        close(r->pidfd);
    if (r->output >= 0)
        close(r->output);
}

enum ebm_status command_tell(const struct order *o, struct ebm_error *err)
{
    struct running r;
    enum ebm_status st = start(o, &r, err);
    bool ended = st == EBM_OK && wait_end(&r, clock_mono_ms() + (int64_t)o->timeout_s * 1000);

    if (r.pid > 0 && !ended)
        kill(-r.pid, SIGKILL);
    int status = r.pid > 0 ? reap(&r) : 0;
    finish(&r);
    if (st != EBM_OK)
        return st;
    if (!ended)
        return ebm_fail(err, EBM_ETIMEOUT, "no end within %u s: killed", o->timeout_s);
    if (WIFSIGNALED(status))
        return ebm_fail(err, EBM_EIO, "killed by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return ebm_fail(err, EBM_EIO, "exit status %d", WEXITSTATUS(status));
    return EBM_OK;
}
