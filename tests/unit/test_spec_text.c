/* Numbers, words and characters of a spec. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "spec/text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void bad_numbers_are_refused(void **state)
{
    static const char *const whole[] = {"",      "-",  "+",   "1.0", "1e3", "0x10",
                                        "1_000", "01", "--1", " 1",  "1 ",  "9223372036854775808",
                                        "one"};
    static const char *const real[] = {"",    ".",   "e5", "1e",    "1e+",  "nan", "inf", "1e999",
                                       "0x1", "1,5", "1 ", "1.2.3", "1e5.", "-",   "1f",  "1_0"};
    int64_t i;
    uint64_t u;
    double d;

    (void)state;
    for (size_t k = 0; k < COUNT(whole); k++)
        assert_false(text_to_i64(whole[k], &i));
    for (size_t k = 0; k < COUNT(real); k++)
        assert_false(text_to_real(real[k], &d));
    assert_false(text_to_u64("-1", &u));
    assert_false(text_to_u64("18446744073709551616", &u));
}

static void good_numbers_are_read(void **state)
{
    int64_t i;
    uint64_t u;
    double d;

    (void)state;
    assert_true(text_to_i64("-9223372036854775808", &i) && i == INT64_MIN);
    assert_true(text_to_i64("+7", &i) && i == 7);
    assert_true(text_to_u64("18446744073709551615", &u) && u == UINT64_MAX);
    assert_true(text_to_real("-1.5e-3", &d) && d == -1.5e-3);
    assert_true(text_to_real(".5", &d) && d == 0.5);
    assert_true(text_to_real("2.", &d) && d == 2.0);
    assert_true(text_to_real("1e5", &d) && d == 1e5);
}

static void reals_are_written_short(void **state)
{
    static const struct {
        double v;
        const char *text;
    } row[] = {{20, "20.0"},     {0, "0.0"},
               {1e-4, "1.0e-4"}, {0.999, "0.999"},
               {1e6, "1.0e6"},   {1e5, "100000.0"},
               {1e30, "1.0e30"}, {-2.5e-7, "-2.5e-7"},
               {0.03, "0.03"},   {1.0 / 3, "0.3333333333333333"}};
    char text[TEXT_REAL_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        text_from_real(row[i].v, false, text);
        assert_string_equal(text, row[i].text);
    }
    text_from_real((double)0.2f, true, text);
    assert_string_equal(text, "0.2");
    text_from_limit(1e6, text);
    assert_string_equal(text, "1e6");
    text_from_limit(0.0, text);
    assert_string_equal(text, "0");
}

/* Bit for bit, over all magnitudes: a fixed walk over bit patterns. */
static void reals_go_round(void **state)
{
    static const double edge[] = {DBL_MAX,     -DBL_MAX, DBL_MIN,      DBL_TRUE_MIN,
                                  DBL_EPSILON, 0.1,      123456789.125};
    char text[TEXT_REAL_MAX];
    uint64_t bits = 0x123456789abcdefu;
    double back;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        double v;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&v, &bits, sizeof v);
        if (!(v - v == 0))
            continue;
        text_from_real(v, false, text);
        assert_true(text_to_real(text, &back) && back == v);
    }
    for (size_t i = 0; i < COUNT(edge); i++) {
        text_from_real(edge[i], false, text);
        assert_true(text_to_real(text, &back) && back == edge[i]);
    }
}

static void distance_counts_edits(void **state)
{
    (void)state;
    assert_int_equal(text_distance("", "", 3), 0);
    assert_int_equal(text_distance("lr", "lr", 3), 0);
    assert_int_equal(text_distance("Batch-Size", "batch_size", 3), 0);
    assert_int_equal(text_distance("lerning_rate", "learning_rate", 3), 1);
    assert_int_equal(text_distance("setps", "steps", 3), 1);
    assert_int_equal(text_distance("kitten", "sitting", 3), 3);
    assert_int_equal(text_distance("kitten", "sitting", 2), 3);
    assert_int_equal(text_distance("a", "abcdef", 2), 3);
}

static void words_are_found_in_lists(void **state)
{
    char word[16];

    (void)state;
    assert_false(text_word("", 0, word, sizeof word));
    assert_true(text_word("a|bc", 1, word, sizeof word));
    assert_string_equal(word, "bc");
    assert_false(text_word("a|bc", 2, word, sizeof word));
    assert_int_equal(text_word_index("adam|sgd", "sgd"), 1);
    assert_int_equal(text_word_index("adam|sgd", "sg"), -1);
    assert_true(text_nearest("replay|noise|data", "nosie", word, sizeof word, NULL));
    assert_string_equal(word, "noise");
    assert_false(text_nearest("replay|noise|data", "zebra", word, sizeof word, NULL));
}

static void characters_are_measured(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } row[] = {{"a", 1},
               {"\n", 1},
               {"\x01", 0},
               {"\x7f", 0},
               {"\xc3\xa4", 2},
               {"\xc3", 0},
               {"\xc0\x80", 0},
               {"\xe2\x82\xac", 3},
               {"\xed\xa0\x80", 0},
               {"\xf0\x9f\x98\x80", 4},
               {"\xf4\x90\x80\x80", 0},
               {"\x80", 0},
               {"\xff", 0},
               {"\xe2\x82", 0},
               {"\xef\xbf\xbf", 0}};

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++)
        assert_int_equal(
            text_utf8_length((const unsigned char *)row[i].bytes, strlen(row[i].bytes)),
            row[i].length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_numbers_are_refused), cmocka_unit_test(good_numbers_are_read),
        cmocka_unit_test(reals_are_written_short), cmocka_unit_test(reals_go_round),
        cmocka_unit_test(distance_counts_edits),   cmocka_unit_test(words_are_found_in_lists),
        cmocka_unit_test(characters_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
