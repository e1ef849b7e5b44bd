/* Series as charts, trends and bars, down to the character. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "utf8.h"
#include "watch/chart.h"

static const struct term ascii = {.tty = true};
static const struct term plain = {.unicode = true};
static const struct term colour = {.tty = true, .colour = true};

static void begin(struct frame *f, const struct term *t, size_t width, size_t height)
{
    frame_init(f);
    frame_begin(f, t, width, height);
}

static void draw(char *out, size_t size, const struct term *t, size_t width, size_t height,
                 const struct chart_point *p, size_t n)
{
    struct chart_span span = {0};
    struct chart c;
    struct frame f;

    begin(&f, t, width, height);
    chart_span_add(&span, p, n, false);
    assert_true(
        chart_init(&c, width, height, n > 0 ? p[0].step : 0, n > 0 ? p[n - 1].step : 0, span));
    chart_draw(&c, p, n, STYLE_NONE, 0);
    out[0] = '\0';
    for (size_t i = 0; i < height; i++) {
        chart_put_row(&c, i, &f);
        frame_end_line(&f);
        assert_in_range(utf8_width(frame_line(&f, i)), 0, width);
        snprintf(out + strlen(out), size - strlen(out), "%s\n", frame_line(&f, i));
    }
    chart_fini(&c);
    frame_fini(&f);
}

static void test_chart_line(void **state)
{
    const struct chart_point p[] = {{0, 0}, {10, 1}};
    char text[256];

    (void)state;
    /* From the lower left dot to the upper right one. */
    draw(text, sizeof text, &plain, 2, 1, p, 2);
    assert_string_equal(text, "\xe2\xa1\xa0\xe2\xa0\x8a\n");
    draw(text, sizeof text, &ascii, 2, 1, p, 2);
    assert_string_equal(text, ".'\n");
    draw(text, sizeof text, &ascii, 4, 2, p, 2);
    assert_string_equal(text, "  .'\n.'\n");
}

/* A peak of one step is seen, however many steps share a column. */
static void test_chart_peak(void **state)
{
    struct chart_point p[1000];
    char text[256];

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        p[i] = (struct chart_point){i, i == 500 ? 1 : 0};
    draw(text, sizeof text, &ascii, 10, 2, p, 1000);
    assert_string_equal(text, "     :\n.....:....\n");
}

/* With colours the mean of each column stands out of the noise around it. */
static void test_chart_noise(void **state)
{
    struct chart_point p[1000];
    struct chart_span span = {0};
    struct chart c;
    struct frame f;

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        p[i] = (struct chart_point){i, i % 2 ? 1 : -1};
    begin(&f, &colour, 4, 3);
    chart_span_add(&span, p, 1000, false);
    assert_true(chart_init(&c, 4, 3, 0, 999, span));
    chart_draw(&c, p, 1000, STYLE_CYAN, 0);
    for (size_t i = 0; i < 3; i++) {
        chart_put_row(&c, i, &f);
        frame_end_line(&f);
    }
    assert_string_equal(frame_line(&f, 0), "\033[2m::::\033[0m");
    assert_int_equal(strncmp(frame_line(&f, 1), "\033[36m", 5), 0);
    assert_null(strstr(frame_line(&f, 1), "\033[2m"));
    assert_null(strstr(frame_line(&f, 1), "::::")); /* a line, no block */
    assert_string_equal(frame_line(&f, 2), "\033[2m::::\033[0m");
    chart_fini(&c);
    frame_fini(&f);
}

static void test_chart_odd_values(void **state)
{
    const struct chart_point odd[] = {{0, 0}, {1, NAN}, {2, 1}, {3, INFINITY}, {4, -INFINITY}};
    const struct chart_point huge[] = {{0, -1.7e308}, {1, 1.7e308}};
    const struct chart_point flat[] = {{5, 3}, {6, 3}};
    const struct chart_point nothing[] = {{0, NAN}};
    const struct chart_point back[] = {{0, 0}, {9, 1}, {4, 1}, {9, 0}};
    char text[256];

    (void)state;
    draw(text, sizeof text, &ascii, 5, 1, odd, 5);
    assert_string_equal(text, ".!'!!\n");
    draw(text, sizeof text, &ascii, 2, 1, huge, 2);
    assert_string_equal(text, ".'\n");
    draw(text, sizeof text, &ascii, 2, 1, flat, 2);
    assert_true(strcmp(text, "..\n") == 0 || strcmp(text, "''\n") == 0);
    draw(text, sizeof text, &ascii, 3, 1, nothing, 1);
    assert_string_equal(text, "  !\n");
    draw(text, sizeof text, &ascii, 3, 1, nothing, 0);
    assert_string_equal(text, "\n");
    draw(text, sizeof text, &ascii, 4, 1, back, 4); /* only: it ends well */
}

static void test_chart_logarithm(void **state)
{
    const struct chart_point p[] = {{0, 1}, {1, 10}, {2, 100}};
    struct chart_span span = {0};
    struct chart c;

    (void)state;
    chart_span_add(&span, p, 2, false);
    assert_true(chart_init(&c, 2, 1, 0, 2, span));
    assert_false(c.logarithmic); /* tenfold is no reason */
    chart_fini(&c);
    chart_span_add(&span, p, 3, false);
    assert_true(chart_init(&c, 2, 1, 0, 2, span));
    assert_true(c.logarithmic);
    chart_fini(&c);
    span.low = 0;
    assert_true(chart_init(&c, 2, 1, 0, 2, span));
    assert_false(c.logarithmic);
    chart_fini(&c);
}

static const char *trend(const struct term *t, const double *v, size_t n, size_t width)
{
    static char out[256];
    struct chart_point p[64];
    struct frame f;

    for (size_t i = 0; i < n; i++)
        p[i] = (struct chart_point){i, v[i]};
    begin(&f, t, width + 2, 1);
    chart_put_trend(&f, STYLE_NONE, p, n, width);
    frame_put(&f, STYLE_NONE, "|");
    frame_end_line(&f);
    assert_in_range(utf8_width(frame_line(&f, 0)), 0, width + 2);
    snprintf(out, sizeof out, "%s", frame_line(&f, 0));
    frame_fini(&f);
    return out;
}

static void test_trend(void **state)
{
    const double rising[] = {1, 1, 1, 1, 8}, odd[] = {1, NAN, INFINITY}, below[] = {-1, 1, 1, 3},
                 peak[] = {1, 1, 9, 1, 1, 1}, flat[] = {2, 2}, zero[] = {0, 0};

    (void)state;
    assert_string_equal(trend(&ascii, rising, 5, 5), "....#|");
    assert_string_equal(trend(&ascii, rising, 5, 8), "   ....#|");
    assert_string_equal(trend(&ascii, peak, 6, 2), "#.|"); /* the greatest of three each */
    assert_string_equal(trend(&ascii, odd, 3, 3), "+!!|");
    assert_string_equal(trend(&ascii, below, 4, 4), "_==#|");
    assert_string_equal(trend(&ascii, flat, 2, 2), "++|");
    assert_string_equal(trend(&ascii, zero, 2, 2), "__|");
    assert_string_equal(trend(&ascii, flat, 0, 2), "  |");
    assert_string_equal(trend(&plain, rising, 5, 2), "\xe2\x96\x82\xe2\x96\x88|");
}

static const char *bar(const struct term *t, double share, size_t width)
{
    static char out[128];
    struct frame f;

    begin(&f, t, 40, 1);
    chart_put_bar(&f, STYLE_NONE, share, width);
    frame_end_line(&f);
    assert_int_equal(utf8_width(frame_line(&f, 0)), width);
    snprintf(out, sizeof out, "%s", frame_line(&f, 0));
    frame_fini(&f);
    return out;
}

static void test_bar(void **state)
{
    (void)state;
    assert_string_equal(bar(&ascii, 0, 4), "----");
    assert_string_equal(bar(&ascii, 0.5, 4), "##--");
    assert_string_equal(bar(&ascii, 1, 4), "####");
    assert_string_equal(bar(&ascii, 7, 4), "####");
    assert_string_equal(bar(&ascii, -1, 4), "----");
    assert_string_equal(bar(&ascii, NAN, 4), "----");
    assert_string_equal(bar(&plain, 0.75, 2), "\xe2\x94\x81\xe2\x95\xb8");
    assert_string_equal(bar(&plain, 0.3, 0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chart_line),
        cmocka_unit_test(test_chart_peak),
        cmocka_unit_test(test_chart_noise),
        cmocka_unit_test(test_chart_odd_values),
        cmocka_unit_test(test_chart_logarithm),
        cmocka_unit_test(test_trend),
        cmocka_unit_test(test_bar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
