#include "idx/idx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
    TYPE_UNSIGNED_BYTE = 0x08,
    READ_CHUNK = 1 << 24,
    DEFLATE_RATIO_MAX = 1032, /* of deflate: no file unpacks to more */
    PLAIN_SLACK = 64
};

/* A file being read, plain or gzipped. */
struct idx_file {
    const char *path;
    gzFile gz;
    uint64_t bytes; /* on disk */
};

static const char *type_name(unsigned type)
{
    static const struct {
        unsigned type;
        const char *name;
    } names[] = {{0x09, "signed bytes"},
                 {0x0b, "16-bit integers"},
                 {0x0c, "32-bit integers"},
                 {0x0d, "floats"},
                 {0x0e, "doubles"}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].type == type)
            return names[i].name;
    return NULL;
}

static enum ebm_status file_open(struct idx_file *f, const char *path, struct ebm_error *err)
{
    struct stat st;
    /* Not to wait for the writer of a pipe that somebody put there. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    *f = (struct idx_file){.path = path};
    if (fd < 0)
        return ebm_fail_errno(err, errno, "cannot open %s", path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return ebm_fail(err, EBM_EINVAL, "%s is not a file", path);
    }
    f->bytes = (uint64_t)st.st_size;
    f->gz = gzdopen(fd, "rb");
    if (f->gz == NULL) {
        close(fd);
        return ebm_fail(err, EBM_ENOMEM, "no memory to read %s", path);
    }
    return EBM_OK;
}

static void file_close(struct idx_file *f)
{
    if (f->gz != NULL)
        gzclose_r(f->gz);
    f->gz = NULL;
}

/* zlib knows the file by its descriptor alone: "<fd:5>: incorrect data check". */
static const char *error_text(gzFile gz, int *code)
{
    const char *text = gzerror(gz, code);
    const char *end = strncmp(text, "<fd:", 4) == 0 ? strstr(text, ">: ") : NULL;

    return end != NULL ? end + 3 : text;
}

/* Reads up to n bytes; *got < n at the end of the file, also where a gzip
 * stream is cut off. */
static enum ebm_status file_read(struct idx_file *f, void *to, size_t n, size_t *got,
                                 struct ebm_error *err)
{
    uint8_t *at = to;
    int code;

    for (*got = 0; *got < n;) {
        size_t want = n - *got < READ_CHUNK ? n - *got : READ_CHUNK;
        int r = gzread(f->gz, at + *got, (unsigned)want);
        if (r == 0)
            return EBM_OK;
        if (r < 0)
            break;
        *got += (size_t)r;
    }
    if (*got == n)
        return EBM_OK;
    const char *why = error_text(f->gz, &code);
    if (code == Z_ERRNO)
        return ebm_fail_errno(err, errno, "cannot read %s", f->path);
    if (code == Z_BUF_ERROR)
        return EBM_OK;
    return ebm_fail(err, EBM_ECORRUPT, "%s is damaged: %s", f->path, why);
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static enum ebm_status check_magic(const struct idx_file *f, const uint8_t *m, size_t got,
                                   struct ebm_error *err)
{
    if (got < 4)
        return ebm_fail(err, EBM_ECORRUPT, "%s is too short for an IDX file: %zu bytes", f->path,
                        got);
    if (m[0] != 0 || m[1] != 0)
        return ebm_fail(err, EBM_ECORRUPT,
                        "%s is not an IDX file: it begins with %02x %02x %02x %02x, an IDX file of "
                        "bytes with 00 00 08",
                        f->path, m[0], m[1], m[2], m[3]);
    if (m[2] != TYPE_UNSIGNED_BYTE) {
        const char *name = type_name(m[2]);
        return ebm_fail(err, EBM_ECORRUPT,
                        "%s holds %s (type 0x%02x): only unsigned bytes (0x08) are read", f->path,
                        name != NULL ? name : "an unknown type", m[2]);
    }
    if (m[3] == 0 || m[3] > IDX_DIMS_MAX)
        return ebm_fail(err, EBM_ECORRUPT, "%s has %u dimensions: 1 to %d are read", f->path, m[3],
                        IDX_DIMS_MAX);
    return EBM_OK;
}

/* Before its sizes are believed: those of images, read as labels, promise
 * anything. */
static enum ebm_status check_kind(const struct idx_file *f, enum idx_kind kind, unsigned dims,
                                  struct ebm_error *err)
{
    const char *plural = dims == 1 ? "" : "s";

    if (kind == IDX_IMAGES && dims < 3)
        return ebm_fail(err, EBM_EINVAL,
                        "%s holds no images: its magic says %u dimension%s, images have 3 (N, H, "
                        "W) or 4 (N, C, H, W)",
                        f->path, dims, plural);
    if (kind == IDX_LABELS && dims != 1)
        return ebm_fail(err, EBM_EINVAL,
                        "%s holds no labels: its magic says %u dimension%s (0x%08x), labels have 1 "
                        "(0x00000801)",
                        f->path, dims, plural, (unsigned)TYPE_UNSIGNED_BYTE << 8 | dims);
    return EBM_OK;
}

static enum ebm_status set_sizes(const struct idx_file *f, const uint8_t *sizes, struct idx *out,
                                 struct ebm_error *err)
{
    out->count = 1;
    for (size_t i = 0; i < out->dims; i++) {
        out->dim[i] = big_endian(sizes + 4 * i);
        if (out->dim[i] == 0)
            return ebm_fail(err, EBM_ECORRUPT, "%s: size %zu of its header is zero", f->path,
                            i + 1);
        if (out->count > SIZE_MAX / 2 / out->dim[i])
            return ebm_fail(err, EBM_ECORRUPT, "%s: the sizes of its header overflow", f->path);
        out->count *= out->dim[i];
    }
    return EBM_OK;
}

static enum ebm_status read_header(struct idx_file *f, enum idx_kind kind, struct idx *out,
                                   struct ebm_error *err)
{
    uint8_t head[4], sizes[4 * IDX_DIMS_MAX];
    size_t got = 0;
    enum ebm_status st = file_read(f, head, sizeof head, &got, err);

    if (st == EBM_OK)
        st = check_magic(f, head, got, err);
    if (st == EBM_OK)
        st = check_kind(f, kind, head[3], err);
    if (st != EBM_OK)
        return st;
    out->dims = head[3];
    st = file_read(f, sizes, 4 * out->dims, &got, err);
    if (st != EBM_OK)
        return st;
    if (got < 4 * out->dims)
        return ebm_fail(err, EBM_ECORRUPT, "%s ends within its header", f->path);
    return set_sizes(f, sizes, out, err);
}

static enum ebm_status size_mismatch(const struct idx_file *f, const struct idx *x, uint64_t found,
                                     struct ebm_error *err)
{
    return ebm_fail(err, EBM_ECORRUPT, "%s: its header promises %zu bytes of data, it has %llu",
                    f->path, x->count, (unsigned long long)found);
}

/* Bytes behind the data that the header speaks of. */
static enum ebm_status count_rest(struct idx_file *f, uint64_t *rest, struct ebm_error *err)
{
    uint8_t waste[4096];
    size_t got = 0;

    *rest = 0;
    do {
        enum ebm_status st = file_read(f, waste, sizeof waste, &got, err);
        if (st != EBM_OK)
            return st;
        *rest += got;
    } while (got == sizeof waste);
    return EBM_OK;
}

static enum ebm_status read_data(struct idx_file *f, struct idx *out, struct ebm_error *err)
{
    size_t got = 0;
    uint64_t rest = 0;

    /* A header may promise anything: the file's own size bounds what is
     * believed before memory is asked for. */
    if (out->count / DEFLATE_RATIO_MAX > f->bytes + PLAIN_SLACK)
        return size_mismatch(f, out, f->bytes, err);
    out->data = malloc(out->count);
    if (out->data == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for the %zu bytes of %s", out->count, f->path);
    enum ebm_status st = file_read(f, out->data, out->count, &got, err);
    if (st != EBM_OK)
        return st;
    if (got < out->count)
        return size_mismatch(f, out, got, err);
    st = count_rest(f, &rest, err);
    return st == EBM_OK && rest > 0 ? size_mismatch(f, out, out->count + rest, err) : st;
}

enum ebm_status idx_read_header(const char *path, enum idx_kind kind, struct idx *out,
                                struct ebm_error *err)
{
    struct idx_file f;

    *out = (struct idx){0};
    enum ebm_status st = file_open(&f, path, err);
    if (st == EBM_OK)
        st = read_header(&f, kind, out, err);
    file_close(&f);
    return st;
}

enum ebm_status idx_read(const char *path, enum idx_kind kind, struct idx *out,
                         struct ebm_error *err)
{
    struct idx_file f;

    *out = (struct idx){0};
    enum ebm_status st = file_open(&f, path, err);
    if (st == EBM_OK)
        st = read_header(&f, kind, out, err);
    if (st == EBM_OK)
        st = read_data(&f, out, err);
    if (st != EBM_OK)
        idx_fini(out);
    file_close(&f);
    return st;
}

void idx_fini(struct idx *x)
{
    free(x->data);
    *x = (struct idx){0};
}

enum ebm_status idx_find(const char *dir, const char *what, char *path, size_t size,
                         struct ebm_error *err)
{
    static const struct {
        const char *what, *stem;
    } stems[] = {
        {"images", "train-images-idx3-ubyte"}, {"images", "train-images.idx3-ubyte"},
        {"images", "train-images-idx4-ubyte"}, {"labels", "train-labels-idx1-ubyte"},
        {"labels", "train-labels.idx1-ubyte"},
    };
    static const char *const endings[] = {"", ".gz"};
    const char *first = NULL;
    struct stat st;

    for (size_t i = 0; i < 2 * (sizeof stems / sizeof stems[0]); i++) {
        const char *stem = stems[i / 2].stem;
        if (strcmp(stems[i / 2].what, what) != 0)
            continue;
        first = first != NULL ? first : stem;
        int n = snprintf(path, size, "%s/%s%s", dir, stem, endings[i % 2]);
        if (n < 0 || (size_t)n >= size)
            return ebm_fail(err, EBM_EINVAL, "the path of the folder is too long: %.200s", dir);
        if (stat(path, &st) == 0)
            return EBM_OK;
    }
    if (first == NULL)
        return ebm_fail(err, EBM_EINVAL, "'%s' is neither images nor labels", what);
    if (stat(dir, &st) != 0)
        return ebm_fail(err, EBM_ENOTFOUND, "there is no folder %.300s", dir);
    return ebm_fail(err, EBM_ENOTFOUND,
                    "no %s in %.200s: looked for %s and train-%s.idx%d-ubyte, plain or with .gz",
                    what, dir, first, what, strcmp(what, "images") == 0 ? 3 : 1);
}
