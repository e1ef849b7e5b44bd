/* The store's rows: jobs, attempts, checkpoints, events, keys, and turns. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "store/store.h"
#include "store/store_private.h"
#include "temp_home.h"

struct fixture {
    struct home home;
    struct store *store;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct ebm_error err;
    *state = f;
    if (f == NULL || temp_home_make(&f->home) != 0)
        return -1;
    return store_open(&f->home, &f->store, &err) == EBM_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    temp_home_remove(&f->home);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    struct ebm_error err;
    store_close(f->store);
    assert_int_equal(store_open(&f->home, &f->store, &err), EBM_OK);
}

static struct store_job make_job(const char *name)
{
    struct store_job j = {.state = JOB_QUEUED, .ranks = 2, .threads = 1, .total_steps = 100};
    snprintf(j.name, sizeof j.name, "%s", name);
    return j;
}

static int64_t add_job(struct store *s, const char *name)
{
    struct ebm_error err;
    struct store_job j = make_job(name);
    assert_int_equal(store_job_insert(s, &j, "", "source", "spec", &err), EBM_OK);
    return j.id;
}

static struct store_attempt add_attempt(struct store *s, int64_t job, uint32_t number)
{
    struct ebm_error err;
    struct store_attempt a = {
        .job = job, .attempt = number, .token = "t0", .cause = "submit", .actor = "user"};
    assert_int_equal(store_attempt_insert(s, &a, "effective", &err), EBM_OK);
    return a;
}

static void end_attempt(struct store *s, struct store_attempt *a, const char *outcome)
{
    struct ebm_error err;
    a->ended_ms = 5;
    snprintf(a->outcome, sizeof a->outcome, "%s", outcome);
    assert_int_equal(store_attempt_end(s, a, &err), EBM_OK);
}

/* ---- bad arguments ---- */

static void test_unknown_ids_are_named(void **state)
{
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    struct store_job j = make_job("x");
    struct store_attempt a = {.job = 12, .attempt = 3, .ended_ms = 1, .outcome = "x"};
    struct store_checkpoint c = {.id = 9, .job = 12};

    assert_int_equal(store_job_get(s, 12, &j, &err), EBM_ENOTFOUND);
    assert_string_equal(err.text, "no job 12");
    j.id = 12;
    assert_int_equal(store_job_update(s, &j, &err), EBM_ENOTFOUND);
    assert_int_equal(store_job_set_step(s, 12, 1, &err), EBM_ENOTFOUND);
    assert_int_equal(store_job_set_spec(s, 12, "x", &err), EBM_ENOTFOUND);
    assert_int_equal(store_job_texts(s, 12, NULL, NULL, &err), EBM_ENOTFOUND);
    assert_int_equal(store_attempt_get(s, 12, 3, &a, &err), EBM_ENOTFOUND);
    assert_string_equal(err.text, "no attempt 3 of job 12");
    assert_int_equal(store_attempt_insert(s, &a, "x", &err), EBM_ENOTFOUND);
    assert_string_equal(err.text, "no job 12");
    assert_int_equal(store_attempt_update(s, &a, &err), EBM_ENOTFOUND);
    assert_int_equal(store_attempt_end(s, &a, &err), EBM_ENOTFOUND);
    assert_int_equal(store_checkpoint_get(s, 9, &c, &err), EBM_ENOTFOUND);
    assert_string_equal(err.text, "no checkpoint 9");
    assert_int_equal(store_checkpoint_update(s, &c, &err), EBM_ENOTFOUND);
    assert_int_equal(store_checkpoint_insert(s, &c, &err), EBM_ENOTFOUND);
}

static void test_wrong_values_are_refused(void **state)
{
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    struct store_job j = make_job("x");
    struct store_checkpoint c = {.id = 0};
    struct store_attempt a = {.job = 1, .attempt = 1};

    j.state = JOB_STATE_COUNT;
    assert_int_equal(store_job_insert(s, &j, "", "", "", &err), EBM_EINVAL);
    j.state = JOB_QUEUED;
    j.intent = INTENT_KILL + 1;
    assert_int_equal(store_job_insert(s, &j, "", "", "", &err), EBM_EINVAL);
    assert_int_equal(store_job_update(s, &j, &err), EBM_EINVAL);
    assert_int_equal(store_checkpoint_insert(s, &c, &err), EBM_EINVAL);
    assert_int_equal(store_attempt_end(s, &a, &err), EBM_EINVAL);
    /* err may be NULL everywhere */
    assert_int_equal(store_job_get(s, 12, &j, NULL), EBM_ENOTFOUND);
    store_close(NULL);
}

/* ---- jobs ---- */

static struct store_job full_job(void)
{
    struct store_job j = make_job("full");
    j.state = JOB_PAUSING;
    j.intent = INTENT_PAUSE_NOSPACE;
    j.priority = -7;
    j.after = 3;
    j.step = 41;
    j.attempt = 2;
    j.restarts_used = 1;
    j.max_restarts = 9;
    j.rollbacks_used = 4;
    j.noise_epoch = 5;
    j.parent_job = 6;
    j.parent_checkpoint = 8;
    j.not_before_ms = 1234567890123;
    j.submitted_ms = 11;
    j.started_ms = 12;
    j.ended_ms = 13;
    j.plan_checkpoint = 77;
    snprintf(j.reason, sizeof j.reason, "disk full: 'x' \xc3\xa9");
    snprintf(j.plan_cause, sizeof j.plan_cause, "rollback");
    snprintf(j.plan_actor, sizeof j.plan_actor, "ebmd");
    return j;
}

static void assert_same_job(const struct store_job *a, const struct store_job *b)
{
    assert_int_equal(a->id, b->id);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->intent, b->intent);
    assert_int_equal(a->priority, b->priority);
    assert_int_equal(a->after, b->after);
    assert_int_equal(a->ranks, b->ranks);
    assert_int_equal(a->threads, b->threads);
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->total_steps, b->total_steps);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->restarts_used, b->restarts_used);
    assert_int_equal(a->max_restarts, b->max_restarts);
    assert_int_equal(a->rollbacks_used, b->rollbacks_used);
    assert_int_equal(a->noise_epoch, b->noise_epoch);
    assert_int_equal(a->parent_job, b->parent_job);
    assert_int_equal(a->parent_checkpoint, b->parent_checkpoint);
    assert_int_equal(a->not_before_ms, b->not_before_ms);
    assert_int_equal(a->submitted_ms, b->submitted_ms);
    assert_int_equal(a->started_ms, b->started_ms);
    assert_int_equal(a->ended_ms, b->ended_ms);
    assert_string_equal(a->reason, b->reason);
    assert_string_equal(a->plan_cause, b->plan_cause);
    assert_string_equal(a->plan_actor, b->plan_actor);
    assert_int_equal(a->plan_checkpoint, b->plan_checkpoint);
}

static void test_every_field_of_a_job_survives(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    struct store_job j = full_job();
    struct store_job back;

    assert_int_equal(store_job_insert(f->store, &j, "", "a", "b", &err), EBM_OK);
    assert_int_equal(j.id, 1);
    reopen(f);
    assert_int_equal(store_job_get(f->store, 1, &back, &err), EBM_OK);
    assert_same_job(&j, &back);

    struct store_job changed = make_job("full");
    changed.id = 1;
    changed.submitted_ms = 11;
    assert_int_equal(store_job_update(f->store, &changed, &err), EBM_OK);
    assert_int_equal(store_job_get(f->store, 1, &back, &err), EBM_OK);
    assert_same_job(&changed, &back);
    j.submitted_ms = 99; /* name and submitted_ms stay */
    snprintf(j.name, sizeof j.name, "renamed");
    assert_int_equal(store_job_update(f->store, &j, &err), EBM_OK);
    assert_int_equal(store_job_get(f->store, 1, &back, &err), EBM_OK);
    j.submitted_ms = 11;
    snprintf(j.name, sizeof j.name, "full");
    assert_same_job(&j, &back);
    assert_int_equal(store_job_set_step(f->store, 1, 77, &err), EBM_OK);
    assert_int_equal(store_job_get(f->store, 1, &back, &err), EBM_OK);
    assert_int_equal(back.step, 77);
}

static void test_texts_of_a_job(void **state)
{
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    struct buf source, spec;
    int64_t id = add_job(s, "x");

    buf_init(&source);
    buf_init(&spec);
    buf_puts(&source, "before ");
    assert_int_equal(store_job_set_spec(s, id, "name: y\n", &err), EBM_OK);
    assert_int_equal(store_job_texts(s, id, &source, &spec, &err), EBM_OK);
    assert_string_equal(buf_text(&source), "before source");
    assert_string_equal(buf_text(&spec), "name: y\n");
    buf_clear(&spec);
    assert_int_equal(store_job_texts(s, id, NULL, &spec, &err), EBM_OK);
    assert_string_equal(buf_text(&spec), "name: y\n");
    buf_fini(&source);
    buf_fini(&spec);
}

static void test_a_key_gives_the_same_job(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err = {.text = ""};
    struct store_job j = make_job("x");
    struct store_job again = make_job("y");
    struct store_job keyless = make_job("z");

    assert_int_equal(store_job_insert(f->store, &j, "key-1", "", "", &err), EBM_OK);
    reopen(f);
    assert_int_equal(store_job_insert(f->store, &again, "key-1", "", "", &err), EBM_EEXIST);
    assert_int_equal(again.id, j.id);
    assert_string_equal(err.text, "");
    for (int i = 0; i < 2; i++)
        assert_int_equal(store_job_insert(f->store, &keyless, "", "", "", &err), EBM_OK);
    assert_int_equal(keyless.id, 3);
}

struct ids {
    int64_t id[16];
    size_t n, stop_at;
};

static bool collect_job(void *arg, const struct store_job *j)
{
    struct ids *ids = arg;
    assert_true(ids->n < 16);
    ids->id[ids->n++] = j->id;
    return ids->n != ids->stop_at;
}

static void add_in_states(struct store *s, const enum job_state *states, size_t n)
{
    struct ebm_error err;
    for (size_t i = 0; i < n; i++) {
        struct store_job j = make_job("x");
        j.state = states[i];
        assert_int_equal(store_job_insert(s, &j, "", "", "", &err), EBM_OK);
    }
}

static void test_jobs_are_walked_by_id_and_state(void **state)
{
    static const enum job_state states[] = {JOB_QUEUED, JOB_FAILED, JOB_RUNNING, JOB_UNKNOWN,
                                            JOB_SUCCEEDED};
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    uint64_t counts[JOB_STATE_COUNT];
    struct ids all = {0}, rest = {0}, live = {0}, failed = {0}, two = {.stop_at = 2};

    add_in_states(s, states, 5);
    assert_int_equal(store_job_each(s, 0, 0, collect_job, &all, &err), EBM_OK);
    assert_int_equal(all.n, 5);
    assert_int_equal(all.id[4], 5);
    assert_int_equal(store_job_each(s, 3, 0, collect_job, &rest, &err), EBM_OK);
    assert_int_equal(rest.n, 2);
    assert_int_equal(rest.id[0], 4);
    assert_int_equal(
        store_job_each(s, 0, 1u << JOB_RUNNING | 1u << JOB_UNKNOWN, collect_job, &live, &err),
        EBM_OK);
    assert_int_equal(live.n, 2);
    assert_int_equal(live.id[0], 3);
    assert_int_equal(live.id[1], 4);
    assert_int_equal(store_job_each(s, 0, 1u << JOB_FAILED, collect_job, &failed, &err), EBM_OK);
    assert_int_equal(failed.n, 1);
    assert_int_equal(store_job_each(s, 0, 0, collect_job, &two, &err), EBM_OK);
    assert_int_equal(two.n, 2);
    assert_int_equal(store_job_counts(s, counts, &err), EBM_OK);
    assert_int_equal(counts[JOB_QUEUED], 1);
    assert_int_equal(counts[JOB_UNKNOWN], 1);
    assert_int_equal(counts[JOB_HELD], 0);
}

static bool read_inside(void *arg, const struct store_job *j)
{
    struct ids nested = {0};
    struct store_job again;
    struct ebm_error err;
    assert_int_equal(store_job_each(arg, 0, 0, collect_job, &nested, &err), EBM_OK);
    assert_int_equal(nested.n, 3);
    assert_int_equal(store_job_get(arg, j->id, &again, &err), EBM_OK);
    return true;
}

static void test_a_visitor_may_read(void **state)
{
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    for (int i = 0; i < 3; i++)
        add_job(s, "x");
    assert_int_equal(store_job_each(s, 0, 0, read_inside, s, &err), EBM_OK);
}

/* ---- turns ---- */

static void test_an_undone_handler_takes_back_only_its_own(void **state)
{
    struct fixture *f = *state;
    struct store *s = f->store;
    struct ebm_error err;
    struct ids ids = {0};

    assert_int_equal(store_begin(s, &err), EBM_OK);
    assert_int_equal(store_begin(s, &err), EBM_OK);
    assert_int_equal(store_savepoint(s, &err), EBM_OK);
    add_job(s, "kept");
    store_release(s);
    assert_int_equal(store_savepoint(s, &err), EBM_OK);
    add_job(s, "undone");
    store_undo(s);
    assert_int_equal(store_savepoint(s, &err), EBM_OK);
    add_job(s, "kept too");
    store_release(s);
    assert_int_equal(store_commit(s, &err), EBM_OK);
    assert_int_equal(store_commit(s, &err), EBM_OK);
    reopen(f);
    assert_int_equal(store_job_each(f->store, 0, 0, collect_job, &ids, &err), EBM_OK);
    assert_int_equal(ids.n, 2);
}

static void test_an_uncommitted_turn_is_gone(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    struct ids ids = {0};

    assert_int_equal(store_savepoint(f->store, &err), EBM_OK); /* begins the turn */
    add_job(f->store, "x");
    store_release(f->store);
    reopen(f);
    assert_int_equal(store_job_each(f->store, 0, 0, collect_job, &ids, &err), EBM_OK);
    assert_int_equal(ids.n, 0);
}

static void test_a_failing_insert_leaves_nothing_behind(void **state)
{
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    int64_t job = add_job(s, "x");
    struct store_attempt first = add_attempt(s, job, 1);
    struct store_attempt second = {.job = job, .attempt = 2};

    assert_int_equal(store_begin(s, &err), EBM_OK);
    assert_int_equal(store_attempt_insert(s, &second, "x", &err), EBM_EEXIST); /* first is live */
    add_job(s, "y");
    assert_int_equal(store_commit(s, &err), EBM_OK);
    assert_int_equal(store_attempt_get(s, job, 2, &second, &err), EBM_ENOTFOUND);
    assert_int_equal(first.fence, 1);
}

/* ---- attempts ---- */

static bool count_attempt(void *arg, const struct store_attempt *a)
{
    uint32_t *n = arg;
    assert_int_equal(a->attempt, ++*n);
    return true;
}

static void test_fences_rise_over_all_jobs(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    uint32_t n = 0;
    int64_t one = add_job(f->store, "one");
    int64_t two = add_job(f->store, "two");
    struct store_attempt a = add_attempt(f->store, one, 1);
    struct store_attempt b = add_attempt(f->store, two, 1);

    assert_true(b.fence > a.fence);
    end_attempt(f->store, &a, "crashed");
    reopen(f);
    struct store_attempt c = add_attempt(f->store, one, 2);
    assert_true(c.fence > b.fence);
    assert_int_equal(store_attempt_each(f->store, one, count_attempt, &n, &err), EBM_OK);
    assert_int_equal(n, 2);
}

static void test_fences_rise_past_a_lost_turn(void **state)
{
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    int64_t job = add_job(s, "x");

    assert_int_equal(store_savepoint(s, &err), EBM_OK);
    struct store_attempt lost = add_attempt(s, job, 1);
    store_undo(s);
    assert_int_equal(store_commit(s, &err), EBM_OK);
    struct store_attempt next = add_attempt(s, job, 1);
    assert_true(next.fence > lost.fence);
}

static void test_every_field_of_an_attempt_survives(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    struct buf spec;
    struct store_attempt back;
    int64_t job = add_job(f->store, "x");
    struct store_attempt a = {.job = job,
                              .attempt = 1,
                              .token = "secret",
                              .cause = "rollback",
                              .actor = "ebmd",
                              .from_checkpoint = 4,
                              .from_step = 400,
                              .started_ms = 17,
                              .overrides = "optimizer.lr=5e-5"};

    assert_int_equal(store_attempt_insert(f->store, &a, "effective: 1\n", &err), EBM_OK);
    a.last_step = 433;
    a.shepherd_pid = 4242;
    a.shepherd_start = 998877;
    snprintf(a.host, sizeof a.host, "node1");
    snprintf(a.reported, sizeof a.reported, "succeeded");
    snprintf(a.reported_reason, sizeof a.reported_reason, "all steps done");
    assert_int_equal(store_attempt_update(f->store, &a, &err), EBM_OK);
    snprintf(a.reason, sizeof a.reason, "why");
    end_attempt(f->store, &a, "succeeded");
    reopen(f);
    memset(&back, 0, sizeof back);
    assert_int_equal(store_attempt_get(f->store, job, 1, &back, &err), EBM_OK);
    assert_memory_equal(&back, &a, offsetof(struct store_attempt, token));
    assert_string_equal(back.token, "secret");
    assert_string_equal(back.cause, "rollback");
    assert_string_equal(back.actor, "ebmd");
    assert_int_equal(back.from_checkpoint, 4);
    assert_int_equal(back.from_step, 400);
    assert_int_equal(back.last_step, 433);
    assert_int_equal(back.started_ms, 17);
    assert_int_equal(back.ended_ms, 5);
    assert_string_equal(back.outcome, "succeeded");
    assert_string_equal(back.reason, "why");
    assert_string_equal(back.overrides, "optimizer.lr=5e-5");
    assert_string_equal(back.host, "node1");
    assert_int_equal(back.shepherd_pid, 4242);
    assert_int_equal(back.shepherd_start, 998877);
    assert_string_equal(back.reported, "succeeded");
    assert_string_equal(back.reported_reason, "all steps done");
    buf_init(&spec);
    assert_int_equal(store_attempt_spec(f->store, job, 1, &spec, &err), EBM_OK);
    assert_string_equal(buf_text(&spec), "effective: 1\n");
    assert_int_equal(store_attempt_spec(f->store, job, 2, &spec, &err), EBM_ENOTFOUND);
    buf_fini(&spec);
}

static void test_an_ended_attempt_never_changes(void **state)
{
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    struct store_attempt back;
    int64_t job = add_job(s, "x");
    struct store_attempt a = add_attempt(s, job, 1);

    end_attempt(s, &a, "crashed");
    a.last_step = 999;
    assert_int_equal(store_attempt_update(s, &a, &err), EBM_ESTATE);
    snprintf(a.outcome, sizeof a.outcome, "succeeded");
    assert_int_equal(store_attempt_end(s, &a, &err), EBM_ESTATE);
    assert_non_null(strstr(err.text, "crashed"));
    assert_int_equal(store_attempt_get(s, job, 1, &back, &err), EBM_OK);
    assert_string_equal(back.outcome, "crashed");
    /* nor by a hand at the database */
    assert_int_equal(db_exec_text(s->db, "UPDATE attempt SET outcome = 'x'", &err), EBM_ESTATE);
    assert_int_equal(db_exec_text(s->db, "DELETE FROM attempt", &err), EBM_ESTATE);
}

/* ---- checkpoints ---- */

static int64_t add_checkpoint(struct store *s, int64_t job, uint64_t step)
{
    struct ebm_error err;
    struct store_checkpoint c = {.job = job, .attempt = 1, .step = step, .health = "probation"};
    assert_int_equal(store_checkpoint_reserve(s, &c.id, &err), EBM_OK);
    memset(c.digest, (int)c.id, sizeof c.digest);
    c.score = NAN;
    c.bytes = 123456789012;
    c.created_ms = 55;
    assert_int_equal(store_checkpoint_insert(s, &c, &err), EBM_OK);
    return c.id;
}

static bool collect_checkpoint(void *arg, const struct store_checkpoint *c)
{
    struct ids *ids = arg;
    ids->id[ids->n++] = c->id;
    return true;
}

static void test_checkpoint_rows(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    struct store_checkpoint c;
    struct ids kept = {0}, all = {0};
    int64_t *ids;
    size_t n;
    int64_t job = add_job(f->store, "x");
    int64_t late = add_checkpoint(f->store, job, 400);
    int64_t early = add_checkpoint(f->store, job, 200);

    reopen(f);
    assert_int_equal(store_checkpoint_get(f->store, late, &c, &err), EBM_OK);
    assert_int_equal(c.step, 400);
    assert_int_equal(c.bytes, 123456789012);
    assert_int_equal(c.digest[31], late);
    assert_int_equal(c.created_ms, 55);
    assert_true(isnan(c.score));
    assert_string_equal(c.health, "probation");
    assert_int_equal(store_checkpoint_insert(f->store, &c, &err), EBM_EEXIST);
    c.pinned = c.deleted = true;
    c.score = 0.5;
    snprintf(c.health, sizeof c.health, "suspect");
    assert_int_equal(store_checkpoint_update(f->store, &c, &err), EBM_OK);
    assert_int_equal(store_checkpoint_get(f->store, late, &c, &err), EBM_OK);
    assert_true(c.pinned && c.deleted && c.score == 0.5);
    assert_string_equal(c.health, "suspect");
    store_checkpoint_each(f->store, job, false, collect_checkpoint, &kept, &err);
    store_checkpoint_each(f->store, job, true, collect_checkpoint, &all, &err);
    assert_int_equal(kept.n, 1);
    assert_int_equal(all.n, 2);
    assert_int_equal(all.id[0], early);
    assert_int_equal(store_checkpoint_ids(f->store, &ids, &n, &err), EBM_OK);
    assert_int_equal(n, 1);
    assert_int_equal(ids[0], early);
    free(ids);
}

static void test_reserved_ids_are_never_given_twice(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    int64_t first, second, third;

    assert_int_equal(store_begin(f->store, &err), EBM_OK);
    assert_int_equal(store_savepoint(f->store, &err), EBM_OK);
    assert_int_equal(store_checkpoint_reserve(f->store, &first, &err), EBM_OK);
    store_undo(f->store);
    assert_int_equal(store_checkpoint_reserve(f->store, &second, &err), EBM_OK);
    assert_int_equal(store_commit(f->store, &err), EBM_OK);
    reopen(f);
    assert_int_equal(store_checkpoint_reserve(f->store, &third, &err), EBM_OK);
    assert_true(first < second && second < third);
}

static bool is_referenced(struct store *s, int64_t id)
{
    struct ebm_error err;
    bool yes = false;
    assert_int_equal(store_checkpoint_referenced(s, id, &yes, &err), EBM_OK);
    return yes;
}

static void test_what_starts_from_a_checkpoint_refers_to_it(void **state)
{
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    int64_t job = add_job(s, "x");
    struct store_job j;
    struct store_attempt a = {.job = job, .attempt = 1, .from_checkpoint = 3};

    for (int64_t id = 1; id <= 3; id++)
        assert_false(is_referenced(s, id));
    assert_int_equal(store_job_get(s, job, &j, &err), EBM_OK);
    j.parent_checkpoint = 1;
    j.plan_checkpoint = 2;
    assert_int_equal(store_job_update(s, &j, &err), EBM_OK);
    assert_true(is_referenced(s, 1));
    assert_false(is_referenced(s, 2)); /* no plan without a cause */
    snprintf(j.plan_cause, sizeof j.plan_cause, "resume");
    assert_int_equal(store_job_update(s, &j, &err), EBM_OK);
    assert_true(is_referenced(s, 2));
    assert_int_equal(store_attempt_insert(s, &a, "", &err), EBM_OK);
    assert_true(is_referenced(s, 3));
    end_attempt(s, &a, "paused");
    assert_false(is_referenced(s, 3));
    assert_false(is_referenced(s, 0));
}

/* ---- events and keys ---- */

struct seqs {
    uint64_t seq[16];
    size_t n;
};

static bool collect_event(void *arg, const struct store_event *e)
{
    struct seqs *seqs = arg;
    assert_string_equal(e->kind, "state");
    assert_true(e->time_ms > 0);
    seqs->seq[seqs->n++] = e->seq;
    return true;
}

static struct seqs events(struct store *s, int64_t job, uint64_t after, uint32_t limit, bool newest)
{
    struct ebm_error err;
    struct seqs seqs = {.n = 0};
    assert_int_equal(store_event_each(s, job, after, limit, newest, collect_event, &seqs, &err),
                     EBM_OK);
    return seqs;
}

static void test_events_are_appended_and_paged(void **state)
{
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    struct store_event e = {.kind = "state", .text = "queued"};

    for (int i = 0; i < 6; i++) {
        e.job = 1 + i % 2;
        assert_int_equal(store_event_append(s, &e, &err), EBM_OK);
        assert_int_equal(e.seq, i + 1);
    }
    assert_int_equal(events(s, 0, 0, 0, false).n, 6);
    assert_int_equal(events(s, 0, 4, 0, false).seq[0], 5);
    assert_int_equal(events(s, 0, 0, 2, false).seq[1], 2);
    struct seqs newest = events(s, 0, 0, 2, true);
    assert_int_equal(newest.n, 2);
    assert_int_equal(newest.seq[0], 5);
    assert_int_equal(newest.seq[1], 6);
    struct seqs of_job = events(s, 2, 2, 0, false);
    assert_int_equal(of_job.n, 2);
    assert_int_equal(of_job.seq[0], 4);
    assert_int_equal(events(s, 1, 0, 1, true).seq[0], 5);
    assert_int_equal(db_exec_text(s->db, "UPDATE event SET text = ''", &err), EBM_ESTATE);
    assert_int_equal(db_exec_text(s->db, "DELETE FROM event", &err), EBM_ESTATE);
}

static void test_replies_are_kept_for_a_day(void **state)
{
    static const char reply[] = "a\0b";
    struct fixture *f = *state;
    struct ebm_error err;
    struct buf out;

    buf_init(&out);
    assert_int_equal(store_key_get(f->store, "k", &out, &err), EBM_ENOTFOUND);
    assert_int_equal(store_key_put(f->store, "", "x", 1, &err), EBM_OK);
    assert_int_equal(store_key_get(f->store, "", &out, &err), EBM_ENOTFOUND);
    assert_int_equal(store_key_put(f->store, "k", reply, 3, &err), EBM_OK);
    assert_int_equal(store_key_put(f->store, "k", "x", 1, &err), EBM_EEXIST);
    assert_int_equal(store_key_put(f->store, "empty", NULL, 0, &err), EBM_OK);
    reopen(f);
    assert_int_equal(store_key_get(f->store, "empty", &out, &err), EBM_OK);
    assert_int_equal(out.size, 0);
    assert_int_equal(store_key_get(f->store, "k", &out, &err), EBM_OK);
    assert_int_equal(out.size, 3);
    assert_memory_equal(out.data, reply, 3);
    assert_int_equal(
        db_exec_text(f->store->db, "UPDATE reply SET time_ms = time_ms - 86400001", &err), EBM_OK);
    assert_int_equal(store_key_get(f->store, "k", &out, &err), EBM_ENOTFOUND);
    assert_int_equal(store_key_put(f->store, "k", "new", 3, &err), EBM_OK);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_unknown_ids_are_named),
        T(test_wrong_values_are_refused),
        T(test_every_field_of_a_job_survives),
        T(test_texts_of_a_job),
        T(test_a_key_gives_the_same_job),
        T(test_jobs_are_walked_by_id_and_state),
        T(test_a_visitor_may_read),
        T(test_an_undone_handler_takes_back_only_its_own),
        T(test_an_uncommitted_turn_is_gone),
        T(test_a_failing_insert_leaves_nothing_behind),
        T(test_fences_rise_over_all_jobs),
        T(test_fences_rise_past_a_lost_turn),
        T(test_every_field_of_an_attempt_survives),
        T(test_an_ended_attempt_never_changes),
        T(test_checkpoint_rows),
        T(test_reserved_ids_are_never_given_twice),
        T(test_what_starts_from_a_checkpoint_refers_to_it),
        T(test_events_are_appended_and_paged),
        T(test_replies_are_kept_for_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
