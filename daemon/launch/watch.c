/* The shepherds that run, and the processes of an attempt. */
#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "launch/folder.h"
#include "launch/launch.h"
#include "launch/process.h"
#include "launch/scratch.h"

enum { SWEEP_MS = 2000 };

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

void launch_stop(struct launch_pid pid)
{
    int fd = launch_watch(pid);

    if (fd < 0)
        return;
    pidfd_send_signal(fd, SIGTERM, NULL, 0);
    close(fd);
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

int launch_sweep(const struct home *home, uint64_t fence)
{
    const struct process_mark mark = {.home = home->state, .fence = fence};
    char scratch[HOME_PATH_MAX];
    int left = process_kill_marked(&mark, SWEEP_MS);

    scratch_path(home->state, fence, scratch, sizeof scratch);
    if (left == 0)
        scratch_remove(scratch);
    return left;
}

int launch_count_marked(const struct home *home, uint64_t fence)
{
    const struct process_mark mark = {.home = home->state, .fence = fence};

    return process_signal_marked(&mark, 0);
}
