#include "train/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

enum { EXIT_ORPHAN = 1 };

void process_die_with_parent(void)
{
    pid_t parent = getppid();

    if (getenv("OMPI_COMM_WORLD_RANK") == NULL)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* The parent may have died before the line above. */
    if (getppid() != parent || parent == 1)
        _exit(EXIT_ORPHAN);
}

static const char *env_or(const char *name, const char *other)
{
    const char *value = getenv(name);

    return value != NULL ? value : other;
}

enum ebm_status process_open_log(size_t rank, struct ebm_error *err)
{
    const char *dir = getenv("EBM_ATTEMPT_DIR");
    char context[96], path[1024];

    if (getenv("EBM_JOB") != NULL)
        snprintf(context, sizeof context, "job=%.20s attempt=%.20s rank=%zu", env_or("EBM_JOB", ""),
                 env_or("EBM_ATTEMPT", ""), rank);
    else
        snprintf(context, sizeof context, "rank=%zu", rank);
    log_set_context(context);
    if (dir == NULL)
        return EBM_OK;
    int n = snprintf(path, sizeof path, "%s/rank-%zu.log", dir, rank);
    if (n < 0 || (size_t)n >= sizeof path)
        return ebm_fail(err, EBM_EINVAL, "EBM_ATTEMPT_DIR is too long");
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return ebm_fail_errno(err, errno, "cannot write %s", path);
    log_add_file(fd);
    return EBM_OK;
}
