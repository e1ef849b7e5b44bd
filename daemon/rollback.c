#include "rollback.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "jobs.h"
#include "orders.h"
#include "queue.h"
#include "replan.h"

/* ---- the target ---- */

static bool collect(void *arg, const struct store_checkpoint *c)
{
    buf_put(arg, c, sizeof *c);
    return true;
}

enum ebm_status rollback_find_target(struct daemon *d, const struct store_job *job, const char *to,
                                     struct rollback_target *out, struct ebm_error *err)
{
    struct buf rows;
    size_t index = 0;

    buf_init(&rows);
    enum ebm_status rc = store_checkpoint_each(d->store, job->id, false, collect, &rows, err);
    if (rc == EBM_OK && !buf_ok(&rows))
        rc = ebm_fail(err, EBM_ENOMEM, "out of memory for the checkpoints of a job");
    if (rc == EBM_OK) {
        const struct store_checkpoint *c = (const struct store_checkpoint *)(void *)rows.data;
        rc = target_choose(to, c, rows.size / sizeof *c, &index, out->why, err);
        if (rc == EBM_OK)
            out->checkpoint = c[index];
        else
            ebm_prefix(err, "job %" PRId64, job->id);
    }
    buf_fini(&rows);
    return rc;
}

/* ---- the request ---- */

/* A stretch that is left behind: of the attempt that runs, or of the job as
 * it stands. */
static uint64_t count_abandoned(const struct daemon *d, const struct store_job *job,
                                const struct store_checkpoint *c)
{
    const struct live *l = live_find(&d->live, job->id);
    uint64_t step = l != NULL && l->step > job->step ? l->step : job->step;

    return step > c->step ? step - c->step : 0;
}

static void fill_plan(struct daemon *d, const struct store_job *job,
                      const struct rollback_target *target, const char *overrides,
                      struct reply *reply)
{
    static const Ebm__Plan empty = EBM__PLAN__INIT;
    const struct store_checkpoint *c = &target->checkpoint;
    Ebm__Plan *p = reply_alloc(reply, sizeof *p);

    if (p == NULL)
        return;
    *p = empty;
    p->job = (uint64_t)job->id;
    p->checkpoint = (uint64_t)c->id;
    p->step = c->step;
    p->health = reply_text(reply, c->health);
    p->stops_attempt = job_state_is_live(job->state) ? job->attempt : 0;
    p->abandons_steps = count_abandoned(d, job, c);
    p->overrides = reply_text(reply, overrides);
    p->why = reply_text(reply, target->why);
    reply->message.plan = p;
}

static void say_overrides(const char *overrides, char *out, size_t size)
{
    snprintf(out, size, "%s%.240s", overrides[0] != '\0' ? "; " : "", overrides);
    wire_mend_text(out);
}

/* A live attempt is stopped and the plan waits for its end; otherwise the
 * job is in the queue at once. */
static enum ebm_status set_going(struct daemon *d, struct store_job *job, struct ebm_error *err)
{
    if (job_state_is_live(job->state))
        return orders_ask(d, job, INTENT_ROLLBACK, err);
    queue_touch(d);
    return jobs_apply(job, JOB_EV_REQUEUE, err);
}

static enum ebm_status go_back(struct daemon *d, struct store_job *job,
                               const struct rollback_target *target, const char *overrides,
                               struct ebm_error *err)
{
    const struct store_checkpoint *c = &target->checkpoint;
    char more[256];
    enum ebm_status rc = set_going(d, job, err);

    if (rc != EBM_OK)
        return rc;
    job->restarts_used = job->rollbacks_used = 0; /* a person took over */
    say_overrides(overrides, more, sizeof more);
    snprintf(job->reason, sizeof job->reason, "rolled back to c%" PRId64 ", step %" PRIu64 "%s",
             c->id, c->step, more);
    rc = jobs_save(d, job, err);
    if (rc != EBM_OK)
        return rc;
    return jobs_log(d, job, "rollback", err,
                    "to checkpoint c%" PRId64 ", step %" PRIu64 " (%.100s)%s", c->id, c->step,
                    target->why, more);
}

/* What would be refused is refused in a dry run too. */
static enum ebm_status check_state(const struct store_job *job, struct ebm_error *err)
{
    struct store_job copy = *job;

    return job_state_is_live(job->state) ? orders_check(job, INTENT_ROLLBACK, err)
                                         : jobs_apply(&copy, JOB_EV_REQUEUE, err);
}

static enum ebm_status plan_and_go(struct daemon *d, const Ebm__Rollback *m, struct store_job *job,
                                   const struct rollback_target *target, struct reply *reply,
                                   struct ebm_error *err)
{
    struct spec_problems problems = {.count = 0};
    struct buf overrides;

    buf_init(&overrides);
    const struct replan plan = {.cause = "rollback",
                                .actor = "user",
                                .from = &target->checkpoint,
                                .set = (const char *const *)m->set,
                                .sets = m->n_set,
                                .new_noise = true,
                                .chosen = true,
                                .dry_run = m->dry_run,
                                .problems = &problems,
                                .overrides = &overrides};
    enum ebm_status rc = replan(d, job, &plan, err);
    reply_put_problems(reply, &problems);
    if (rc == EBM_OK)
        rc = check_state(job, err);
    if (rc == EBM_OK)
        fill_plan(d, job, target, buf_text(&overrides), reply);
    if (rc == EBM_OK && !m->dry_run)
        rc = go_back(d, job, target, buf_text(&overrides), err);
    buf_fini(&overrides);
    return rc;
}

enum ebm_status control_rollback(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                                 struct ebm_error *err)
{
    const Ebm__Rollback *m = request->rollback;
    struct rollback_target target;
    struct store_job job;
    enum ebm_status rc = store_job_get(d->store, (int64_t)m->job, &job, err);

    if (rc == EBM_OK)
        rc = rollback_find_target(d, &job, m->to, &target, err);
    return rc == EBM_OK ? plan_and_go(d, m, &job, &target, reply, err) : rc;
}
