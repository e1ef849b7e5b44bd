/* IDX files: whole, cut, lying, gzipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsio.h"
#include "idx/idx.h"
#include "spec/spec.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char folder[] = "/tmp/ebm-test-idx-XXXXXX";
static struct ebm_error error;
static struct idx x;

/* 2 images of 2 x 3. */
static const uint8_t good[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2,  0,  0,
                               0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
/* The same through gzip -9n. */
static const uint8_t zipped[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0x63,
                                 0x60, 0xe0, 0x60, 0x66, 0x60, 0x60, 0x60, 0x82, 0x62, 0x66, 0x46,
                                 0x26, 0x66, 0x16, 0x56, 0x36, 0x76, 0x0e, 0x4e, 0x2e, 0x6e, 0x1e,
                                 0x00, 0x48, 0x11, 0x0c, 0x84, 0x1c, 0x00, 0x00, 0x00};

static const char *put(const char *name, const void *bytes, size_t n)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(fsio_write_atomic(path, bytes, n, 0600, &error), EBM_OK);
    return path;
}

static void drop(const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"a", "train-images-idx3-ubyte",
                                        "train-images.idx3-ubyte.gz"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        drop(names[i]);
    return rmdir(folder);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(idx_read("/nonexistent/file", IDX_IMAGES, &x, &error), EBM_ENOTFOUND);
    assert_non_null(strstr(error.text, "/nonexistent/file"));
    assert_int_equal(idx_read(folder, IDX_IMAGES, &x, &error), EBM_EINVAL);
    assert_int_equal(idx_read_header("/dev/null", IDX_IMAGES, &x, &error), EBM_EINVAL);
    assert_null(x.data);
}

/* Without a writer an open for reading would wait for good. */
static void a_pipe_is_refused_at_once(void **state)
{
    char path[256];

    (void)state;
    snprintf(path, sizeof path, "%s/a", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(idx_read_header(path, IDX_IMAGES, &x, &error), EBM_EINVAL);
    assert_non_null(strstr(error.text, "/a is not a file"));
    drop("a");
}

static void bad_headers_are_refused(void **state)
{
    static const struct {
        uint8_t bytes[20];
        size_t size;
        const char *fragment;
    } row[] = {
        {{0}, 0, "too short"},
        {{0, 0, 8}, 3, "too short"},
        {{0x89, 'P', 'N', 'G'}, 4, "not an IDX file: it begins with 89 50 4e 47"},
        {{0, 0, 0x0d, 1, 0, 0, 0, 1}, 8, "holds floats"},
        {{0, 0, 0x33, 1, 0, 0, 0, 1}, 8, "an unknown type"},
        {{0, 0, 8, 0}, 4, "0 dimensions"},
        {{0, 0, 8, 5}, 4, "5 dimensions"},
        {{0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1}, 12, "ends within its header"},
        {{0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, 16, "size 2 of its header is zero"},
        {{0, 0, 8, 4, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0, 0},
         20,
         "overflow"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        const char *path = put("a", row[i].bytes, row[i].size);
        assert_int_equal(idx_read_header(path, IDX_IMAGES, &x, &error), EBM_ECORRUPT);
        assert_int_equal(idx_read(path, IDX_IMAGES, &x, &error), EBM_ECORRUPT);
        assert_non_null(strstr(error.text, row[i].fragment));
        assert_non_null(strstr(error.text, path));
    }
}

/* Bytes of an image taken for sizes would promise petabytes. */
static void another_kind_is_told_by_its_magic(void **state)
{
    static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 9};
    const char *path = put("a", labels, sizeof labels);

    (void)state;
    assert_int_equal(idx_read(path, IDX_LABELS, &x, &error), EBM_OK);
    idx_fini(&x);
    assert_int_equal(idx_read(path, IDX_IMAGES, &x, &error), EBM_EINVAL);
    assert_non_null(strstr(error.text, "/a holds no images: its magic says 1 dimension,"));
    path = put("a", good, sizeof good);
    assert_int_equal(idx_read_header(path, IDX_LABELS, &x, &error), EBM_EINVAL);
    assert_non_null(
        strstr(error.text, "/a holds no labels: its magic says 3 dimensions (0x00000803)"));
}

static void wrong_sizes_are_told(void **state)
{
    uint8_t longer[sizeof good + 5000] = {0}, huge[8] = {0, 0, 8, 1, 0xff, 0xff, 0xff, 0xff};

    (void)state;
    memcpy(longer, good, sizeof good);
    assert_int_equal(idx_read(put("a", good, sizeof good - 1), IDX_IMAGES, &x, &error),
                     EBM_ECORRUPT);
    assert_non_null(strstr(error.text, "promises 12 bytes of data, it has 11"));
    assert_int_equal(idx_read(put("a", longer, sizeof longer), IDX_IMAGES, &x, &error),
                     EBM_ECORRUPT);
    assert_non_null(strstr(error.text, "promises 12 bytes of data, it has 5012"));
    assert_int_equal(idx_read(put("a", huge, sizeof huge), IDX_LABELS, &x, &error), EBM_ECORRUPT);
    assert_non_null(strstr(error.text, "promises 4294967295 bytes"));
    assert_null(x.data);
}

static void damaged_gzip_is_told(void **state)
{
    uint8_t bytes[sizeof zipped];

    (void)state;
    assert_int_equal(idx_read(put("a", zipped, sizeof zipped - 12), IDX_IMAGES, &x, &error),
                     EBM_ECORRUPT);
    memcpy(bytes, zipped, sizeof zipped);
    bytes[sizeof bytes - 6] ^= 1;
    assert_int_equal(idx_read(put("a", bytes, sizeof bytes), IDX_IMAGES, &x, &error), EBM_ECORRUPT);
    assert_non_null(strstr(error.text, "/a is damaged: incorrect data check"));
}

static void check_good(const char *path)
{
    assert_int_equal(idx_read_header(path, IDX_IMAGES, &x, &error), EBM_OK);
    assert_null(x.data);
    assert_int_equal(x.dims, 3);
    assert_int_equal(idx_read(path, IDX_IMAGES, &x, &error), EBM_OK);
    assert_true(x.dim[0] == 2 && x.dim[1] == 2 && x.dim[2] == 3 && x.count == 12);
    assert_memory_equal(x.data, good + 16, 12);
    idx_fini(&x);
    idx_fini(&x);
}

static void good_files_are_read(void **state)
{
    (void)state;
    check_good(put("a", good, sizeof good));
    check_good(put("a", zipped, sizeof zipped));
}

static void files_are_found_by_stem(void **state)
{
    char path[256], small[8];

    (void)state;
    assert_int_equal(idx_find("/nonexistent", "images", path, sizeof path, &error), EBM_ENOTFOUND);
    assert_non_null(strstr(error.text, "no folder /nonexistent"));
    assert_int_equal(idx_find(folder, "images", path, sizeof path, &error), EBM_ENOTFOUND);
    assert_non_null(strstr(error.text, "train-images-idx3-ubyte"));
    assert_int_equal(idx_find(folder, "sounds", path, sizeof path, &error), EBM_EINVAL);
    assert_int_equal(idx_find(folder, "images", small, sizeof small, &error), EBM_EINVAL);
    put("train-images.idx3-ubyte.gz", zipped, sizeof zipped);
    assert_int_equal(idx_find(folder, "images", path, sizeof path, &error), EBM_OK);
    assert_non_null(strstr(path, "/train-images.idx3-ubyte.gz"));
    put("train-images-idx3-ubyte", good, sizeof good);
    assert_int_equal(idx_find(folder, "images", path, sizeof path, &error), EBM_OK);
    assert_non_null(strstr(path, "/train-images-idx3-ubyte"));
    assert_int_equal(idx_find(folder, "labels", path, sizeof path, &error), EBM_ENOTFOUND);
}

static void a_folder_gives_the_shape_of_a_spec(void **state)
{
    static struct spec spec;
    static struct spec_problems problems;
    static struct net net;
    char text[512];

    (void)state;
    put("train-images-idx3-ubyte", good, sizeof good);
    snprintf(text, sizeof text,
             "data: {dataset: 'idx:%s', batch_size: 2}\nmodel: {layers: [dense: 3, dense: 1]}\n"
             "train: {epochs: 3}\n",
             folder);
    assert_int_equal(spec_parse(text, strlen(text), NULL, 0, &spec, &problems, &error), EBM_OK);
    assert_int_equal(spec_settle_net(&spec, &net, NULL, &error), EBM_OK);
    assert_int_equal(net.params, 6 * 3 + 3 + 3 + 1);
    spec.data.batch_size = 3;
    assert_int_equal(spec_settle_net(&spec, &net, &problems, &error), EBM_EINVAL);
    assert_string_equal(problems.item[0].text,
                        "data.batch_size (3) is more than the 2 samples of the data set");
    spec.data.batch_size = 2;
    spec.layer_count = 1;
    assert_int_equal(spec_settle_net(&spec, &net, &problems, &error), EBM_EINVAL);
    assert_int_equal(problems.item[1].line, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(a_pipe_is_refused_at_once),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(another_kind_is_told_by_its_magic),
        cmocka_unit_test(wrong_sizes_are_told),
        cmocka_unit_test(damaged_gzip_is_told),
        cmocka_unit_test(good_files_are_read),
        cmocka_unit_test(files_are_found_by_stem),
        cmocka_unit_test(a_folder_gives_the_shape_of_a_spec),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
