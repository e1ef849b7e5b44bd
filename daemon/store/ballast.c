/* Room kept back for a full disk. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/store.h"
#include "store/store_private.h"

enum {
    BALLAST_BYTES = 16 << 20,
    ROOM_FACTOR = 4 /* only made when this many times its size is free */
};

void store_ballast_release(struct store *s)
{
    unlink(s->ballast);
}

static bool is_whole(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size == BALLAST_BYTES;
}

static bool has_room(const char *path)
{
    struct statvfs fs;
    return statvfs(path, &fs) == 0 && (unsigned long long)fs.f_bavail * fs.f_frsize >=
                                          (unsigned long long)ROOM_FACTOR * BALLAST_BYTES;
}

void store_ballast_restore(struct store *s)
{
    if (is_whole(s->ballast) || !has_room(s->path))
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
