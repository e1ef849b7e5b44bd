#include "spec/value.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "spec/problems.h"
#include "spec/text.h"

enum { DESCRIBE_MAX = 100, RANGE_MAX = 160 };

void value_problem(const struct value_context *c, const struct node *at, const char *fmt, ...)
{
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (c->set != NULL)
        problem_at(c->problems, 0, 0, "--set %.80s: %s", c->set, text);
    else
        problem_at(c->problems, at->line, at->column, "%s", text);
}

static void *member(const struct value_context *c, const struct field *f)
{
    return (char *)c->spec + f->offset;
}

/* "PATH must be a whole number from 1 to 10, not '0'", and a hint. */
static bool refuse(const struct value_context *c, const char *path, const char *wanted,
                   const struct node *n, const char *hint)
{
    char got[DESCRIBE_MAX];

    node_describe(n, got, sizeof got);
    value_problem(c, n, "%s must be %s, not %s%s", path, wanted, got, hint);
    return false;
}

static bool is_yes_or_no(const char *text)
{
    return text_word_index("yes|no|true|false|on|off|Yes|No|True|False|On|Off", text) >= 0;
}

/* What may have gone wrong with a scalar where a number belongs. */
static const char *number_hint(const struct node *n, bool whole)
{
    double v;

    if (n->kind != NODE_SCALAR)
        return "";
    if (n->quoted && text_to_real(n->text, &v))
        return " (write the number without quotes)";
    if (is_yes_or_no(n->text))
        return " (that is a yes or no, not a number)";
    if (strchr(n->text, '_') != NULL)
        return " (write it without underscores)";
    if (text_word_index("nan|NaN|inf|.nan|.NaN|.inf|-.inf|-inf|.Inf|+.inf", n->text) >= 0)
        return " (it must be finite)";
    if (whole && text_to_real(n->text, &v))
        return " (digits only: no point, no exponent, no leading zero)";
    return "";
}

bool value_read_whole(const struct value_context *c, const char *path, const struct node *n,
                      double min, double max, int64_t *out)
{
    char wanted[RANGE_MAX];
    bool is_whole = n->kind == NODE_SCALAR && !n->quoted && text_to_i64(n->text, out);

    snprintf(wanted, sizeof wanted, "a whole number from %.0f to %.0f", min, max);
    if (!is_whole)
        return refuse(c, path, wanted, n, number_hint(n, true));
    if ((double)*out < min || (double)*out > max)
        return refuse(c, path, wanted, n, "");
    return true;
}

bool value_read_real(const struct value_context *c, const char *path, const struct node *n,
                     double min, double max, double *out)
{
    char wanted[RANGE_MAX], lo[TEXT_REAL_MAX], hi[TEXT_REAL_MAX];

    text_from_limit(min, lo);
    text_from_limit(max, hi);
    snprintf(wanted, sizeof wanted, "a number from %s to %s", lo, hi);
    if (n->kind != NODE_SCALAR || n->quoted || !text_to_real(n->text, out))
        return refuse(c, path, wanted, n, number_hint(n, false));
    return *out >= min && *out <= max ? true : refuse(c, path, wanted, n, "");
}

static bool read_seed(const struct value_context *c, const struct field *f, const struct node *n)
{
    char wanted[RANGE_MAX];
    uint64_t v = 0;
    bool good = n->kind == NODE_SCALAR && !n->quoted && text_to_u64(n->text, &v);

    field_describe_type(f, wanted, sizeof wanted);
    if (!good || (f->type == FIELD_EPOCH && v > UINT32_MAX))
        return refuse(c, f->path, wanted, n, number_hint(n, true));
    if (f->type == FIELD_SEED)
        memcpy(member(c, f), &v, sizeof v);
    else
        memcpy(member(c, f), &(uint32_t){(uint32_t)v}, sizeof(uint32_t));
    return true;
}

static bool read_whole(const struct value_context *c, const struct field *f, const struct node *n)
{
    return value_read_whole(c, f->path, n, f->min, f->max, member(c, f));
}

static bool in_range(const struct field *f, double v)
{
    bool low = (f->flags & FIELD_ABOVE_MIN) != 0 ? v > f->min : v >= f->min;
    bool high = (f->flags & FIELD_BELOW_MAX) != 0 ? v < f->max : v <= f->max;
    return low && high;
}

static bool read_number(const struct value_context *c, const struct field *f, const struct node *n,
                        const char *wanted, double *out)
{
    if (n->kind != NODE_SCALAR || n->quoted || !text_to_real(n->text, out))
        return refuse(c, f->path, wanted, n, number_hint(n, false));
    if (!in_range(f, *out))
        return refuse(c, f->path, wanted, n, "");
    *out += 0.0; /* a negative zero would print as another spec */
    return true;
}

static bool read_real(const struct value_context *c, const struct field *f, const struct node *n)
{
    char wanted[RANGE_MAX];

    field_describe_type(f, wanted, sizeof wanted);
    return read_number(c, f, n, wanted, member(c, f));
}

static bool read_pair(const struct value_context *c, const struct field *f, const struct node *n)
{
    char wanted[RANGE_MAX];
    double *pair = member(c, f);

    field_describe_type(f, wanted, sizeof wanted);
    if (n->kind != NODE_LIST || n->children != 2)
        return refuse(c, f->path, wanted, n, "");
    bool first = read_number(c, f, n->child, wanted, &pair[0]);
    return read_number(c, f, n->child->next, wanted, &pair[1]) && first;
}

static bool read_clamp(const struct value_context *c, const struct field *f, const struct node *n)
{
    char wanted[RANGE_MAX];

    if (n->kind == NODE_SCALAR && strcmp(n->text, "none") == 0) {
        c->spec->sampler.clamp_on = false;
        return true;
    }
    field_describe_type(f, wanted, sizeof wanted);
    if (n->kind == NODE_SCALAR && text_word_index("off|no|false|None|NONE|0", n->text) >= 0)
        return refuse(c, f->path, wanted, n, " (did you mean 'none'?)");
    c->spec->sampler.clamp_on = true;
    if (!read_pair(c, f, n))
        return false;
    if (c->spec->sampler.clamp[0] < c->spec->sampler.clamp[1])
        return true;
    value_problem(c, n, "sampler.clamp: the lower end must be below the upper one");
    return false;
}

static bool is_one_line(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        if (*p < 0x20 || *p == 0x7f)
            return false;
    return strstr(text, "\xc2\x85") == NULL && strstr(text, "\xe2\x80\xa8") == NULL &&
           strstr(text, "\xe2\x80\xa9") == NULL;
}

static bool read_text(const struct value_context *c, const struct field *f, const struct node *n)
{
    if (n->kind != NODE_SCALAR || n->text[0] == '\0')
        return refuse(c, f->path, "a text", n, "");
    if (strlen(n->text) >= f->size) {
        value_problem(c, n, "%s is too long: at most %zu bytes", f->path, f->size - 1);
        return false;
    }
    if (!is_one_line(n->text)) {
        value_problem(c, n, "%s must be one line without control characters", f->path);
        return false;
    }
    memcpy(member(c, f), n->text, strlen(n->text) + 1);
    return true;
}

static bool refuse_word(const struct value_context *c, const struct field *f, const struct node *n)
{
    char wanted[RANGE_MAX], near[SPEC_NAME_MAX], hint[SPEC_NAME_MAX + 24] = "";

    field_describe_type(f, wanted, sizeof wanted);
    if (n->kind == NODE_SCALAR && text_nearest(f->words, n->text, near, sizeof near, NULL))
        snprintf(hint, sizeof hint, " (did you mean '%s'?)", near);
    return refuse(c, f->path, wanted, n, hint);
}

static bool read_enum(const struct value_context *c, const struct field *f, const struct node *n)
{
    int index = n->kind == NODE_SCALAR ? text_word_index(f->words, n->text) : -1;
    char has[RANGE_MAX];

    if (index >= 0) {
        memcpy(member(c, f), &(unsigned){(unsigned)index}, sizeof(unsigned));
        return true;
    }
    if (f->later == NULL || n->kind != NODE_SCALAR || text_word_index(f->later, n->text) < 0)
        return refuse_word(c, f, n);
    field_describe_type(f, has, sizeof has);
    value_problem(c, n, "%s: '%s' comes with a later version; this one has: %s", f->path, n->text,
                  has);
    return false;
}

bool value_read(const struct value_context *c, const struct field *f, const struct node *n)
{
    static bool (*const reader[])(const struct value_context *, const struct field *,
                                  const struct node *) = {
        [FIELD_TEXT] = read_text,  [FIELD_WHOLE] = read_whole, [FIELD_SEED] = read_seed,
        [FIELD_EPOCH] = read_seed, [FIELD_REAL] = read_real,   [FIELD_PAIR] = read_pair,
        [FIELD_ENUM] = read_enum,  [FIELD_CLAMP] = read_clamp,
    };

    if (node_is_null(n)) {
        value_problem(c, n, "%s has no value", f->path);
        return false;
    }
    if (f->type == FIELD_LAYERS)
        return layers_read(c, n);
    return reader[f->type](c, f, n);
}
