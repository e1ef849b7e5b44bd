#include "reach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "home/lock.h"

extern char **environ;

enum { SAID_MAX = 400, POLL_MS = 20, COMES_UP_MS = 3000 };

bool reach_listens(const struct home *home)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *path = home->control + strlen("ipc://");

    if (strlen(path) >= sizeof a.sun_path)
        return false;
    memcpy(a.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool ok = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    close(fd);
    return ok;
}

const char *reach_home_name(const struct home *home, char *out, size_t size)
{
    const char *user = getenv("HOME");
    size_t n = user != NULL ? strlen(user) : 0;

    if (n > 1 && strncmp(home->state, user, n) == 0 && home->state[n] == '/')
        snprintf(out, size, "~%s", home->state + n);
    else
        snprintf(out, size, "%s", home->state);
    return out;
}

/* Runs the program with its stderr in a pipe; what it says until it (the
 * parent half of it) ends goes to `said`, one line. */
static enum ebm_status run_background(const char *program, char *said, size_t size, int *status,
                                      struct ebm_error *err)
{
    char *const argv[] = {(char *)"ebmd", (char *)"--background", NULL};
    posix_spawn_file_actions_t actions;
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return ebm_fail_errno(err, errno, "cannot make a pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
    int rc = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (rc != 0) {
        close(fds[0]);
        return ebm_fail_errno(err, rc, "%s: cannot run", program);
    }
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
    /* Not until end of file: a daemon that kept its stderr would hold us. */
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    ssize_t n = read(fds[0], said, size - 1);
    said[n > 0 ? n : 0] = '\0';
    said[strcspn(said, "\n")] = '\0';
    close(fds[0]);
    return EBM_OK;
}

enum ebm_status reach_start(const struct home *home, struct ebm_error *err)
{
    char program[HOME_PATH_MAX], said[SAID_MAX], name[HOME_PATH_MAX];
    int status = 0;
    enum ebm_status rc = home_find_program("ebmd", program, sizeof program, err);

    if (rc == EBM_OK)
        rc = run_background(program, said, sizeof said, &status, err);
    if (rc != EBM_OK) {
        ebm_prefix(err, "cannot start ebmd");
        err->code = EBM_EUNREACHABLE;
        return EBM_EUNREACHABLE;
    }
    /* Two first users at once: the one that came second finds it running. */
    if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) || reach_listens(home))
        return EBM_OK;
    if (said[0] == '\0')
        return ebm_fail(err, EBM_EUNREACHABLE, "cannot start ebmd of %.300s: it did not say why",
                        reach_home_name(home, name, sizeof name));
    return ebm_fail(err, EBM_EUNREACHABLE, "cannot start ebmd: %s",
                    strncmp(said, "ebmd: ", 6) == 0 ? said + 6 : said);
}

/* Somebody holds the home, but does not listen: it is starting, or makes its
 * lost socket file anew within a second, or was killed a moment ago. */
static bool comes_up(const struct home *home)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    int64_t deadline = clock_mono_ms() + COMES_UP_MS;

    while (lock_holder(home) != 0) {
        if (reach_listens(home) || clock_mono_ms() >= deadline)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

enum ebm_status reach_daemon(const struct home *home, struct ebm_error *err)
{
    char name[HOME_PATH_MAX];
    const char *no = getenv("EBM_NO_AUTOSTART");

    if (reach_listens(home) || comes_up(home))
        return EBM_OK;
    reach_home_name(home, name, sizeof name);
    if (no != NULL && no[0] != '\0')
        return ebm_fail(err, EBM_EUNREACHABLE,
                        "no ebmd serves %.300s (start it: ebmctl daemon start)", name);
    enum ebm_status rc = reach_start(home, err);
    if (rc == EBM_OK)
        fprintf(stderr, "started ebmd (home %s)\n", name);
    return rc;
}
