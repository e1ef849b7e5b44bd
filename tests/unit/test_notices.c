/* The store's notices: due until they end, and history then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

static int64_t add_notice(struct store *s, int64_t job, const char *event)
{
    struct ebm_error err = {.text = ""};
    struct store_notice n = {
        .job = job, .attempt = 2, .state = JOB_FAILED, .step = 7, .total_steps = 9};

    snprintf(n.event, sizeof n.event, "%s", event);
    snprintf(n.reason, sizeof n.reason, "why %s", event);
    if (store_notice_add(s, &n, &err) != EBM_OK)
        fail_msg("%s", err.text);
    return n.id;
}

static struct store_notice due(struct store *s, int64_t after_job)
{
    struct ebm_error err;
    struct store_notice n;
    assert_int_equal(store_notice_due(s, after_job, &n, &err), EBM_OK);
    return n;
}

static void test_notices_are_due_until_they_end(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    struct store_notice n = {.job = 99, .event = "failed", .state = JOB_FAILED};
    int64_t one = add_job(f->store, "one"), two = add_job(f->store, "two");

    assert_int_equal(store_notice_add(f->store, &n, &err), EBM_ENOTFOUND); /* no such job */
    assert_int_equal(due(f->store, 0).id, 0);
    int64_t first = add_notice(f->store, one, "rolled-back");
    int64_t second = add_notice(f->store, one, "failed");
    int64_t third = add_notice(f->store, two, "finished");
    reopen(f);
    n = due(f->store, 0);
    assert_int_equal(n.id, first);
    assert_int_equal(n.job, one);
    assert_int_equal(n.attempt, 2);
    assert_string_equal(n.event, "rolled-back");
    assert_string_equal(n.reason, "why rolled-back");
    assert_int_equal(n.state, JOB_FAILED);
    assert_true(n.step == 7 && n.total_steps == 9 && n.time_ms > 0);
    assert_int_equal(due(f->store, one).id, third); /* of a job, the oldest alone */
    assert_int_equal(due(f->store, two).id, 0);
    assert_int_equal(store_notice_end(f->store, first, true, &err), EBM_OK);
    assert_int_equal(store_notice_end(f->store, first, false, &err), EBM_OK);
    assert_int_equal(due(f->store, 0).id, second);
    assert_int_equal(store_notice_end(f->store, second, false, &err), EBM_OK);
    assert_int_equal(due(f->store, 0).id, third);
}

static void test_notices_are_history(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    int64_t id = add_notice(f->store, add_job(f->store, "one"), "failed");
    int64_t count = 0;

    assert_int_equal(store_notice_end(f->store, id, true, &err), EBM_OK);
    assert_int_equal(store_notice_end(f->store, id, false, &err), EBM_OK);
    struct db_query q =
        db_query_text(f->store->db, "SELECT count(*) FROM notice WHERE outcome = 'told'");
    assert_int_equal(db_run_int(&q, &count, &err), EBM_OK);
    assert_int_equal(count, 1);
    assert_int_equal(db_exec_text(f->store->db, "UPDATE notice SET outcome = ''", &err),
                     EBM_ESTATE);
    assert_int_equal(db_exec_text(f->store->db, "DELETE FROM notice", &err), EBM_ESTATE);
}

static void test_a_notice_goes_with_its_turn(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    int64_t job = add_job(f->store, "one");

    assert_int_equal(store_savepoint(f->store, &err), EBM_OK);
    add_notice(f->store, job, "failed");
    store_undo(f->store);
    assert_int_equal(store_commit(f->store, &err), EBM_OK);
    assert_int_equal(due(f->store, 0).id, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_notices_are_due_until_they_end),
        T(test_notices_are_history),
        T(test_a_notice_goes_with_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
