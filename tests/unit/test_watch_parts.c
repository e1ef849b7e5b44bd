/* The parts of a watch that need no ebmd: sharing of room, frames and their
 * differences, keys, rows, exit rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "utf8.h"
#include "watch/fit.h"
#include "watch/frame.h"
#include "watch/grid.h"
#include "watch/keys.h"
#include "watch/pieces.h"
#include "watch/watch_exit.h"
#include "watch/watch_rows.h"

static const struct term colour = {.tty = true, .colour = true, .unicode = true};
static const struct term ascii = {.tty = true};
static const struct term plain = {.unicode = true};

/* ---- fit ---- */

static void test_fit(void **state)
{
    const struct fit_part part[] = {
        {2, 4, 10, 1}, {1, 1, 1, 0}, {0, 5, 5, 0}, {3, 3, SIZE_MAX, 2}, {2, 2, 2, 5}};
    size_t share[5];

    (void)state;
    assert_int_equal(fit_share(part, 5, 0, 0, share), 0);
    assert_int_equal(share[1], 0);
    assert_int_equal(fit_share(part, 5, 1, 0, share), 1);
    assert_int_equal(share[1], 1);
    /* What does not fit leaves its room to what matters less. */
    assert_int_equal(fit_share(part, 5, 5, 0, share), 5);
    assert_int_equal(share[0], 2);
    assert_int_equal(share[3], 0);
    assert_int_equal(share[4], 2);
    assert_int_equal(fit_wanted(part, 5, 0), 10);
    assert_int_equal(fit_share(part, 5, 10, 0, share), 10);
    assert_int_equal(share[0], 4);
    assert_int_equal(share[3], 3);
    assert_int_equal(fit_share(part, 5, 1000, 0, share), 1000);
    assert_int_equal(share[0], 10);
    assert_int_equal(share[2], 0); /* is no part */
    assert_int_equal(share[3], 1000 - 10 - 1 - 2);
}

/* Whatever the room: it is never overdrawn, gaps included, and each share is
 * nothing or within its bounds. */
static void test_fit_bounds(void **state)
{
    const struct fit_part part[] = {{2, 4, 10, 1}, {1, 1, 1, 0}, {3, 3, 50, 2}, {2, 2, 2, 2}};
    size_t share[4];

    (void)state;
    for (size_t total = 0; total < 100; total++)
        for (size_t gap = 0; gap < 4; gap++) {
            size_t used = fit_share(part, 4, total, gap, share), sum = 0, given = 0;
            for (size_t i = 0; i < 4; i++) {
                assert_true(share[i] == 0 ||
                            (share[i] >= part[i].least && share[i] <= part[i].most));
                sum += share[i];
                given += share[i] > 0;
            }
            assert_int_equal(used, sum + (given > 1 ? (given - 1) * gap : 0));
            assert_in_range(used, 0, total);
        }
}

/* ---- frames ---- */

static void begin(struct frame *f, const struct term *t, size_t width, size_t height)
{
    frame_init(f);
    frame_begin(f, t, width, height);
}

static void test_frame_lines(void **state)
{
    struct frame f;

    (void)state;
    begin(&f, &colour, 10, 3);
    frame_put(&f, STYLE_RED, "abc");
    frame_skip_to(&f, 5);
    frame_put(&f, STYLE_NONE, "defghijkl");
    frame_end_line(&f);
    frame_skip_to(&f, 8); /* blanks at the end are none */
    frame_end_line(&f);
    frame_put_right(&f, STYLE_NONE, "xy", 6);
    frame_end_line(&f);
    assert_true(frame_is_full(&f));
    frame_put(&f, STYLE_NONE, "one line too many");
    frame_end_line(&f);
    assert_int_equal(f.count, 3);
    assert_string_equal(frame_line(&f, 0), "\033[31mabc\033[0m  defg\xe2\x80\xa6");
    assert_string_equal(frame_line(&f, 1), "");
    assert_string_equal(frame_line(&f, 2), "    xy");
    assert_string_equal(frame_line(&f, 3), "");
    frame_fini(&f);
}

static void test_frame_limits(void **state)
{
    struct frame f;

    (void)state;
    begin(&f, &plain, 12, 2);
    frame_limit(&f, 4);
    frame_put(&f, STYLE_BOLD, "abcdef");
    frame_put(&f, STYLE_BOLD, "g");
    frame_skip_to(&f, 9);
    frame_limit(&f, 100);
    frame_fill(&f, STYLE_NONE, "-", 100);
    frame_end_line(&f);
    assert_string_equal(frame_line(&f, 0), "abc\xe2\x80\xa6--------");
    frame_put_cut(&f, STYLE_NONE, "abcdef", 0);
    frame_put_cut(&f, STYLE_NONE, "abcdef", 3);
    frame_end_line(&f);
    assert_string_equal(frame_line(&f, 1), "ab\xe2\x80\xa6");
    frame_fini(&f);
}

/* Neither escape sequences nor wide characters of others get through. */
static void test_frame_cleans(void **state)
{
    struct frame f;

    (void)state;
    begin(&f, &ascii, 20, 2);
    frame_put(&f, STYLE_NONE, "\033[2J\xe6\xbc\xa2\xc3\xa9\xff");
    frame_end_line(&f);
    assert_string_equal(frame_line(&f, 0), "?[2J????");
    frame_put(&f, STYLE_NONE, "123456789012345678901");
    frame_end_line(&f);
    assert_string_equal(frame_line(&f, 1), "1234567890123456789~");
    frame_fini(&f);
}

static void test_frame_background(void **state)
{
    struct frame f;

    (void)state;
    begin(&f, &colour, 6, 1);
    frame_background(&f, STYLE_REVERSE);
    frame_put(&f, STYLE_RED, "ab");
    frame_end_line(&f);
    assert_string_equal(frame_line(&f, 0), "\033[7mab    \033[0m");
    frame_fini(&f);
}

static void fill(struct frame *f, const char *const *lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        frame_put(f, STYLE_NONE, lines[i]);
        frame_end_line(f);
    }
}

static char *diff(const struct frame *before, const struct frame *after)
{
    struct buf b;

    buf_init(&b);
    frame_diff(before, after, &b);
    char *text = b.size > 0 ? buf_take(&b, NULL) : strdup("");
    buf_fini(&b);
    return text;
}

static void assert_diff(const struct frame *before, const struct frame *after, const char *expected)
{
    char *text = diff(before, after);

    assert_string_equal(text, expected);
    free(text);
}

#define SYNC(text) "\033[?2026h" text "\033[?2026l"

static void test_frame_diff(void **state)
{
    const char *const first[] = {"one", "two", "three"}, *const second[] = {"one", "2"},
                      *const full[] = {"one", "12345678"};
    struct frame a, b;

    (void)state;
    begin(&a, &plain, 8, 4);
    fill(&a, first, 3);
    /* All lines, the empty ones as well: whatever was there is gone. */
    assert_diff(NULL, &a,
                SYNC("\033[1;1Hone\033[K\033[2;1Htwo\033[K\033[3;1Hthree\033[K\033[4;1H\033[K"));
    assert_diff(&a, &a, "");
    begin(&b, &plain, 8, 4);
    fill(&b, second, 2);
    assert_diff(&a, &b, SYNC("\033[2;1H2\033[K\033[3;1H\033[K"));
    assert_diff(&b, &a, SYNC("\033[2;1Htwo\033[K\033[3;1Hthree\033[K"));
    /* Behind a full line nothing is erased: the cursor stands on its end. */
    frame_begin(&b, &plain, 8, 4);
    fill(&b, full, 2);
    assert_diff(&a, &b, SYNC("\033[2;1H12345678\033[3;1H\033[K"));
    /* Another size: everything. */
    frame_begin(&b, &plain, 9, 2);
    fill(&b, first, 2);
    assert_diff(&a, &b, SYNC("\033[1;1Hone\033[K\033[2;1Htwo\033[K"));
    frame_fini(&a);
    frame_fini(&b);
}

/* ---- pieces and grids ---- */

static void assert_pieces(const struct pieces *p, size_t width, const char *expected)
{
    struct frame f;

    begin(&f, &plain, width, 1);
    pieces_put(p, &f, width, 2);
    frame_end_line(&f);
    assert_string_equal(frame_line(&f, 0), expected);
    frame_fini(&f);
}

static void test_pieces(void **state)
{
    struct pieces p = {.count = 0};

    (void)state;
    pieces_add(&p, 2, STYLE_NONE, "%s", "last");
    pieces_add(&p, 0, STYLE_NONE, "first");
    pieces_add(&p, 0, STYLE_NONE, "%s", "");
    pieces_add_text(&p, 1, STYLE_NONE, "a sentence of some length");
    assert_pieces(&p, 60, "last  first  a sentence of some length");
    assert_pieces(&p, 30, "last  first  a sentence of so\xe2\x80\xa6");
    assert_pieces(&p, 24, "first  a sentence of so\xe2\x80\xa6");
    assert_pieces(&p, 12, "last  first");
    assert_pieces(&p, 5, "first");
    assert_pieces(&p, 4, "last");
    assert_pieces(&p, 3, "");
}

static const char *text_of(const void *row, char scratch[HUMAN_MAX])
{
    (void)scratch;
    return row;
}

static const char *length_of(const void *row, char scratch[HUMAN_MAX])
{
    snprintf(scratch, HUMAN_MAX, "%zu", strlen(row));
    return scratch;
}

static void test_grid(void **state)
{
    static const struct grid_column columns[] = {
        {.title = "TEXT", .rank = 0, .least = 4, .text = text_of},
        {.title = "LENGTH", .rank = 1, .right = true, .text = length_of},
    };
    const void *rows[] = {"short", "a long text"};
    struct frame f;
    struct grid g;

    (void)state;
    begin(&f, &plain, 40, 4);
    grid_fit(&g, columns, 2, rows, 2, 40);
    grid_put_titles(&g, &f);
    frame_end_line(&f);
    grid_put_row(&g, &f, rows[1]);
    frame_end_line(&f);
    grid_fit(&g, columns, 2, rows, 2, 14);
    grid_put_row(&g, &f, rows[1]);
    frame_end_line(&f);
    grid_fit(&g, columns, 2, rows, 2, 5);
    grid_put_row(&g, &f, rows[1]);
    frame_end_line(&f);
    assert_string_equal(frame_line(&f, 0), "TEXT         LENGTH");
    assert_string_equal(frame_line(&f, 1), "a long text      11");
    assert_string_equal(frame_line(&f, 2), "a lon\xe2\x80\xa6      11");
    assert_string_equal(frame_line(&f, 3), "a lo\xe2\x80\xa6");
    frame_fini(&f);
}

/* ---- keys ---- */

static void assert_keys(const char *bytes, bool late, const int *expected)
{
    struct keys k = {.count = 0};
    int key;

    keys_put(&k, bytes, strlen(bytes));
    while ((key = keys_next(&k, late)) != KEY_NONE)
        assert_int_equal(key, *expected++);
    assert_int_equal(*expected, KEY_NONE);
}

static void test_keys(void **state)
{
    (void)state;
    assert_keys("jk\n\r", false, (int[]){'j', 'k', KEY_ENTER, KEY_ENTER, 0});
    assert_keys("\033[A\033[B\033OC\033OD", false,
                (int[]){KEY_UP, KEY_DOWN, KEY_RIGHT, KEY_LEFT, 0});
    assert_keys("\033[5~\033[6~\033[1~\033[4~\033[H\033[F\033[7~\033[8~", false,
                (int[]){KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_HOME, KEY_END, KEY_HOME, KEY_END, KEY_HOME,
                        KEY_END, 0});
    assert_keys("\033[1;5A", false, (int[]){KEY_UP, 0});
    assert_keys("\033q", false, (int[]){KEY_ESCAPE, 'q', 0});
    /* Unknown ones vanish whole. */
    assert_keys("\033[99~\033[?1;2cq", false, (int[]){'q', 0});
    assert_keys("\033[9999999999999999999999~q", false, (int[]){'q', 0});
    /* A beginning waits for its rest, until it is late. */
    assert_keys("\033", false, (int[]){0});
    assert_keys("\033", true, (int[]){KEY_ESCAPE, 0});
    assert_keys("\033[", false, (int[]){0});
    assert_keys("\033[1;", true, (int[]){0});
    assert_keys("x\033[", false, (int[]){'x', 0});
}

/* Byte by byte it is the same, and what never ends does not fill the room. */
static void test_keys_in_pieces(void **state)
{
    struct keys k = {.count = 0};
    char noise[KEYS_HELD_MAX];

    (void)state;
    keys_put(&k, "\033", 1);
    assert_true(keys_pending(&k));
    assert_int_equal(keys_next(&k, false), KEY_NONE);
    keys_put(&k, "[", 1);
    assert_int_equal(keys_next(&k, false), KEY_NONE);
    keys_put(&k, "A", 1);
    assert_int_equal(keys_next(&k, false), KEY_UP);
    assert_false(keys_pending(&k));
    memset(noise, '1', sizeof noise);
    memcpy(noise, "\033[", 2);
    keys_put(&k, noise, sizeof noise);
    assert_int_equal(keys_room(&k), 0);
    assert_int_equal(keys_next(&k, false), KEY_NONE);
    assert_int_equal(keys_room(&k), KEYS_HELD_MAX);
}

/* ---- rows ---- */

static bool add(struct watch_rows *r, uint32_t attempt, uint64_t step, double v)
{
    Ebm__Metric m = EBM__METRIC__INIT;

    m.attempt = attempt;
    m.step = step;
    m.n_value = 1; /* fewer than we know: the others are not told */
    m.value = &v;
    return watch_rows_add(r, &m);
}

static void test_rows(void **state)
{
    struct watch_rows r = {0};

    (void)state;
    assert_null(watch_rows_last(&r));
    assert_null(watch_rows_points(&r, METRIC_LOSS));
    watch_rows_reset(&r, 100, 1);
    for (uint64_t s = 1; s <= 10; s++)
        assert_true(add(&r, 1, s, (double)s));
    assert_true(add(&r, 1, 10, 99)); /* told twice */
    assert_int_equal(r.count, 10);
    assert_true(watch_rows_last(&r)->value[METRIC_LOSS] == 10);
    assert_true(isnan(watch_rows_last(&r)->value[METRIC_ENERGY_GAP]));
    /* A newer attempt goes back to step 6: what it abandoned is gone. */
    assert_true(add(&r, 2, 6, 60));
    assert_int_equal(r.count, 6);
    assert_true(add(&r, 1, 11, 11));
    assert_int_equal(r.count, 6);
    struct chart_point *p = watch_rows_points(&r, METRIC_LOSS);
    assert_non_null(p);
    assert_int_equal(p[4].step, 5);
    assert_true(p[5].value == 60);
    free(p);
    watch_rows_fini(&r);
}

static void test_rows_are_bounded(void **state)
{
    enum { LIMIT = 50, MANY = 1000 };
    struct watch_rows r = {0};

    (void)state;
    watch_rows_reset(&r, LIMIT, 1);
    for (uint64_t s = 1; s <= MANY; s++) {
        assert_true(add(&r, 1, s, 0));
        assert_in_range(r.count, s < LIMIT ? s : LIMIT, 2 * LIMIT);
        for (size_t i = 0; i < r.count; i++)
            assert_int_equal(r.row[i].step, s - r.count + 1 + i);
    }
    watch_rows_fini(&r);
}

/* ---- exit rules ---- */

static void assert_no_rule(const char *text, const char *why)
{
    struct exit_rules rules;
    struct ebm_error err = {.text = ""};

    assert_int_equal(watch_exit_parse(text, &rules, &err), EBM_EINVAL);
    if (strstr(err.text, why) == NULL)
        fail_msg("'%s' says '%s', without '%s'", text, err.text, why);
}

static void test_rules_refused(void **state)
{
    char many[20 * (EXIT_RULES_MAX + 1)] = "all=failed:1";

    (void)state;
    assert_no_rule("", "is no rule");
    assert_no_rule("any", "is no rule");
    assert_no_rule("any=failed", "is no rule");
    assert_no_rule("any:failed=1", "is no rule");
    assert_no_rule("some=failed:1", "neither any= nor all=");
    assert_no_rule("any=faild:1", "did you mean 'failed'");
    assert_no_rule("any=:1", "names no state");
    assert_no_rule("any=failed:", "code from 0 to 125");
    assert_no_rule("any=failed:126", "code from 0 to 125");
    assert_no_rule("any=failed:-1", "code from 0 to 125");
    assert_no_rule("any=failed:1x", "code from 0 to 125");
    assert_no_rule("any=failed:0001", "code from 0 to 125");
    assert_no_rule("any=failed:1,", "is no rule");
    assert_no_rule(",any=failed:1", "is no rule");
    assert_no_rule("any=failed:1 ,all=failed:1", "code from 0 to 125");
    assert_no_rule("any=ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff:1",
                   "is no rule");
    for (int i = 0; i < EXIT_RULES_MAX; i++)
        strcat(many, ",all=failed:1");
    assert_no_rule(many, "more than 16 rules");
}

static int code_of(const char *text, const enum job_state *states, size_t n)
{
    struct exit_rules rules;
    struct ebm_error err;

    assert_int_equal(watch_exit_parse(text, &rules, &err), EBM_OK);
    const struct exit_rule *r = watch_exit_find(&rules, states, n);
    return r != NULL ? r->code : -1;
}

static void test_rules(void **state)
{
    const enum job_state mixed[] = {JOB_SUCCEEDED, JOB_DIVERGED},
                         good[] = {JOB_SUCCEEDED, JOB_SUCCEEDED},
                         running[] = {JOB_RUNNING, JOB_STATE_COUNT};
    static const char rules[] = "any=diverged:3,all=succeeded:0,all=final:125";

    (void)state;
    assert_int_equal(code_of(rules, mixed, 2), 3);
    assert_int_equal(code_of(rules, good, 2), 0);
    assert_int_equal(code_of(rules, running, 2), -1);
    assert_int_equal(code_of("all=final:7,any=diverged:3", mixed, 2), 7); /* the first counts */
    assert_int_equal(code_of("all=final:7", running, 1), -1);
    assert_int_equal(code_of("all=final:7,any=final:8", good, 0), -1); /* of no jobs */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_fit_bounds),
        cmocka_unit_test(test_frame_lines),
        cmocka_unit_test(test_frame_limits),
        cmocka_unit_test(test_frame_cleans),
        cmocka_unit_test(test_frame_background),
        cmocka_unit_test(test_frame_diff),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_keys_in_pieces),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_rows_are_bounded),
        cmocka_unit_test(test_rules_refused),
        cmocka_unit_test(test_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
