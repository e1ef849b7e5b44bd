#include "recover.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "attempt.h"
#include "base/log.h"
#include "orders.h"
#include "queue.h"
#include "replan.h"

static const unsigned live_states =
    1u << JOB_STARTING | 1u << JOB_RUNNING | 1u << JOB_PAUSING | 1u << JOB_UNKNOWN;

static bool collect(void *arg, const struct store_job *j)
{
    buf_put(arg, j, sizeof *j);
    return true;
}

/* Committed, but ebmd was killed before it could launch it: nothing of it
 * runs, and nothing of it was ever there to run. */
static bool was_not_launched(struct daemon *d, const struct store_attempt *a)
{
    struct launch_end end;

    launch_read_end(&d->home, a->job, a->attempt, &end);
    return !end.known && a->shepherd_pid == 0 && a->reported[0] == '\0' && a->host[0] == '\0' &&
           launch_count_marked(&d->home, a->fence) == 0;
}

static void take_up(struct daemon *d, struct live *l, const struct store_attempt *a)
{
    struct launch_pid shepherd;
    const char *how = "ended";

    if (launch_find(&d->home, a->job, a->attempt, &shepherd)) {
        attempt_watch(d, l, shepherd);
        l->rate_waits = true; /* it took steps that nobody timed */
        how = "adopted";
    } else if (was_not_launched(d, a)) {
        attempt_launch(d, l);
        how = "launched";
    } else {
        l->gone = true;
    }
    log_info("recover", "job=%" PRId64 " attempt=%u found=%s", l->job, l->attempt, how);
}

static enum ebm_status recover_job(struct daemon *d, const struct store_job *job,
                                   struct ebm_error *err)
{
    struct store_attempt a;
    enum ebm_status rc = store_attempt_get(d->store, job->id, job->attempt, &a, err);

    if (rc != EBM_OK)
        return rc;
    struct live *l = attempt_adopt(d, job, &a);
    if (l == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for live attempts");
    if (job->step > l->step)
        l->step = job->step;
    l->lost = job->state == JOB_UNKNOWN;
    take_up(d, l, &a);
    orders_recall(d, l, job->intent);
    return EBM_OK;
}

static enum ebm_status recover_jobs(struct daemon *d, const struct buf *jobs, struct ebm_error *err)
{
    const struct store_job *job = (const struct store_job *)(const void *)jobs->data;
    size_t n = jobs->size / sizeof *job;
    enum ebm_status rc = buf_ok(jobs) ? EBM_OK : ebm_fail(err, EBM_ENOMEM, "out of memory");

    for (size_t i = 0; rc == EBM_OK && i < n; i++)
        if (live_find(&d->live, job[i].id) == NULL)
            rc = recover_job(d, &job[i], err);
    return rc;
}

static enum ebm_status recover_all(struct daemon *d, struct ebm_error *err)
{
    struct buf jobs;

    buf_init(&jobs);
    enum ebm_status rc = store_job_each(d->store, 0, live_states, collect, &jobs, err);
    if (rc == EBM_OK)
        rc = recover_jobs(d, &jobs, err);
    buf_fini(&jobs);
    return rc;
}

void recover_unlaunched(struct daemon *d)
{
    struct ebm_error err;

    if (!d->unlaunched)
        return;
    d->unlaunched = recover_all(d, &err) != EBM_OK;
    if (d->unlaunched)
        log_error("recover", "error=\"%s\"", err.text);
}

static enum ebm_status sweep_vault(struct daemon *d, struct ebm_error *err)
{
    int64_t *ids = NULL;
    size_t n = 0;
    enum ebm_status rc = store_checkpoint_ids(d->store, &ids, &n, err);

    if (rc == EBM_OK)
        rc = vault_sweep(d->vault, ids, n, 0, err);
    free(ids);
    return rc;
}

enum ebm_status recover(struct daemon *d, struct ebm_error *err)
{
    enum ebm_status rc = recover_all(d, err);

    if (rc == EBM_OK)
        rc = sweep_vault(d, err);
    queue_touch(d);
    return rc;
}
