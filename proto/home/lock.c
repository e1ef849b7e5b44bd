#include "home/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* A killed ebmd has its lock until the last of its threads has ended, some
 * milliseconds after it can no longer be seen. */
enum { HELD_MS = 300, AGAIN_MS = 10 };

static int open_lock(const struct home *home, int flags, char *path, size_t size)
{
    snprintf(path, size, "%s/ebmd.lock", home->state);
    return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static pid_t read_pid(int fd)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    return (pid_t)strtol(text, NULL, 10);
}

static enum ebm_status sign(int fd, const char *path, struct ebm_error *err)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    /* Over what was there: on a full disk its block is all there is. */
    if (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) != 0)
        return ebm_fail_errno(err, errno, "%s: cannot write", path);
    return EBM_OK;
}

/* 0, or the errno of the last try. */
static int lock_whole(int fd)
{
    const struct timespec pause = {.tv_nsec = AGAIN_MS * 1000000L};
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int64_t deadline = clock_mono_ms() + HELD_MS;

    while (fcntl(fd, F_OFD_SETLK, &whole) != 0) {
        if ((errno != EAGAIN && errno != EACCES) || clock_mono_ms() >= deadline)
            return errno;
        nanosleep(&pause, NULL);
    }
    return 0;
}

enum ebm_status lock_take(const struct home *home, int *fd, struct ebm_error *err)
{
    char path[HOME_PATH_MAX + 32];

    *fd = open_lock(home, O_RDWR | O_CREAT, path, sizeof path);
    if (*fd < 0)
        return ebm_fail_errno(err, errno, "%s: cannot open", path);
    int failed = lock_whole(*fd);
    if (failed == 0)
        return sign(*fd, path, err);
    enum ebm_status rc;
    if (failed == EAGAIN || failed == EACCES)
        rc = ebm_fail(err, EBM_EEXIST, "another ebmd (pid %ld) serves %.300s", (long)read_pid(*fd),
                      home->state);
    else
        rc = ebm_fail_errno(err, failed, "%s: cannot lock", path);
    close(*fd);
    *fd = -1;
    return rc;
}

pid_t lock_holder(const struct home *home)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[HOME_PATH_MAX + 32];
    pid_t pid = 0;
    int fd = open_lock(home, O_RDWR, path, sizeof path);

    if (fd < 0)
        return 0;
    if (fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK)
        pid = read_pid(fd);
    close(fd);
    return pid;
}
