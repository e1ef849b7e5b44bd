/* Pictures, decoded again: size, colours, enlarging, what is not finite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <png.h>

#include "picture/encode.h"
#include "picture/picture.h"

struct decoded {
    size_t w, h;
    bool colour; /* the file's own format */
    struct rgb *pixel;
};

static struct decoded decode(const struct buf *png)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    struct decoded d;

    assert_int_equal(png_image_begin_read_from_memory(&image, png->data, png->size), 1);
    d.colour = (image.format & PNG_FORMAT_FLAG_COLOR) != 0;
    image.format = PNG_FORMAT_RGB;
    d.w = image.width;
    d.h = image.height;
    d.pixel = malloc(PNG_IMAGE_SIZE(image));
    assert_non_null(d.pixel);
    assert_int_equal(png_image_finish_read(&image, NULL, d.pixel, 0, NULL), 1);
    return d;
}

static struct rgb at(const struct decoded *d, size_t x, size_t y)
{
    assert_true(x < d->w && y < d->h);
    return d->pixel[y * d->w + x];
}

static void assert_rgb(struct rgb c, uint8_t r, uint8_t g, uint8_t b)
{
    assert_int_equal(c.r, r);
    assert_int_equal(c.g, g);
    assert_int_equal(c.b, b);
}

static struct decoded draw_grid(const float *samples, size_t n, struct net_shape shape, float lo,
                                float hi)
{
    struct ebm_error err;
    struct buf png;

    buf_init(&png);
    assert_int_equal(picture_grid_png(samples, n, shape, lo, hi, &png, &err), EBM_OK);
    struct decoded d = decode(&png);
    buf_fini(&png);
    return d;
}

static void bad_arguments_are_refused(void **state)
{
    static const struct {
        size_t n;
        struct net_shape shape;
        float lo, hi;
    } bad[] = {
        {0, {1, 2, 2}, 0, 1},        {1, {0, 2, 2}, 0, 1},          {1, {1, 0, 2}, 0, 1},
        {1, {1, 2, 0}, 0, 1},        {1, {1, 2, 2}, 1, 1},          {1, {1, 2, 2}, 1, 0},
        {1, {1, 2, 2}, 0, INFINITY}, {1, {1, 2, 2}, NAN, 1},        {1, {1, 8193, 1}, 0, 1},
        {8193, {1, 1, 1}, 0, 1},     {8192, {1, 1000, 1000}, 0, 1},
    };
    float sample[16] = {0};
    struct ebm_error err;
    struct buf png;

    (void)state;
    buf_init(&png);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(
            picture_grid_png(sample, bad[i].n, bad[i].shape, bad[i].lo, bad[i].hi, &png, &err),
            EBM_EINVAL);
    assert_int_equal(picture_points_png(sample, 2, 2, 2, &png, &err), EBM_EINVAL);
    assert_int_equal(png.size, 0);
    buf_fini(&png);
}

static void a_grid_is_enlarged_to_be_seen(void **state)
{
    static const struct {
        size_t n, side;
    } sheets[] = {{1, 28}, {16, 28}, {64, 28}, {100, 28}, {144, 28}, {64, 32}, {36, 64}};

    (void)state;
    for (size_t i = 0; i < sizeof sheets / sizeof sheets[0]; i++) {
        struct net_shape shape = {1, sheets[i].side, sheets[i].side};
        float *samples = calloc(sheets[i].n * net_shape_size(shape), sizeof *samples);
        assert_non_null(samples);
        struct decoded d = draw_grid(samples, sheets[i].n, shape, 0, 1);
        assert_in_range(d.w, 500, 900);
        assert_in_range(d.h, 400, 900);
        free(d.pixel);
        free(samples);
    }
}

/* Three samples of 2 x 2 on a grid of 2 x 2: where each pixel goes. */
static void each_sample_is_in_its_place(void **state)
{
    const float samples[12] = {0.0f, 1.0f, 0.5f, 2.0f, -1.0f, 0, 0, 0, 1, 1, 1, 1};
    struct net_shape shape = {1, 2, 2};
    struct decoded d = draw_grid(samples, 3, shape, 0, 1);
    size_t scale = (d.w - 3 * PICTURE_GAP) / 4, side = 2 * scale;
    size_t second = PICTURE_GAP + side + PICTURE_GAP;

    (void)state;
    assert_false(d.colour);
    assert_int_equal(d.w, d.h);
    assert_int_equal(d.w, 3 * PICTURE_GAP + 4 * scale);
    assert_rgb(at(&d, 0, 0), 64, 64, 64);
    assert_rgb(at(&d, PICTURE_GAP, PICTURE_GAP), 0, 0, 0);
    assert_rgb(at(&d, PICTURE_GAP + side - 1, PICTURE_GAP), 255, 255, 255);
    assert_rgb(at(&d, PICTURE_GAP, PICTURE_GAP + side - 1), 128, 128, 128);
    assert_rgb(at(&d, PICTURE_GAP + scale, PICTURE_GAP + scale), 255, 255, 255); /* cut */
    assert_rgb(at(&d, PICTURE_GAP + side, PICTURE_GAP), 64, 64, 64);
    assert_rgb(at(&d, second, PICTURE_GAP), 0, 0, 0); /* cut */
    assert_rgb(at(&d, PICTURE_GAP, second), 255, 255, 255);
    assert_rgb(at(&d, second, second), 64, 64, 64); /* no fourth */
    free(d.pixel);
}

static void three_channels_are_colours(void **state)
{
    const float sample[3] = {1.0f, 0.5f, 0.0f};
    struct net_shape rgb = {3, 1, 1}, two = {2, 1, 1};
    struct decoded d = draw_grid(sample, 1, rgb, 0, 1);

    (void)state;
    assert_true(d.colour);
    assert_rgb(at(&d, d.w / 2, d.h / 2), 255, 128, 0);
    free(d.pixel);
    d = draw_grid(sample + 1, 1, two, 0, 1); /* the first of two */
    assert_false(d.colour);
    assert_rgb(at(&d, d.w / 2, d.h / 2), 128, 128, 128);
    free(d.pixel);
}

static void what_is_not_finite_is_magenta(void **state)
{
    const float samples[3] = {NAN, INFINITY, -INFINITY};
    struct net_shape one = {1, 1, 1}, rgb = {3, 1, 1};
    const float mixed[3] = {0.5f, 0.5f, NAN};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct decoded d = draw_grid(samples + i, 1, one, 0, 1);
        assert_rgb(at(&d, d.w / 2, d.h / 2), 255, 0, 255);
        free(d.pixel);
    }
    struct decoded d = draw_grid(mixed, 1, rgb, 0, 1);
    assert_rgb(at(&d, d.w / 2, d.h / 2), 255, 0, 255);
    free(d.pixel);
}

static struct decoded draw_points(const float *points, size_t n)
{
    struct ebm_error err;
    struct buf png;

    buf_init(&png);
    buf_puts(&png, ""); /* appended to what is there */
    assert_int_equal(picture_points_png(points, n, -2, 2, &png, &err), EBM_OK);
    struct decoded d = decode(&png);
    assert_int_equal(d.w, PICTURE_POINTS);
    assert_int_equal(d.h, PICTURE_POINTS);
    buf_fini(&png);
    return d;
}

static void points_are_dark_where_they_are(void **state)
{
    const float points[] = {1.0f, 1.0f, -1.0f, -1.0f, -1.0f, -1.0f, 9.0f, -9.0f};
    const size_t q = PICTURE_POINTS / 4, m = PICTURE_POINTS - 2 * 24;
    struct decoded d = draw_points(points, 4);

    (void)state;
    size_t right = 24 + (m - 1) * 3 / 4, left = 24 + (m - 1) / 4;
    assert_true(at(&d, right, left + 1).r < 200);        /* y is upwards */
    assert_rgb(at(&d, right, right + 1), 255, 255, 255); /* nothing below it */
    assert_true(at(&d, left + 1, right).r <= at(&d, right, left + 1).r);
    assert_rgb(at(&d, 2, 2), 255, 255, 255);
    assert_rgb(at(&d, q, q / 8), 255, 255, 255);
    free(d.pixel);
}

static void the_frame_tells_of_points_that_are_not_finite(void **state)
{
    const float points[] = {0, 0, NAN, 1};
    struct decoded d = draw_points(points, 1);

    (void)state;
    assert_rgb(at(&d, 24, 24), 60, 60, 68);
    free(d.pixel);
    d = draw_points(points, 2);
    assert_rgb(at(&d, 24, 24), 255, 0, 255);
    free(d.pixel);
    d = draw_points(NULL, 0);
    assert_rgb(at(&d, 24, 24), 60, 60, 68);
    free(d.pixel);
}

/* Many points still show their density. */
static void dense_is_darker_than_thin(void **state)
{
    enum { N = 20000 };
    float *points = calloc(2 * N, sizeof *points);

    (void)state;
    assert_non_null(points);
    for (size_t i = 0; i < N; i++) {
        points[2 * i] = i % 10 != 0 ? -1.0f + (float)(i % 97) / 200 : 1.0f - (float)(i % 97) / 200;
        points[2 * i + 1] = (float)(i % 89) / 200;
    }
    struct decoded d = draw_points(points, N);
    unsigned long left = 0, right = 0;
    for (size_t y = 40; y < 470; y++)
        for (size_t x = 40; x < 250; x++) {
            left += at(&d, x, y).r;
            right += at(&d, PICTURE_POINTS - 1 - x, y).r;
        }
    assert_true(left < right);
    free(d.pixel);
    free(points);
}

/* Whatever fails, nothing of a picture is left behind. */
static void a_buffer_that_failed_gets_nothing(void **state)
{
    const float sample[1] = {0.5f};
    struct net_shape one = {1, 1, 1};
    struct ebm_error err;
    struct buf png;

    (void)state;
    buf_init(&png);
    png.failed = true;
    assert_int_equal(picture_grid_png(sample, 1, one, 0, 1, &png, &err), EBM_ENOMEM);
    assert_int_equal(picture_grid_png(sample, 1, one, 0, 1, &png, NULL), EBM_ENOMEM);
    assert_int_equal(png.size, 0);
    buf_fini(&png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(a_grid_is_enlarged_to_be_seen),
        cmocka_unit_test(each_sample_is_in_its_place),
        cmocka_unit_test(three_channels_are_colours),
        cmocka_unit_test(what_is_not_finite_is_magenta),
        cmocka_unit_test(points_are_dark_where_they_are),
        cmocka_unit_test(the_frame_tells_of_points_that_are_not_finite),
        cmocka_unit_test(dense_is_darker_than_thin),
        cmocka_unit_test(a_buffer_that_failed_gets_nothing),
    };
    return cmocka_run_group_tests_name("picture", tests, NULL, NULL);
}
