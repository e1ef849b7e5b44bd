#include "launch/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDERS_OPEN_MAX = 16 };

static const uint64_t fnv_offset = 0xcbf29ce484222325u, fnv_prime = 0x100000001b3u;

void scratch_path(const char *state, uint64_t fence, char *path, size_t size)
{
    const char *base = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
    uint64_t hash = fnv_offset;

    for (const char *p = state; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * fnv_prime;
    snprintf(path, size, "%s/ebm-%ld-%016" PRIx64 "-%" PRIu64, base, (long)geteuid(), hash, fence);
}

static bool is_ours(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

enum ebm_status scratch_make(const char *path, struct ebm_error *err)
{
    scratch_remove(path);
    if (mkdir(path, 0700) == 0)
        return EBM_OK;
    if (errno != EEXIST)
        return ebm_fail_errno(err, errno, "%s: cannot create folder", path);
    return ebm_fail(err, EBM_EEXIST, "%s: is there already and belongs to another user", path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    remove(path);
    return 0;
}

void scratch_remove(const char *path)
{
    if (is_ours(path))
        nftw(path, remove_one, FOLDERS_OPEN_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
