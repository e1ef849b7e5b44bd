/* Lines of descent: against histories of a store, and against a model that
 * copies whole lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dice.h"
#include "lineage.h"
#include "temp_home.h"

enum { ATTEMPTS = 12, STEPS = 40, HISTORIES = 20 };

struct fixture {
    struct home home;
    struct store *store;
    int64_t job;
};

static int64_t add_job(struct store *s)
{
    struct store_job j = {.name = "x", .state = JOB_QUEUED};

    assert_int_equal(store_job_insert(s, &j, "", "source", "spec", NULL), EBM_OK);
    return j.id;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_int_equal(temp_home_make(&f->home), 0);
    assert_int_equal(store_open(&f->home, &f->store, NULL), EBM_OK);
    f->job = add_job(f->store);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    temp_home_remove(&f->home);
    free(f);
    return 0;
}

/* An attempt that has ended. */
static void add_attempt(const struct fixture *f, uint32_t n, int64_t checkpoint, uint64_t step)
{
    struct store_attempt a = {.job = f->job,
                              .attempt = n,
                              .from_checkpoint = checkpoint,
                              .from_step = step,
                              .ended_ms = 1,
                              .outcome = "crashed"};

    assert_int_equal(store_attempt_insert(f->store, &a, "spec", NULL), EBM_OK);
}

static int64_t add_checkpoint(const struct fixture *f, int64_t job, uint32_t attempt, uint64_t step)
{
    struct store_checkpoint c = {
        .job = job, .attempt = attempt, .step = step, .bytes = 1, .health = "probation"};

    assert_int_equal(store_checkpoint_reserve(f->store, &c.id, NULL), EBM_OK);
    assert_int_equal(store_checkpoint_insert(f->store, &c, NULL), EBM_OK);
    return c.id;
}

static void read_line(const struct fixture *f, uint32_t attempt, struct lineage *line)
{
    struct ebm_error err = {.text = ""};

    if (lineage_read(f->store, f->job, attempt, line, &err) != EBM_OK)
        fail_msg("%s", err.text);
}

/* ---- what is no line ---- */

static void no_attempt_is_an_empty_line(void **state)
{
    struct lineage line;

    read_line(*state, 0, &line);
    assert_int_equal(line.count, 0);
    assert_false(lineage_has(&line, 0, 0));
    assert_false(lineage_has(&line, 1, 1));
    lineage_fini(&line);
    lineage_fini(&line); /* and once more */
}

static void what_is_missing_is_named(void **state)
{
    const struct fixture *f = *state;
    struct ebm_error err;
    struct lineage line;

    assert_int_equal(lineage_read(f->store, f->job, 3, &line, &err), EBM_ENOTFOUND);
    assert_non_null(strstr(err.text, "attempt 3"));
    lineage_fini(&line);
    add_attempt(f, 1, 77, 10);
    assert_int_equal(lineage_read(f->store, f->job, 1, &line, &err), EBM_ENOTFOUND);
    assert_non_null(strstr(err.text, "checkpoint 77"));
    lineage_fini(&line);
}

static void a_circle_is_damage_and_ends(void **state)
{
    const struct fixture *f = *state;
    struct ebm_error err;
    struct lineage line;

    add_attempt(f, 1, add_checkpoint(f, f->job, 2, 5), 5);
    add_attempt(f, 2, add_checkpoint(f, f->job, 1, 9), 9);
    assert_int_equal(lineage_read(f->store, f->job, 2, &line, &err), EBM_ECORRUPT);
    assert_non_null(strstr(err.text, "attempt 1"));
    lineage_fini(&line);
    add_attempt(f, 3, add_checkpoint(f, f->job, 3, 9), 9); /* from itself */
    assert_int_equal(lineage_read(f->store, f->job, 3, &line, &err), EBM_ECORRUPT);
    lineage_fini(&line);
}

/* ---- lines ---- */

static void steps_count_up_to_where_the_next_began(void **state)
{
    const struct fixture *f = *state;
    struct lineage line;

    add_attempt(f, 1, 0, 0);
    int64_t at_20 = add_checkpoint(f, f->job, 1, 20);
    add_checkpoint(f, f->job, 1, 30);
    add_attempt(f, 2, at_20, 20);
    read_line(f, 2, &line);
    assert_int_equal(line.count, 2);
    assert_false(lineage_has(&line, 1, 0)); /* no step was taken to get there */
    assert_true(lineage_has(&line, 1, 1));
    assert_true(lineage_has(&line, 1, 20));
    assert_false(lineage_has(&line, 1, 21));
    assert_false(lineage_has(&line, 1, 30));
    assert_false(lineage_has(&line, 2, 20));
    assert_true(lineage_has(&line, 2, 21));
    assert_true(lineage_has(&line, 2, UINT64_MAX));
    assert_false(lineage_has(&line, 3, 21));
    lineage_fini(&line);
}

static void a_fork_begins_at_another_jobs_checkpoint(void **state)
{
    const struct fixture *f = *state;
    struct lineage line;
    int64_t other = add_job(f->store);

    add_attempt(f, 1, add_checkpoint(f, other, 9, 100), 100);
    read_line(f, 1, &line);
    assert_int_equal(line.count, 1);
    assert_false(lineage_has(&line, 1, 100));
    assert_true(lineage_has(&line, 1, 101));
    assert_false(lineage_has(&line, 9, 100)); /* an attempt of that job */
    lineage_fini(&line);
}

static void lines_have_in_common_what_came_before_they_parted(void **state)
{
    const struct fixture *f = *state;
    struct lineage two, three, four;

    add_attempt(f, 1, 0, 0);
    add_attempt(f, 2, add_checkpoint(f, f->job, 1, 20), 20);
    add_attempt(f, 3, add_checkpoint(f, f->job, 1, 50), 50);
    add_attempt(f, 4, 0, 0); /* from scratch again */
    read_line(f, 2, &two);
    read_line(f, 3, &three);
    read_line(f, 4, &four);
    assert_int_equal(lineage_common_step(&two, &two, 30), 30);
    assert_int_equal(lineage_common_step(&two, &three, 70), 20);
    assert_int_equal(lineage_common_step(&three, &two, 30), 20);
    assert_int_equal(lineage_common_step(&three, &two, 10), 10);
    assert_int_equal(lineage_common_step(&two, &four, 90), 0);
    lineage_fini(&two);
    lineage_fini(&three);
    lineage_fini(&four);
}

/* ---- a model: the line of an attempt is a copy of its parent's up to the
 * step where it began, and its own steps ---- */

struct model {
    bool has[ATTEMPTS + 1][ATTEMPTS + 1][STEPS + 1]; /* of line, attempt, step */
};

static void grow(struct model *m, uint32_t n, uint32_t parent, uint64_t from)
{
    for (uint32_t a = 1; parent != 0 && a < n; a++)
        for (uint64_t step = 0; step <= STEPS; step++)
            m->has[n][a][step] = m->has[parent][a][step] && step <= from;
    for (uint64_t step = from + 1; step <= STEPS; step++)
        m->has[n][n][step] = true;
}

/* Attempt n starts from a checkpoint that one before it wrote after its own
 * start, or from scratch. */
static void add_random(const struct fixture *f, struct model *m, uint64_t *dice, uint32_t n,
                       uint64_t from[])
{
    uint32_t parent = dice_below(dice, n);
    int64_t checkpoint = 0;

    from[n] = 0;
    if (parent != 0) {
        from[n] = from[parent] + 1 + dice_below(dice, 3);
        checkpoint = add_checkpoint(f, f->job, parent, from[n]);
    }
    add_attempt(f, n, checkpoint, from[n]);
    grow(m, n, parent, from[n]);
}

static void compare(const struct fixture *f, const struct model *m, uint32_t n)
{
    struct lineage line;

    read_line(f, n, &line);
    for (uint32_t a = 1; a <= ATTEMPTS; a++)
        for (uint64_t step = 0; step <= STEPS; step++)
            if (lineage_has(&line, a, step) != m->has[n][a][step])
                fail_msg("line of %u: attempt %u step %llu", n, a, (unsigned long long)step);
    lineage_fini(&line);
}

static void random_histories_agree_with_the_model(void **state)
{
    struct fixture *f = *state;
    uint64_t dice = 7;

    for (int i = 0; i < HISTORIES; i++) {
        struct model *m = calloc(1, sizeof *m);
        uint64_t from[ATTEMPTS + 1] = {0};
        f->job = add_job(f->store);
        store_begin(f->store, NULL);
        for (uint32_t n = 1; n <= ATTEMPTS; n++)
            add_random(f, m, &dice, n, from);
        assert_int_equal(store_commit(f->store, NULL), EBM_OK);
        for (uint32_t n = 1; n <= ATTEMPTS; n++)
            compare(f, m, n);
        free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(no_attempt_is_an_empty_line),
        T(what_is_missing_is_named),
        T(a_circle_is_damage_and_ends),
        T(steps_count_up_to_where_the_next_began),
        T(a_fork_begins_at_another_jobs_checkpoint),
        T(lines_have_in_common_what_came_before_they_parted),
        T(random_histories_agree_with_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
