/* Launching an attempt, and finding out how it ended.
 *
 * ebmd writes the attempt's folder and starts ebm-shepherd in it; the
 * shepherd is mpirun's parent, keeps its logs and writes its end into
 * "status". Both sides of that folder's file formats are here. */
#ifndef EBM_DAEMON_LAUNCH_H
#define EBM_DAEMON_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "home/home.h"

struct launch_request {
    int64_t job;
    uint32_t attempt;
    uint64_t fence;
    uint32_t ranks, threads;
    const char *token; /* goes into a 0600 file, never into argv */
    const char *spec;  /* effective spec, becomes spec.yaml */
};

struct launch_pid {
    int64_t pid;
    uint64_t start; /* start time in clock ticks since boot, from /proc/PID/stat */
};

/* Writes the folder, starts the shepherd (setsid, own log file, stdin
 * /dev/null, no inherited descriptors). mpirun or ebm-worker missing is
 * EBM_ENOTFOUND with where it was looked for. On failure nothing runs.
 *
 * Blocks for some milliseconds, until the shepherd has said that it runs; at
 * most 2 s, then EBM_ETIMEOUT. May be repeated: a shepherd that already
 * tends this attempt is adopted (EBM_OK), one that was killed is replaced
 * and what it left is killed, and an attempt that has a status is EBM_EEXIST.
 *
 * The shepherd is no child of the caller: it is reaped by init (or by the
 * subreaper above the caller), and never by the caller. */
enum ebm_status launch_start(const struct home *home, const struct launch_request *request,
                             struct launch_pid *out, struct ebm_error *err);

/* A pidfd that turns readable when the process ends, or -1 when it is gone
 * already or its start time differs (the pid was used again). */
int launch_watch(struct launch_pid pid);

/* Reads which shepherd tends this attempt; false when none is alive. For an
 * ebmd that was killed before it could record what launch_start told it. */
bool launch_find(const struct home *home, int64_t job, uint32_t attempt, struct launch_pid *out);

/* Asks the shepherd to stop the attempt: SIGTERM to mpirun, SIGKILL to all
 * that is left after 5 s. */
void launch_stop(struct launch_pid pid);
/* Asks the shepherd to kill all of the attempt at once. */
void launch_kill(struct launch_pid pid);
/* Kills the shepherd, that does not do it: one that was itself stopped, or
 * that waits for a disk. mpirun goes with it, the rest is for launch_sweep. */
void launch_kill_shepherd(struct launch_pid pid);

struct launch_end {
    bool known;    /* the status file is there and whole */
    int exit_code; /* mpirun's, when signal is 0 */
    int signal;
    char text[200]; /* last line of the log that says why, for people; "" = none */
};

/* How the attempt ended, from its folder. known = false when no status was
 * written (the shepherd was killed). */
void launch_read_end(const struct home *home, int64_t job, uint32_t attempt,
                     struct launch_end *out);

/* SIGKILLs every process of this user with EBM_FENCE=fence and
 * EBM_HOME_MARK=<state folder, by its real path> in its environment, until none is left (at
 * most 100 ms), and removes what Open MPI left in memory; returns how many
 * remain. Only where no shepherd tends the attempt any more. */
int launch_sweep(const struct home *home, uint64_t fence);
/* How many processes bear the mark, without touching them. */
int launch_count_marked(const struct home *home, uint64_t fence);

#endif
