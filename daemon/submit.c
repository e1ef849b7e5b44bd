/* submit and fork: new jobs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "control.h"
#include "jobs.h"
#include "queue.h"
#include "replan.h"
#include "rollback.h"

/* ---- submit ---- */

static enum ebm_status check_after(struct daemon *d, uint64_t after, struct ebm_error *err)
{
    struct store_job other;

    if (after == 0)
        return EBM_OK;
    enum ebm_status rc = store_job_get(d->store, (int64_t)after, &other, err);
    if (rc != EBM_OK)
        return ebm_prefix(err, "--after %" PRIu64, after);
    if (job_state_is_final(other.state) && other.state != JOB_SUCCEEDED)
        return ebm_fail(err, EBM_ESTATE,
                        "--after %" PRIu64 ": that job has ended as %s, so this one would never "
                        "start",
                        after, job_state_name(other.state));
    return EBM_OK;
}

/* Everything that can be wrong with the text, at once. */
static enum ebm_status read_spec(struct daemon *d, const Ebm__Submit *m, struct spec *s,
                                 uint64_t *samples, struct reply *r, struct ebm_error *err)
{
    struct spec_problems problems = {.count = 0};
    enum ebm_status rc = spec_parse(m->spec, strlen(m->spec), (const char *const *)m->set, m->n_set,
                                    s, &problems, err);

    if (rc == EBM_OK && !spec_resolve_paths(s, m->base_dir))
        rc = ebm_fail(err, EBM_EINVAL, "data.dataset: the path is too long");
    if (rc == EBM_OK)
        rc = replan_check_spec(d, s, samples, &problems, err);
    else if (problems.total > 0 && spec_resolve_paths(s, m->base_dir)) {
        replan_check_slots(d, s, &problems, err);
        spec_check_rest(s, &problems);
    }
    reply_put_problems(r, &problems);
    if (problems.total > 0)
        return ebm_fail(err, EBM_EINVAL, "%zu problem%s in the spec", problems.total,
                        problems.total == 1 ? "" : "s");
    return rc;
}

static void fill_job(struct store_job *j, const struct spec *s, bool hold)
{
    *j = (struct store_job){.state = hold ? JOB_HELD : JOB_QUEUED,
                            .ranks = (uint32_t)s->resources.ranks,
                            .threads = (uint32_t)s->resources.threads,
                            .max_restarts = (uint32_t)s->resources.max_restarts,
                            .noise_epoch = s->noise_epoch,
                            .submitted_ms = clock_wall_ms(),
                            .plan_actor = "user"};
    memcpy(j->name, s->name, sizeof j->name);
}

static enum ebm_status insert(struct daemon *d, struct store_job *j, const char *key,
                              const char *source, const struct spec *s, struct ebm_error *err)
{
    struct buf text;

    buf_init(&text);
    spec_print(s, &text);
    enum ebm_status rc = buf_ok(&text)
                             ? store_job_insert(d->store, j, key, source, buf_text(&text), err)
                             : ebm_fail(err, EBM_ENOMEM, "out of memory for a spec");
    buf_fini(&text);
    return rc;
}

enum ebm_status control_submit(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                               struct ebm_error *err)
{
    const Ebm__Submit *m = request->submit;
    struct store_job job;
    struct spec s;
    uint64_t samples = 0;
    enum ebm_status rc = read_spec(d, m, &s, &samples, reply, err);

    if (rc == EBM_OK)
        rc = check_after(d, m->after, err);
    if (rc != EBM_OK || m->dry_run)
        return rc;
    fill_job(&job, &s, m->hold);
    job.priority = m->priority;
    job.after = (int64_t)m->after;
    job.total_steps = spec_total_steps(&s, samples);
    snprintf(job.plan_cause, sizeof job.plan_cause, "submit");
    rc = insert(d, &job, request->key, m->spec, &s, err);
    reply->message.job = (uint64_t)job.id;
    if (rc == EBM_EEXIST) /* its reply was lost with a crash, not the job */
        return EBM_OK;
    if (rc == EBM_OK)
        rc = jobs_log(d, &job, "submitted", err, "%s%s", job.name, m->hold ? ", held" : "");
    queue_touch(d);
    return rc;
}

/* ---- fork ---- */

static enum ebm_status insert_fork(struct daemon *d, const Ebm__Request *q,
                                   const struct store_job *parent, const struct spec *s,
                                   struct store_job *job, struct ebm_error *err)
{
    struct buf source;

    buf_init(&source);
    fill_job(job, s, q->fork->hold);
    job->priority = parent->priority;
    job->parent_job = parent->id;
    job->total_steps = parent->total_steps;
    enum ebm_status rc = store_job_texts(d->store, parent->id, &source, NULL, err);
    if (rc == EBM_OK)
        rc = insert(d, job, q->key, buf_text(&source), s, err);
    buf_fini(&source);
    return rc;
}

/* The fork's name is its own: it may be set. */
static enum ebm_status name_fork(const Ebm__Fork *m, struct spec *s, struct spec_problems *problems,
                                 struct ebm_error *err)
{
    struct buf text;
    struct spec named;

    buf_init(&text);
    spec_print(s, &text);
    enum ebm_status rc = spec_parse(buf_text(&text), text.size, (const char *const *)m->set,
                                    m->n_set, &named, problems, err);
    buf_fini(&text);
    if (rc == EBM_OK)
        memcpy(s->name, named.name, sizeof s->name);
    return rc;
}

static enum ebm_status plan_fork(struct daemon *d, const Ebm__Fork *m, struct store_job *job,
                                 const struct store_checkpoint *from,
                                 struct spec_problems *problems, struct ebm_error *err)
{
    const struct replan plan = {.cause = "fork",
                                .actor = "user",
                                .from = from,
                                .set = (const char *const *)m->set,
                                .sets = m->n_set,
                                .chosen = true,
                                .problems = problems};

    job->parent_checkpoint = from->id;
    job->step = from->step;
    enum ebm_status rc = replan(d, job, &plan, err);
    if (rc == EBM_OK)
        rc = jobs_save(d, job, err);
    if (rc == EBM_OK)
        rc = jobs_log(d, job, "submitted", err,
                      "%s, a fork of job %" PRId64 " at checkpoint c%" PRId64 ", step %" PRIu64,
                      job->name, job->parent_job, from->id, from->step);
    return rc;
}

enum ebm_status control_fork(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                             struct ebm_error *err)
{
    const Ebm__Fork *m = request->fork;
    struct spec_problems problems = {.count = 0};
    struct rollback_target target;
    struct store_job parent, job;
    struct spec s;
    enum ebm_status rc = store_job_get(d->store, (int64_t)m->job, &parent, err);

    if (rc == EBM_OK)
        rc = rollback_find_target(d, &parent, m->at, &target, err);
    if (rc == EBM_OK)
        rc = replan_read_spec(d, parent.id, &s, err);
    if (rc == EBM_OK)
        rc = name_fork(m, &s, &problems, err);
    if (rc == EBM_OK)
        rc = insert_fork(d, request, &parent, &s, &job, err);
    if (rc == EBM_EEXIST) {
        reply->message.job = (uint64_t)job.id;
        return EBM_OK;
    }
    if (rc == EBM_OK)
        rc = plan_fork(d, m, &job, &target.checkpoint, &problems, err);
    reply_put_problems(reply, &problems);
    if (rc == EBM_OK)
        reply->message.job = (uint64_t)job.id;
    queue_touch(d);
    return rc;
}
