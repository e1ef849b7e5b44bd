/* The store's rows as the queue sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store.h"
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

static struct store_job make_job(const char *name)
{
    struct store_job j = {.state = JOB_QUEUED, .ranks = 2, .threads = 1};
    snprintf(j.name, sizeof j.name, "%s", name);
    return j;
}

static void add_job(struct store *s, const char *name)
{
    struct ebm_error err;
    struct store_job j = make_job(name);
    assert_int_equal(store_job_insert(s, &j, "", "source", "spec", &err), EBM_OK);
}

struct ids {
    int64_t id[16];
    size_t n, stop_at;
};

static bool collect_queued(void *arg, const struct store_queued *q)
{
    struct ids *ids = arg;
    assert_true(ids->n < 16);
    ids->id[ids->n++] = q->id;
    return ids->n != ids->stop_at;
}

static void test_the_queue_is_in_scheduling_order(void **state)
{
    static const int32_t priorities[] = {0, 5, -1, 5, 0};
    static const int64_t order[] = {2, 4, 1, 5, 3};
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    struct ids ids = {0}, two = {.stop_at = 2};

    for (size_t i = 0; i < 5; i++) {
        struct store_job j = make_job("x");
        j.priority = priorities[i];
        assert_int_equal(store_job_insert(s, &j, "", "", "", &err), EBM_OK);
    }
    struct store_job held = make_job("held");
    held.state = JOB_HELD;
    assert_int_equal(store_job_insert(s, &held, "", "", "", &err), EBM_OK);
    assert_int_equal(store_job_queue(s, collect_queued, &ids, &err), EBM_OK);
    assert_int_equal(ids.n, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(ids.id[i], order[i]);
    assert_int_equal(store_job_queue(s, collect_queued, &two, &err), EBM_OK);
    assert_int_equal(two.n, 2);
}

static bool take_queued(void *arg, const struct store_queued *q)
{
    struct store_queued **next = arg;
    *(*next)++ = *q;
    return true;
}

static void assert_queued(const struct store_queued *q, int64_t after, enum job_state state)
{
    assert_int_equal(q->after, after);
    assert_int_equal(q->after_state, state);
    assert_int_equal(q->slots, 6);
    assert_int_equal(q->not_before_ms, 77);
}

/* Of the walk and of one row alike. */
static void test_what_the_queue_knows_of_a_job(void **state)
{
    static const struct {
        int64_t after;
        uint32_t attempt;
        int64_t known_after;
        enum job_state state;
    } rows[] = {{0, 0, 0, JOB_STATE_COUNT},
                {1, 0, 1, JOB_PAUSED},
                {1, 1, 0, JOB_STATE_COUNT}, /* it has started */
                {99, 0, 99, JOB_STATE_COUNT}};
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    struct store_job other = make_job("other");
    struct store_queued one, walked[ROWS], *next = walked;

    other.state = JOB_PAUSED;
    assert_int_equal(store_job_insert(s, &other, "", "", "", &err), EBM_OK);
    for (size_t i = 0; i < ROWS; i++) {
        struct store_job j = make_job("x");
        j.after = rows[i].after;
        j.attempt = rows[i].attempt;
        j.threads = 3;
        j.not_before_ms = 77;
        assert_int_equal(store_job_insert(s, &j, "", "", "", &err), EBM_OK);
        assert_int_equal(store_job_queued(s, &j, &one, &err), EBM_OK);
        assert_queued(&one, rows[i].known_after, rows[i].state);
    }
    assert_int_equal(store_job_queue(s, take_queued, &next, &err), EBM_OK);
    assert_ptr_equal(next, walked + ROWS);
    for (size_t i = 0; i < ROWS; i++)
        assert_queued(&walked[i], rows[i].known_after, rows[i].state);
}

static void assert_changed(struct store *s, const int64_t *ids, size_t n)
{
    struct buf changed;
    store_job_changed(s, &changed);
    assert_true(buf_ok(&changed));
    assert_int_equal(changed.size, n * sizeof *ids);
    if (n > 0)
        assert_memory_equal(changed.data, ids, changed.size);
    buf_fini(&changed);
}

static void test_changed_jobs_are_named(void **state)
{
    struct store *s = ((struct fixture *)*state)->store;
    struct ebm_error err;
    struct store_job j = make_job("x");

    assert_changed(s, NULL, 0);
    add_job(s, "x");
    add_job(s, "x");
    assert_changed(s, (const int64_t[]){1, 2}, 2);
    assert_changed(s, NULL, 0);
    j.id = 2;
    assert_int_equal(store_savepoint(s, &err), EBM_OK);
    assert_int_equal(store_job_update(s, &j, &err), EBM_OK);
    store_undo(s);
    assert_int_equal(store_commit(s, &err), EBM_OK);
    assert_int_equal(store_job_set_step(s, 1, 5, &err), EBM_OK);
    j.id = 9;
    assert_int_equal(store_job_update(s, &j, &err), EBM_ENOTFOUND);
    assert_changed(s, (const int64_t[]){2}, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_the_queue_is_in_scheduling_order),
        T(test_what_the_queue_knows_of_a_job),
        T(test_changed_jobs_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
