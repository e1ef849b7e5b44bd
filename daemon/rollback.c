#include "rollback.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "jobs.h"
#include "lineage.h"
#include "orders.h"
#include "queue.h"
#include "replan.h"

/* ---- the target ---- */

/* Checkpoints of the job, rising by (step, id). */
struct candidates {
    struct lineage line; /* of the job as it stands */
    struct buf all, own; /* of struct store_checkpoint; own: those of the line */
};

static bool collect(void *arg, const struct store_checkpoint *c)
{
    struct candidates *k = arg;

    buf_put(&k->all, c, sizeof *c);
    if (lineage_has(&k->line, c->attempt, c->step))
        buf_put(&k->own, c, sizeof *c);
    return true;
}

static enum ebm_status collect_all(struct daemon *d, const struct store_job *job,
                                   struct candidates *k, struct ebm_error *err)
{
    enum ebm_status rc = lineage_read(d->store, job->id, job->attempt, &k->line, err);

    if (rc == EBM_OK)
        rc = store_checkpoint_each(d->store, job->id, false, collect, k, err);
    if (rc == EBM_OK && (!buf_ok(&k->all) || !buf_ok(&k->own)))
        rc = ebm_fail(err, EBM_ENOMEM, "out of memory for the checkpoints of a job");
    return rc;
}

static enum ebm_status choose_from(const struct buf *rows, const char *to,
                                   struct rollback_target *out, struct ebm_error *err)
{
    const struct store_checkpoint *c = (const struct store_checkpoint *)(void *)rows->data;
    size_t index = 0;
    enum ebm_status rc = target_choose(to, c, rows->size / sizeof *c, &index, out->why, err);

    if (rc == EBM_OK)
        out->checkpoint = c[index];
    return rc;
}

static void say_abandoned(struct rollback_target *t)
{
    size_t used = strlen(t->why);

    snprintf(t->why + used, sizeof t->why - used, "; of a stretch of attempt %u that was abandoned",
             t->checkpoint.attempt);
}

static enum ebm_status choose(const struct candidates *k, const char *to,
                              struct rollback_target *out, struct ebm_error *err)
{
    struct ebm_error own;
    enum ebm_status rc;

    if (k->all.size > 0 && k->own.size == 0 && !target_is_named(to))
        return ebm_fail(err, EBM_ENOTFOUND,
                        "it has no checkpoint on the line that it follows now; name one of an "
                        "abandoned stretch to go there (ebmctl checkpoints lists them)");
    rc = choose_from(&k->own, to, out, &own);
    if (rc == EBM_ENOTFOUND && target_is_named(to)) {
        rc = choose_from(&k->all, to, out, err);
        if (rc == EBM_OK)
            say_abandoned(out);
    } else if (rc != EBM_OK) {
        *err = own;
    }
    return rc;
}

static enum ebm_status measure(struct daemon *d, const struct store_job *job,
                               const struct lineage *line, struct rollback_target *t,
                               struct ebm_error *err)
{
    struct lineage there = {0};
    enum ebm_status rc = lineage_read(d->store, job->id, t->checkpoint.attempt, &there, err);

    if (rc == EBM_OK)
        t->common_step = lineage_common_step(line, &there, t->checkpoint.step);
    lineage_fini(&there);
    return rc;
}

enum ebm_status rollback_find_target(struct daemon *d, const struct store_job *job, const char *to,
                                     struct rollback_target *out, struct ebm_error *err)
{
    struct candidates k = {.line = {0}};

    buf_init(&k.all);
    buf_init(&k.own);
    enum ebm_status rc = collect_all(d, job, &k, err);
    if (rc == EBM_OK) {
        rc = choose(&k, to, out, err);
        if (rc != EBM_OK)
            ebm_prefix(err, "job %" PRId64, job->id);
    }
    if (rc == EBM_OK)
        rc = measure(d, job, &k.line, out, err);
    lineage_fini(&k.line);
    buf_fini(&k.all);
    buf_fini(&k.own);
    return rc;
}

/* ---- the request ---- */

/* Of the attempt that runs, or of the job as it stands. */
static uint64_t newest_step(const struct daemon *d, const struct store_job *job)
{
    const struct live *l = live_find(&d->live, job->id);

    return l != NULL && l->step > job->step ? l->step : job->step;
}

static void fill_plan(struct daemon *d, const struct store_job *job,
                      const struct rollback_target *target, const char *overrides,
                      const char *in_force, struct reply *reply)
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
    p->at_step = newest_step(d, job);
    if (p->at_step > target->common_step)
        p->abandons_steps = p->at_step - target->common_step;
    p->overrides = reply_text(reply, overrides);
    p->in_force = reply_text(reply, in_force);
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
    rc =
        jobs_log(d, job, "rollback", err, "to checkpoint c%" PRId64 ", step %" PRIu64 " (%.100s)%s",
                 c->id, c->step, target->why, more);
    /* One that runs is rolled back when its attempt has ended. */
    return rc == EBM_OK && !job_state_is_live(job->state) ? notices_put(d, job, "rolled-back", err)
                                                          : rc;
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
    struct buf overrides, in_force;

    buf_init(&overrides);
    buf_init(&in_force);
    const struct replan plan = {.cause = "rollback",
                                .actor = "user",
                                .from = &target->checkpoint,
                                .set = (const char *const *)m->set,
                                .sets = m->n_set,
                                .new_noise = true,
                                .chosen = true,
                                .dry_run = m->dry_run,
                                .problems = &problems,
                                .overrides = &overrides,
                                .in_force = &in_force};
    enum ebm_status rc = replan(d, job, &plan, err);
    reply_put_problems(reply, &problems);
    if (rc == EBM_OK)
        rc = check_state(job, err);
    if (rc == EBM_OK)
        fill_plan(d, job, target, buf_text(&overrides), buf_text(&in_force), reply);
    if (rc == EBM_OK && !m->dry_run)
        rc = go_back(d, job, target, buf_text(&overrides), err);
    buf_fini(&overrides);
    buf_fini(&in_force);
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
