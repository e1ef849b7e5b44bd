/* Arguments of ebmctl: tables, limits, suggestions, usage texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "args.h"
#include "commands.h"
#include "suggest.h"

static const struct option options[] = {
    {.name = "priority", .value = "N", .help = "a number"},
    {.name = "hold", .help = "a flag"},
    {.name = "quiet", .letter = 'q', .help = "a flag with a letter"},
    {.name = "output", .letter = 'o', .value = "FORMAT", .help = "a value with a letter"},
    {.name = "set", .value = "KEY=VALUE", .repeats = true, .help = "more than once"},
    {.name = "secret", .hidden = true, .help = "not for people"},
    {.name = NULL}};

static const struct command jobs = {"wait", "JOB...", options, NULL, "Wait for jobs."};
static const struct command one = {"show", "JOB", options, NULL, "Show a job."};
static const struct command maybe = {"watch", "[JOB...]", options, NULL, "Watch jobs."};
static const struct command file = {"submit", "SPEC", options, NULL, "Submit a spec."};
static const struct command two = {"diff", "A B", options, NULL, "Compare."};
static const struct command none = {"list", "", options, NULL, "List."};

enum { WORDS_MAX = 16, TERMINAL = 79 };

/* The words of a line, as a shell without quotes makes them. */
static enum ebm_status parse(const struct command *c, const char *line, struct args *a,
                             struct ebm_error *err)
{
    static char copy[512];
    char *argv[WORDS_MAX], *rest = NULL;
    int argc = 0;

    assert_true(strlen(line) < sizeof copy);
    strcpy(copy, line);
    for (char *p = strtok_r(copy, " ", &rest); p != NULL; p = strtok_r(NULL, " ", &rest))
        argv[argc++] = p;
    return args_parse(c, argc, argv, a, err);
}

static void assert_refused(const struct command *c, const char *line, const char *text)
{
    struct args a;
    struct ebm_error err = {.text = ""};

    assert_int_equal(parse(c, line, &a, &err), EBM_EINVAL);
    if (strstr(err.text, text) == NULL)
        fail_msg("'%s' says '%s', without '%s'", line, err.text, text);
    args_fini(&a);
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refused(&jobs, "", "a job number is missing");
    assert_refused(&one, "1 2", "'2' is one argument too many");
    assert_refused(&one, "x", "'x' is not a job number");
    assert_refused(&one, "0", "'0' is not a job number");
    assert_refused(&one, "-- -1", "'-1' is not a job number");
    assert_refused(&one, "9223372036854775808", "not a job number");
    assert_refused(&jobs, "1 2 3x", "'3x' is not a job number");
    assert_refused(&maybe, "c1", "'c1' is not a job number");
    assert_refused(&file, "", "an argument is missing");
    assert_refused(&two, "a", "an argument is missing");
    assert_refused(&none, "a", "'a' is one argument too many");
    assert_refused(&one, "1 --hold=yes", "option '--hold' takes no value");
    assert_refused(&one, "1 --hold --hold", "option '--hold' is given twice");
    assert_refused(&one, "1 -o json -o csv", "option '--output' is given twice");
    assert_refused(&one, "1 --priority", "option '--priority' needs a value: N");
    assert_refused(&one, "1 -o", "option '--output' needs a value: FORMAT");
    assert_refused(&one, "1 --priorty 3", "(did you mean '--priority'?)");
    assert_refused(&one, "1 -x", "unknown option '-x'");
    assert_refused(&one, "1 -qx", "unknown option '-qx'");
    assert_refused(&one, "1 --secre", "unknown option '--secre'");
}

/* What is hidden is not suggested, though it is understood. */
static void test_hidden(void **state)
{
    struct args a;
    struct ebm_error err;
    struct buf text;

    (void)state;
    assert_int_equal(parse(&one, "1 --secret", &a, &err), EBM_OK);
    assert_true(args_has(&a, "secret"));
    args_fini(&a);
    assert_int_equal(parse(&one, "1 --secre", &a, &err), EBM_EINVAL);
    assert_null(strstr(err.text, "did you mean"));
    args_fini(&a);
    buf_init(&text);
    args_help(&one, &text);
    assert_null(strstr(buf_text(&text), "secret"));
    buf_fini(&text);
}

static void test_options(void **state)
{
    struct args a;
    struct ebm_error err;

    (void)state;
    assert_int_equal(parse(&jobs, "1 -qo=csv --priority -5 2 --set a=1 --set=b=2 -- 3", &a, &err),
                     EBM_OK);
    assert_int_equal(a.words, 3);
    assert_int_equal(args_job(&a, 0), 1);
    assert_int_equal(args_job(&a, 2), 3);
    assert_true(args_has(&a, "quiet"));
    assert_false(args_has(&a, "hold"));
    assert_string_equal(args_value(&a, "output"), "csv");
    assert_string_equal(args_value(&a, "priority"), "-5");
    assert_string_equal(args_value_at(&a, "set", 0), "a=1");
    assert_string_equal(args_value_at(&a, "set", 1), "b=2");
    assert_null(args_value_at(&a, "set", 2));
    size_t n = 0;
    const char **all = args_values(&a, "set", &n);
    assert_int_equal(n, 2);
    assert_string_equal(all[1], "b=2");
    free(all);
    args_fini(&a);
}

static void test_dash_is_a_word(void **state)
{
    struct args a;
    struct ebm_error err;

    (void)state;
    assert_int_equal(parse(&file, "-", &a, &err), EBM_OK);
    assert_string_equal(a.word[0], "-");
    args_fini(&a);
    assert_int_equal(parse(&file, "-- --hold", &a, &err), EBM_OK);
    assert_string_equal(a.word[0], "--hold");
    args_fini(&a);
}

/* Help is asked for by one word, whatever else is wrong. */
static void test_help(void **state)
{
    struct args a;
    struct ebm_error err;

    (void)state;
    assert_int_equal(parse(&one, "x --nonsense -h", &a, &err), EBM_OK);
    assert_true(a.help);
    args_fini(&a);
    assert_int_equal(parse(&file, "-- -h", &a, &err), EBM_OK);
    assert_false(a.help);
    args_fini(&a);
}

static enum ebm_status whole(const char *text, int64_t min, int64_t max, int64_t *out)
{
    struct args a;
    struct ebm_error err;
    char line[64];

    snprintf(line, sizeof line, "1 --priority=%s", text);
    assert_int_equal(parse(&one, line, &a, &err), EBM_OK);
    enum ebm_status rc = args_whole(&a, "priority", min, max, 77, out, &err);
    args_fini(&a);
    return rc;
}

static void test_whole_numbers(void **state)
{
    static const char *const bad[] = {"", "x", "1x", "1.5", "1e3", "99999999999999999999", "0x10"};
    struct args a;
    struct ebm_error err;
    int64_t v;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(whole(bad[i], INT64_MIN, INT64_MAX, &v), EBM_EINVAL);
    assert_int_equal(whole("-1000001", -1000000, 1000000, &v), EBM_EINVAL);
    assert_int_equal(whole("1000001", -1000000, 1000000, &v), EBM_EINVAL);
    assert_int_equal(whole("-1000000", -1000000, 1000000, &v), EBM_OK);
    assert_int_equal(v, -1000000);
    assert_int_equal(whole("1000000", -1000000, 1000000, &v), EBM_OK);
    assert_int_equal(v, 1000000);
    assert_int_equal(parse(&one, "1", &a, &err), EBM_OK);
    assert_int_equal(args_whole(&a, "priority", 0, 1, 77, &v, &err), EBM_OK);
    assert_int_equal(v, 77);
    args_fini(&a);
}

static void test_numbers(void **state)
{
    uint64_t v;

    (void)state;
    assert_false(args_number("", 0, &v));
    assert_false(args_number("c", 'c', &v));
    assert_false(args_number("c0", 'c', &v));
    assert_false(args_number("c7", 0, &v));
    assert_false(args_number("cc7", 'c', &v));
    assert_false(args_number("+7", 'c', &v));
    assert_true(args_number("c7", 'c', &v));
    assert_int_equal(v, 7);
    assert_true(args_number("9223372036854775807", 0, &v));
    assert_int_equal(v, INT64_MAX);
}

static void test_suggestions(void **state)
{
    struct suggest s;
    const char *near;

    (void)state;
    assert_int_equal(suggest_distance("", "abc"), 3);
    assert_int_equal(suggest_distance("abc", "abc"), 0);
    assert_int_equal(suggest_distance("acb", "abc"), 1); /* neighbours swapped */
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
    /* Words past the limit are far from everything, themselves too. */
    assert_true(suggest_distance("a23456789012345678901234567890123",
                                 "a23456789012345678901234567890123") > 60);
    suggest_init(&s, "zzz");
    suggest_try(&s, "hold");
    assert_null(s.best);
    assert_null(command_find("sumbit", &near));
    assert_string_equal(near, "submit");
    assert_null(command_find("frobnicate", &near));
    assert_null(near);
}

/* No line of a usage or help text is wider than a terminal. */
static void test_texts_fit(void **state)
{
    (void)state;
    for (const struct command *c = command_table; c->name != NULL; c++) {
        struct buf text;
        buf_init(&text);
        args_help(c, &text);
        for (const char *p = buf_text(&text); *p != '\0'; p += strcspn(p, "\n") + 1)
            if (strcspn(p, "\n") > TERMINAL)
                fail_msg("%s: a line of %zu columns", c->name, strcspn(p, "\n"));
        assert_non_null(strstr(buf_text(&text), c->help));
        buf_fini(&text);
    }
}

/* The table itself: names are ones, letters are ones. */
static void test_table(void **state)
{
    (void)state;
    for (const struct command *c = command_table; c->name != NULL; c++) {
        assert_ptr_equal(command_find(c->name, NULL), c);
        for (const struct option *o = c->options; o->name != NULL; o++)
            for (const struct option *p = o + 1; p->name != NULL; p++) {
                assert_string_not_equal(o->name, p->name);
                assert_false(o->letter != 0 && o->letter == p->letter);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_hidden),
        cmocka_unit_test(test_options),   cmocka_unit_test(test_dash_is_a_word),
        cmocka_unit_test(test_help),      cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_suggestions),
        cmocka_unit_test(test_texts_fit), cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
