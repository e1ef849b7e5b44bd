/* Room kept back for a full disk. */
#include "store/ballast.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/store.h"
#include "store/store_private.h"

enum {
    BALLAST_BYTES = 16 << 20,
    ROOM_FACTOR = 4,     /* only made when this many times its size is free */
    FULL_BYTES = 1 << 20 /* less is as good as none */
};

void store_ballast_release(struct store *s)
{
    unlink(s->ballast);
}

bool ballast_release_beside(const char *database)
{
    char path[PATH_MAX];
    const char *slash = strrchr(database, '/');
    int folder = slash != NULL ? (int)(slash - database) + 1 : 0;
    int n = snprintf(path, sizeof path, "%.*sballast", folder, database);

    return n > 0 && (size_t)n < sizeof path && unlink(path) == 0;
}

static bool is_whole(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size == BALLAST_BYTES;
}

static unsigned long long free_bytes(const char *path)
{
    struct statvfs fs;
    return statvfs(path, &fs) == 0 ? (unsigned long long)fs.f_bavail * fs.f_frsize : 0;
}

void store_ballast_restore(struct store *s)
{
    unsigned long long room = free_bytes(s->path);

    if (room < FULL_BYTES)
        unlink(s->ballast);
    if (room < (unsigned long long)ROOM_FACTOR * BALLAST_BYTES || is_whole(s->ballast))
        return;
    int fd = open(s->ballast, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    /* Real blocks: a hole would keep nothing back. */
    int failed = posix_fallocate(fd, 0, BALLAST_BYTES);
    close(fd);
    if (failed != 0)
        unlink(s->ballast);
}
