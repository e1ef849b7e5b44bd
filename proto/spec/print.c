/* The effective spec, its digest, and how two specs differ. */
#include <stdio.h>
#include <string.h>

#include "spec/fields.h"
#include "spec/value.h"

static void print_layers(const struct spec *s, struct buf *out)
{
    buf_puts(out, "  layers:\n");
    for (size_t i = 0; i < s->layer_count; i++) {
        buf_puts(out, "    - ");
        layers_format_one(&s->layers[i], out);
        buf_puts(out, "\n");
    }
}

/* The length of the group's name in a path, 0 at the top level. */
static size_t group_length(const char *path)
{
    const char *dot = strchr(path, '.');
    return dot != NULL ? (size_t)(dot - path) : 0;
}

void spec_print(const struct spec *s, struct buf *out)
{
    const char *open = "";

    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const struct field *f = &field_table[i];
        size_t n = group_length(f->path);
        if (field_is_blank(f, s))
            continue;
        if (n > 0 && (strncmp(open, f->path, n) != 0 || open[n] != '.'))
            buf_printf(out, "%.*s:\n", (int)n, f->path);
        open = f->path;
        if (f->type == FIELD_LAYERS) {
            print_layers(s, out);
            continue;
        }
        buf_printf(out, "%s%s: ", n > 0 ? "  " : "", field_leaf(f));
        field_format(f, s, out);
        buf_puts(out, "\n");
    }
}

void spec_math_digest(const struct spec *s, uint8_t out[DIGEST_BYTES])
{
    struct spec plain = *s;
    struct buf text;

    plain.model.preset[0] = '\0'; /* the same layers, whichever way they were said */
    buf_init(&text);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if ((field_table[i].flags & FIELD_MATH) == 0)
            continue;
        buf_printf(&text, "%s=", field_table[i].path);
        field_format(&field_table[i], &plain, &text);
        buf_puts(&text, "\n");
    }
    digest_of(text.data, text.size, out);
    buf_fini(&text);
}

/* Visits the fields that differ, each with both values as text. */
static size_t each_difference(const struct spec *a, const struct spec *b,
                              void (*put)(struct buf *out, const char *path, const char *left,
                                          const char *right),
                              struct buf *out)
{
    bool both_presets = a->model.preset[0] != '\0' && b->model.preset[0] != '\0';
    struct buf left, right;
    size_t differ = 0;

    buf_init(&left);
    buf_init(&right);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const struct field *f = &field_table[i];
        buf_clear(&left);
        buf_clear(&right);
        field_format(f, a, &left);
        field_format(f, b, &right);
        if (strcmp(buf_text(&left), buf_text(&right)) == 0 ||
            (f->type == FIELD_LAYERS && both_presets))
            continue;
        put(out, f->path, buf_text(&left), buf_text(&right));
        differ++;
    }
    buf_fini(&left);
    buf_fini(&right);
    return differ;
}

static void put_change(struct buf *out, const char *path, const char *left, const char *right)
{
    buf_printf(out, "%s: %s -> %s\n", path, left, right);
}

static void put_override(struct buf *out, const char *path, const char *left, const char *right)
{
    (void)left;
    buf_printf(out, "%s%s=%s", out->size > 0 ? " " : "", path, right);
}

size_t spec_diff(const struct spec *a, const struct spec *b, struct buf *out)
{
    return each_difference(a, b, put_change, out);
}

size_t spec_overrides(const struct spec *a, const struct spec *b, struct buf *out)
{
    return each_difference(a, b, put_override, out);
}
