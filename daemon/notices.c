#include "notices.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsio.h"
#include "base/log.h"
#include "daemon.h"
#include "jobs.h"
#include "launch/folder.h"
#include "launch/spawn.h"
#include "notice_order.h"
#include "replan.h"
#include "unit.h"

enum { AGAIN_MS = 10000, DEATHS_MAX = 5, NAME_SIZE = 32 };

static void start_effect(struct daemon *d, int64_t id, int64_t number);

/* ---- what is to be told ---- */

static const char *const event_of[JOB_STATE_COUNT] = {
    [JOB_PAUSED] = "paused",       [JOB_SUCCEEDED] = "finished", [JOB_FAILED] = "failed",
    [JOB_CANCELLED] = "cancelled", [JOB_DIVERGED] = "diverged",
};

enum ebm_status notices_put(struct daemon *d, const struct store_job *job, const char *event,
                            struct ebm_error *err)
{
    struct store_notice n = {.job = job->id,
                             .attempt = job->attempt,
                             .state = job->state,
                             .step = job->step,
                             .total_steps = job->total_steps};
    struct ebm_error why;
    struct spec s;

    /* What becomes of the job does not hang on who is told of it. */
    if (replan_read_spec(d, job->id, &s, &why) != EBM_OK) {
        log_error("notice", "job=%" PRId64 " event=%s error=\"%s\"", job->id, event, why.text);
        return EBM_OK;
    }
    if (!spec_tells(&s, event))
        return EBM_OK;
    snprintf(n.event, sizeof n.event, "%s", event);
    snprintf(n.reason, sizeof n.reason, "%s", job->reason);
    wire_mend_text(n.reason);
    enum ebm_status rc = store_notice_add(d->store, &n, err);
    if (rc == EBM_OK)
        outbox_put_effect(&d->outbox, start_effect, 0, 0);
    return rc;
}

enum ebm_status notices_put_state(struct daemon *d, const struct store_job *job,
                                  struct ebm_error *err)
{
    return event_of[job->state] != NULL ? notices_put(d, job, event_of[job->state], err) : EBM_OK;
}

/* ---- starting ---- */

static struct notice_run *find_run(struct daemon *d,
                                   bool (*is)(const struct notice_run *r, int64_t), int64_t what)
{
    for (size_t i = 0; i < NOTICES_AT_ONCE; i++)
        if (is(&d->notices.run[i], what))
            return &d->notices.run[i];
    return NULL;
}

static bool has_id(const struct notice_run *r, int64_t id)
{
    return r->id == id;
}

static bool has_job(const struct notice_run *r, int64_t job)
{
    return r->id != 0 && r->job == job;
}

/* The order as a file in memory: nothing of it is left when all have ended. */
static enum ebm_status open_order(struct daemon *d, const struct store_notice *n, int *fd,
                                  struct ebm_error *err)
{
    struct buf order;
    struct spec s;
    enum ebm_status rc = replan_read_spec(d, n->job, &s, err);

    if (rc != EBM_OK)
        return rc;
    buf_init(&order);
    notice_put_order(n, &s, &order);
    *fd = memfd_create("order", MFD_CLOEXEC);
    if (!buf_ok(&order))
        rc = ebm_fail(err, EBM_ENOMEM, "out of memory");
    else if (*fd < 0)
        rc = ebm_fail_errno(err, errno, "cannot create a file in memory");
    else
        rc = fsio_write_all(*fd, order.data, order.size, "a file in memory", err);
    if (rc == EBM_OK && lseek(*fd, 0, SEEK_SET) != 0)
        rc = ebm_fail_errno(err, errno, "a file in memory");
    buf_fini(&order);
    return rc;
}

static enum ebm_status spawn(struct daemon *d, const struct store_notice *n, int order, pid_t *pid,
                             struct ebm_error *err)
{
    char program[HOME_PATH_MAX], dir[HOME_PATH_MAX], log[HOME_PATH_MAX], id[NAME_SIZE];
    char *const argv[] = {(char *)"ebm-notify", dir, id, NULL};
    const struct spawn how = {
        .program = program, .argv = argv, .in = order, .out = -1, .log = log, .session = true};

    home_job_dir(&d->home, n->job, dir, sizeof dir);
    snprintf(id, sizeof id, "%" PRId64, n->id);
    enum ebm_status rc = home_find_program("ebm-notify", program, sizeof program, err);
    if (rc == EBM_OK)
        rc = folder_path(dir, "notify.log", log, sizeof log, err);
    if (rc == EBM_OK)
        rc = fsio_mkdirs(dir, 0700, err);
    if (rc != EBM_OK)
        return rc;
    int failed = spawn_start(&how, pid);
    return failed == 0 ? EBM_OK : ebm_fail_errno(err, failed, "%s: cannot start", program);
}

/* From here on it is ours to reap. */
static enum ebm_status watch(struct daemon *d, struct notice_run *r, struct ebm_error *err)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)r->id};

    r->pidfd = pidfd_open(r->pid, 0);
    if (r->pidfd >= 0 && epoll_ctl(d->notices.watch_fd, EPOLL_CTL_ADD, r->pidfd, &e) == 0)
        return EBM_OK;
    ebm_fail_errno(err, errno, "cannot watch ebm-notify");
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    if (r->pidfd >= 0)
        close(r->pidfd);
    return err->code;
}

static enum ebm_status start_one(struct daemon *d, struct notice_run *r,
                                 const struct store_notice *n, struct ebm_error *err)
{
    struct notice_run fresh = {.id = n->id, .job = n->job, .pidfd = -1};
    int order = -1;
    enum ebm_status rc = open_order(d, n, &order, err);

    if (rc == EBM_OK)
        rc = spawn(d, n, order, &fresh.pid, err);
    if (rc == EBM_OK)
        rc = watch(d, &fresh, err);
    if (order >= 0)
        close(order);
    if (rc != EBM_OK)
        return rc;
    log_info("notice", "notice=%" PRId64 " job=%" PRId64 " event=%s pid=%ld", n->id, n->job,
             n->event, (long)fresh.pid);
    *r = fresh;
    return EBM_OK;
}

/* The next one of a job that none is told of now, the jobs in turn; id 0:
 * there is none. */
static enum ebm_status find_next(struct daemon *d, struct store_notice *n, struct ebm_error *err)
{
    int64_t begin = d->notices.job, after = begin;
    bool wrapped = false;

    for (;;) {
        enum ebm_status rc = store_notice_due(d->store, after, n, err);
        if (rc != EBM_OK)
            return rc;
        if (n->id == 0 && wrapped)
            return EBM_OK;
        if (n->id != 0 && (!wrapped || n->job <= begin)) {
            if (find_run(d, has_job, n->job) == NULL)
                return EBM_OK;
            after = n->job;
        } else if (n->id != 0) {
            n->id = 0;
            return EBM_OK;
        } else {
            wrapped = true;
            after = 0;
        }
    }
}

/* Effect: as many as there is room for. */
static void start_effect(struct daemon *d, int64_t id, int64_t number)
{
    struct notice_run *r;
    struct store_notice n;
    struct ebm_error err;

    (void)id;
    (void)number;
    if (d->notices.start_ms != 0)
        return;
    while ((r = find_run(d, has_id, 0)) != NULL) {
        enum ebm_status rc = find_next(d, &n, &err);
        if (rc == EBM_OK && n.id == 0)
            return;
        if (rc == EBM_OK) {
            d->notices.job = n.job; /* one that cannot be told stops no other */
            rc = start_one(d, r, &n, &err);
        }
        if (rc != EBM_OK) {
            log_error("notice", "error=\"%s\"", err.text);
            d->notices.start_ms = clock_mono_ms() + AGAIN_MS;
            return;
        }
    }
}

/* ---- ending ---- */

static void drop_run(struct notice_run *r)
{
    if (r->pidfd >= 0)
        close(r->pidfd);
    *r = (struct notice_run){.pidfd = -1};
}

static void reap(struct notice_run *r)
{
    siginfo_t info = {.si_pid = 0};

    if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
        return;
    close(r->pidfd); /* leaves the epoll with it */
    r->pidfd = -1;
    r->told = info.si_code == CLD_EXITED && info.si_status == 0;
    if (info.si_code != CLD_KILLED && info.si_code != CLD_DUMPED)
        return;
    log_warn("notice", "notice=%" PRId64 " job=%" PRId64 " signal=%d", r->id, r->job,
             info.si_status);
    /* Its place waits with it, so that no other does. */
    if (++r->deaths < DEATHS_MAX)
        r->again_ms = clock_mono_ms() + AGAIN_MS;
}

/* Effect: id is a notice whose process was killed. */
static void again_effect(struct daemon *d, int64_t id, int64_t number)
{
    struct notice_run *r = find_run(d, has_id, id);
    struct store_notice n;
    struct ebm_error err;

    (void)number;
    if (r == NULL || r->again_ms == 0)
        return;
    unsigned deaths = r->deaths;
    enum ebm_status rc = store_notice_due(d->store, r->job - 1, &n, &err);
    if (rc == EBM_OK && n.id != id) {
        drop_run(r);
        return;
    }
    if (rc == EBM_OK)
        rc = start_one(d, r, &n, &err);
    r->deaths = deaths;
    if (rc == EBM_OK)
        return;
    log_error("notice", "notice=%" PRId64 " error=\"%s\"", id, err.text);
    r->again_ms = clock_mono_ms() + AGAIN_MS;
}

void notices_look(struct daemon *d)
{
    struct epoll_event e[NOTICES_AT_ONCE];
    int n = epoll_wait(d->notices.watch_fd, e, NOTICES_AT_ONCE, 0);

    for (int i = 0; i < n; i++) {
        struct notice_run *r = find_run(d, has_id, (int64_t)e[i].data.u64);
        if (r != NULL && r->pidfd >= 0)
            reap(r);
    }
}

/* Effect: the row has its end. */
static void forget_effect(struct daemon *d, int64_t id, int64_t number)
{
    char dir[HOME_PATH_MAX], name[NAME_SIZE], path[HOME_PATH_MAX];
    struct notice_run *r = find_run(d, has_id, id);

    if (r != NULL)
        drop_run(r);
    home_job_dir(&d->home, number, dir, sizeof dir);
    snprintf(name, sizeof name, "notice-%" PRId64, id);
    if (folder_path(dir, name, path, sizeof path, NULL) == EBM_OK)
        unlink(path);
    start_effect(d, 0, 0);
}

static enum ebm_status record_end(struct daemon *d, void *arg, struct ebm_error *err)
{
    const struct notice_run *r = arg;
    struct store_job job;
    enum ebm_status rc = store_notice_end(d->store, r->id, r->told, err);

    if (rc == EBM_OK && !r->told) {
        rc = store_job_get(d->store, r->job, &job, err);
        if (rc == EBM_OK)
            rc = jobs_log(d, &job, "not-told", err,
                          "notice %" PRId64 " was given up: see jobs/%" PRId64 "/notify.log", r->id,
                          r->job);
    }
    if (rc == EBM_OK)
        outbox_put_effect(&d->outbox, forget_effect, r->id, r->job);
    return rc;
}

static void settle_one(struct daemon *d, struct notice_run *r)
{
    struct ebm_error err;

    r->settling = unit_do(d, record_end, r, &err) == EBM_OK;
    if (r->settling)
        return;
    log_error("notice", "notice=%" PRId64 " error=\"%s\"", r->id, err.text);
    d->notices.settle_ms = clock_mono_ms() + AGAIN_MS;
}

void notices_settle(struct daemon *d, int64_t now_ms)
{
    struct notices *all = &d->notices;

    if (all->start_ms != 0 && now_ms >= all->start_ms) {
        all->start_ms = 0;
        outbox_put_effect(&d->outbox, start_effect, 0, 0);
    }
    if (now_ms >= all->settle_ms)
        all->settle_ms = 0;
    for (size_t i = 0; i < NOTICES_AT_ONCE; i++) {
        struct notice_run *r = &all->run[i];
        if (r->again_ms != 0 && now_ms >= r->again_ms)
            outbox_put_effect(&d->outbox, again_effect, r->id, 0);
        else if (r->id != 0 && r->pidfd < 0 && r->again_ms == 0 && !r->settling &&
                 all->settle_ms == 0)
            settle_one(d, r);
    }
}

/* 0 is never. */
static int64_t sooner(int64_t due, int64_t at)
{
    return at != 0 && at < due ? at : due;
}

int64_t notices_due(const struct daemon *d)
{
    const struct notices *all = &d->notices;
    int64_t due = sooner(sooner(INT64_MAX, all->start_ms), all->settle_ms);

    for (size_t i = 0; i < NOTICES_AT_ONCE; i++)
        due = sooner(due, all->run[i].again_ms);
    return due;
}

void notices_doubt(struct daemon *d)
{
    int64_t later = clock_mono_ms() + AGAIN_MS;

    for (size_t i = 0; i < NOTICES_AT_ONCE; i++)
        d->notices.run[i].settling = false;
    d->notices.start_ms = d->notices.settle_ms = later;
}

/* ---- life ---- */

enum ebm_status notices_open(struct daemon *d, struct ebm_error *err)
{
    d->notices.watch_fd = epoll_create1(EPOLL_CLOEXEC);
    if (d->notices.watch_fd < 0)
        return ebm_fail_errno(err, errno, "cannot create an epoll");
    outbox_put_effect(&d->outbox, start_effect, 0, 0); /* what an earlier ebmd left */
    return EBM_OK;
}

void notices_close(struct daemon *d)
{
    for (size_t i = 0; i < NOTICES_AT_ONCE; i++)
        if (d->notices.run[i].id != 0)
            drop_run(&d->notices.run[i]);
    if (d->notices.watch_fd >= 0)
        close(d->notices.watch_fd);
    d->notices.watch_fd = -1;
}
