#include "base/fsio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_CHUNK = 65536 };

static enum ebm_status read_all(int fd, const char *path, size_t max_bytes, struct buf *out,
                                struct ebm_error *err)
{
    size_t start = out->size;

    for (;;) {
        if (!buf_reserve(out, READ_CHUNK))
            return ebm_fail(err, EBM_ENOMEM, "%s: out of memory", path);
        ssize_t n = read(fd, out->data + out->size, READ_CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ebm_fail_errno(err, errno, "%s: cannot read", path);
        out->size += (size_t)n;
        out->data[out->size] = '\0';
        if (out->size - start > max_bytes)
            return ebm_fail(err, EBM_EINVAL, "%s: larger than the %zu bytes allowed", path,
                            max_bytes);
        if (n == 0)
            return EBM_OK;
    }
}

enum ebm_status fsio_read(const char *path, size_t max_bytes, struct buf *out,
                          struct ebm_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ebm_fail_errno(err, errno, "%s: cannot open", path);
    enum ebm_status rc = read_all(fd, path, max_bytes, out, err);
    close(fd);
    return rc;
}

enum ebm_status fsio_write_all(int fd, const void *bytes, size_t n, const char *path,
                               struct ebm_error *err)
{
    const char *p = bytes;

    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return ebm_fail_errno(err, errno, "%s: cannot write", path);
        p += w;
        n -= (size_t)w;
    }
    return EBM_OK;
}

static enum ebm_status sync_parent(const char *path, struct ebm_error *err)
{
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash == NULL)
        snprintf(dir, sizeof dir, ".");
    else
        slash[slash == dir ? 1 : 0] = '\0';
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ebm_fail_errno(err, errno, "%s: cannot open", dir);
    int failed = fsync(fd) != 0 ? errno : 0;
    close(fd);
    return failed != 0 ? ebm_fail_errno(err, failed, "%s: cannot sync", dir) : EBM_OK;
}

/* name: of the file that it becomes, for errors. */
static enum ebm_status write_synced(const char *path, const char *name, const void *bytes, size_t n,
                                    unsigned mode, struct ebm_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return ebm_fail_errno(err, errno, "%s: cannot create", name);
    enum ebm_status rc = fsio_write_all(fd, bytes, n, name, err);
    if (rc == EBM_OK && fsync(fd) != 0)
        rc = ebm_fail_errno(err, errno, "%s: cannot sync", name);
    close(fd);
    return rc;
}

enum ebm_status fsio_write_atomic(const char *path, const void *bytes, size_t n, unsigned mode,
                                  struct ebm_error *err)
{
    char tmp[PATH_MAX];
    int len = snprintf(tmp, sizeof tmp, "%s.%ld.tmp", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof tmp)
        return ebm_fail(err, EBM_EINVAL, "%.200s...: path too long", path);
    enum ebm_status rc = write_synced(tmp, path, bytes, n, mode, err);
    if (rc == EBM_OK && rename(tmp, path) != 0)
        rc = ebm_fail_errno(err, errno, "%s: cannot rename into place", path);
    if (rc != EBM_OK) {
        unlink(tmp);
        return rc;
    }
    return sync_parent(path, err);
}

static enum ebm_status make_one(const char *path, unsigned mode, struct ebm_error *err)
{
    if (mkdir(path, (mode_t)mode) == 0 || errno == EEXIST)
        return EBM_OK;
    return ebm_fail_errno(err, errno, "%s: cannot create folder", path);
}

enum ebm_status fsio_mkdirs(const char *path, unsigned mode, struct ebm_error *err)
{
    char part[PATH_MAX];
    int len = snprintf(part, sizeof part, "%s", path);
    if (len < 0 || (size_t)len >= sizeof part)
        return ebm_fail(err, EBM_EINVAL, "%.200s...: path too long", path);
    for (char *p = part + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        struct stat st;
        enum ebm_status rc = stat(part, &st) == 0 ? EBM_OK : make_one(part, mode, err);
        *p = '/';
        if (rc != EBM_OK)
            return rc;
    }
    return make_one(part, mode, err);
}
