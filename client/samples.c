/* samples: a picture into a file. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsio.h"
#include "commands.h"

static enum ebm_status take_place(const char *at, Ebm__Picture *m, struct ebm_error *err)
{
    if (at == NULL || strcmp(at, "newest") == 0)
        return EBM_OK;
    if (args_number(at, 'c', at[0] == 'c' ? &m->checkpoint : &m->step))
        return EBM_OK;
    return ebm_fail(err, EBM_EINVAL, "'%.40s' is neither a checkpoint, as c7, nor a step", at);
}

/* What is there and is no plain file, as a device or a pipe, is written into
 * and stays what it is; so does a link. */
static enum ebm_status write_file(const char *file, const void *bytes, size_t n,
                                  struct ebm_error *err)
{
    char real[PATH_MAX];
    struct stat st;

    if (stat(file, &st) != 0)
        return fsio_write_atomic(file, bytes, n, 0644, err);
    if (S_ISREG(st.st_mode) && realpath(file, real) != NULL)
        return fsio_write_atomic(real, bytes, n, 0644, err);
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return ebm_fail_errno(err, errno, "%s: cannot open", file);
    enum ebm_status rc = fsio_write_all(fd, bytes, n, file, err);
    if (close(fd) != 0 && rc == EBM_OK)
        rc = ebm_fail_errno(err, errno, "%s: cannot write", file);
    return rc;
}

static enum ebm_status save(const struct answer *a, uint64_t job, const char *file,
                            struct ebm_error *err)
{
    char standard[80], size[HUMAN_MAX];
    enum ebm_status rc;

    if (a->bulk.size == 0)
        return ebm_fail(err, EBM_EPROTO, "ebmd sent a picture without bytes");
    if (file != NULL && strcmp(file, "-") == 0) {
        fflush(stdout);
        return fsio_write_all(STDOUT_FILENO, a->bulk.data, a->bulk.size, "stdout", err);
    }
    snprintf(standard, sizeof standard, "job-%" PRIu64 "-step-%" PRIu64 ".png", job,
             a->reply->step);
    file = file != NULL ? file : standard;
    rc = write_file(file, a->bulk.data, a->bulk.size, err);
    if (rc == EBM_OK)
        printf("wrote %s: samples of job %" PRIu64 " at step %" PRIu64 " (%s)\n", file, job,
               a->reply->step, human_bytes(a->bulk.size, size));
    return rc;
}

int command_samples(struct call *c)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Picture m = EBM__PICTURE__INIT;
    struct answer a = {0};
    struct ebm_error err;

    if (take_place(args_value(&c->args, "at"), &m, &err) != EBM_OK)
        return call_fail_usage(c, &err);
    m.job = args_job(&c->args, 0);
    r.body_case = EBM__REQUEST__BODY_PICTURE;
    r.picture = &m;
    enum ebm_status rc = call_ask(c, &r, &a, &err);
    if (rc == EBM_OK && save(&a, m.job, args_value(&c->args, "output"), &err) != EBM_OK) {
        answer_fini(&a);
        call_fail(&err);
        return CODE_REFUSED; /* a folder that is missing here is no job that is missing there */
    }
    answer_fini(&a);
    return rc == EBM_OK ? CODE_OK : call_fail(&err);
}
