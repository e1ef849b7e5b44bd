#include "queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "attempt.h"
#include "base/clock.h"
#include "base/log.h"
#include "jobs.h"
#include "unit.h"

/* Jobs that wait in vain and are ended in one pass, which takes some
 * milliseconds: more of them go on in the next turn, so that however many
 * follow a job stall nobody. */
enum { FAILS_A_PASS = 64 };

void queue_touch(struct daemon *d)
{
    d->queue.dirty = true;
}

uint32_t queue_used(const struct daemon *d)
{
    uint32_t used = 0;

    for (size_t i = 0; i < d->live.count; i++)
        used += d->live.item[i]->slots;
    return used;
}

static uint32_t slots_of(const struct store_job *j)
{
    return j->ranks * j->threads;
}

/* ---- what a job waits for ---- */

enum wait { WAIT_NOTHING, WAIT_JOB, WAIT_IN_VAIN, WAIT_CLOCK, WAIT_MACHINE };

/* WAIT_IN_VAIN when the job it is to follow ended badly. Once it has started
 * it follows nobody: the other may be rolled back, this one goes on. */
static enum wait look_at_other(const struct store_queued *q)
{
    if (q->after == 0 || q->after_state == JOB_SUCCEEDED)
        return WAIT_NOTHING;
    return job_state_is_final(q->after_state) ? WAIT_IN_VAIN : WAIT_JOB;
}

static enum wait look_at(const struct daemon *d, const struct store_queued *q, int64_t now_ms)
{
    enum wait w = look_at_other(q);

    if (w != WAIT_NOTHING)
        return w;
    if (q->not_before_ms > now_ms)
        return WAIT_CLOCK;
    return q->slots > d->config.slots ? WAIT_MACHINE : WAIT_NOTHING;
}

/* ---- the pass ---- */

struct pass {
    struct daemon *d;
    struct buf start, fail; /* ids of jobs */
    uint32_t used;
    int64_t now_ms; /* wall clock */
};

static void note_clock(struct daemon *d, int64_t not_before_ms)
{
    if (d->queue.wake_ms == 0 || not_before_ms < d->queue.wake_ms)
        d->queue.wake_ms = not_before_ms;
}

/* False: no job after this one is looked at. */
static bool visit(struct pass *p, const struct store_queued *q)
{
    switch (look_at(p->d, q, p->now_ms)) {
    case WAIT_IN_VAIN:
        buf_put(&p->fail, &q->id, sizeof q->id);
        return p->fail.size < FAILS_A_PASS * sizeof q->id;
    case WAIT_CLOCK:
        note_clock(p->d, q->not_before_ms);
        return true;
    case WAIT_JOB:
    case WAIT_MACHINE:
        return true;
    case WAIT_NOTHING:
        break;
    }
    if (p->used + q->slots > p->d->config.slots) {
        p->d->queue.blocked = q->id;
        return false;
    }
    p->used += q->slots;
    buf_put(&p->start, &q->id, sizeof q->id);
    return true;
}

static enum ebm_status start(struct daemon *d, void *arg, struct ebm_error *err)
{
    struct store_job job;
    enum ebm_status rc = store_job_get(d->store, *(const int64_t *)arg, &job, err);

    return rc == EBM_OK ? attempt_begin(d, &job, err) : rc;
}

static enum ebm_status fail(struct daemon *d, void *arg, struct ebm_error *err)
{
    struct store_job job, other;
    enum ebm_status rc = store_job_get(d->store, *(const int64_t *)arg, &job, err);

    if (rc == EBM_OK)
        rc = store_job_get(d->store, job.after, &other, err);
    if (rc == EBM_OK)
        rc = jobs_apply(&job, JOB_EV_FAILED, err);
    if (rc != EBM_OK)
        return rc;
    snprintf(job.reason, sizeof job.reason,
             "job %" PRId64 ", which it was to follow, has ended as %s", other.id,
             job_state_name(other.state));
    rc = jobs_save(d, &job, err);
    queue_touch(d); /* others may wait for this one */
    if (rc == EBM_OK)
        rc = jobs_log(d, &job, "ended", err, "failed: %s", job.reason);
    return rc == EBM_OK ? notices_put_state(d, &job, err) : rc;
}

static void do_each(struct daemon *d, const struct buf *ids, unit_work *work)
{
    struct ebm_error err;

    for (size_t at = 0; at < ids->size; at += sizeof(int64_t)) {
        int64_t id;
        memcpy(&id, ids->data + at, sizeof id);
        if (unit_do(d, work, &id, &err) != EBM_OK) {
            log_error("queue", "job=%" PRId64 " error=\"%s\"", id, err.text);
            note_clock(d, clock_wall_ms() + 1000); /* and try again */
        }
    }
}

void queue_pass(struct daemon *d)
{
    struct pass p = {.d = d, .used = queue_used(d), .now_ms = clock_wall_ms()};
    const struct roster *r = &d->queue.roster;
    struct ebm_error err;
    bool more = true;

    d->queue.dirty = false;
    d->queue.blocked = 0;
    d->queue.wake_ms = 0;
    buf_init(&p.start);
    buf_init(&p.fail);
    if (roster_follow(&d->queue.roster, d->store, &err) != EBM_OK) {
        log_error("queue", "error=\"%s\"", err.text);
        note_clock(d, p.now_ms + 1000);
        more = false;
    }
    for (size_t i = 0; more && i < r->count; i++)
        more = visit(&p, &r->job[i]);
    do_each(d, &p.fail, fail);
    do_each(d, &p.start, start);
    buf_fini(&p.start);
    buf_fini(&p.fail);
}

/* ---- for people ---- */

static void explain_slots(struct daemon *d, const struct store_job *job, char *out, size_t size)
{
    uint32_t used = queue_used(d), want = slots_of(job);
    uint64_t unused = d->config.slots > used ? d->config.slots - used : 0;

    if (d->queue.blocked == 0)
        snprintf(out, size, "is about to start");
    else if (d->queue.blocked == job->id)
        snprintf(out, size, "waits for %u slot%s: %" PRIu64 " of %" PRIu64 " %s free", want,
                 want == 1 ? "" : "s", unused, d->config.slots, unused == 1 ? "is" : "are");
    else
        snprintf(out, size,
                 "waits behind job %" PRId64 ", which is next (%" PRIu64 " of %" PRIu64
                 " slots %s free)",
                 d->queue.blocked, unused, d->config.slots, unused == 1 ? "is" : "are");
}

void queue_explain(struct daemon *d, const struct store_job *job, char *out, size_t size)
{
    int64_t now_ms = clock_wall_ms();
    struct store_queued q;

    /* What cannot be read is waited for: the store will answer again. */
    if (store_job_queued(d->store, job, &q, NULL) != EBM_OK)
        q.after_state = JOB_STATE_COUNT;
    switch (look_at(d, &q, now_ms)) {
    case WAIT_JOB:
    case WAIT_IN_VAIN:
        snprintf(out, size, "waits for job %" PRId64 " to succeed (%s now)", q.after,
                 job_state_name(q.after_state));
        break;
    case WAIT_CLOCK:
        snprintf(out, size, "waits %" PRId64 " s more: %.340s",
                 (q.not_before_ms - now_ms) / 1000 + 1, job->reason);
        break;
    case WAIT_MACHINE:
        snprintf(out, size,
                 "needs %u slots, and this machine has %" PRIu64 " (EBM_SLOTS sets how many)",
                 q.slots, d->config.slots);
        break;
    case WAIT_NOTHING:
        explain_slots(d, job, out, size);
        break;
    }
}
