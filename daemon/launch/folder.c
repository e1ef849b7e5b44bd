#include "launch/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fsio.h"

enum { SMALL_FILE_MAX = 256, NAME_SIZE = 32 };

enum ebm_status folder_path(const char *dir, const char *name, char *path, size_t size,
                            struct ebm_error *err)
{
    int n = snprintf(path, size, "%s/%s", dir, name);

    if (n < 0 || (size_t)n >= size)
        return ebm_fail(err, EBM_EINVAL, "%.200s/%s: path too long", dir, name);
    return EBM_OK;
}

static enum ebm_status write_new(const char *path, const void *bytes, size_t n, unsigned mode,
                                 struct ebm_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, (mode_t)mode);

    if (fd < 0)
        return ebm_fail_errno(err, errno, "%s: cannot create", path);
    enum ebm_status st = fsio_write_all(fd, bytes, n, path, err);
    if (close(fd) != 0 && st == EBM_OK)
        st = ebm_fail_errno(err, errno, "%s: cannot write", path);
    return st;
}

enum ebm_status folder_write(const char *dir, const char *name, const void *bytes, size_t n,
                             unsigned mode, struct ebm_error *err)
{
    char path[HOME_PATH_MAX], fresh[HOME_PATH_MAX], fresh_name[NAME_SIZE];

    snprintf(fresh_name, sizeof fresh_name, "%s.new", name);
    enum ebm_status st = folder_path(dir, name, path, sizeof path, err);
    if (st == EBM_OK)
        st = folder_path(dir, fresh_name, fresh, sizeof fresh, err);
    if (st == EBM_OK)
        st = write_new(fresh, bytes, n, mode, err);
    if (st == EBM_OK && rename(fresh, path) != 0)
        st = ebm_fail_errno(err, errno, "%s: cannot rename into place", path);
    return st;
}

/* The whole of a small file as text; false when it is not there or too large
 * to be one of ours. */
static bool read_small(const char *dir, const char *name, char *text, size_t size)
{
    char path[HOME_PATH_MAX];
    struct buf b;
    bool ok = false;

    buf_init(&b);
    if (folder_path(dir, name, path, sizeof path, NULL) == EBM_OK &&
        fsio_read(path, size - 1, &b, NULL) == EBM_OK) {
        snprintf(text, size, "%s", buf_text(&b));
        ok = true;
    }
    buf_fini(&b);
    return ok;
}

enum ebm_status folder_write_pid(const char *dir, struct launch_pid pid, struct ebm_error *err)
{
    char text[SMALL_FILE_MAX];
    int n = snprintf(text, sizeof text, "%" PRId64 " %" PRIu64 "\n", pid.pid, pid.start);

    return folder_write(dir, "shepherd", text, (size_t)n, 0600, err);
}

bool folder_read_pid(const char *dir, struct launch_pid *out)
{
    char text[SMALL_FILE_MAX];
    struct launch_pid pid;
    int end = 0;

    if (!read_small(dir, "shepherd", text, sizeof text))
        return false;
    if (sscanf(text, "%" SCNd64 " %" SCNu64 "%n", &pid.pid, &pid.start, &end) != 2 ||
        strcmp(text + end, "\n") != 0 || pid.pid <= 0)
        return false;
    *out = pid;
    return true;
}

enum ebm_status folder_reserve_status(const char *dir, struct ebm_error *err)
{
    char path[HOME_PATH_MAX], blanks[SMALL_FILE_MAX / 2];
    enum ebm_status st = folder_path(dir, "status.part", path, sizeof path, err);

    memset(blanks, ' ', sizeof blanks);
    return st == EBM_OK ? write_new(path, blanks, sizeof blanks, 0600, err) : st;
}

/* In place, over the room that was reserved. */
static enum ebm_status fill_status(const char *part, const char *text, size_t n,
                                   struct ebm_error *err)
{
    int fd = open(part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return ebm_fail_errno(err, errno, "%s: cannot open", part);
    enum ebm_status st = fsio_write_all(fd, text, n, part, err);
    if (st == EBM_OK && (ftruncate(fd, (off_t)n) != 0 || fsync(fd) != 0))
        st = ebm_fail_errno(err, errno, "%s: cannot write", part);
    close(fd);
    return st;
}

static void sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

enum ebm_status folder_write_status(const char *dir, const struct folder_status *status,
                                    struct ebm_error *err)
{
    char path[HOME_PATH_MAX], part[HOME_PATH_MAX], text[SMALL_FILE_MAX];
    int n = snprintf(text, sizeof text, "exit=%d signal=%d ended_ms=%" PRId64 "\n",
                     status->exit_code, status->signal, status->ended_ms);
    enum ebm_status st = folder_path(dir, "status", path, sizeof path, err);

    if (st == EBM_OK)
        st = folder_path(dir, "status.part", part, sizeof part, err);
    if (st == EBM_OK)
        st = fill_status(part, text, (size_t)n, err);
    if (st == EBM_OK && rename(part, path) != 0)
        st = ebm_fail_errno(err, errno, "%s: cannot rename into place", path);
    if (st == EBM_OK)
        sync_folder(dir);
    return st;
}

bool folder_read_status(const char *dir, struct folder_status *out)
{
    char text[SMALL_FILE_MAX];
    struct folder_status s;
    int end = 0;

    if (!read_small(dir, "status", text, sizeof text))
        return false;
    if (sscanf(text, "exit=%d signal=%d ended_ms=%" SCNd64 "%n", &s.exit_code, &s.signal,
               &s.ended_ms, &end) != 3 ||
        strcmp(text + end, "\n") != 0)
        return false;
    *out = s;
    return true;
}
