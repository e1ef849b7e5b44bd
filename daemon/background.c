#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

enum { LOG_BYTES_MAX = 16 << 20, REPORT_MAX = 600, EXIT_LOST = 1 };

/* A report is the exit code as one byte, and a text. */
static void wait_for_report(int fd)
{
    char report[REPORT_MAX];
    size_t used = 0;

    for (;;) {
        ssize_t n = read(fd, report + used, sizeof report - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    report[used] = '\0';
    if (used == 0) {
        fputs("ebmd: it ended before it served\n", stderr);
        _exit(EXIT_LOST);
    }
    if (report[0] != 0)
        fprintf(stderr, "ebmd: %s\n", report + 1);
    _exit(report[0]);
}

enum ebm_status background_enter(int *report, struct ebm_error *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0)
        return ebm_fail_errno(err, errno, "cannot create a pipe");
    pid_t pid = fork();
    if (pid < 0)
        return ebm_fail_errno(err, errno, "cannot start a process");
    if (pid > 0) {
        close(fds[1]);
        wait_for_report(fds[0]);
    }
    close(fds[0]);
    *report = fds[1];
    setsid();
    /* What was inherited, as a lock of who started it, is not ours to keep. */
    if (fds[1] > STDERR_FILENO + 1)
        close_range(STDERR_FILENO + 1, (unsigned)fds[1] - 1, 0);
    close_range((unsigned)fds[1] + 1, ~0U, 0);
    return EBM_OK;
}

static void tell(int fd, int code, const char *text)
{
    char report[REPORT_MAX];
    int n = snprintf(report, sizeof report, "%c%s", code != 0 ? 'x' : ' ', text);
    ssize_t written;

    report[0] = (char)code;
    written = write(fd, report, (size_t)n < sizeof report ? (size_t)n : sizeof report - 1);
    (void)written; /* a parent that is gone needs no report */
    close(fd);
}

/* The log of an earlier ebmd makes room once it is large. */
static void rotate(const char *path)
{
    char old[HOME_PATH_MAX + 40];
    struct stat st;

    if (stat(path, &st) != 0 || st.st_size < LOG_BYTES_MAX)
        return;
    snprintf(old, sizeof old, "%s.1", path);
    rename(path, old);
}

enum ebm_status background_log(const struct home *home, struct ebm_error *err)
{
    char path[HOME_PATH_MAX + 32];

    snprintf(path, sizeof path, "%s/ebmd.log", home->state);
    rotate(path);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (log < 0 || null < 0)
        return ebm_fail_errno(err, errno, "%s: cannot open", path);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    close(null);
    close(log);
    return EBM_OK;
}

void background_ready(int report)
{
    tell(report, 0, "");
}

void background_failed(int report, int code, const struct ebm_error *err)
{
    tell(report, code, err->text);
}
