/* Where everything lives. EBM_HOME puts all state under one folder;
 * otherwise XDG folders per user, or the service folders for user _ebmd
 * (config in /etc/ebmd, state in /var/lib/ebmd, sockets in /run/ebmd).
 * The sockets' folder follows from the state's alone, so that whoever finds
 * the one finds the other: workers and clients outlive a login. */
#ifndef EBM_HOME_HOME_H
#define EBM_HOME_HOME_H

#include "base/err.h"

enum { HOME_PATH_MAX = 1024 };

struct home {
    char state[HOME_PATH_MAX];   /* databases, lock, jobs/ */
    char run[HOME_PATH_MAX];     /* sockets; mode 0700 */
    char config[HOME_PATH_MAX];  /* ebmd.yaml, may not exist */
    char control[HOME_PATH_MAX]; /* ZeroMQ endpoints: "ipc:///..." */
    char worker[HOME_PATH_MAX];
    char events[HOME_PATH_MAX];
};

/* Finds the folders from the environment and checks that the socket paths
 * fit into sun_path (107 bytes): EBM_EINVAL with the path, its length and
 * what to do (a shorter EBM_HOME). Creates nothing. */
enum ebm_status home_locate(struct home *h, struct ebm_error *err);

/* Creates state and run folders, mode 0700. A read-only place is EBM_EIO
 * with the folder named. */
enum ebm_status home_create(const struct home *h, struct ebm_error *err);

/* state/jobs/JOB, or state/jobs/JOB/attempt-N, into path. */
void home_job_dir(const struct home *h, long long job, char *path, int size);
void home_attempt_dir(const struct home *h, long long job, int attempt, char *path, int size);

/* Folder of the running program (from /proc/self/exe): the other programs
 * are looked for beside it, in ../libexec/ebmd, and in the build tree.
 * EBM_LIBEXEC overrides. Fills path with an executable of this name. */
enum ebm_status home_find_program(const char *name, char *path, int size, struct ebm_error *err);

#endif
