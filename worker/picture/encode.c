#include "picture/encode.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { COMPRESSION = 6 };

enum ebm_status canvas_init(struct canvas *c, size_t w, size_t h, struct rgb fill,
                            struct ebm_error *err)
{
    c->w = w;
    c->h = h;
    c->pixel = malloc(w * h * sizeof *c->pixel);
    if (c->pixel == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for a picture of %zu x %zu", w, h);
    for (size_t i = 0; i < w * h; i++)
        c->pixel[i] = fill;
    return EBM_OK;
}

void canvas_fini(struct canvas *c)
{
    free(c->pixel);
    memset(c, 0, sizeof *c);
}

/* What libpng's callbacks need. It lives outside the function that calls
 * setjmp, so that a longjmp leaves it whole. */
struct encoder {
    struct buf *out;
    struct ebm_error *err;
    png_struct *png;
    png_info *info;
    uint8_t *row; /* one row as it is written */
    bool grey;
};

static void on_error(png_struct *png, const char *text)
{
    struct encoder *e = png_get_error_ptr(png);

    ebm_fail(e->err, buf_ok(e->out) ? EBM_EINTERNAL : EBM_ENOMEM, "cannot write a PNG: %s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_struct *png, const char *text)
{
    (void)png;
    (void)text;
}

static void on_write(png_struct *png, png_byte *bytes, size_t n)
{
    struct encoder *e = png_get_io_ptr(png);

    buf_put(e->out, bytes, n);
    if (!buf_ok(e->out))
        png_error(png, "out of memory");
}

static void on_flush(png_struct *png)
{
    (void)png;
}

static bool canvas_is_grey(const struct canvas *c)
{
    for (size_t i = 0; i < c->w * c->h; i++)
        if (c->pixel[i].r != c->pixel[i].g || c->pixel[i].r != c->pixel[i].b)
            return false;
    return true;
}

static void fill_row(const struct encoder *e, const struct canvas *c, size_t y)
{
    const struct rgb *from = c->pixel + y * c->w;

    if (!e->grey) {
        memcpy(e->row, from, c->w * sizeof *from);
        return;
    }
    for (size_t x = 0; x < c->w; x++)
        e->row[x] = from[x].r;
}

static void write_all(struct encoder *e, const struct canvas *c)
{
    png_set_write_fn(e->png, e, on_write, on_flush);
    png_set_compression_level(e->png, COMPRESSION);
    png_set_IHDR(e->png, e->info, (png_uint_32)c->w, (png_uint_32)c->h, 8,
                 e->grey ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(e->png, e->info);
    for (size_t y = 0; y < c->h; y++) {
        fill_row(e, c, y);
        png_write_row(e->png, e->row);
    }
    png_write_end(e->png, NULL);
}

static enum ebm_status encoder_init(struct encoder *e, const struct canvas *c,
                                    struct ebm_error *err)
{
    e->row = malloc(c->w * sizeof *c->pixel);
    e->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, e, on_error, on_warning);
    if (e->png != NULL)
        e->info = png_create_info_struct(e->png);
    if (e->row == NULL || e->info == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for a PNG");
    return EBM_OK;
}

enum ebm_status canvas_encode(const struct canvas *c, struct buf *out, struct ebm_error *err)
{
    struct ebm_error own;
    struct encoder e = {.out = out, .err = err != NULL ? err : &own, .grey = canvas_is_grey(c)};
    const size_t before = out->size;
    volatile enum ebm_status rc = encoder_init(&e, c, e.err);

    if (rc == EBM_OK) {
        if (setjmp(png_jmpbuf(e.png)) == 0)
            write_all(&e, c);
        else
            rc = e.err->code;
    }
    if (rc != EBM_OK && out->size > before)
        out->size = before; /* no half picture */
    png_destroy_write_struct(&e.png, &e.info);
    free(e.row);
    return rc;
}
