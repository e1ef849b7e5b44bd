/* How an attempt ended, and the line of its log that says why. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launch/folder.h"
#include "launch/launch.h"

enum {
    TAIL_MAX = 16384,
    STAMP = 24, /* "2026-01-02T03:04:05.678Z" */
};

/* ---- lines ---- */

/* What mpirun says around the fact; the fact itself stands in other lines. */
static const char *const boilerplate[] = {
    "-----",
    "Primary job  terminated normally",
    "a non-zero exit code. Per user-direction",
    "mpirun detected that one or more processes exited with non-zero",
    "thus causing the job to be terminated",
    "  Process name:",
    "  Exit code:",
    "[",
};

static bool is_boilerplate(const char *line)
{
    if (line[strspn(line, " \t\r")] == '\0')
        return true;
    for (size_t i = 0; i < sizeof boilerplate / sizeof boilerplate[0]; i++)
        if (strncmp(line, boilerplate[i], strlen(boilerplate[i])) == 0)
            return true;
    return false;
}

/* The rest of a line of our own logs from its level on, or NULL. */
static const char *own_line(const char *line)
{
    bool own = strlen(line) > STAMP && line[4] == '-' && line[10] == 'T' &&
               line[STAMP - 1] == 'Z' && line[STAMP] == ' ';

    return own ? line + STAMP + 1 : NULL;
}

static void take(char *text, size_t size, const char *from, size_t length)
{
    size_t n = length < size - 1 ? length : size - 1;

    for (size_t i = 0; i < n; i++)
        text[i] = (unsigned char)from[i] < 0x20 || from[i] == 0x7f ? ' ' : from[i];
    /* Never half a UTF-8 character. */
    while (n > 0 && n < length && ((unsigned char)from[n] & 0xc0) == 0x80)
        n--;
    text[n] = '\0';
}

/* "... error start job=3 error="no such file"": what stands in the quotes,
 * or else all of it. */
static void take_own_error(char *text, size_t size, const char *line)
{
    static const char field[] = "error=\"";
    const char *quoted = strstr(line, field);
    const char *last = strrchr(line, '"');

    if (quoted == NULL || last <= quoted + strlen(field) - 1)
        take(text, size, line, strlen(line));
    else
        take(text, size, quoted + strlen(field), (size_t)(last - quoted) - strlen(field));
}

/* "mpirun noticed that process rank 0 with PID 7 on node n exited on signal
 * 9 (Killed)." without what tells nothing on one machine. */
static bool take_signal(char *text, size_t size, const char *line)
{
    static const char fact[] = "exited on signal ";
    const char *how = strstr(line, fact), *who = strstr(line, "process rank ");
    unsigned rank;

    if (how == NULL || who == NULL || sscanf(who, "process rank %u", &rank) != 1)
        return false;
    size_t length = strlen(how);
    if (length > 0 && how[length - 1] == '.')
        length--;
    snprintf(text, size, "rank %u %.*s", rank, (int)length, how);
    return true;
}

/* true when the line explains the end; one that only might goes into text
 * when nothing later did. */
static bool explain(char *text, size_t size, const char *line)
{
    const char *own = own_line(line);

    if (own != NULL && strncmp(own, "error ", 6) == 0) {
        take_own_error(text, size, own + 6);
        return true;
    }
    if (own != NULL || is_boilerplate(line))
        return false;
    if (take_signal(text, size, line))
        return true;
    if (text[0] == '\0')
        take(text, size, line, strlen(line));
    return false;
}

/* ---- the file ---- */

/* The last TAIL_MAX bytes, without the line that was cut at their start. */
static size_t read_tail(const char *path, char *tail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    off_t size = lseek(fd, 0, SEEK_END);
    off_t from = size > TAIL_MAX ? size - TAIL_MAX : 0;
    ssize_t n = size > 0 ? pread(fd, tail, TAIL_MAX, from) : 0;
    close(fd);
    if (n <= 0)
        return 0;
    char *cut = from > 0 ? memchr(tail, '\n', (size_t)n) : NULL;
    if (cut != NULL) {
        n -= cut + 1 - tail;
        memmove(tail, cut + 1, (size_t)n);
    }
    return (size_t)n;
}

/* From the last line back, until one explains. */
static void find_reason(const char *path, char *text, size_t size)
{
    char tail[TAIL_MAX + 1];
    size_t n = read_tail(path, tail);

    text[0] = '\0';
    while (n > 0) {
        tail[n] = '\0';
        if (tail[n - 1] == '\n')
            tail[n - 1] = '\0';
        char *line = memrchr(tail, '\n', n - 1);
        line = line != NULL ? line + 1 : tail;
        if (explain(text, size, line))
            return;
        n = (size_t)(line - tail);
    }
}

void launch_read_end(const struct home *home, int64_t job, uint32_t attempt, struct launch_end *out)
{
    char dir[HOME_PATH_MAX], log[HOME_PATH_MAX];
    struct folder_status status;

    memset(out, 0, sizeof *out);
    home_attempt_dir(home, job, (int)attempt, dir, sizeof dir);
    out->known = folder_read_status(dir, &status);
    if (out->known) {
        out->exit_code = status.exit_code;
        out->signal = status.signal;
    }
    bool clean = out->known && out->exit_code == 0 && out->signal == 0;
    if (!clean && folder_path(dir, "output.log", log, sizeof log, NULL) == EBM_OK)
        find_reason(log, out->text, sizeof out->text);
}
