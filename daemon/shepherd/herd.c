#include "herd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fsio.h"
#include "base/log.h"
#include "launch/process.h"

enum {
    STOP_MS = 5000,  /* from SIGTERM to SIGKILL */
    DRAIN_MS = 1000, /* for descendants that outlive mpirun */
    KILL_AGAIN_MS = 20,
    GIVE_UP_MS = 10000, /* a process in an uninterruptible call takes no SIGKILL */
    CHILDREN_MAX = 1 << 20,
    EXIT_CANNOT_RUN = 127
};

/* ---- start ---- */

static void fill_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR1);
    sigaddset(set, SIGCHLD);
}

enum ebm_status herd_init(struct herd *h, const struct plan *plan, int output,
                          struct ebm_error *err)
{
    sigset_t set;

    *h = (struct herd){.plan = plan, .output = output, .signals = -1};
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return ebm_fail_errno(err, errno, "cannot become the reaper of mpirun's processes");
    fill_signals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    h->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (h->signals < 0)
        return ebm_fail_errno(err, errno, "cannot create a signalfd");
    return EBM_OK;
}

static void set_environment(const struct plan_list *env)
{
    for (size_t i = 0; i < env->count; i++)
        putenv(env->item[i]);
}

/* In the child. The marks come into its environment here, and count from
 * its exec on. */
static void become_mpirun(const struct herd *h, pid_t shepherd)
{
    sigset_t none;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* The shepherd may have died before the line above. */
    if (getppid() != shepherd)
        _exit(EXIT_CANNOT_RUN);
    if (dup2(h->output, STDOUT_FILENO) < 0 || dup2(h->output, STDERR_FILENO) < 0)
        _exit(EXIT_CANNOT_RUN);
    log_add_file(-1);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    set_environment(&h->plan->env);
    execv(h->plan->argv.item[0], h->plan->argv.item);
    log_error("mpirun", "error=\"cannot run %s: %s\"", h->plan->argv.item[0], strerror(errno));
    _exit(EXIT_CANNOT_RUN);
}

enum ebm_status herd_start(struct herd *h, struct ebm_error *err)
{
    pid_t shepherd = getpid();

    h->mpirun = fork();
    if (h->mpirun < 0)
        return ebm_fail_errno(err, errno, "cannot start a process");
    if (h->mpirun == 0)
        become_mpirun(h, shepherd);
    setpgid(h->mpirun, h->mpirun); /* whoever comes first, child or parent */
    log_info("mpirun", "pid=%ld path=%s", (long)h->mpirun, h->plan->argv.item[0]);
    return EBM_OK;
}

/* ---- kill ---- */

/* Descendants without the mark, with an environment of their own, come to
 * us when their parents die. */
static void kill_children(void)
{
    char path[64];
    struct buf text;

    buf_init(&text);
    snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
    if (fsio_read(path, CHILDREN_MAX, &text, NULL) == EBM_OK)
        for (char *p = (char *)text.data, *end = p; p != NULL && *p != '\0'; p = end) {
            long pid = strtol(p, &end, 10);
            if (end == p || pid <= 0)
                break;
            kill((pid_t)pid, SIGKILL);
        }
    buf_fini(&text);
}

/* Our children are ours until we reap them, so their numbers are safe. */
static void kill_all(const struct herd *h)
{
    const struct process_mark mark = {.home = h->plan->home, .fence = h->plan->fence};

    if (!h->ended)
        kill(-h->mpirun, SIGKILL);
    process_signal_marked(&mark, SIGKILL);
    kill_children();
}

/* ---- the loop ---- */

static void take_signals(struct herd *h)
{
    struct signalfd_siginfo s;

    while (read(h->signals, &s, sizeof s) == (ssize_t)sizeof s) {
        if (s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT)
            h->stop = true;
        if (s.ssi_signo == SIGUSR1)
            h->kill = true;
    }
}

/* true when no child is left; with a subreaper that is all descendants. */
static bool reap(struct herd *h)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0)
            return false;
        if (pid < 0 && errno != EINTR)
            return true;
        if (pid == h->mpirun) {
            h->ended = true;
            h->wait_status = status;
        }
    }
}

static void enter(struct herd *h, enum herd_phase phase, int64_t lasts_ms)
{
    h->phase = phase;
    h->deadline_ms = clock_mono_ms() + lasts_ms;
}

static void start_killing(struct herd *h, const char *why)
{
    log_warn("kill", "reason=\"%s\"", why);
    enter(h, HERD_KILLING, GIVE_UP_MS);
}

/* From phase to phase, as events and the clock say. */
static void advance(struct herd *h)
{
    bool late = clock_mono_ms() >= h->deadline_ms;

    if (h->phase < HERD_KILLING && h->kill) {
        start_killing(h, "as asked for");
    } else if (h->phase == HERD_RUNNING && h->stop && !h->ended) {
        log_info("stop", "signal=SIGTERM");
        kill(-h->mpirun, SIGTERM);
        enter(h, HERD_STOPPING, STOP_MS);
    } else if (h->phase < HERD_DRAINING && h->ended) {
        /* A killed mpirun has told its ranks nothing. */
        if (WIFSIGNALED(h->wait_status))
            start_killing(h, "mpirun was killed and left processes");
        else
            enter(h, HERD_DRAINING, DRAIN_MS);
    } else if (h->phase == HERD_STOPPING && late) {
        start_killing(h, "mpirun did not end after SIGTERM");
    } else if (h->phase == HERD_DRAINING && (late || h->stop)) {
        start_killing(h, "processes outlived mpirun");
    }
    if (h->phase == HERD_KILLING)
        kill_all(h);
}

static int timeout_of(const struct herd *h)
{
    int64_t left = h->deadline_ms - clock_mono_ms();

    if (h->phase == HERD_RUNNING)
        return -1;
    if (h->phase == HERD_KILLING)
        return KILL_AGAIN_MS;
    return left > 0 ? (int)left : 0;
}

void herd_run(struct herd *h)
{
    while (!reap(h)) {
        advance(h);
        if (h->phase == HERD_KILLING && clock_mono_ms() >= h->deadline_ms) {
            log_error("kill", "error=\"some processes do not end\"");
            return;
        }
        struct pollfd p = {.fd = h->signals, .events = POLLIN};
        poll(&p, 1, timeout_of(h));
        take_signals(h);
    }
}
