#include "attempt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "digest/digest.h"
#include "jobs.h"
#include "queue.h"
#include "replan.h"
#include "unit.h"

enum { TOKEN_BYTES = 16, EVENTS_A_LOOK = 64 };

/* ---- beginning ---- */

/* The spec that came before: of the attempt before, or of the one that a
 * fork began from. Without one there is nothing to compare with. */
static enum ebm_status read_spec_before(struct daemon *d, const struct store_job *job,
                                        struct buf *text, struct ebm_error *err)
{
    struct store_checkpoint c;

    if (job->attempt > 0)
        return store_attempt_spec(d->store, job->id, job->attempt, text, err);
    if (job->parent_checkpoint == 0)
        return EBM_OK;
    enum ebm_status rc = store_checkpoint_get(d->store, job->parent_checkpoint, &c, err);
    return rc == EBM_OK ? store_attempt_spec(d->store, c.job, c.attempt, text, err) : rc;
}

static enum ebm_status compare_specs(const struct buf *before, const struct buf *now,
                                     struct buf *overrides, struct ebm_error *err)
{
    struct spec_problems problems = {.count = 0};
    struct spec a, b;

    if (before->size == 0)
        return EBM_OK;
    enum ebm_status rc = spec_parse(buf_text(before), before->size, NULL, 0, &a, &problems, err);
    if (rc == EBM_OK)
        rc = spec_parse(buf_text(now), now->size, NULL, 0, &b, &problems, err);
    if (rc == EBM_OK)
        spec_overrides(&a, &b, overrides);
    return rc;
}

/* What is different in this attempt, for its history. */
static enum ebm_status fill_overrides(struct daemon *d, const struct store_job *job,
                                      const struct buf *spec, struct store_attempt *a,
                                      struct ebm_error *err)
{
    struct buf before, overrides;

    buf_init(&before);
    buf_init(&overrides);
    enum ebm_status rc = read_spec_before(d, job, &before, err);
    if (rc == EBM_OK)
        rc = compare_specs(&before, spec, &overrides, err);
    snprintf(a->overrides, sizeof a->overrides, "%s", buf_text(&overrides));
    wire_mend_text(a->overrides);
    buf_fini(&before);
    buf_fini(&overrides);
    return rc;
}

static enum ebm_status fill_start(struct daemon *d, const struct store_job *job,
                                  struct store_attempt *a, struct ebm_error *err)
{
    struct store_checkpoint c;

    if (job->plan_checkpoint == 0)
        return EBM_OK;
    enum ebm_status rc = store_checkpoint_get(d->store, job->plan_checkpoint, &c, err);
    if (rc == EBM_OK && c.deleted)
        rc = ebm_fail(err, EBM_EINTERNAL, "checkpoint c%" PRId64 " was deleted under a plan", c.id);
    if (rc != EBM_OK)
        return rc;
    a->from_checkpoint = c.id;
    a->from_step = a->last_step = c.step;
    return EBM_OK;
}

static enum ebm_status log_start(struct daemon *d, const struct store_job *job,
                                 const struct store_attempt *a, struct ebm_error *err)
{
    const char *gap = a->overrides[0] != '\0' ? "; " : "";

    if (a->from_checkpoint == 0)
        return jobs_log(d, job, "started", err, "attempt %u (%s by %s) from scratch%s%.300s",
                        a->attempt, a->cause, a->actor, gap, a->overrides);
    return jobs_log(d, job, "started", err,
                    "attempt %u (%s by %s) from checkpoint c%" PRId64 ", step %" PRIu64 "%s%.250s",
                    a->attempt, a->cause, a->actor, a->from_checkpoint, a->from_step, gap,
                    a->overrides);
}

/* Effect: id is the job. */
static void launch_effect(struct daemon *d, int64_t id, int64_t number)
{
    struct store_job job;
    struct store_attempt a;
    struct ebm_error err;

    enum ebm_status rc = store_job_get(d->store, id, &job, &err);
    if (rc == EBM_OK)
        rc = store_attempt_get(d->store, id, (uint32_t)number, &a, &err);
    struct live *l = rc == EBM_OK ? attempt_adopt(d, &job, &a) : NULL;
    if (l != NULL) {
        attempt_launch(d, l);
        return;
    }
    d->unlaunched = true;
    log_error("launch", "job=%" PRId64 " error=\"%s\"", id,
              rc != EBM_OK ? err.text : "out of memory");
}

static void use_up_plan(struct store_job *job, const struct store_attempt *a)
{
    job->attempt = a->attempt;
    job->step = a->from_step;
    job->intent = INTENT_NONE;
    job->plan_cause[0] = job->plan_actor[0] = '\0';
    job->plan_checkpoint = 0;
    job->not_before_ms = 0;
}

static enum ebm_status insert_attempt(struct daemon *d, const struct store_job *job,
                                      struct store_attempt *a, struct ebm_error *err)
{
    struct buf spec;

    buf_init(&spec);
    enum ebm_status rc = store_job_texts(d->store, job->id, NULL, &spec, err);
    if (rc == EBM_OK)
        rc = fill_overrides(d, job, &spec, a, err);
    if (rc == EBM_OK)
        rc = store_attempt_insert(d->store, a, buf_text(&spec), err);
    buf_fini(&spec);
    return rc;
}

enum ebm_status attempt_begin(struct daemon *d, struct store_job *job, struct ebm_error *err)
{
    struct store_attempt a = {
        .job = job->id, .attempt = job->attempt + 1, .started_ms = clock_wall_ms()};

    snprintf(a.cause, sizeof a.cause, "%s", job->plan_cause);
    snprintf(a.actor, sizeof a.actor, "%s", job->plan_actor);
    digest_random_hex(a.token, TOKEN_BYTES);
    enum ebm_status rc = fill_start(d, job, &a, err);
    if (rc == EBM_OK)
        rc = insert_attempt(d, job, &a, err);
    if (rc == EBM_OK)
        rc = jobs_apply(job, JOB_EV_SCHEDULE, err);
    if (rc != EBM_OK)
        return rc;
    use_up_plan(job, &a);
    rc = jobs_save(d, job, err);
    if (rc == EBM_OK)
        rc = log_start(d, job, &a, err);
    if (rc == EBM_OK)
        outbox_put_effect(&d->outbox, launch_effect, job->id, a.attempt);
    return rc;
}

/* ---- living ---- */

/* Of the spec that it runs: a rollback may already plan another size. */
static uint32_t count_slots(struct daemon *d, const struct store_job *job,
                            const struct store_attempt *a)
{
    struct spec s;

    if (replan_read_attempt_spec(d, a->job, a->attempt, &s, NULL) != EBM_OK)
        return job->ranks * job->threads;
    return (uint32_t)(s.resources.ranks * s.resources.threads);
}

struct live *attempt_adopt(struct daemon *d, const struct store_job *job,
                           const struct store_attempt *a)
{
    struct live *l = live_add(&d->live, a->job, a->attempt);

    if (l == NULL)
        return NULL;
    l->fence = a->fence;
    memcpy(l->token, a->token, sizeof l->token);
    l->slots = count_slots(d, job, a);
    l->step = a->last_step > a->from_step ? a->last_step : a->from_step;
    l->judged = a->from_step;
    l->heard_ms = clock_mono_ms();
    rate_begin(&l->rate, l->step, l->heard_ms);
    return l;
}

struct launched {
    const struct live *live;
    struct launch_pid shepherd;
};

static enum ebm_status record_pid(struct daemon *d, void *arg, struct ebm_error *err)
{
    const struct launched *p = arg;
    struct store_attempt a;
    enum ebm_status rc = store_attempt_get(d->store, p->live->job, p->live->attempt, &a, err);

    a.shepherd_pid = p->shepherd.pid;
    a.shepherd_start = p->shepherd.start;
    return rc == EBM_OK ? store_attempt_update(d->store, &a, err) : rc;
}

static enum ebm_status launch(struct daemon *d, struct live *l, struct launch_pid *pid,
                              struct ebm_error *err)
{
    struct store_job job = {.ranks = 0};
    struct launch_request r = {
        .job = l->job, .attempt = l->attempt, .fence = l->fence, .token = l->token};
    struct buf spec;

    buf_init(&spec);
    enum ebm_status rc = store_job_get(d->store, l->job, &job, err);
    if (rc == EBM_OK)
        rc = store_attempt_spec(d->store, l->job, l->attempt, &spec, err);
    r.ranks = job.ranks;
    r.threads = job.threads;
    r.spec = buf_text(&spec);
    if (rc == EBM_OK)
        rc = launch_start(&d->home, &r, pid, err);
    buf_fini(&spec);
    return rc;
}

void attempt_launch(struct daemon *d, struct live *l)
{
    struct launched p = {.live = l};
    struct ebm_error err;

    l->launch.code = launch(d, l, &p.shepherd, &l->launch);
    if (l->launch.code == EBM_EEXIST) /* it ran while nobody looked */
        l->launch.code = EBM_OK;
    else if (l->launch.code == EBM_OK)
        attempt_watch(d, l, p.shepherd);
    else
        log_error("launch", "job=%" PRId64 " attempt=%u error=\"%s\"", l->job, l->attempt,
                  l->launch.text);
    if (l->shepherd.pid == 0)
        l->gone = true;
    /* Lost with a crash, it is found again by the attempt's folder. */
    else if (unit_do(d, record_pid, &p, &err) != EBM_OK)
        log_warn("launch", "job=%" PRId64 " error=\"%s\"", l->job, err.text);
}

void attempt_watch(struct daemon *d, struct live *l, struct launch_pid shepherd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)l->job};

    l->shepherd = shepherd;
    l->pidfd = launch_watch(shepherd);
    if (l->pidfd >= 0 && epoll_ctl(d->watch_fd, EPOLL_CTL_ADD, l->pidfd, &e) == 0)
        return;
    /* It has ended, or we are short of descriptors: attempt_end_gone looks
     * which, and comes back here. */
    if (l->pidfd >= 0)
        close(l->pidfd);
    l->pidfd = -1;
    l->gone = true;
}

void attempt_look(struct daemon *d)
{
    struct epoll_event e[EVENTS_A_LOOK];
    int n = epoll_wait(d->watch_fd, e, EVENTS_A_LOOK, 0);

    for (int i = 0; i < n; i++) {
        struct live *l = live_find(&d->live, (int64_t)e[i].data.u64);
        if (l == NULL || l->pidfd < 0)
            continue;
        l->gone = true;
        epoll_ctl(d->watch_fd, EPOLL_CTL_DEL, l->pidfd, NULL);
        close(l->pidfd);
        l->pidfd = -1;
    }
}
