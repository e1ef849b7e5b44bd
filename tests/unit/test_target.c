/* Which checkpoint is meant by --to or --at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "target.h"

enum { MANY = 400 };

static struct store_checkpoint row_of(int64_t id, uint64_t step, const char *health)
{
    struct store_checkpoint c = {.id = id, .step = step};

    strcpy(c.health, health);
    return c;
}

/* Rising by (step, id), as after two rollbacks. */
static size_t fill(struct store_checkpoint row[8])
{
    row[0] = row_of(1, 100, "healthy");
    row[1] = row_of(2, 200, "healthy");
    row[2] = row_of(7, 200, "healthy");
    row[3] = row_of(3, 300, "suspect");
    row[4] = row_of(8, 300, "probation");
    row[5] = row_of(4, 400, "poisoned");
    row[6] = row_of(9, 400, "probation");
    row[7] = row_of(5, 500, "suspect");
    return 8;
}

static int64_t choose(const char *to, const struct store_checkpoint *row, size_t n,
                      char why[TARGET_WHY_MAX])
{
    struct ebm_error err = {.text = ""};
    size_t index = 99;

    if (target_choose(to, row, n, &index, why, &err) != EBM_OK)
        fail_msg("--to %s: %s", to, err.text);
    assert_true(index < n);
    assert_true(why[0] != '\0');
    return row[index].id;
}

static void assert_refused(const char *to, const struct store_checkpoint *row, size_t n,
                           enum ebm_status status, const char *text)
{
    char why[TARGET_WHY_MAX];
    struct ebm_error err = {.text = ""};
    size_t index = 0;

    assert_int_equal(target_choose(to, row, n, &index, why, &err), status);
    if (strstr(err.text, text) == NULL)
        fail_msg("--to %s: %s", to, err.text);
}

/* ---- refused ---- */

static void words_that_are_none_are_refused(void **state)
{
    static const char *const words[] = {"newes", "-1",   "12a", " 12", "12 ",
                                        "C7",    "last", "0x7", "+7",  "18446744073709551616",
                                        "c",     "c1x",  "c-1", "c 1", "c99999999999999999999"};
    struct store_checkpoint row[8];
    size_t n = fill(row);

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_refused(words[i], row, n, EBM_EINVAL, "is no checkpoint: c7, a step as 400");
}

static void without_any_there_is_none(void **state)
{
    static const char *const words[] = {"", "last-healthy", "newest", "c1", "100", "nonsense"};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_refused(words[i], NULL, 0, EBM_ENOTFOUND, "no checkpoint yet");
}

static void an_id_that_is_not_there_names_those_that_are(void **state)
{
    static const char *const words[] = {"c6", "c0", "c100", "c18446744073709551615"};
    struct store_checkpoint row[8];
    size_t n = fill(row);

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_refused(words[i], row, n, EBM_ENOTFOUND,
                       "(there are c1, c2, c7, c3, c8, c4, c9, c5)");
}

static void a_long_list_of_ids_is_cut(void **state)
{
    struct store_checkpoint row[MANY];
    struct ebm_error err;
    char why[TARGET_WHY_MAX];
    size_t index;

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        row[i] = row_of(INT64_MAX - MANY + (int64_t)i, i, "healthy");
    assert_int_equal(target_choose("c5", row, MANY, &index, why, &err), EBM_ENOTFOUND);
    assert_true(strlen(err.text) < sizeof err.text - 1);
}

static void a_step_that_is_not_there_names_the_nearest(void **state)
{
    struct store_checkpoint row[8];
    size_t n = fill(row);

    (void)state;
    assert_refused("250", row, n, EBM_ENOTFOUND,
                   "(the nearest are c7 at step 200 and c3 at step 300)");
    assert_refused("99", row, n, EBM_ENOTFOUND, "(the first is c1 at step 100)");
    assert_refused("501", row, n, EBM_ENOTFOUND, "(the last is c5 at step 500)");
    assert_refused("18446744073709551615", row, n, EBM_ENOTFOUND, "(the last is c5");
}

/* A number is never taken for an id; the id is named instead. */
static void a_number_is_no_id(void **state)
{
    struct store_checkpoint row[] = {row_of(420, 100, "healthy"), row_of(9, 400, "healthy"),
                                     row_of(12, 500, "suspect")};

    (void)state;
    assert_refused("420", row, 3, EBM_ENOTFOUND,
                   "no checkpoint at step 420 (the nearest are c9 at step 400 and c12 at step "
                   "500; the one with that number, at step 100, is c420)");
    assert_refused("0012", row, 3, EBM_ENOTFOUND, "is c12)");
}

static void a_poisoned_one_is_refused_by_any_name(void **state)
{
    struct store_checkpoint row[8];
    size_t n = fill(row);

    (void)state;
    assert_refused("c4", row, n, EBM_ESTATE,
                   "checkpoint c4 (step 400) is poisoned: its bytes cannot be used");
    assert_refused("400", row + 5, 1, EBM_ESTATE, "checkpoint c4 (step 400) is poisoned");
}

/* ---- chosen ---- */

static void healthy_is_the_newest_that_is(void **state)
{
    struct store_checkpoint row[8];
    char why[TARGET_WHY_MAX];
    size_t n = fill(row);

    (void)state;
    assert_int_equal(choose("", row, n, why), 7);
    assert_int_equal(choose("last-healthy", row, n, why), 7);
    assert_non_null(strstr(why, "healthy"));
}

static void without_a_healthy_one_probation_will_do(void **state)
{
    struct store_checkpoint row[8];
    char why[TARGET_WHY_MAX];
    size_t n = fill(row);

    (void)state;
    assert_int_equal(choose("last-healthy", row + 3, n - 3, why), 9);
    assert_non_null(strstr(why, "none has proved healthy"));
}

static void never_a_suspect_one_by_itself(void **state)
{
    struct store_checkpoint row[] = {row_of(3, 300, "suspect"), row_of(4, 400, "poisoned")};
    char why[TARGET_WHY_MAX];

    (void)state;
    assert_refused("", row, 2, EBM_ENOTFOUND, "(--to c4)");
    assert_refused("last-healthy", row, 2, EBM_ENOTFOUND, "suspect or poisoned");
    assert_int_equal(choose("c3", row, 2, why), 3); /* a person may */
    assert_non_null(strstr(why, "as asked; it is suspect"));
}

static void newest_is_not_poisoned(void **state)
{
    struct store_checkpoint row[] = {row_of(2, 100, "suspect"), row_of(1, 200, "healthy"),
                                     row_of(3, 300, "poisoned")};
    char why[TARGET_WHY_MAX];

    (void)state;
    assert_int_equal(choose("newest", row, 3, why), 2);
    assert_refused("newest", row + 2, 1, EBM_ENOTFOUND, "all 1 checkpoints are poisoned");
}

static void an_id_is_that_one(void **state)
{
    struct store_checkpoint row[8];
    char why[TARGET_WHY_MAX];
    size_t n = fill(row);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        char to[8];
        if (strcmp(row[i].health, "poisoned") == 0)
            continue;
        snprintf(to, sizeof to, "c%d", (int)row[i].id);
        assert_int_equal(choose(to, row, n, why), row[i].id);
    }
}

static void a_number_is_the_newest_of_that_step(void **state)
{
    struct store_checkpoint row[] = {row_of(100, 3, "healthy"), row_of(9, 100, "healthy"),
                                     row_of(12, 100, "suspect"), row_of(13, 100, "poisoned")};
    char why[TARGET_WHY_MAX];

    (void)state;
    assert_int_equal(choose("100", row, 4, why), 12); /* the newest that can be used */
    assert_non_null(strstr(why, "step 100, as asked; it is suspect"));
    assert_int_equal(choose("3", row, 4, why), 100);
    assert_int_equal(choose("003", row, 4, why), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_that_are_none_are_refused),
        cmocka_unit_test(without_any_there_is_none),
        cmocka_unit_test(an_id_that_is_not_there_names_those_that_are),
        cmocka_unit_test(a_long_list_of_ids_is_cut),
        cmocka_unit_test(a_step_that_is_not_there_names_the_nearest),
        cmocka_unit_test(a_number_is_no_id),
        cmocka_unit_test(a_poisoned_one_is_refused_by_any_name),
        cmocka_unit_test(healthy_is_the_newest_that_is),
        cmocka_unit_test(without_a_healthy_one_probation_will_do),
        cmocka_unit_test(never_a_suspect_one_by_itself),
        cmocka_unit_test(newest_is_not_poisoned),
        cmocka_unit_test(an_id_is_that_one),
        cmocka_unit_test(a_number_is_the_newest_of_that_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
