/* Forks: jobs that begin at a checkpoint of another. */
#include "coordinator_actor.h"

#include <stdio.h>

struct wish {
    const char *at, *set[STAGE_SETS_MAX], *key;
    bool hold;
};

static const Ebm__Reply *try_fork(struct stage *s, int64_t job, const struct wish *w)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Fork m = EBM__FORK__INIT;

    q.key = (char *)(w->key != NULL ? w->key : "");
    q.body_case = EBM__REQUEST__BODY_FORK;
    q.fork = &m;
    m.job = (uint64_t)job;
    m.at = (char *)(w->at != NULL ? w->at : "");
    m.set = (char **)w->set;
    while (w->set[m.n_set] != NULL)
        m.n_set++;
    m.hold = w->hold;
    return stage_ask(s, &q);
}

#define FORK(s, job, ...) try_fork((s), (job), &(const struct wish){__VA_ARGS__})

static int64_t must_fork(const Ebm__Reply *r)
{
    if (r->status != EBM_OK)
        fail_msg("refused: %s", r->error);
    assert_true(r->job > 0);
    return (int64_t)r->job;
}

/* A running job with checkpoints c1 at 50 and c2 at 100. */
static int64_t run_parent(struct stage *s, struct actor *a)
{
    int64_t job = SUBMIT(s, .priority = 3);

    actor_start(a, s, job, 0);
    actor_checkpoint(a, 50);
    actor_checkpoint(a, 100);
    return job;
}

static bool count_job(void *arg, const struct store_job *j)
{
    (void)j;
    ++*(unsigned *)arg;
    return true;
}

static unsigned count_jobs(struct stage *s)
{
    unsigned n = 0;

    store_job_each(s->daemon.store, 0, 0, count_job, &n, NULL);
    return n;
}

static void wrong_forks_leave_no_job(void **state)
{
    struct stage *s = *state;
    const struct {
        const char *at, *set, *text;
    } rows[] = {
        {"c9", NULL, "no checkpoint c9"},
        {"", stage_set_pictures(s), "is of samples of 2 x 1 x 1"},
        {"", "optimizer.lr=x", "optimizer.lr"},
        {"", "name=a b", "name"},
        {"", "replay.size=128", "holds 64 slots"},
        {"", "resources.threads=5", "need 5 slots"},
        {"", "train.steps=50", "nothing is left to train"},
        {"", "model.layers=[ dense: {out: 5}, swish, dense: {out: 1} ]", "the net cannot change"},
    };
    struct actor a;
    struct buf before, after;
    int64_t job = run_parent(s, &a);

    buf_init(&before);
    buf_init(&after);
    stage_dump(s, job, &before);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const Ebm__Reply *r = FORK(s, job, .at = rows[i].at, .set = {rows[i].set});
        const char *said = r->n_problem > 0 ? r->problem[0]->text : r->error;
        assert_int_not_equal(r->status, EBM_OK);
        assert_int_equal(r->job, 0);
        if (strstr(said, rows[i].text) == NULL)
            fail_msg("%s %s: %s", rows[i].at, rows[i].set, said);
    }
    assert_int_equal(count_jobs(s), 1);
    stage_dump(s, job, &after);
    assert_string_equal(buf_text(&after), buf_text(&before));
    buf_fini(&before);
    buf_fini(&after);
    actor_close(&a);
}

static void a_fork_begins_at_its_checkpoint(void **state)
{
    struct stage *s = *state;
    struct actor a, b;
    int64_t job = run_parent(s, &a);
    int64_t fork = must_fork(FORK(s, job, .at = "c1", .set = {"name=child", "optimizer.lr=0.5"}));

    const Ebm__Job *m = stage_show(s, fork);
    assert_string_equal(m->name, "child");
    assert_int_equal(m->parent_job, job);
    assert_int_equal(m->parent_checkpoint, 1);
    assert_int_equal(m->priority, 3);
    assert_int_equal(m->step, 50);
    assert_int_equal(m->total_steps, 1000);
    assert_non_null(strstr(m->spec, "lr: 0.5"));
    actor_open(&b, s, fork);
    const Ebm__Welcome *w = actor_hello(&b);
    assert_int_equal(w->checkpoint, 1);
    struct store_attempt first = stage_attempt(s, fork, 1);
    assert_string_equal(first.cause, "fork");
    assert_string_equal(first.actor, "user");
    assert_int_equal(first.from_step, 50);
    assert_string_equal(first.overrides, "name=child optimizer.lr=0.5");
    assert_int_equal(stage_state(s, job), JOB_RUNNING); /* the parent goes on */
    assert_string_equal(actor_beat(&a, 110), "");
    assert_string_equal(stage_show(s, job)->name, "staged");
    actor_close(&a);
    actor_close(&b);
}

static void a_fork_may_be_held(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = run_parent(s, &a);
    int64_t fork = must_fork(FORK(s, job, .hold = true));

    for (int i = 0; i < 3; i++)
        stage_turn(s);
    assert_int_equal(stage_state(s, fork), JOB_HELD);
    stage_change(s, fork, "release");
    STAGE_UNTIL(s, stage_state(s, fork) == JOB_STARTING);
    actor_close(&a);
}

static void a_key_makes_it_one_fork(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = run_parent(s, &a);
    int64_t fork = must_fork(FORK(s, job, .key = "once", .hold = true));

    assert_int_equal(must_fork(FORK(s, job, .key = "once", .hold = true)), fork);
    actor_close(&a);
    stage_reopen(s);
    assert_int_equal(must_fork(FORK(s, job, .key = "once")), fork);
    assert_int_equal(count_jobs(s), 2);
}

static void where_a_fork_began_is_never_retired(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = run_parent(s, &a);
    int64_t fork = must_fork(FORK(s, job, .at = "c1", .hold = true));

    for (uint64_t step = 150; step <= 400; step += 50)
        actor_checkpoint(&a, step);
    assert_false(stage_checkpoint(s, 1).deleted);
    assert_true(stage_checkpoint(s, 2).deleted);
    assert_string_equal(stage_checkpoints(s, job)->checkpoints[0]->kept_because, "used");
    stage_change(s, fork, "cancel");
    actor_checkpoint(&a, 450);
    assert_false(stage_checkpoint(s, 1).deleted); /* it may be resumed */
    actor_close(&a);
}

static void a_finished_run_is_forked_with_more_steps(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s, .set = {"train.steps=100"});

    actor_start(&a, s, job, 0);
    actor_checkpoint(&a, 100);
    actor_finish(&a, "succeeded", "");
    actor_close(&a);
    stage_end_mpirun(s, job, 0);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_SUCCEEDED);
    stage_assert_refused(FORK(s, job, .hold = true), EBM_EINVAL,
                         "is at step 100 of 100: nothing is left to train");
    int64_t fork = must_fork(FORK(s, job, .set = {"train.steps=200"}));
    assert_int_equal(stage_job(s, fork).total_steps, 200);
}

static void a_fork_of_a_fork_knows_its_parent(void **state)
{
    struct stage *s = *state;
    struct actor a, b;
    int64_t job = run_parent(s, &a);
    int64_t fork = must_fork(FORK(s, job, .set = {"optimizer.lr=0.5"}));

    actor_start(&b, s, fork, 120);
    int64_t own = actor_checkpoint(&b, 150);
    int64_t grandchild = must_fork(FORK(s, fork, .at = "newest"));
    STAGE_UNTIL(s, stage_job(s, grandchild).attempt == 1);
    assert_int_equal(stage_attempt(s, grandchild, 1).from_checkpoint, own);
    assert_int_equal(stage_job(s, grandchild).parent_job, fork);
    assert_string_equal(stage_attempt(s, grandchild, 1).overrides, "");
    assert_non_null(strstr(stage_show(s, grandchild)->spec, "lr: 0.5"));
    actor_close(&a);
    actor_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(wrong_forks_leave_no_job),
        T(a_fork_begins_at_its_checkpoint),
        T(a_fork_may_be_held),
        T(a_key_makes_it_one_fork),
        T(where_a_fork_began_is_never_retired),
        T(a_finished_run_is_forked_with_more_steps),
        T(a_fork_of_a_fork_knows_its_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
