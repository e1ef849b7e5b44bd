/* Starting one of our own programs as a child. */
#ifndef EBM_DAEMON_LAUNCH_SPAWN_H
#define EBM_DAEMON_LAUNCH_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

struct spawn {
    const char *program;
    char *const *argv;
    int in;          /* its standard input; -1: /dev/null */
    int out;         /* its standard output; -1: where its standard error goes */
    const char *log; /* its standard error is appended to this file */
    bool session;    /* of its own: what is typed at ebmd's terminal does not reach it */
    const int *held; /* signals that it begins with blocked, 0 after the last; NULL: none */
};

/* Signals are at their defaults, no other descriptor is open, and an attempt's
 * mark that ebmd itself may run under is not passed on. The caller reaps the
 * child. 0 or an errno. */
int spawn_start(const struct spawn *s, pid_t *pid);

#endif
