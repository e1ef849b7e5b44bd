/* Data sets: bad files by name, order, pixels, noise. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "data/dataset.h"
#include "data/order.h"

enum { N = 50, SIDE = 3, DIM = SIDE * SIDE };

struct place {
    char dir[64];
    struct spec spec;
};

static void put_u32(FILE *f, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        fputc((int)(v >> shift & 255), f);
}

static void write_idx(const struct place *p, const char *name, const uint32_t *dim, size_t dims,
                      size_t bytes)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    put_u32(f, 0x800 + (uint32_t)dims);
    for (size_t i = 0; i < dims; i++)
        put_u32(f, dim[i]);
    for (size_t i = 0; i < bytes; i++)
        fputc((int)(i / DIM * 5 % 256), f); /* sample s is all 5*s */
    fclose(f);
}

static void write_images(const struct place *p, uint32_t n, size_t bytes)
{
    write_idx(p, "train-images-idx3-ubyte", (const uint32_t[]){n, SIDE, SIDE}, 3, bytes);
}

static void write_labels(const struct place *p, uint32_t n)
{
    write_idx(p, "train-labels-idx1-ubyte", (const uint32_t[]){n}, 1, n);
}

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    strcpy(p->dir, "/tmp/ebm-test-data-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->spec.data.dataset, sizeof p->spec.data.dataset, "idx:%s", p->dir);
    p->spec.data.batch_size = 8;
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"};
    struct place *p = *state;
    char path[128];

    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", p->dir, names[i]);
        unlink(path);
    }
    rmdir(p->dir);
    free(p);
    return 0;
}

static void refused(const struct place *p, enum ebm_status code, const char *word)
{
    struct ebm_error err;
    struct dataset *d = NULL;

    assert_int_equal(dataset_open(&p->spec, &d, &err), code);
    assert_null(d);
    if (strstr(err.text, word) == NULL)
        fail_msg("'%s' is not in '%s'", word, err.text);
}

static void missing_folder(void **state)
{
    struct place *p = *state;

    strcpy(p->spec.data.dataset, "idx:/nowhere");
    refused(p, EBM_ENOTFOUND, "/nowhere");
    strcpy(p->spec.data.dataset, "toy/ring");
    refused(p, EBM_ENOTFOUND, "toy/ring");
}

static void truncated_images(void **state)
{
    write_images(*state, N, N * DIM - 1);
    refused(*state, EBM_ECORRUPT, "train-images-idx3-ubyte");
}

static void another_number_of_labels(void **state)
{
    write_images(*state, N, N * DIM);
    write_labels(*state, N + 1);
    refused(*state, EBM_ECORRUPT, "51 labels");
    refused(*state, EBM_ECORRUPT, "50 images");
    refused(*state, EBM_ECORRUPT, "train-labels-idx1-ubyte");
}

static void no_images_but_labels_of_one_dimension(void **state)
{
    write_idx(*state, "train-images-idx3-ubyte", (const uint32_t[]){N}, 1, N);
    refused(*state, EBM_EINVAL, "holds no images");
}

static void labels_may_be_absent(void **state)
{
    struct place *p = *state;
    struct dataset *d = NULL;

    write_images(p, N, N * DIM);
    assert_int_equal(dataset_open(&p->spec, &d, NULL), EBM_OK);
    assert_int_equal(dataset_samples(d), N);
    assert_int_equal(dataset_shape(d).h, SIDE);
    assert_int_equal(dataset_shape(d).c, 1);
    dataset_close(d);
}

/* Over an epoch each sample comes once, whoever reads which part. */
static void an_epoch_holds_each_sample_once(void **state)
{
    struct place *p = *state;
    struct dataset *d = NULL;
    int seen[2][N] = {{0}};

    write_images(p, N, N * DIM);
    write_labels(p, N);
    p->spec.data.batch_size = 7;
    assert_int_equal(dataset_open(&p->spec, &d, NULL), EBM_OK);
    for (uint64_t position = 0; position < 2 * N; position++) {
        uint64_t sample;
        float x[DIM];
        dataset_plan(d, position / 7, position % 7, 1, &sample);
        dataset_read(d, position / 7, position % 7, sample, x);
        assert_true(x[4] == (float)(sample * 5 % 256) / 255.0f);
        seen[position / N][sample]++;
    }
    for (size_t i = 0; i < N; i++)
        assert_true(seen[0][i] == 1 && seen[1][i] == 1);
    dataset_close(d);
}

static void a_batch_is_the_same_in_parts(void **state)
{
    struct place *p = *state;
    struct dataset *d = NULL;
    uint64_t whole[8], part[8];

    write_images(p, N, N * DIM);
    assert_int_equal(dataset_open(&p->spec, &d, NULL), EBM_OK);
    for (uint64_t iteration = 0; iteration < 20; iteration++) {
        dataset_plan(d, iteration, 0, 8, whole);
        dataset_plan(d, iteration, 3, 5, part);
        assert_memory_equal(whole + 3, part, 5 * sizeof *part);
    }
    dataset_close(d);
}

static void noise_has_its_size_and_stays_in_the_clamp(void **state)
{
    struct place *p = *state;
    struct dataset *d = NULL;
    double sum = 0, square = 0;
    float x[DIM], y[DIM];

    write_images(p, N, N * DIM);
    p->spec.data.noise_std = 0.1;
    assert_int_equal(dataset_open(&p->spec, &d, NULL), EBM_OK);
    for (uint64_t i = 0; i < 2000; i++) {
        dataset_read(d, i, i % 8, 25, x); /* 125/255 */
        for (size_t k = 0; k < DIM; k++) {
            double e = (double)x[k] - 125.0 / 255;
            sum += e / (2000 * DIM);
            square += e * e / (2000 * DIM);
        }
    }
    assert_true(fabs(sum) < 0.003 && fabs(sqrt(square) - 0.1) < 0.003);
    dataset_read(d, 5, 1, 25, x);
    dataset_read(d, 5, 1, 25, y);
    assert_memory_equal(x, y, sizeof x);
    dataset_read(d, 5, 2, 25, y);
    assert_memory_not_equal(x, y, sizeof x);
    dataset_close(d);
    p->spec.sampler.clamp_on = true;
    p->spec.sampler.clamp[1] = 1;
    assert_int_equal(dataset_open(&p->spec, &d, NULL), EBM_OK);
    for (uint64_t i = 0; i < 100; i++) {
        dataset_read(d, i, 0, i % 2 == 0 ? 0 : N - 1, x);
        for (size_t k = 0; k < DIM; k++)
            assert_true(x[k] >= 0 && x[k] <= 1);
    }
    dataset_close(d);
}

static void order_refuses_what_it_cannot_hold(void **state)
{
    struct order o;

    (void)state;
    assert_int_equal(order_init(&o, 0, 1, NULL), EBM_EINVAL);
    assert_int_equal(order_init(&o, (uint64_t)1 << 33, 1, NULL), EBM_EINVAL);
}

static void order_depends_on_seed_and_epoch(void **state)
{
    struct order a, b;
    size_t same_epoch = 0, same_seed = 0;

    (void)state;
    assert_int_equal(order_init(&a, 1000, 1, NULL), EBM_OK);
    assert_int_equal(order_init(&b, 1000, 2, NULL), EBM_OK);
    for (uint64_t i = 0; i < 1000; i++) {
        uint32_t first = order_at(&a, i);
        same_seed += first == order_at(&b, i);
        same_epoch += first == order_at(&a, 1000 + i);
        assert_int_equal(first, order_at(&a, i));
    }
    assert_true(same_seed < 20 && same_epoch < 20);
    order_fini(&a);
    order_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(missing_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(truncated_images, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_number_of_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_images_but_labels_of_one_dimension, set_up, tear_down),
        cmocka_unit_test_setup_teardown(labels_may_be_absent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_epoch_holds_each_sample_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_is_the_same_in_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(noise_has_its_size_and_stays_in_the_clamp, set_up,
                                        tear_down),
        cmocka_unit_test(order_refuses_what_it_cannot_hold),
        cmocka_unit_test(order_depends_on_seed_and_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
