#include "launch/programs.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char install_hint[] =
    "install Open MPI (Debian: apt-get install openmpi-bin), or set EBM_MPIRUN to its mpirun";

static const char *env_of(const char *name)
{
    const char *v = getenv(name);

    return v != NULL && v[0] != '\0' ? v : NULL;
}

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* A program named by a variable. Made absolute, since it is run in another
 * folder; links stay, since mpirun is one that looks at its own name. */
static enum ebm_status find_named(const char *variable, const char *named, char *path,
                                  struct ebm_error *err)
{
    char cwd[PATH_MAX] = "";
    bool absolute = named[0] == '/';

    if (!absolute && getcwd(cwd, sizeof cwd) == NULL)
        cwd[0] = '\0';
    int n = snprintf(path, HOME_PATH_MAX, "%s%s%s", cwd, absolute ? "" : "/", named);
    if (n < 0 || n >= HOME_PATH_MAX || !is_program(path))
        return ebm_fail(err, EBM_ENOTFOUND, "%s=%.300s: no such program", variable, named);
    return EBM_OK;
}

/* Only absolute folders of PATH count: the others mean another place in each
 * working folder. */
static enum ebm_status find_mpirun(char *path, struct ebm_error *err)
{
    const char *named = env_of("EBM_MPIRUN"), *folders = env_of("PATH");

    if (named != NULL && strchr(named, '/') != NULL)
        return find_named("EBM_MPIRUN", named, path, err);
    if (named == NULL)
        named = "mpirun";
    if (folders == NULL)
        folders = "/usr/local/bin:/usr/bin:/bin";
    for (const char *p = folders; *p != '\0'; p += *p == ':') {
        size_t length = strcspn(p, ":");
        int n = snprintf(path, HOME_PATH_MAX, "%.*s/%s", (int)length, p, named);
        if (*p == '/' && n < HOME_PATH_MAX && is_program(path))
            return EBM_OK;
        p += length;
    }
    return ebm_fail(err, EBM_ENOTFOUND, "no %.60s in PATH (%.250s): %s", named, folders,
                    install_hint);
}

enum ebm_status programs_find(struct programs *p, struct ebm_error *err)
{
    const char *worker = env_of("EBM_WORKER_PROGRAM");
    enum ebm_status st = find_mpirun(p->mpirun, err);

    if (st == EBM_OK)
        st = home_find_program("ebm-shepherd", p->shepherd, sizeof p->shepherd, err);
    if (st != EBM_OK)
        return st;
    if (worker != NULL)
        return find_named("EBM_WORKER_PROGRAM", worker, p->worker, err);
    return home_find_program("ebm-worker", p->worker, sizeof p->worker, err);
}
