/* What ebmctl prints: UTF-8, numbers, JSON, CSV, tables, records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <locale.h>
#include <math.h>

#include "csv.h"
#include "digits.h"
#include "human.h"
#include "json.h"
#include "record.h"
#include "table.h"
#include "utf8.h"

/* ---- UTF-8 ---- */

static uint32_t first(const char *text)
{
    return utf8_next(&text);
}

static void test_utf8_bad(void **state)
{
    static const char *const bad[] = {
        "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xf5", "\xff",     "\xc3",     "\xe2\x82",     "\xf0\x9f\x98"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *p = bad[i];
        assert_int_equal(utf8_next(&p), UINT32_MAX);
        assert_ptr_equal(p, bad[i] + 1); /* one byte at a time, never past the end */
    }
    assert_int_equal(first(""), 0);
    assert_int_equal(first("\xf4\x8f\xbf\xbf"), 0x10ffff);
    assert_int_equal(first("\xe2\x82\xac"), 0x20ac);
}

static void test_utf8_width(void **state)
{
    (void)state;
    assert_int_equal(utf8_width(""), 0);
    assert_int_equal(utf8_width("abc"), 3);
    assert_int_equal(utf8_width("\xe2\x82\xac"), 1);
    assert_int_equal(utf8_width("\xe6\xbc\xa2\xe5\xad\x97"), 4); /* two wide ones */
    assert_int_equal(utf8_width("e\xcc\x81"), 1);                /* a combining one */
    assert_int_equal(utf8_width("\033[31m\xff"), 6);             /* shown as ? each */
}

static const char *put(const char *text, size_t width, const char *ellipsis, size_t *used)
{
    static char out[256];
    struct buf b;

    buf_init(&b);
    *used = utf8_put(&b, text, width, ellipsis);
    assert_true(b.size < sizeof out);
    strcpy(out, buf_text(&b));
    assert_int_equal(utf8_width(out), *used);
    buf_fini(&b);
    return out;
}

static void test_utf8_put(void **state)
{
    size_t n;

    (void)state;
    assert_string_equal(put("abcdef", 6, "~", &n), "abcdef");
    assert_string_equal(put("abcdef", 5, "~", &n), "abcd~");
    assert_string_equal(put("abcdef", 1, "~", &n), "~");
    assert_string_equal(put("abcdef", 0, "~", &n), "");
    /* Half of a wide character does not fit. */
    assert_string_equal(put("\xe6\xbc\xa2\xe5\xad\x97", 3, "~", &n), "\xe6\xbc\xa2~");
    assert_string_equal(put("\xe6\xbc\xa2\xe5\xad\x97", 2, "~", &n), "~");
    assert_string_equal(put("a\033[2Jb\x7f\xe2\x80\xae", 20, "~", &n), "a?[2Jb??");
    assert_string_equal(put("a\xe2\x81\xa7z", 20, "~", &n), "a?z"); /* an isolate */
}

/* ---- numbers ---- */

static void test_human(void **state)
{
    char s[HUMAN_MAX];

    (void)state;
    assert_string_equal(human_bytes(0, s), "0 B");
    assert_string_equal(human_bytes(999, s), "999 B");
    assert_string_equal(human_bytes(1000, s), "1.0 kB");
    assert_string_equal(human_bytes(99949, s), "99.9 kB");
    assert_string_equal(human_bytes(99951, s), "100 kB");
    assert_string_equal(human_bytes(999500, s), "1.0 MB");
    assert_string_equal(human_bytes(UINT64_MAX, s), "18.4 EB");
    assert_string_equal(human_duration(-5, s), "0 s");
    assert_string_equal(human_duration(1499, s), "1 s");
    assert_string_equal(human_duration(89499, s), "89 s");
    assert_string_equal(human_duration(89500, s), "2 min");
    assert_string_equal(human_duration(3600000, s), "1 h 0 min");
    assert_string_equal(human_duration(48 * 3600000LL, s), "2 d 0 h");
    assert_non_null(human_duration(INT64_MAX, s));
    assert_string_equal(human_duration(INT64_MIN, s), "0 s");
    assert_string_equal(human_seconds(NAN, s), "");
    assert_string_equal(human_seconds(INFINITY, s), ">1000 d");
    assert_string_equal(human_seconds(1e300, s), ">1000 d");
    assert_string_equal(human_seconds(61.2, s), "61 s");
    assert_string_equal(human_ago(0, 5, s), "");
    assert_string_equal(human_ago(1000, 3000, s), "2 s ago");
    assert_string_equal(human_number(NAN, s), "nan");
    assert_string_equal(human_number(-INFINITY, s), "-inf");
    assert_string_equal(human_number(0.0123456, s), "0.01235");
    assert_string_equal(human_number(-1.23456e300, s), "-1.235e+300");
    assert_string_equal(human_count(9999, s), "9999");
    assert_string_equal(human_count(25600, s), "25.6 k");
    assert_string_equal(human_count(-999600, s), "-1 M");
    assert_string_equal(human_count(9.99e14, s), "999 T");
    assert_string_equal(human_count(1e15, s), "1e+15");
    assert_string_equal(human_count(NAN, s), "nan");
    assert_string_equal(human_clock(0, s), "");
}

static void test_digits_whole(void **state)
{
    char s[DIGITS_MAX];

    (void)state;
    assert_int_equal(digits_u64(0, s), 1);
    assert_string_equal(s, "0");
    assert_int_equal(digits_u64(UINT64_MAX, s), 20);
    assert_string_equal(s, "18446744073709551615");
    assert_int_equal(digits_i64(INT64_MIN, s), 20);
    assert_string_equal(s, "-9223372036854775808");
    assert_int_equal(digits_ms(1700000000007, s), 14);
    assert_string_equal(s, "1700000000.007");
    digits_ms(-1, s);
    assert_string_equal(s, "-0.001");
}

static void assert_real(double v, const char *text)
{
    char s[DIGITS_MAX];

    assert_int_equal(digits_real(v, s), strlen(text));
    assert_string_equal(s, text);
}

static void test_digits_real(void **state)
{
    (void)state;
    assert_real(0, "0");
    assert_real(-0.0, "-0");
    assert_real(1, "1");
    assert_real(-0.5, "-0.5");
    assert_real(0.1, "0.1");
    assert_real(0.1 + 0.2, "0.30000000000000004");
    assert_real(857.363, "857.363");
    assert_real(0.0001, "0.0001");
    assert_real(0.00001, "1e-05");
    assert_real(999999999999999, "999999999999999");
    assert_real(1e15, "1e+15");
    assert_real(1e300, "1e+300");
    assert_real(5e-324, "4.94065645841247e-324");
    assert_real(9007199254740992, "9007199254740992");
}

/* Whatever is written reads back to the same bits. */
static void test_digits_read_back(void **state)
{
    char s[DIGITS_MAX];
    uint64_t x = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 300000; i++) {
        double v;
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        /* Exponents from 2^-16 to 2^51, where the quick way is. */
        uint64_t bits = (x & ~(0x7ffull << 52)) | ((uint64_t)(1007 + x % 67) << 52);
        memcpy(&v, i % 4 == 0 ? &x : &bits, sizeof v);
        if (!isfinite(v))
            continue;
        size_t n = digits_real(v, s);
        assert_int_equal(n, strlen(s));
        if (strtod(s, NULL) != v)
            fail_msg("%.17g is written %s", v, s);
    }
}

/* ---- JSON and CSV ---- */

static void test_json(void **state)
{
    struct buf b;
    struct json j;

    (void)state;
    buf_init(&b);
    json_init(&j, &b);
    json_begin(&j, '{');
    json_key(&j, "text");
    json_text(&j, "a\"b\\c\n\t\x01\x7f\xc3\xa9\xff");
    json_key(&j, "nan");
    json_real(&j, NAN);
    json_key(&j, "inf");
    json_real(&j, -INFINITY);
    json_key(&j, "list");
    json_begin(&j, '[');
    json_u64(&j, UINT64_MAX);
    json_i64(&j, INT64_MIN);
    json_bool(&j, true);
    json_null(&j);
    json_ms(&j, 1500);
    json_end(&j, ']');
    json_end(&j, '}');
    assert_string_equal(buf_text(&b),
                        "{\n  \"text\": \"a\\\"b\\\\c\\n\\t\\u0001\\u007f\xc3\xa9\\ufffd\",\n"
                        "  \"nan\": null,\n  \"inf\": null,\n"
                        "  \"list\": [18446744073709551615, -9223372036854775808, true, null, "
                        "1.500]\n}\n");
    buf_fini(&b);
}

static void assert_csv(const char *text, const char *expected)
{
    struct buf b;

    buf_init(&b);
    csv_put(&b, text);
    assert_string_equal(buf_text(&b), expected);
    buf_fini(&b);
}

static void test_csv(void **state)
{
    (void)state;
    assert_csv("", "");
    assert_csv("plain; text", "plain; text");
    assert_csv("a,b", "\"a,b\"");
    assert_csv("a\"b", "\"a\"\"b\"");
    assert_csv("a\nb", "\"a\nb\"");
    assert_csv("\r", "\"\r\"");
}

/* ---- tables ---- */

static const struct term pipe_term = {.unicode = true};

/* Prints a table of two columns, the second aligned to the right. */
static char *table_of(const struct term *term, const char *const *cells, size_t n)
{
    struct table *t = table_create(2);
    struct buf b;

    buf_init(&b);
    table_column(t, 0, "NAME", TABLE_LEFT);
    table_column(t, 1, "N", TABLE_RIGHT);
    for (size_t i = 0; i < n; i++)
        table_cell(t, cells[i], STYLE_RED);
    assert_true(table_print(t, term, &b));
    table_destroy(t);
    return buf_take(&b, NULL);
}

static void test_table(void **state)
{
    static const char *const cells[] = {"alpha", "1", "", "22", "\xc3\xa9t\xc3\xa9", ""};
    char *text = table_of(&pipe_term, NULL, 0);

    (void)state;
    assert_string_equal(text, "NAME  N\n");
    free(text);
    text = table_of(&pipe_term, cells, 6);
    assert_string_equal(text, "NAME    N\nalpha   1\n       22\n\xc3\xa9t\xc3\xa9\n");
    free(text);
}

static void test_table_colours(void **state)
{
    static const char *const cells[] = {"a", "1"};
    const struct term term = {.tty = true, .colour = true, .width = 80};
    char *text = table_of(&term, cells, 2);

    (void)state;
    assert_string_equal(text, "\033[1mNAME\033[0m  \033[1mN\033[0m\n"
                              "\033[31ma\033[0m     \033[31m1\033[0m\n");
    free(text);
}

/* At every width, no line is wider, and nothing is cut where it need not be. */
static void test_table_widths(void **state)
{
    static const char *const cells[] = {"a name that is long", "123", "short", "4"};

    (void)state;
    for (size_t width = 1; width < 40; width++) {
        const struct term term = {.tty = true, .unicode = true, .width = width};
        char *text = table_of(&term, cells, 4), *rest = NULL;
        bool whole = strstr(text, cells[0]) != NULL;
        assert_int_equal(whole, width >= 24);
        for (char *p = strtok_r(text, "\n", &rest); p != NULL; p = strtok_r(NULL, "\n", &rest))
            assert_in_range(utf8_width(p), 0, width);
        free(text);
    }
}

/* On a narrow terminal spare columns go first, a whole one stays as it is, and
 * what was left out stays so in later stretches. */
static void test_table_narrow(void **state)
{
    static const char *const cells[] = {"whole-word", "less needed", "least needed",
                                        "a text that may well be cut"};
    static const struct {
        size_t width;
        const char *first;
    } rows[] = {
        {0, "whole-word  less needed  least needed  a text that may well be cut\n"},
        {64, "whole-word  less needed  least needed  a text that may well be \xe2\x80\xa6\n"},
        {50, "whole-word  less needed  a text that may well be \xe2\x80\xa6\n"},
        {34, "whole-word  a text that may well \xe2\x80\xa6\n"},
        {25, "whole-word  a text that \xe2\x80\xa6\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct term term = {.tty = true, .unicode = true, .width = rows[i].width};
        struct table *t = table_create(4);
        struct buf b;
        buf_init(&b);
        for (size_t k = 0; k < 4; k++)
            table_column(t, k, "T", TABLE_LEFT);
        table_narrow(t, 0, true, 0);
        table_narrow(t, 1, false, 1);
        table_narrow(t, 2, false, 2);
        for (int stretch = 0; stretch < 2; stretch++) {
            for (size_t k = 0; k < 4; k++)
                table_cell(t, cells[k], STYLE_NONE);
            buf_clear(&b);
            assert_true(table_print(t, &term, &b));
            const char *text = buf_text(&b);
            assert_string_equal(stretch == 0 ? strchr(text, '\n') + 1 : text, rows[i].first);
        }
        table_destroy(t);
        buf_fini(&b);
    }
}

/* A text of a megabyte does not make the squeeze crawl. */
static void test_table_huge(void **state)
{
    enum { HUGE_TEXT = 1 << 20 };
    char *huge = malloc(HUGE_TEXT + 1);
    const char *cells[2] = {huge, "1"};
    const struct term term = {.tty = true, .width = 40};

    (void)state;
    memset(huge, 'x', HUGE_TEXT);
    huge[HUGE_TEXT] = '\0';
    char *text = table_of(&term, cells, 2);
    assert_int_equal(strlen(strchr(text, '\n') + 1), 41);
    free(text);
    free(huge);
}

/* ---- records ---- */

struct row {
    const char *name;
    uint64_t n;
    double real;
    int64_t time;
    int32_t truth;
};

static const char *show_n(const void *row, const struct column *c, char scratch[HUMAN_MAX])
{
    (void)c;
    snprintf(scratch, HUMAN_MAX, "<%d>", (int)((const struct row *)row)->n);
    return scratch;
}

static const struct column columns[] = {
    {.key = "name", .title = "NAME", .member = MEMBER_TEXT, .offset = offsetof(struct row, name)},
    {.key = "n",
     .title = "N",
     .member = MEMBER_U64,
     .offset = offsetof(struct row, n),
     .show = show_n},
    {.key = "real", .title = "REAL", .member = MEMBER_REAL, .offset = offsetof(struct row, real)},
    {.key = "time", .member = MEMBER_TIME, .offset = offsetof(struct row, time)},
    {.key = "truth",
     .title = "TRUTH",
     .member = MEMBER_BOOL,
     .offset = offsetof(struct row, truth)},
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static char *print(enum format format, const struct row *rows, size_t n, bool one)
{
    const void *list[4] = {0};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    for (size_t i = 0; i < n; i++)
        list[i] = &rows[i];
    if (one)
        assert_true(record_one(columns, COLUMNS, rows, format, &pipe_term, out));
    else
        assert_true(record_list(columns, COLUMNS, list, n, format, &pipe_term, out));
    fclose(out);
    return text;
}

static void assert_printed(enum format format, const struct row *rows, size_t n, bool one,
                           const char *expected)
{
    char *text = print(format, rows, n, one);

    assert_string_equal(text, expected);
    free(text);
}

static void test_records(void **state)
{
    const struct row rows[] = {{"a,\"b\"", 7, NAN, 0, 1}, {"c", 0, 0.25, 1234, 0}};

    (void)state;
    assert_printed(FORMAT_JSON, rows, 0, false, "[]\n");
    assert_printed(FORMAT_CSV, rows, 0, false, "name,n,real,time,truth\n");
    assert_printed(FORMAT_TABLE, rows, 0, false, "NAME  N  REAL  TRUTH\n");
    assert_printed(FORMAT_JSON, rows, 2, false,
                   "[\n  {\"name\": \"a,\\\"b\\\"\", \"n\": 7, \"real\": null, \"time\": null, "
                   "\"truth\": true},\n  {\"name\": \"c\", \"n\": 0, \"real\": 0.25, "
                   "\"time\": 1.234, \"truth\": false}\n]\n");
    assert_printed(FORMAT_CSV, rows, 2, false,
                   "name,n,real,time,truth\n\"a,\"\"b\"\"\",7,nan,,true\nc,0,0.25,1.234,false\n");
    assert_printed(FORMAT_TABLE, rows, 2, false,
                   "NAME   N    REAL  TRUTH\na,\"b\"  <7>  nan   yes\nc      <0>  0.25  no\n");
    assert_printed(FORMAT_JSON, rows, 1, true,
                   "{\n  \"name\": \"a,\\\"b\\\"\",\n  \"n\": 7,\n  \"real\": null,\n  \"time\": "
                   "null,\n  \"truth\": true\n}\n");
    assert_printed(FORMAT_CSV, rows, 1, true,
                   "name,n,real,time,truth\n\"a,\"\"b\"\"\",7,nan,,true\n");
    assert_printed(FORMAT_TABLE, rows, 1, true,
                   "NAME   a,\"b\"\nN      <7>\nREAL   nan\nTRUTH  yes\n");
}

/* More rows than a stretch: one header, all rows, whatever memory is held. */
static void test_long_table(void **state)
{
    enum { ROWS = 12345 };
    const struct row row = {"x", 1, 0.5, 0, 0};
    struct record_writer w;
    char *text = NULL;
    size_t size, lines = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    record_begin(&w, columns, COLUMNS, FORMAT_TABLE, &pipe_term, out);
    for (int i = 0; i < ROWS; i++)
        record_row(&w, &row);
    assert_true(record_end(&w));
    fclose(out);
    for (const char *p = text; *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, ROWS + 1);
    assert_null(strstr(text + 1, "NAME"));
    free(text);
}

/* What is cut off does not pass for the whole. */
static void test_abandoned(void **state)
{
    const struct row row = {"x", 1, 0.5, 0, 0};
    struct record_writer w;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    record_begin(&w, columns, COLUMNS, FORMAT_JSON, &pipe_term, out);
    record_row(&w, &row);
    record_abandon(&w);
    fclose(out);
    assert_null(strchr(text, ']'));
    free(text);
}

static void test_formats(void **state)
{
    enum format f;

    (void)state;
    assert_false(format_from_name("", &f));
    assert_false(format_from_name("JSON", &f));
    assert_true(format_from_name("csv", &f));
    assert_int_equal(f, FORMAT_CSV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_bad),
        cmocka_unit_test(test_utf8_width),
        cmocka_unit_test(test_utf8_put),
        cmocka_unit_test(test_human),
        cmocka_unit_test(test_digits_whole),
        cmocka_unit_test(test_digits_real),
        cmocka_unit_test(test_digits_read_back),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_colours),
        cmocka_unit_test(test_table_widths),
        cmocka_unit_test(test_table_huge),
        cmocka_unit_test(test_table_narrow),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_long_table),
        cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_formats),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
