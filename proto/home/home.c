#include "home/home.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fsio.h"

enum { SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

static const char *env_of(const char *name)
{
    const char *v = getenv(name);
    return v != NULL && v[0] != '\0' ? v : NULL;
}

/* Absolute form of a folder that may not exist. */
static enum ebm_status make_absolute(const char *path, char *out, struct ebm_error *err)
{
    char cwd[PATH_MAX] = "";
    const char *sep = "";

    if (path[0] != '/') {
        if (getcwd(cwd, sizeof cwd) == NULL)
            return ebm_fail_errno(err, errno, "cannot tell the working folder");
        sep = "/";
    }
    int n = snprintf(out, HOME_PATH_MAX, "%s%s%s", cwd, sep, path);
    if (n < 0 || n >= HOME_PATH_MAX)
        return ebm_fail(err, EBM_EINVAL, "%.100s...: path of %d bytes is too long (%d at most)",
                        path, n, HOME_PATH_MAX - 1);
    while (n > 1 && out[n - 1] == '/')
        out[--n] = '\0';
    return EBM_OK;
}

static enum ebm_status join(char out[HOME_PATH_MAX], const char *a, const char *b,
                            struct ebm_error *err)
{
    int n = snprintf(out, HOME_PATH_MAX, "%s/%s", a, b);
    if (n < 0 || n >= HOME_PATH_MAX)
        return ebm_fail(err, EBM_EINVAL, "%.100s...: path too long", a);
    return EBM_OK;
}

static enum ebm_status locate_under(struct home *h, const char *folder, struct ebm_error *err)
{
    enum ebm_status rc = make_absolute(folder, h->state, err);

    if (rc == EBM_OK)
        rc = join(h->run, h->state, "run", err);
    if (rc == EBM_OK)
        rc = join(h->config, h->state, "ebmd.yaml", err);
    return rc;
}

static enum ebm_status locate_service(struct home *h)
{
    snprintf(h->state, sizeof h->state, "/var/lib/ebmd");
    snprintf(h->run, sizeof h->run, "/run/ebmd");
    snprintf(h->config, sizeof h->config, "/etc/ebmd/ebmd.yaml");
    return EBM_OK;
}

static enum ebm_status user_folder(const char *variable, const char *fallback, const char *name,
                                   char out[HOME_PATH_MAX], struct ebm_error *err)
{
    char base[HOME_PATH_MAX];
    const char *set = env_of(variable);
    const char *user_home = env_of("HOME");
    const struct passwd *pw = user_home == NULL ? getpwuid(getuid()) : NULL;

    if (set != NULL && set[0] == '/')
        return join(out, set, name, err);
    if (user_home == NULL && pw != NULL)
        user_home = pw->pw_dir;
    if (user_home == NULL)
        return ebm_fail(err, EBM_EINVAL,
                        "neither HOME nor EBM_HOME is set: set EBM_HOME to a "
                        "folder for ebmd's state");
    enum ebm_status rc = join(base, user_home, fallback, err);
    return rc == EBM_OK ? join(out, base, name, err) : rc;
}

static enum ebm_status locate_user(struct home *h, struct ebm_error *err)
{
    char config[HOME_PATH_MAX];
    enum ebm_status rc = user_folder("XDG_STATE_HOME", ".local/state", "ebmd", h->state, err);

    if (rc == EBM_OK)
        rc = user_folder("XDG_CONFIG_HOME", ".config", "ebmd", config, err);
    if (rc == EBM_OK)
        rc = join(h->config, config, "ebmd.yaml", err);
    /* Not in XDG_RUNTIME_DIR: a login, cron and su have different ones or
     * none, and it goes at the logout, while jobs run on. */
    return rc == EBM_OK ? join(h->run, h->state, "run", err) : rc;
}

static enum ebm_status set_endpoint(char out[HOME_PATH_MAX], const char *run, const char *name,
                                    struct ebm_error *err)
{
    int n = snprintf(out, HOME_PATH_MAX, "ipc://%s/%s", run, name);
    int path = n - (int)strlen("ipc://");

    if (n < 0 || n >= HOME_PATH_MAX || path > SOCKET_PATH_MAX)
        return ebm_fail(err, EBM_EINVAL,
                        "%.200s/%s: a socket path of %d bytes, and the system allows %d: set "
                        "EBM_HOME to a shorter folder",
                        run, name, path, SOCKET_PATH_MAX);
    return EBM_OK;
}

static bool is_service_user(void)
{
    const struct passwd *pw = getpwuid(getuid());
    return pw != NULL && strcmp(pw->pw_name, "_ebmd") == 0;
}

enum ebm_status home_locate(struct home *h, struct ebm_error *err)
{
    const char *set = env_of("EBM_HOME");
    enum ebm_status rc;

    memset(h, 0, sizeof *h);
    if (set != NULL)
        rc = locate_under(h, set, err);
    else if (is_service_user())
        rc = locate_service(h);
    else
        rc = locate_user(h, err);
    if (rc == EBM_OK)
        rc = set_endpoint(h->control, h->run, "control", err);
    if (rc == EBM_OK)
        rc = set_endpoint(h->worker, h->run, "worker", err);
    if (rc == EBM_OK)
        rc = set_endpoint(h->events, h->run, "events", err);
    return rc;
}

static enum ebm_status create_private(const char *path, struct ebm_error *err)
{
    enum ebm_status rc = fsio_mkdirs(path, 0700, err);

    if (rc != EBM_OK)
        return rc;
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return ebm_fail(err, EBM_EIO, "%s: is not a folder", path);
    if (access(path, W_OK | X_OK) != 0)
        return ebm_fail_errno(err, errno,
                              "%s: cannot write there (set EBM_HOME to a folder of "
                              "yours)",
                              path);
    if (st.st_uid == getuid() && (st.st_mode & 077) != 0 && chmod(path, 0700) != 0)
        return ebm_fail_errno(err, errno, "%s: cannot make it private (mode 0700)", path);
    return EBM_OK;
}

enum ebm_status home_create(const struct home *h, struct ebm_error *err)
{
    enum ebm_status rc = create_private(h->state, err);
    return rc == EBM_OK ? create_private(h->run, err) : rc;
}

void home_job_dir(const struct home *h, long long job, char *path, int size)
{
    snprintf(path, (size_t)size, "%s/jobs/%lld", h->state, job);
}

void home_attempt_dir(const struct home *h, long long job, int attempt, char *path, int size)
{
    snprintf(path, (size_t)size, "%s/jobs/%lld/attempt-%d", h->state, job, attempt);
}

static bool try_program(const char *folder, const char *relative, const char *name, char *path,
                        int size)
{
    int n = snprintf(path, (size_t)size, "%s/%s%s", folder, relative, name);
    return n > 0 && n < size && access(path, X_OK) == 0;
}

enum ebm_status home_find_program(const char *name, char *path, int size, struct ebm_error *err)
{
    static const char *const places[] = {"", "../libexec/ebmd/", "../bin/"};
    char folder[PATH_MAX];
    const char *set = env_of("EBM_LIBEXEC");

    if (set != NULL && try_program(set, "", name, path, size))
        return EBM_OK;
    ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (n < 0)
        return ebm_fail_errno(err, errno, "/proc/self/exe: cannot read (is /proc mounted?)");
    folder[n] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (try_program(folder, places[i], name, path, size))
            return EBM_OK;
    return ebm_fail(err, EBM_ENOTFOUND,
                    "%s is not beside %s nor in ../libexec/ebmd: install it there, or set "
                    "EBM_LIBEXEC to its folder",
                    name, folder);
}
