#include "launch/report.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_SIZE = 640, WAIT_MS = 2000 };

/* One write: a line is shorter than PIPE_BUF, so it arrives whole. */
static bool put_line(int fd, const char *line)
{
    size_t n = strlen(line);

    return write(fd, line, n) == (ssize_t)n;
}

bool report_ok(int fd, struct launch_pid pid)
{
    char line[LINE_SIZE];

    snprintf(line, sizeof line, "ok %" PRId64 " %" PRIu64 "\n", pid.pid, pid.start);
    return put_line(fd, line);
}

void report_error(int fd, const struct ebm_error *failure)
{
    char line[LINE_SIZE];

    snprintf(line, sizeof line, "error %d %s\n", (int)failure->code, failure->text);
    put_line(fd, line);
}

/* Bytes until the line's end, the pipe's end or the deadline. */
static bool get_line(int fd, char *line, size_t size)
{
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    size_t used = 0;

    while (used + 1 < size) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - clock_mono_ms();
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t n = ready > 0 ? read(fd, line + used, size - 1 - used) : -1;
        if (n <= 0)
            return false;
        used += (size_t)n;
        line[used] = '\0';
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end = '\0';
            return true;
        }
    }
    return false;
}

enum ebm_status report_read(int fd, struct launch_pid *out, struct ebm_error *err)
{
    char line[LINE_SIZE];
    int code = 0, text = 0;

    if (!get_line(fd, line, sizeof line))
        return ebm_fail(err, EBM_ETIMEOUT, "ebm-shepherd did not say that it runs");
    if (sscanf(line, "ok %" SCNd64 " %" SCNu64, &out->pid, &out->start) == 2)
        return EBM_OK;
    if (sscanf(line, "error %d %n", &code, &text) == 1 && code > EBM_OK &&
        code < EBM_STATUS_COUNT && text > 0)
        return ebm_fail(err, (enum ebm_status)code, "ebm-shepherd: %s", line + text);
    return ebm_fail(err, EBM_EPROTO, "ebm-shepherd said: %.200s", line);
}
