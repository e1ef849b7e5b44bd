#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static enum log_level threshold = LOG_INFO;
static char context_fields[128];
static int also_fd = -1;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level level)
{
    threshold = level;
}

void log_set_context(const char *context)
{
    snprintf(context_fields, sizeof context_fields, "%s%s", context, context[0] != '\0' ? " " : "");
}

void log_add_file(int fd)
{
    also_fd = fd;
}

static size_t line_head(char *line, size_t size, enum log_level level, const char *event)
{
    struct timespec now;
    struct tm utc;
    char stamp[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    int n = snprintf(line, size, "%s.%03ldZ %s %s %s", stamp, now.tv_nsec / 1000000,
                     level_names[level], event, context_fields);
    return n < 0 ? 0 : (size_t)n;
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
    char line[LINE_MAX_BYTES];
    va_list ap;

    if (level < threshold)
        return;
    size_t used = line_head(line, sizeof line - 1, level, event);
    va_start(ap, fmt);
    int n = vsnprintf(line + used, sizeof line - 1 - used, fmt, ap);
    va_end(ap);
    if (n > 0)
        used += (size_t)n;
    if (used > sizeof line - 2)
        used = sizeof line - 2;
    for (size_t i = 0; i < used; i++)
        if ((unsigned char)line[i] < 0x20)
            line[i] = ' ';
    line[used++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, used);
    if (also_fd >= 0)
        ignored = write(also_fd, line, used);
    (void)ignored;
}
