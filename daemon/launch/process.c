#include "launch/process.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsio.h"

enum {
    ENVIRON_MAX = 8 << 20, /* the kernel allows 6 MiB of arguments and environment */
    STAT_MAX = 4096,
    MARK_SIZE = HOME_PATH_MAX + 32,
    KILL_AGAIN_MS = 2
};

/* ---- one process ---- */

/* proc(5), /proc/PID/stat: state is field 3, start time field 22. The name
 * before them stands in parentheses and may hold anything, a parenthesis as
 * well. */
static bool parse_stat(const char *text, char *state, uint64_t *start)
{
    const char *after_name = strrchr(text, ')');

    return after_name != NULL && sscanf(after_name,
                                        ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                                        "%*s %*s %*s %*s %*s %*s %" SCNu64,
                                        state, start) == 2;
}

bool process_identify(pid_t pid, struct launch_pid *out)
{
    char path[64], state = 'X';
    uint64_t start = 0;
    struct buf text;

    buf_init(&text);
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    bool found = fsio_read(path, STAT_MAX, &text, NULL) == EBM_OK &&
                 parse_stat(buf_text(&text), &state, &start) && state != 'Z' && state != 'X';
    buf_fini(&text);
    if (found)
        *out = (struct launch_pid){.pid = pid, .start = start};
    return found;
}

bool process_is_alive(struct launch_pid pid)
{
    struct launch_pid now;

    return pid.pid > 0 && process_identify((pid_t)pid.pid, &now) && now.start == pid.start;
}

/* ---- the marked ones ---- */

void process_mark_home(const struct home *home, char out[HOME_PATH_MAX])
{
    char real[PATH_MAX];

    if (realpath(home->state, real) == NULL || strlen(real) >= HOME_PATH_MAX)
        snprintf(real, sizeof real, "%s", home->state);
    memcpy(out, real, strlen(real) + 1);
}

static bool environ_has(const struct buf *environ_block, const char *entry)
{
    const char *p = buf_text(environ_block), *end = p + environ_block->size;

    while (p < end) {
        if (strcmp(p, entry) == 0)
            return true;
        p += strlen(p) + 1;
    }
    return false;
}

static bool is_marked(pid_t pid, const struct process_mark *mark)
{
    char path[64], fence[64], home[MARK_SIZE];
    struct stat owner;
    struct buf text;

    snprintf(path, sizeof path, "/proc/%ld", (long)pid);
    if (stat(path, &owner) != 0 || owner.st_uid != geteuid())
        return false;
    snprintf(path, sizeof path, "/proc/%ld/environ", (long)pid);
    snprintf(fence, sizeof fence, "EBM_FENCE=%" PRIu64, mark->fence);
    snprintf(home, sizeof home, "EBM_HOME_MARK=%s", mark->home);
    buf_init(&text);
    bool marked = fsio_read(path, ENVIRON_MAX, &text, NULL) == EBM_OK &&
                  environ_has(&text, fence) && environ_has(&text, home);
    buf_fini(&text);
    return marked;
}

/* 1 when it bears the mark. The pidfd is taken first, so that a signal never
 * reaches a later process with the same number. */
static int signal_if_marked(pid_t pid, const struct process_mark *mark, int sig)
{
    int fd = pidfd_open(pid, 0);

    if (fd < 0)
        return 0;
    bool marked = is_marked(pid, mark);
    if (marked && sig != 0)
        pidfd_send_signal(fd, sig, NULL, 0);
    close(fd);
    return marked ? 1 : 0;
}

int process_signal_marked(const struct process_mark *mark, int sig)
{
    DIR *proc = opendir("/proc");
    int count = 0;

    if (proc == NULL)
        return 0;
    for (struct dirent *e = readdir(proc); e != NULL; e = readdir(proc)) {
        pid_t pid = isdigit((unsigned char)e->d_name[0]) ? (pid_t)strtol(e->d_name, NULL, 10) : 0;
        if (pid > 0 && pid != getpid())
            count += signal_if_marked(pid, mark, sig);
    }
    closedir(proc);
    return count;
}

int process_kill_marked(const struct process_mark *mark, int64_t timeout_ms)
{
    const struct timespec pause = {.tv_nsec = KILL_AGAIN_MS * 1000000L};
    int64_t deadline = clock_mono_ms() + timeout_ms;
    int left = process_signal_marked(mark, SIGKILL);

    while (left > 0 && clock_mono_ms() < deadline) {
        nanosleep(&pause, NULL);
        left = process_signal_marked(mark, SIGKILL);
    }
    return left;
}
