#include "replan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "stability/ladder.h"

/* ---- reading ---- */

/* What the store holds was checked when it came. */
static enum ebm_status parse_stored(const struct buf *text, int64_t job, struct spec *out,
                                    struct ebm_error *err)
{
    struct spec_problems problems = {.count = 0};
    enum ebm_status rc = spec_parse(buf_text(text), text->size, NULL, 0, out, &problems, err);

    if (rc != EBM_OK && problems.count > 0)
        return ebm_fail(err, EBM_ECORRUPT, "job %" PRId64 ": its stored spec, line %u: %.300s", job,
                        problems.item[0].line, problems.item[0].text);
    return rc;
}

enum ebm_status replan_read_spec(struct daemon *d, int64_t job, struct spec *out,
                                 struct ebm_error *err)
{
    struct buf text;

    buf_init(&text);
    enum ebm_status rc = store_job_texts(d->store, job, NULL, &text, err);
    if (rc == EBM_OK)
        rc = parse_stored(&text, job, out, err);
    buf_fini(&text);
    return rc;
}

enum ebm_status replan_read_attempt_spec(struct daemon *d, int64_t job, uint32_t attempt,
                                         struct spec *out, struct ebm_error *err)
{
    struct buf text;

    buf_init(&text);
    enum ebm_status rc = store_attempt_spec(d->store, job, attempt, &text, err);
    if (rc == EBM_OK)
        rc = parse_stored(&text, job, out, err);
    buf_fini(&text);
    return rc;
}

/* What overrides come onto. A rollback that was not carried out yet is
 * replaced by another one, and its overrides go. */
static enum ebm_status read_base(struct daemon *d, const struct store_job *job, struct spec *out,
                                 struct ebm_error *err)
{
    if (strcmp(job->plan_cause, "rollback") == 0 && job->attempt > 0)
        return replan_read_attempt_spec(d, job->id, job->attempt, out, err);
    return replan_read_spec(d, job->id, out, err);
}

/* ---- checking ---- */

bool replan_check_slots(const struct daemon *d, const struct spec *s,
                        struct spec_problems *problems, struct ebm_error *err)
{
    int64_t slots = s->resources.ranks * s->resources.threads;

    if ((uint64_t)slots <= d->config.slots)
        return true;
    ebm_fail(err, EBM_EINVAL,
             "%" PRId64 " ranks x %" PRId64 " threads need %" PRId64
             " slots, and this machine has %" PRIu64,
             s->resources.ranks, s->resources.threads, slots, d->config.slots);
    spec_problem_add(problems, s, s->resources.ranks > 1 ? "resources.ranks" : "resources.threads",
                     "%s", err->text);
    return false;
}

enum ebm_status replan_check_spec(const struct daemon *d, const struct spec *s, uint64_t *samples,
                                  struct spec_problems *problems, struct ebm_error *err)
{
    struct net_shape shape;
    struct net net;

    replan_check_slots(d, s, problems, err);
    struct ebm_error net_err;
    if (spec_settle_net(s, &net, problems, &net_err) != EBM_OK)
        *err = net_err;
    if (problems->total > 0)
        return EBM_EINVAL;
    return samples != NULL ? spec_dataset_shape(s->data.dataset, &shape, samples, err) : EBM_OK;
}

static bool same_layers(const struct spec *a, const struct spec *b)
{
    if (a->layer_count != b->layer_count)
        return false;
    for (size_t i = 0; i < a->layer_count; i++) {
        const struct net_layer_spec *x = &a->layers[i], *y = &b->layers[i];
        if (x->kind != y->kind || x->out != y->out || x->kernel != y->kernel ||
            x->stride != y->stride)
            return false;
    }
    return true;
}

/* A net's parameters and a buffer's slots are of one shape of sample. Where
 * the data set of the checkpoint is gone there is nothing to compare. */
static enum ebm_status check_shape(const struct store_checkpoint *c, const struct spec *old,
                                   const struct spec *s, struct ebm_error *err)
{
    struct net_shape a, b;

    if (strcmp(old->data.dataset, s->data.dataset) == 0 ||
        spec_dataset_shape(old->data.dataset, &a, NULL, NULL) != EBM_OK)
        return EBM_OK;
    enum ebm_status rc = spec_dataset_shape(s->data.dataset, &b, NULL, err);
    if (rc != EBM_OK || (a.c == b.c && a.h == b.h && a.w == b.w))
        return rc;
    return ebm_fail(err, EBM_EINVAL,
                    "data.dataset: checkpoint c%" PRId64
                    " is of samples of %zu x %zu x %zu, and those of %.200s are %zu x %zu x %zu "
                    "(submit a new job)",
                    c->id, a.c, a.h, a.w, s->data.dataset, b.c, b.h, b.w);
}

/* What a checkpoint holds cannot be changed by an override: the parameters
 * of its net, and the slots of its buffer. */
static enum ebm_status check_fit(struct daemon *d, const struct store_checkpoint *c,
                                 const struct spec *s, struct ebm_error *err)
{
    struct spec old;
    enum ebm_status rc = replan_read_attempt_spec(d, c->job, c->attempt, &old, err);

    if (rc != EBM_OK)
        return rc;
    if (!same_layers(&old, s))
        return ebm_fail(err, EBM_EINVAL,
                        "the net cannot change: checkpoint c%" PRId64
                        " holds the parameters of another one (submit a new job)",
                        c->id);
    rc = check_shape(c, &old, s, err);
    if (rc != EBM_OK)
        return rc;
    if (s->sampler.init != CHAIN_REPLAY)
        return EBM_OK;
    if (old.sampler.init != CHAIN_REPLAY)
        return ebm_fail(err, EBM_EINVAL,
                        "sampler.init: checkpoint c%" PRId64 " has no replay buffer to go on from",
                        c->id);
    if (old.replay.size != s->replay.size)
        return ebm_fail(err, EBM_EINVAL,
                        "replay.size: checkpoint c%" PRId64 " holds %" PRId64 " slots, and %" PRId64
                        " are asked for",
                        c->id, old.replay.size, s->replay.size);
    return EBM_OK;
}

static enum ebm_status check_steps(const struct store_job *job, const struct replan *r,
                                   struct ebm_error *err)
{
    const struct store_checkpoint *c = r->from;

    if (!r->chosen || c == NULL || c->step < job->total_steps)
        return EBM_OK;
    return ebm_fail(err, EBM_EINVAL,
                    "checkpoint c%" PRId64 " is at step %" PRIu64 " of %" PRIu64
                    ": nothing is left to train (more steps: --set train.steps=N or "
                    "train.epochs=N)",
                    c->id, c->step, job->total_steps);
}

/* ---- planning ---- */

static bool sets_field(const struct replan *r, const char *path)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < r->sets; i++)
        if (strncmp(r->set[i], path, n) == 0 && r->set[i][n] == '=')
            return true;
    return false;
}

/* The overrides onto the spec: *s is the one after, *old the one before. */
static enum ebm_status apply_sets(struct daemon *d, const struct store_job *job,
                                  const struct replan *r, struct spec *old, struct spec *s,
                                  struct ebm_error *err)
{
    struct spec_problems own = {.count = 0};
    struct spec_problems *problems = r->problems != NULL ? r->problems : &own;
    struct buf text;

    buf_init(&text);
    enum ebm_status rc = read_base(d, job, old, err);
    if (rc == EBM_OK) {
        spec_print(old, &text);
        rc = spec_parse(buf_text(&text), text.size, r->set, r->sets, s, problems, err);
    }
    buf_fini(&text);
    /* A fork is a job of its own; this one keeps its name. */
    if (rc == EBM_OK && strcmp(old->name, s->name) != 0)
        rc = ebm_fail(err, EBM_EINVAL, "name: a job keeps its name");
    return rc;
}

static enum ebm_status settle_total(const struct daemon *d, struct store_job *job,
                                    const struct replan *r, const struct spec *s,
                                    struct ebm_error *err)
{
    struct spec_problems own = {.count = 0};
    uint64_t samples = 0;
    enum ebm_status rc =
        replan_check_spec(d, s, &samples, r->problems != NULL ? r->problems : &own, err);

    if (rc == EBM_OK)
        job->total_steps = spec_total_steps(s, samples);
    return rc;
}

static enum ebm_status store_spec(struct daemon *d, int64_t job, const struct spec *s,
                                  struct ebm_error *err)
{
    struct buf text;

    buf_init(&text);
    spec_print(s, &text);
    enum ebm_status rc = buf_ok(&text) ? store_job_set_spec(d->store, job, buf_text(&text), err)
                                       : ebm_fail(err, EBM_ENOMEM, "out of memory for a spec");
    buf_fini(&text);
    return rc;
}

/* What a job has of its spec in its row. */
static void follow_spec(struct store_job *job, const struct spec *s)
{
    job->noise_epoch = s->noise_epoch;
    job->ranks = (uint32_t)s->resources.ranks;
    job->threads = (uint32_t)s->resources.threads;
    job->max_restarts = (uint32_t)s->resources.max_restarts;
}

static void set_plan(struct store_job *job, const struct replan *r, const struct spec *s)
{
    snprintf(job->plan_cause, sizeof job->plan_cause, "%s", r->cause);
    snprintf(job->plan_actor, sizeof job->plan_actor, "%s", r->actor);
    job->plan_checkpoint = r->from != NULL ? r->from->id : 0;
    job->not_before_ms = 0;
    follow_spec(job, s);
}

/* A person goes back to before a recovery: it would come out of nowhere when
 * the run gets to its step. */
static void leave_intervention(struct spec *s, uint64_t step)
{
    if ((uint64_t)s->intervention.at_step <= step)
        return;
    s->intervention.at_step = s->intervention.burn_in = 0;
    s->intervention.purge = PURGE_NONE;
    s->intervention.lr_factor = s->intervention.steps_factor = 1;
    s->intervention.step_size_factor = 1;
}

/* The start that it was planned for cannot be used. */
static void move_intervention(struct spec *s, uint64_t step)
{
    if ((uint64_t)s->intervention.at_step > step)
        s->intervention.at_step = (int64_t)step;
}

static void say_in_force(const struct spec *s, uint64_t step, struct buf *out)
{
    struct ladder_change change;
    char text[256];

    ladder_in_force(s, step, &change);
    ladder_describe(&change, text, sizeof text);
    buf_puts(out, text);
}

/* Never numbers that were used before. */
static enum ebm_status renew_noise(const struct store_job *job, struct spec *s,
                                   struct ebm_error *err)
{
    uint32_t last = s->noise_epoch > job->noise_epoch ? s->noise_epoch : job->noise_epoch;

    if (last == UINT32_MAX)
        return ebm_fail(err, EBM_EINVAL,
                        "noise_epoch is %" PRIu32 ", the last one: set a lower one that was not "
                        "used yet",
                        last);
    s->noise_epoch = last + 1;
    return EBM_OK;
}

enum ebm_status replan(struct daemon *d, struct store_job *job, const struct replan *r,
                       struct ebm_error *err)
{
    struct spec old, s;
    enum ebm_status rc = apply_sets(d, job, r, &old, &s, err);

    if (rc == EBM_OK && r->new_noise && !sets_field(r, "noise_epoch"))
        rc = renew_noise(job, &s, err);
    /* What ebmd goes on with by itself, on the job's own line, fits. */
    if (rc == EBM_OK && r->chosen && r->from != NULL)
        leave_intervention(&s, r->from->step);
    else if (rc == EBM_OK && !r->chosen)
        move_intervention(&s, r->from != NULL ? r->from->step : 0);
    bool check = (r->sets > 0 && strcmp(r->actor, "ebmd") != 0) || r->chosen;
    if (rc == EBM_OK && check)
        rc = settle_total(d, job, r, &s, err);
    if (rc == EBM_OK && check && r->from != NULL)
        rc = check_fit(d, r->from, &s, err);
    if (rc == EBM_OK)
        rc = check_steps(job, r, err);
    if (rc != EBM_OK)
        return rc;
    set_plan(job, r, &s);
    if (r->overrides != NULL)
        spec_overrides(&old, &s, r->overrides);
    if (r->in_force != NULL)
        say_in_force(&s, r->from != NULL ? r->from->step : 0, r->in_force);
    return r->dry_run ? EBM_OK : store_spec(d, job->id, &s, err);
}

enum ebm_status replan_drop(struct daemon *d, struct store_job *job, struct ebm_error *err)
{
    struct net_shape shape;
    struct spec s;
    uint64_t samples;
    enum ebm_status rc = replan_read_attempt_spec(d, job->id, job->attempt, &s, err);

    if (rc == EBM_OK)
        rc = store_spec(d, job->id, &s, err);
    if (rc != EBM_OK)
        return rc;
    follow_spec(job, &s);
    /* A data set that is gone meanwhile is no reason to fail here. */
    if (spec_dataset_shape(s.data.dataset, &shape, &samples, NULL) == EBM_OK)
        job->total_steps = spec_total_steps(&s, samples);
    job->plan_cause[0] = job->plan_actor[0] = '\0';
    job->plan_checkpoint = 0;
    return EBM_OK;
}
