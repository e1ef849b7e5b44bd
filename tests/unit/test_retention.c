/* Which checkpoints stay, and when one is healthy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "dice.h"
#include "retention.h"

enum { ROWS_MAX = 24, ROUNDS = 3000 };

static struct retention_row row_of(int64_t id, uint64_t step, double score, const char *health)
{
    struct retention_row r = {.c = {.id = id, .step = step, .score = score}};

    strcpy(r.c.health, health);
    return r;
}

static const struct retention_row *find(const struct retention_row *row, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (row[i].c.id == id)
            return &row[i];
    fail_msg("no row c%lld", (long long)id);
    return NULL;
}

static void assert_because(const struct retention_row *row, size_t n, int64_t id, const char *why)
{
    const struct retention_row *r = find(row, n, id);

    assert_string_equal(r->because, why);
    assert_int_equal(r->keep, why[0] != '\0');
}

/* ---- one rule at a time ---- */

static void no_rows_are_fine(void **state)
{
    (void)state;
    retention_choose(NULL, 0, 5, 2);
}

static void nothing_asked_keeps_nothing(void **state)
{
    struct retention_row row[] = {row_of(1, 10, 0.5, "probation"), row_of(2, 20, 0.1, "suspect")};

    (void)state;
    row[0].keep = true;
    strcpy(row[0].because, "of an earlier choice");
    retention_choose(row, 2, 0, 0);
    assert_because(row, 2, 1, "");
    assert_because(row, 2, 2, "");
}

/* After a rollback the newest are not those of the highest step. */
static void last_goes_by_id(void **state)
{
    struct retention_row row[] = {row_of(7, 300, NAN, "probation"), row_of(9, 100, NAN, "suspect"),
                                  row_of(8, 200, NAN, "poisoned")};

    (void)state;
    retention_choose(row, 3, 2, 0);
    assert_because(row, 3, 7, "");
    assert_because(row, 3, 8, "last-2");
    assert_because(row, 3, 9, "last-2");
}

static void best_is_the_smallest_finite_score(void **state)
{
    struct retention_row row[] = {
        row_of(1, 10, 0.5, "probation"), row_of(2, 20, -0.5, "suspect"),
        row_of(3, 30, 0.1, "healthy"),   row_of(4, 40, -9.0, "poisoned"),
        row_of(5, 50, NAN, "probation"), row_of(6, 60, -INFINITY, "probation"),
        row_of(7, 70, 0.4, "probation"),
    };

    (void)state;
    retention_choose(row, 7, 0, 2);
    assert_because(row, 7, 3, "best-2 healthy");
    assert_because(row, 7, 7, "best-2");
    for (int64_t id = 1; id <= 6; id++)
        if (id != 3)
            assert_because(row, 7, id, "");
}

static void equal_scores_keep_the_newer(void **state)
{
    struct retention_row row[] = {row_of(1, 10, 0.5, "probation"), row_of(2, 20, 0.5, "probation")};

    (void)state;
    retention_choose(row, 2, 0, 1);
    assert_because(row, 2, 1, "");
    assert_because(row, 2, 2, "best-1");
}

static void pinned_and_used_stay(void **state)
{
    struct retention_row row[] = {row_of(1, 10, NAN, "poisoned"), row_of(2, 20, NAN, "suspect"),
                                  row_of(3, 30, NAN, "suspect")};

    (void)state;
    row[0].c.pinned = true;
    row[1].referenced = true;
    retention_choose(row, 3, 0, 0);
    assert_because(row, 3, 1, "pinned");
    assert_because(row, 3, 2, "used");
    assert_because(row, 3, 3, "");
}

static void the_newest_healthy_stays(void **state)
{
    struct retention_row row[] = {row_of(5, 90, NAN, "healthy"), row_of(6, 10, NAN, "healthy"),
                                  row_of(7, 20, NAN, "probation")};

    (void)state;
    retention_choose(row, 3, 0, 0);
    assert_because(row, 3, 5, "");
    assert_because(row, 3, 6, "healthy");
    assert_because(row, 3, 7, "");
}

/* After a rollback to c2: c4 is healthy and abandoned. */
static void the_ends_of_the_line_stay(void **state)
{
    struct retention_row row[] = {
        row_of(1, 10, NAN, "healthy"),   row_of(2, 20, NAN, "healthy"),
        row_of(3, 30, NAN, "healthy"),   row_of(4, 40, NAN, "healthy"),
        row_of(5, 25, NAN, "probation"), row_of(6, 35, NAN, "suspect"),
        row_of(7, 45, NAN, "poisoned"),
    };

    (void)state;
    for (size_t i = 0; i < 7; i++)
        row[i].on_line = i != 2 && i != 3;
    retention_choose(row, 7, 0, 0);
    assert_because(row, 7, 1, "ageing");
    assert_because(row, 7, 2, "line");
    assert_because(row, 7, 3, "");
    assert_because(row, 7, 4, "healthy");
    assert_because(row, 7, 5, "proving");
    assert_because(row, 7, 6, "line");
    assert_because(row, 7, 7, "");
    retention_choose(row, 7, 2, 0); /* where it is kept anyway, nothing more is said */
    assert_because(row, 7, 6, "last-2");
}

/* Three checkpoints 20 steps apart span less than the 100 clean steps. */
static void one_stays_until_it_has_proved_healthy(void **state)
{
    struct lineage_span span[] = {{1, 0, UINT64_MAX}};
    const struct lineage line = {.span = span, .count = 1};
    struct retention_row row[20];
    uint64_t newest_healthy = 0;
    size_t n = 0;

    (void)state;
    for (uint64_t step = 20; step <= 400; step += 20) {
        row[n] = row_of((int64_t)step, step, NAN, "probation");
        row[n].c.attempt = 1;
        row[n++].on_line = true;
        for (size_t i = 0; i < n; i++) {
            if (!row[i].c.deleted && retention_has_proved(&row[i].c, &line, step, 100)) {
                strcpy(row[i].c.health, "healthy");
                newest_healthy = row[i].c.step;
            }
        }
        assert_true(step < 120 || step - newest_healthy < 260);
        retention_choose(row, n, 3, 0);
        for (size_t i = 0; i < n; i++)
            row[i].c.deleted |= !row[i].keep;
    }
    assert_true(newest_healthy >= 240);
}

/* Attempt 2 went on from step 30 of the first, which had come to 40. */
/* Whenever it is, one that is healthy is at least 400 steps older than the
 * newest, and not 800, however often they are made and however few are kept. */
static void one_stays_for_what_is_seen_late(void **state)
{
    struct lineage_span span[] = {{1, 0, UINT64_MAX}};
    const struct lineage line = {.span = span, .count = 1};
    struct retention_row row[200];
    size_t n = 0;

    (void)state;
    for (uint64_t step = 20; step <= 4000; step += 20) {
        uint64_t back = 0;
        row[n] = row_of((int64_t)step, step, NAN, "probation");
        row[n].c.attempt = 1;
        row[n++].on_line = true;
        for (size_t i = 0; i < n; i++)
            if (!row[i].c.deleted && retention_has_proved(&row[i].c, &line, step, 100))
                strcpy(row[i].c.health, "healthy");
        retention_choose(row, n, 2, 0);
        for (size_t i = 0; i < n; i++) {
            row[i].c.deleted |= !row[i].keep;
            if (row[i].keep && strcmp(row[i].c.health, "healthy") == 0 &&
                step - row[i].c.step >= RETENTION_LATENCY)
                back = step - row[i].c.step;
        }
        assert_true(step < 1000 || (back >= RETENTION_LATENCY && back < 2 * RETENTION_LATENCY));
        size_t kept = 0;
        for (size_t i = 0; i < n; i++)
            kept += row[i].keep;
        assert_true(kept <= 6);
    }
}

static void a_divergence_keeps_both_sides_of_its_onset(void **state)
{
    struct lineage_span span[] = {{2, 30, UINT64_MAX}, {1, 0, 30}};
    const struct lineage line = {.span = span, .count = 2};
    struct retention_row row[] = {
        row_of(1, 20, NAN, "healthy"),  row_of(2, 30, NAN, "healthy"),
        row_of(3, 40, NAN, "suspect"),  row_of(4, 50, NAN, "suspect"),
        row_of(5, 60, NAN, "poisoned"), row_of(6, 70, NAN, "suspect"),
    };
    static const uint32_t attempt[] = {1, 1, 1, 2, 2, 2};

    (void)state;
    for (size_t i = 0; i < 6; i++)
        row[i].c.attempt = attempt[i];
    row[3].c.deleted = true;
    retention_mark_evidence(row, 6, &line, 45);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(row[i].evidence, i == 1 || i == 4);
    retention_choose(row, 6, 0, 0);
    assert_because(row, 6, 2, "evidence healthy");
    assert_because(row, 6, 5, "evidence");
    assert_because(row, 6, 6, "");
}

static void an_onset_at_an_end_has_one_side(void **state)
{
    struct lineage_span span[] = {{1, 0, UINT64_MAX}};
    const struct lineage line = {.span = span, .count = 1};
    struct retention_row row[] = {row_of(1, 20, NAN, "suspect"), row_of(2, 30, NAN, "suspect")};

    (void)state;
    row[0].c.attempt = row[1].c.attempt = 1;
    retention_mark_evidence(row, 2, &line, 20);
    assert_true(row[0].evidence && !row[1].evidence);
    row[0].evidence = false;
    retention_mark_evidence(row, 2, &line, 31);
    assert_true(row[1].evidence && !row[0].evidence);
    retention_mark_evidence(row, 0, &line, 31);
}

static void what_is_deleted_counts_for_nothing(void **state)
{
    struct retention_row row[] = {row_of(1, 10, 0.9, "healthy"), row_of(2, 20, 0.1, "healthy")};

    (void)state;
    row[1].c.deleted = row[1].c.pinned = row[1].referenced = row[1].on_line = true;
    retention_choose(row, 2, 1, 1);
    assert_because(row, 2, 1, "last-1 best-1 healthy");
    assert_because(row, 2, 2, "");
}

static void all_reasons_fit(void **state)
{
    struct retention_row row[] = {row_of(1, 10, 0.9, "healthy")};

    (void)state;
    row[0].c.pinned = row[0].referenced = row[0].evidence = true;
    retention_choose(row, 1, UINT32_MAX, UINT32_MAX);
    assert_because(row, 1, 1, "last-4294967295 best-4294967295 pinned used evidence healthy");
}

/* ---- any rows ---- */

static void fill(struct retention_row *row, size_t n, uint64_t *dice)
{
    static const char *const health[] = {"probation", "healthy", "suspect", "poisoned"};
    static const double score[] = {0.1, 0.2, 0.2, 0.3, -1.0, NAN, INFINITY};

    for (size_t i = 0; i < n; i++) {
        row[i] = row_of((int64_t)i + 1, 150 * (uint64_t)dice_below(dice, 6),
                        score[dice_below(dice, 7)], health[dice_below(dice, 4)]);
        row[i].c.pinned = dice_below(dice, 8) == 0;
        row[i].c.deleted = dice_below(dice, 6) == 0;
        row[i].referenced = dice_below(dice, 8) == 0;
        row[i].evidence = dice_below(dice, 8) == 0;
        row[i].on_line = dice_below(dice, 2) == 0;
    }
    for (size_t i = n; i > 1; i--) {
        size_t j = dice_below(dice, (uint32_t)i);
        struct retention_row swap = row[i - 1];
        row[i - 1] = row[j];
        row[j] = swap;
    }
}

static void assert_in_order(const struct retention_row *row, size_t n)
{
    for (size_t i = 1; i < n; i++)
        assert_true(row[i - 1].c.step < row[i].c.step ||
                    (row[i - 1].c.step == row[i].c.step && row[i - 1].c.id < row[i].c.id));
}

static bool is(const struct retention_row *r, const char *health)
{
    return strcmp(r->c.health, health) == 0;
}

static bool may_be_best(const struct retention_row *r)
{
    return isfinite(r->c.score) && !is(r, "suspect") && !is(r, "poisoned");
}

/* Whether nothing on the line since the newest healthy one there is older. */
static bool is_next_to_prove(const struct retention_row *row, size_t n,
                             const struct retention_row *r)
{
    const struct retention_row *before = NULL;

    if (!r->on_line || !is(r, "probation"))
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct retention_row *o = &row[i];
        bool counts = !o->c.deleted && o->on_line && (is(o, "healthy") || is(o, "probation"));
        if (counts && o > r && is(o, "healthy"))
            return false;
        if (counts && o < r)
            before = o;
    }
    return before == NULL || is(before, "healthy");
}

/* On the line, healthy, and the last one that is old enough or the first one
 * that is not. */
static bool is_for_what_is_seen_late(const struct retention_row *row, size_t n,
                                     const struct retention_row *r)
{
    uint64_t end = 0;
    size_t old_after = 0, young_before = 0;

    for (size_t i = 0; i < n; i++)
        if (!row[i].c.deleted && row[i].on_line && is(&row[i], "healthy"))
            end = row[i].c.step;
    for (size_t i = 0; i < n; i++) {
        const struct retention_row *o = &row[i];
        bool counts = !o->c.deleted && o->on_line && is(o, "healthy");
        bool old = end - o->c.step >= RETENTION_LATENCY;
        old_after += counts && old && o > r;
        young_before += counts && !old && o < r;
    }
    if (!r->on_line || !is(r, "healthy"))
        return false;
    return end - r->c.step >= RETENTION_LATENCY ? old_after == 0 : young_before == 0;
}

/* By its definition, of rows in order: how many rows that are there come before this one. */
static bool is_wanted(const struct retention_row *row, size_t n, const struct retention_row *r,
                      uint32_t keep_last, uint32_t keep_best)
{
    uint32_t newer = 0, better = 0, newer_healthy = 0, later = 0, later_healthy = 0;

    for (size_t i = 0; i < n; i++) {
        const struct retention_row *o = &row[i];
        if (o->c.deleted || o == r)
            continue;
        bool is_newer = o->c.id > r->c.id;
        newer += is_newer;
        newer_healthy += is_newer && is(o, "healthy");
        bool is_later =
            o->on_line && (o->c.step > r->c.step || (o->c.step == r->c.step && is_newer));
        later += is_later && !is(o, "poisoned");
        later_healthy += is_later && is(o, "healthy");
        better +=
            may_be_best(o) && (o->c.score < r->c.score || (o->c.score == r->c.score && is_newer));
    }
    return !r->c.deleted &&
           (r->c.pinned || r->referenced || r->evidence || newer < keep_last ||
            (may_be_best(r) && better < keep_best) || (is(r, "healthy") && newer_healthy == 0) ||
            (r->on_line && !is(r, "poisoned") && later == 0) ||
            (r->on_line && is(r, "healthy") && later_healthy == 0) || is_next_to_prove(row, n, r) ||
            is_for_what_is_seen_late(row, n, r));
}

static void any_rows_follow_the_definition(void **state)
{
    struct retention_row row[ROWS_MAX];
    uint64_t dice = 11;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = 1 + dice_below(&dice, ROWS_MAX);
        uint32_t keep_last = dice_below(&dice, 6), keep_best = dice_below(&dice, 4);
        fill(row, n, &dice);
        retention_choose(row, n, keep_last, keep_best);
        assert_in_order(row, n);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(row[i].keep, is_wanted(row, n, &row[i], keep_last, keep_best));
            assert_int_equal(row[i].keep, row[i].because[0] != '\0');
        }
    }
}

/* ---- health ---- */

static void the_clean_stretch_is_twice_the_interval(void **state)
{
    (void)state;
    assert_true(retention_clean_stretch(0) == 100);
    assert_true(retention_clean_stretch(1) == 100);
    assert_true(retention_clean_stretch(50) == 100);
    assert_true(retention_clean_stretch(51) == 102);
    assert_true(retention_clean_stretch(200) == 400);
    assert_true(retention_clean_stretch(UINT64_MAX / 2) == UINT64_MAX - 1);
    assert_true(retention_clean_stretch(UINT64_MAX / 2 + 1) == UINT64_MAX);
    assert_true(retention_clean_stretch(UINT64_MAX) == UINT64_MAX);
}

static void one_proves_itself_on_its_own_line_only(void **state)
{
    struct lineage_span span[] = {{2, 20, UINT64_MAX}, {1, 0, 20}};
    const struct lineage line = {.span = span, .count = 2};
    struct store_checkpoint c = {.attempt = 1, .step = 20, .health = "probation"};

    (void)state;
    assert_false(retention_has_proved(&c, &line, 0, 100)); /* the step before it */
    assert_false(retention_has_proved(&c, &line, 119, 100));
    assert_true(retention_has_proved(&c, &line, 120, 100));
    assert_true(retention_has_proved(&c, &line, UINT64_MAX, 100));
    c.step = 21; /* abandoned */
    assert_false(retention_has_proved(&c, &line, 500, 100));
    c.attempt = 2;
    assert_true(retention_has_proved(&c, &line, 121, 100));
    assert_false(retention_has_proved(&c, &line, 120, 100));
    c.attempt = 3;
    assert_false(retention_has_proved(&c, &line, 500, 100));
}

static void only_one_on_probation_is_judged(void **state)
{
    static const char *const judged[] = {"healthy", "suspect", "poisoned"};
    struct lineage_span span[] = {{1, 0, UINT64_MAX}};
    const struct lineage line = {.span = span, .count = 1};
    struct store_checkpoint c = {.attempt = 1, .step = 20};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        strcpy(c.health, judged[i]);
        assert_false(retention_has_proved(&c, &line, 1000, 100));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rows_are_fine),
        cmocka_unit_test(nothing_asked_keeps_nothing),
        cmocka_unit_test(last_goes_by_id),
        cmocka_unit_test(best_is_the_smallest_finite_score),
        cmocka_unit_test(equal_scores_keep_the_newer),
        cmocka_unit_test(pinned_and_used_stay),
        cmocka_unit_test(the_newest_healthy_stays),
        cmocka_unit_test(the_ends_of_the_line_stay),
        cmocka_unit_test(one_stays_until_it_has_proved_healthy),
        cmocka_unit_test(one_stays_for_what_is_seen_late),
        cmocka_unit_test(a_divergence_keeps_both_sides_of_its_onset),
        cmocka_unit_test(an_onset_at_an_end_has_one_side),
        cmocka_unit_test(what_is_deleted_counts_for_nothing),
        cmocka_unit_test(all_reasons_fit),
        cmocka_unit_test(any_rows_follow_the_definition),
        cmocka_unit_test(the_clean_stretch_is_twice_the_interval),
        cmocka_unit_test(one_proves_itself_on_its_own_line_only),
        cmocka_unit_test(only_one_on_probation_is_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
