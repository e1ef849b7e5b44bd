#include "launch/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD_TO_CLOSE = 3 };

extern char **environ;

/* The environment without the marks of an attempt that ebmd itself may run
 * in: its children bear none. The caller frees the array. */
static char **unmarked_environment(void)
{
    static const char *const marks[] = {"EBM_FENCE=", "EBM_HOME_MARK="};
    size_t count = 0, kept = 0;

    while (environ[count] != NULL)
        count++;
    char **out = malloc((count + 1) * sizeof *out);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], marks[0], strlen(marks[0])) != 0 &&
            strncmp(environ[i], marks[1], strlen(marks[1])) != 0)
            out[kept++] = environ[i];
    out[kept] = NULL;
    return out;
}

static int set_signals(posix_spawnattr_t *attr, const struct spawn *s)
{
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    sigset_t all, held;

    sigfillset(&all);
    sigemptyset(&held);
    for (const int *signal = s->held; signal != NULL && *signal != 0; signal++)
        sigaddset(&held, *signal);
    if (s->session)
        flags |= POSIX_SPAWN_SETSID;
    int failed = posix_spawnattr_setsigdefault(attr, &all);
    if (failed == 0)
        failed = posix_spawnattr_setsigmask(attr, &held);
    return failed == 0 ? posix_spawnattr_setflags(attr, flags) : failed;
}

static int set_files(posix_spawn_file_actions_t *files, const struct spawn *s)
{
    int failed =
        posix_spawn_file_actions_addopen(files, 2, s->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

    if (failed == 0 && s->in >= 0)
        failed = posix_spawn_file_actions_adddup2(files, s->in, 0);
    else if (failed == 0)
        failed = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(files, s->out >= 0 ? s->out : 2, 1);
    if (failed == 0)
        failed = posix_spawn_file_actions_addclosefrom_np(files, FIRST_FD_TO_CLOSE);
    return failed;
}

int spawn_start(const struct spawn *s, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    char **env = unmarked_environment();

    if (env == NULL)
        return ENOMEM;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    int failed = set_signals(&attr, s);
    if (failed == 0)
        failed = set_files(&files, s);
    if (failed == 0)
        failed = posix_spawn(pid, s->program, &files, &attr, s->argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    free(env);
    return failed;
}
