/* From the members of struct spec to text, and defaults into them. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/fields.h"
#include "spec/text.h"
#include "spec/value.h"

static_assert(sizeof(enum spec_objective) == sizeof(unsigned), "enums are read as unsigned");

static const void *member(const struct field *f, const struct spec *s)
{
    return (const char *)s + f->offset;
}

void field_set_standard(const struct field *f, struct spec *s)
{
    void *to = (char *)s + f->offset;
    double *real = to;

    if (f->standard == NULL)
        return;
    switch (f->type) {
    case FIELD_TEXT:
        memcpy(to, f->standard, strlen(f->standard) + 1);
        break;
    case FIELD_WHOLE:
        text_to_i64(f->standard, to);
        break;
    case FIELD_SEED:
        text_to_u64(f->standard, to);
        break;
    case FIELD_EPOCH:
        memcpy(to, &(uint32_t){(uint32_t)atoi(f->standard)}, sizeof(uint32_t));
        break;
    case FIELD_REAL:
        text_to_real(f->standard, real);
        break;
    case FIELD_PAIR: {
        char low[TEXT_REAL_MAX], high[TEXT_REAL_MAX];
        if (sscanf(f->standard, "[%39[^,], %39[^]]]", low, high) == 2) {
            text_to_real(low, &real[0]);
            text_to_real(high, &real[1]);
        }
        break;
    }
    case FIELD_ENUM:
        memcpy(to, &(unsigned){(unsigned)text_word_index(f->words, f->standard)}, sizeof(unsigned));
        break;
    default:
        break;
    }
}

void field_set_clamp(struct spec *s)
{
    s->sampler.clamp_on = strncmp(s->data.dataset, "toy/", 4) != 0;
    s->sampler.clamp[0] = 0.0;
    s->sampler.clamp[1] = s->sampler.clamp_on ? 1.0 : 0.0;
}

bool field_is_blank(const struct field *f, const struct spec *s)
{
    static const int64_t zero = 0;

    if ((f->flags & FIELD_BLANK) == 0)
        return false;
    if (f->type == FIELD_TEXT)
        return ((const char *)member(f, s))[0] == '\0';
    if (f->type == FIELD_LAYERS)
        return s->layer_count == 0 || s->model.preset[0] != '\0';
    return memcmp(member(f, s), &zero, sizeof zero) == 0;
}

/* Plain where YAML and a reader take it as the same text, else in quotes. */
static void format_text(const char *text, struct buf *out)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "/._+-";
    const char *rest = strncmp(text, "idx:", 4) == 0 ? text + 4 : text;
    bool plain = strspn(rest, safe) == strlen(rest) && strchr("._+-", text[0]) == NULL &&
                 rest[0] != '\0' && strcmp(text, "null") != 0;

    if (plain) {
        buf_puts(out, text);
        return;
    }
    buf_puts(out, "\"");
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            buf_puts(out, "\\");
        buf_put(out, p, 1);
    }
    buf_puts(out, "\"");
}

static void format_pair(const double *pair, struct buf *out)
{
    char low[TEXT_REAL_MAX], high[TEXT_REAL_MAX];

    text_from_real(pair[0], false, low);
    text_from_real(pair[1], false, high);
    buf_printf(out, "[%s, %s]", low, high);
}

static void format_real(double v, struct buf *out)
{
    char text[TEXT_REAL_MAX];

    text_from_real(v, false, text);
    buf_puts(out, text);
}

static void format_enum(const struct field *f, const struct spec *s, struct buf *out)
{
    char word[SPEC_NAME_MAX];
    unsigned index;

    memcpy(&index, member(f, s), sizeof index);
    if (text_word(f->words, index, word, sizeof word))
        buf_puts(out, word);
}

static void format_layers(const struct spec *s, struct buf *out)
{
    buf_puts(out, "[");
    for (size_t i = 0; i < s->layer_count; i++) {
        buf_puts(out, i > 0 ? ", " : "");
        layers_format_one(&s->layers[i], out);
    }
    buf_puts(out, "]");
}

void field_format(const struct field *f, const struct spec *s, struct buf *out)
{
    if (field_is_blank(f, s)) {
        buf_puts(out, "none");
        return;
    }
    switch (f->type) {
    case FIELD_TEXT:
        format_text(member(f, s), out);
        break;
    case FIELD_WHOLE:
        buf_printf(out, "%" PRId64, *(const int64_t *)member(f, s));
        break;
    case FIELD_SEED:
        buf_printf(out, "%" PRIu64, *(const uint64_t *)member(f, s));
        break;
    case FIELD_EPOCH:
        buf_printf(out, "%" PRIu32, *(const uint32_t *)member(f, s));
        break;
    case FIELD_REAL:
        format_real(*(const double *)member(f, s), out);
        break;
    case FIELD_PAIR:
        format_pair(member(f, s), out);
        break;
    case FIELD_ENUM:
        format_enum(f, s, out);
        break;
    case FIELD_CLAMP:
        if (s->sampler.clamp_on)
            format_pair(s->sampler.clamp, out);
        else
            buf_puts(out, "none");
        break;
    case FIELD_LAYERS:
        format_layers(s, out);
        break;
    }
}

static void describe_range(const struct field *f, const char *what, char *out, size_t size)
{
    char lo[TEXT_REAL_MAX], hi[TEXT_REAL_MAX];

    text_from_limit(f->min, lo);
    text_from_limit(f->max, hi);
    if ((f->flags & FIELD_ABOVE_MIN) != 0)
        snprintf(out, size, "%s above %s, at most %s", what, lo, hi);
    else if ((f->flags & FIELD_BELOW_MAX) != 0)
        snprintf(out, size, "%s from %s to below %s", what, lo, hi);
    else
        snprintf(out, size, "%s from %s to %s", what, lo, hi);
}

/* "a|b|c" as "a, b or c". */
static void describe_words(const char *words, char *out, size_t size)
{
    char word[SPEC_NAME_MAX], next[SPEC_NAME_MAX];
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; text_word(words, i, word, sizeof word); i++) {
        bool last = !text_word(words, i + 1, next, sizeof next);
        const char *comma = i == 0 ? "" : last ? " or " : ", ";
        int n = snprintf(out + used, size - used, "%s%s", comma, word);
        if (n < 0 || (size_t)n >= size - used)
            return;
        used += (size_t)n;
    }
}

void field_describe_type(const struct field *f, char *out, size_t size)
{
    switch (f->type) {
    case FIELD_TEXT:
        if (f->words != NULL)
            describe_words(f->words, out, size);
        else
            snprintf(out, size, "a text of at most %zu bytes", f->size - 1);
        break;
    case FIELD_WHOLE:
        snprintf(out, size, "a whole number from %.0f to %.0f", f->min, f->max);
        break;
    case FIELD_SEED:
        snprintf(out, size, "a whole number from 0 to %" PRIu64, UINT64_MAX);
        break;
    case FIELD_EPOCH:
        snprintf(out, size, "a whole number from 0 to %" PRIu32, UINT32_MAX);
        break;
    case FIELD_REAL:
        describe_range(f, "a number", out, size);
        break;
    case FIELD_PAIR:
        describe_range(f, "[a, b], two numbers", out, size);
        break;
    case FIELD_ENUM:
        describe_words(f->words, out, size);
        break;
    case FIELD_CLAMP:
        describe_range(f, "none, or [lo, hi] with numbers", out, size);
        break;
    case FIELD_LAYERS:
        snprintf(out, size, "a list of 1 to %d layers", NET_LAYERS_MAX);
        break;
    }
}
