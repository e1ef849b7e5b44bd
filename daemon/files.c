/* Bytes for clients: pictures and logs. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"

enum { LOG_PIECE_MAX = 1 << 20 };

/* ---- pictures ---- */

static enum ebm_status picture_of_checkpoint(struct daemon *d, const Ebm__Picture *m,
                                             struct reply *r, struct ebm_error *err)
{
    struct store_checkpoint c;
    enum ebm_status rc = store_checkpoint_get(d->store, (int64_t)m->checkpoint, &c, err);

    if (rc == EBM_OK && (uint64_t)c.job != m->job)
        rc = ebm_fail(err, EBM_ENOTFOUND, "checkpoint c%" PRId64 " is one of job %" PRId64, c.id,
                      c.job);
    if (rc != EBM_OK)
        return rc;
    return metrics_picture_get(d->metrics, c.job, c.attempt, c.step, &r->bulk, &r->message.step,
                               err);
}

enum ebm_status control_picture(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                                struct ebm_error *err)
{
    const Ebm__Picture *m = request->picture;
    struct store_job job;
    enum ebm_status rc = store_job_get(d->store, (int64_t)m->job, &job, err);

    if (rc != EBM_OK)
        return rc;
    if (m->checkpoint != 0)
        return picture_of_checkpoint(d, m, reply, err);
    return metrics_picture_get(d->metrics, job.id, 0, m->step, &reply->bulk, &reply->message.step,
                               err);
}

/* ---- logs ---- */

static void log_path(const struct daemon *d, const Ebm__Logs *m, uint32_t attempt, char *path,
                     size_t size)
{
    char dir[HOME_PATH_MAX];

    home_attempt_dir(&d->home, (long long)m->job, (int)attempt, dir, sizeof dir);
    if (m->rank < 0)
        snprintf(path, size, "%s/output.log", dir);
    else
        snprintf(path, size, "%s/rank-%d.log", dir, m->rank);
}

/* A piece from offset on; nothing past the end. */
static enum ebm_status read_piece(const char *path, const Ebm__Logs *m, struct buf *out,
                                  struct ebm_error *err)
{
    size_t want = m->limit == 0 || m->limit > LOG_PIECE_MAX ? LOG_PIECE_MAX : m->limit;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return ebm_fail_errno(err, errno, "%s: cannot open", path);
    enum ebm_status rc = EBM_OK;
    ssize_t n = 0;
    if (!buf_reserve(out, want))
        rc = ebm_fail(err, EBM_ENOMEM, "out of memory for a piece of a log");
    else if (m->offset <= INT64_MAX - want)
        n = pread(fd, out->data + out->size, want, (off_t)m->offset);
    if (n < 0)
        rc = ebm_fail_errno(err, errno, "%s: cannot read", path);
    else
        out->size += (size_t)n;
    close(fd);
    return rc;
}

/* A log that is not there yet is an empty one while its attempt lives. */
static enum ebm_status read_log(struct daemon *d, const Ebm__Logs *m, uint32_t attempt, bool ended,
                                struct reply *reply, struct ebm_error *err)
{
    char path[HOME_PATH_MAX + 32];

    log_path(d, m, attempt, path, sizeof path);
    enum ebm_status rc = read_piece(path, m, &reply->bulk, err);
    if (rc != EBM_ENOTFOUND)
        return rc;
    if (!ended)
        return EBM_OK;
    if (m->rank < 0)
        return ebm_fail(err, EBM_ENOTFOUND, "attempt %u of job %" PRIu64 " wrote no log", attempt,
                        m->job);
    return ebm_fail(err, EBM_ENOTFOUND, "attempt %u of job %" PRIu64 " has no log of rank %d",
                    attempt, m->job, m->rank);
}

enum ebm_status control_logs(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                             struct ebm_error *err)
{
    const Ebm__Logs *m = request->logs;
    struct store_attempt a;
    struct store_job job;
    enum ebm_status rc = store_job_get(d->store, (int64_t)m->job, &job, err);

    if (rc == EBM_OK && job.attempt == 0)
        rc = ebm_fail(err, EBM_ENOTFOUND, "job %" PRId64 " has not been started yet", job.id);
    if (rc == EBM_OK)
        rc = store_attempt_get(d->store, job.id, m->attempt != 0 ? m->attempt : job.attempt, &a,
                               err);
    if (rc != EBM_OK)
        return rc;
    reply->message.attempt = a.attempt;
    reply->message.end = a.ended_ms != 0;
    return read_log(d, m, a.attempt, a.ended_ms != 0, reply, err);
}
