/* Other processes, by /proc: is it still the one we knew, and which bear an
 * attempt's mark. */
#ifndef EBM_DAEMON_LAUNCH_PROCESS_H
#define EBM_DAEMON_LAUNCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "launch/launch.h"

/* pid with its start time; false when there is none, or only a zombie. */
bool process_identify(pid_t pid, struct launch_pid *out);

/* It runs, and is not a later process with the same number. */
bool process_is_alive(struct launch_pid pid);

/* The mark: both are in a process's environment from its exec on. */
struct process_mark {
    const char *home; /* EBM_HOME_MARK: the state folder; borrowed */
    uint64_t fence;   /* EBM_FENCE */
};

/* The state folder by its real path: the same by whatever way it was reached. */
void process_mark_home(const struct home *home, char out[HOME_PATH_MAX]);

/* How many processes of this user bear the mark, the caller aside; signal 0
 * only counts, another one is sent to each. */
int process_signal_marked(const struct process_mark *mark, int signal);

/* SIGKILLs the marked until none is left, at most timeout_ms; returns how
 * many remain. */
int process_kill_marked(const struct process_mark *mark, int64_t timeout_ms);

#endif
