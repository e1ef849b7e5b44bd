/* One event a line: "2026-01-02T03:04:05.678Z level event key=value ...".
 * Programs log, libraries return errors. Written with one write(2) to
 * stderr, so lines of several processes never mix. */
#ifndef EBM_BASE_LOG_H
#define EBM_BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level);

/* Fields put before those of each line, e.g. "job=3 attempt=1 rank=0". */
void log_set_context(const char *context);

/* A file that gets every line as well, besides stderr; -1 = none. Borrowed. */
void log_add_file(int fd);

void log_event(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(event, ...) log_event(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)  log_event(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  log_event(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_event(LOG_ERROR, event, __VA_ARGS__)

#endif
