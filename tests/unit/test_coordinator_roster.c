/* The queue in memory: what it costs, and that it is what the store says. */
#include "coordinator_stage.h"
#include "dice.h"

#include <stdio.h>

#include "queue.h"
#include "store/store_private.h"

/* ---- rows ---- */

static struct store_job make_job(int64_t after)
{
    struct store_job j = {
        .name = "waits", .state = JOB_QUEUED, .ranks = 1, .threads = 1, .after = after};

    strcpy(j.plan_cause, "submit");
    strcpy(j.plan_actor, "user");
    return j;
}

static int64_t insert(struct stage *s, struct store_job j)
{
    assert_int_equal(store_job_insert(s->daemon.store, &j, "", stage_spec, stage_spec, NULL),
                     EBM_OK);
    return j.id;
}

static void set_state(struct stage *s, int64_t job, enum job_state state)
{
    struct store_job j = stage_job(s, job);

    j.state = state;
    assert_int_equal(store_job_update(s->daemon.store, &j, NULL), EBM_OK);
}

/* ---- what a pass costs ---- */

enum { FEW = 50, MANY = 2000, FOREVER_MS = 3600 * 1000 };

static struct store_job behind_the_first(int64_t newest)
{
    (void)newest;
    return make_job(1);
}

static struct store_job behind_the_one_before(int64_t newest)
{
    return make_job(newest);
}

static struct store_job too_large(int64_t newest)
{
    struct store_job j = make_job(0);

    (void)newest;
    j.ranks = STAGE_SLOTS + 1;
    return j;
}

static struct store_job in_its_back_off(int64_t newest)
{
    struct store_job j = make_job(0);

    (void)newest;
    j.attempt = 1;
    j.not_before_ms = clock_wall_ms() + FOREVER_MS;
    return j;
}

static struct store_job held(int64_t newest)
{
    struct store_job j = make_job(0);

    (void)newest;
    j.state = JOB_HELD;
    return j;
}

static int64_t crowd(struct stage *s, struct store_job (*make)(int64_t newest), int64_t newest,
                     unsigned n)
{
    assert_int_equal(store_begin(s->daemon.store, NULL), EBM_OK);
    for (unsigned i = 0; i < n; i++)
        newest = insert(s, make(newest));
    assert_int_equal(store_commit(s->daemon.store, NULL), EBM_OK);
    queue_pass(&s->daemon);
    return newest;
}

/* What SQLite does in a pass after one job has come and another has ended. */
static uint64_t work_of_a_pass(struct stage *s)
{
    struct store_job one = make_job(1);
    struct db *db = s->daemon.store->db;

    one.ranks = STAGE_SLOTS + 1;
    set_state(s, insert(s, one), JOB_CANCELLED);
    insert(s, one);
    uint64_t before = db_work(db);
    queue_pass(&s->daemon);
    return db_work(db) - before;
}

static void those_that_wait_cost_a_pass_nothing(void **state)
{
    static struct store_job (*const make[])(int64_t newest) = {
        behind_the_first, behind_the_one_before, too_large, in_its_back_off, held};
    struct stage *s = *state;
    int64_t newest = SUBMIT(s, .hold = true);

    for (size_t i = 0; i < sizeof make / sizeof make[0]; i++) {
        newest = crowd(s, make[i], newest, FEW);
        uint64_t few = work_of_a_pass(s);
        newest = crowd(s, make[i], newest, MANY);
        uint64_t many = work_of_a_pass(s);
        assert_true(few > 0);
        if (many > few + FEW)
            fail_msg("crowd %zu: %llu steps beside few, %llu beside many", i,
                     (unsigned long long)few, (unsigned long long)many);
    }
    assert_int_equal(s->daemon.live.count, 0);
}

/* ---- that it is what the store says ---- */

struct expected {
    const struct roster *roster;
    size_t at;
};

static bool compare(void *arg, const struct store_queued *q)
{
    struct expected *e = arg;

    assert_true(e->at < e->roster->count);
    const struct store_queued *is = &e->roster->job[e->at++];
    assert_int_equal(is->id, q->id);
    assert_int_equal(is->after, q->after);
    assert_int_equal(is->after_state, q->after_state);
    assert_int_equal(is->priority, q->priority);
    assert_int_equal(is->slots, q->slots);
    assert_int_equal(is->not_before_ms, q->not_before_ms);
    return true;
}

static void assert_same(struct stage *s, struct roster *r)
{
    struct expected e = {.roster = r};

    assert_int_equal(roster_follow(r, s->daemon.store, NULL), EBM_OK);
    assert_int_equal(store_job_queue(s->daemon.store, compare, &e, NULL), EBM_OK);
    assert_int_equal(e.at, r->count);
}

static void change_one(struct stage *s, uint64_t *dice, int64_t jobs)
{
    struct store_job j = stage_job(s, 1 + dice_below(dice, (uint32_t)jobs));

    j.state =
        dice_below(dice, 2) == 0 ? JOB_QUEUED : (enum job_state)dice_below(dice, JOB_STATE_COUNT);
    j.priority = (int32_t)dice_below(dice, 5) - 2;
    j.attempt = dice_below(dice, 2);
    j.ranks = 1 + dice_below(dice, 3);
    j.not_before_ms = dice_below(dice, 3);
    assert_int_equal(store_job_update(s->daemon.store, &j, NULL), EBM_OK);
}

/* Some jobs come and some change; false: all of it was undone. */
static bool change_some(struct stage *s, uint64_t *dice, int64_t *jobs)
{
    int64_t before = *jobs;
    unsigned n = dice_below(dice, 12);

    assert_int_equal(store_savepoint(s->daemon.store, NULL), EBM_OK);
    for (unsigned i = 0; i < n; i++)
        if (*jobs < 2 || dice_below(dice, 3) == 0)
            *jobs = insert(s, make_job(dice_below(dice, (uint32_t)*jobs + 1)));
        else
            change_one(s, dice, *jobs);
    if (dice_below(dice, 4) != 0) {
        store_release(s->daemon.store);
        return true;
    }
    store_undo(s->daemon.store);
    *jobs = before;
    return false;
}

static void it_follows_every_change(void **state)
{
    enum { ROUNDS = 500 };
    struct stage *s = *state;
    struct roster r = {.known = false};
    uint64_t dice = 11;
    int64_t jobs = 0;
    unsigned undone = 0;

    for (int i = 0; i < ROUNDS; i++) {
        undone += !change_some(s, &dice, &jobs);
        if (dice_below(&dice, 3) != 0)
            assert_same(s, &r);
    }
    assert_true(r.count > 20);
    assert_true(undone > 20);
    roster_fini(&r);
}

static void after_a_lost_commit_it_is_read_anew(void **state)
{
    struct stage *s = *state;
    int64_t first = SUBMIT(s, .hold = true);
    int64_t next = SUBMIT(s, .after = first, .set = {"resources.ranks=4"});
    int64_t last = SUBMIT(s, .after = first, .set = {"resources.ranks=4"});

    for (int i = 0; i < 3; i++)
        stage_turn(s);
    /* The pass sees a success that then never comes to the disk. It would
     * start one of the two; the other is not even touched. */
    assert_int_equal(store_begin(s->daemon.store, NULL), EBM_OK);
    set_state(s, first, JOB_SUCCEEDED);
    queue_touch(&s->daemon);
    stage_break_disk(true);
    stage_turn(s);
    stage_break_disk(false);
    assert_int_equal(stage_state(s, first), JOB_HELD);
    assert_int_equal(stage_state(s, next), JOB_QUEUED);
    queue_touch(&s->daemon);
    for (int i = 0; i < 3; i++)
        stage_turn(s);
    assert_int_equal(stage_state(s, last), JOB_QUEUED);
    assert_int_equal(s->daemon.live.count, 0);
    assert_same(s, &s->daemon.queue.roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(those_that_wait_cost_a_pass_nothing),
        T(it_follows_every_change),
        T(after_a_lost_commit_it_is_read_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
