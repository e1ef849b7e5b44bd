/* The shepherds that run, and the processes of an attempt. */
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "launch/folder.h"
#include "launch/launch.h"
#include "launch/process.h"
#include "launch/scratch.h"

enum { SWEEP_MS = 100 }; /* in the loop; what does not end by then is swept again */

int launch_watch(struct launch_pid pid)
{
    if (!process_is_alive(pid))
        return -1;
    int fd = pidfd_open((pid_t)pid.pid, 0);
    if (fd < 0)
        return -1;
    /* The number may have changed hands between the look and the open. */
    if (process_is_alive(pid))
        return fd;
    close(fd);
    return -1;
}

static void send_signal(struct launch_pid pid, int sig)
{
    int fd = launch_watch(pid);

    if (fd < 0)
        return;
    pidfd_send_signal(fd, sig, NULL, 0);
    close(fd);
}

void launch_stop(struct launch_pid pid)
{
    send_signal(pid, SIGTERM);
}

void launch_kill(struct launch_pid pid)
{
    send_signal(pid, SIGUSR1);
}

void launch_kill_shepherd(struct launch_pid pid)
{
    send_signal(pid, SIGKILL);
}

bool launch_find(const struct home *home, int64_t job, uint32_t attempt, struct launch_pid *out)
{
    char dir[HOME_PATH_MAX];
    struct launch_pid pid;

    home_attempt_dir(home, job, (int)attempt, dir, sizeof dir);
    if (!folder_read_pid(dir, &pid) || !process_is_alive(pid))
        return false;
    *out = pid;
    return true;
}

/* One that was launched when marks were still what was typed bears that. */
static int sweep_marked(const char *home, uint64_t fence)
{
    const struct process_mark mark = {.home = home, .fence = fence};
    char scratch[HOME_PATH_MAX];
    int left = process_kill_marked(&mark, SWEEP_MS);

    scratch_path(home, fence, scratch, sizeof scratch);
    if (left == 0)
        scratch_remove(scratch);
    return left;
}

static int count_marked(const char *home, uint64_t fence)
{
    const struct process_mark mark = {.home = home, .fence = fence};

    return process_signal_marked(&mark, 0);
}

static int by_both_paths(const struct home *home, uint64_t fence,
                         int (*work)(const char *home, uint64_t fence))
{
    char real[HOME_PATH_MAX];

    process_mark_home(home, real);
    int n = work(real, fence);
    return strcmp(real, home->state) == 0 ? n : n + work(home->state, fence);
}

int launch_sweep(const struct home *home, uint64_t fence)
{
    return by_both_paths(home, fence, sweep_marked);
}

int launch_count_marked(const struct home *home, uint64_t fence)
{
    return by_both_paths(home, fence, count_marked);
}
