#include "record.h"

#include <math.h>
#include <string.h>

#include "csv.h"
#include "digits.h"
#include "utf8.h"

enum { FLUSH_BYTES = 1 << 16, STRETCH = 5000 /* rows of a table */ };

bool format_from_name(const char *name, enum format *out)
{
    static const char *const names[] = {"table", "json", "csv"};

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum format)i;
            return true;
        }
    return false;
}

struct value value_text(const char *text)
{
    return (struct value){.kind = VALUE_TEXT, .text = text};
}

struct value value_u64(uint64_t v)
{
    return (struct value){.kind = VALUE_U64, .u64 = v};
}

struct value value_i64(int64_t v)
{
    return (struct value){.kind = VALUE_I64, .i64 = v};
}

struct value value_real(double v)
{
    return (struct value){.kind = VALUE_REAL, .real = v};
}

struct value value_time(int64_t ms)
{
    return (struct value){.kind = ms > 0 ? VALUE_TIME : VALUE_NULL, .i64 = ms};
}

struct value value_null(void)
{
    return (struct value){.kind = VALUE_NULL};
}

struct value column_value(const struct column *c, const void *row)
{
    const void *at = (const char *)row + c->offset;

    switch (c->member) {
    case MEMBER_NONE:
        return c->get(row, c);
    case MEMBER_TEXT:
        return value_text(*(char *const *)at);
    case MEMBER_U64:
        return value_u64(*(const uint64_t *)at);
    case MEMBER_U32:
        return value_u64(*(const uint32_t *)at);
    case MEMBER_I32:
        return value_i64(*(const int32_t *)at);
    case MEMBER_REAL:
        return value_real(*(const double *)at);
    case MEMBER_TIME:
        return value_time(*(const int64_t *)at);
    case MEMBER_BOOL:
        return (struct value){.kind = VALUE_BOOL, .truth = *(const int *)at != 0};
    }
    return value_null();
}

/* ---- a value in each format ---- */

static void json_value(struct json *j, struct value v)
{
    switch (v.kind) {
    case VALUE_NULL:
        json_null(j);
        break;
    case VALUE_TEXT:
        json_text(j, v.text);
        break;
    case VALUE_U64:
        json_u64(j, v.u64);
        break;
    case VALUE_I64:
        json_i64(j, v.i64);
        break;
    case VALUE_REAL:
        json_real(j, v.real);
        break;
    case VALUE_TIME:
        json_ms(j, v.i64);
        break;
    case VALUE_BOOL:
        json_bool(j, v.truth);
        break;
    }
}

/* As CSV has it; a table shows times and reals its own way. */
static const char *value_format(struct value v, char out[HUMAN_MAX])
{
    switch (v.kind) {
    case VALUE_TEXT:
        return v.text;
    case VALUE_U64:
        digits_u64(v.u64, out);
        return out;
    case VALUE_I64:
        digits_i64(v.i64, out);
        return out;
    case VALUE_REAL:
        if (!isfinite(v.real))
            return isnan(v.real) ? "nan" : v.real > 0 ? "inf" : "-inf";
        digits_real(v.real, out);
        return out;
    case VALUE_TIME:
        digits_ms(v.i64, out);
        return out;
    case VALUE_BOOL:
        return v.truth ? "true" : "false";
    default:
        return "";
    }
}

static const char *table_text(const struct column *c, const void *row, char scratch[HUMAN_MAX])
{
    if (c->show != NULL)
        return c->show(row, c, scratch);
    struct value v = column_value(c, row);
    if (v.kind == VALUE_TIME)
        return human_date(v.i64, scratch);
    if (v.kind == VALUE_REAL)
        return human_number(v.real, scratch);
    if (v.kind == VALUE_BOOL)
        return v.truth ? "yes" : "no";
    return value_format(v, scratch);
}

/* ---- rows ---- */

static void json_object(struct json *j, const struct record_writer *w, const void *row)
{
    json_begin(j, '{');
    for (size_t i = 0; i < w->count; i++) {
        if (w->columns[i].key == NULL)
            continue;
        json_key(j, w->columns[i].key);
        json_value(j, column_value(&w->columns[i], row));
    }
    json_end(j, '}');
}

static void csv_line(struct record_writer *w, const void *row)
{
    char scratch[HUMAN_MAX];
    bool first = true;

    for (size_t i = 0; i < w->count; i++) {
        const struct column *c = &w->columns[i];
        if (c->key == NULL)
            continue;
        if (!first)
            buf_puts(&w->text, ",");
        first = false;
        csv_put(&w->text, row == NULL ? c->key : value_format(column_value(c, row), scratch));
    }
    buf_puts(&w->text, "\n");
}

static void table_row(struct record_writer *w, const void *row)
{
    char scratch[HUMAN_MAX];

    for (size_t i = 0; i < w->count; i++) {
        const struct column *c = &w->columns[i];
        if (c->title != NULL)
            table_cell(w->table, table_text(c, row, scratch),
                       c->style != NULL ? c->style(row) : STYLE_NONE);
    }
}

static void begin_table(struct record_writer *w)
{
    size_t shown = 0;

    for (size_t i = 0; i < w->count; i++)
        shown += w->columns[i].title != NULL;
    w->table = table_create(shown);
    shown = 0;
    for (size_t i = 0; w->table != NULL && i < w->count; i++)
        if (w->columns[i].title != NULL) {
            table_narrow(w->table, shown, w->columns[i].whole, w->columns[i].spare);
            table_column(w->table, shown++, w->columns[i].title,
                         w->columns[i].right ? TABLE_RIGHT : TABLE_LEFT);
        }
}

static void flush(struct record_writer *w)
{
    fwrite(buf_text(&w->text), 1, w->text.size, w->out);
    buf_clear(&w->text);
}

void record_begin(struct record_writer *w, const struct column *columns, size_t count,
                  enum format format, const struct term *term, FILE *out)
{
    *w = (struct record_writer){
        .columns = columns, .count = count, .format = format, .term = term, .out = out};
    buf_init(&w->text);
    json_init(&w->json, &w->text);
    if (format == FORMAT_JSON)
        json_begin(&w->json, '[');
    else if (format == FORMAT_CSV)
        csv_line(w, NULL);
    else
        begin_table(w);
}

/* A long table leaves in stretches: memory for the whole of it would be out of
 * proportion. */
static void print_stretch(struct record_writer *w)
{
    if (!table_print(w->table, w->term, &w->text))
        w->failed = true;
    flush(w);
}

void record_row(struct record_writer *w, const void *row)
{
    if (w->format == FORMAT_JSON)
        json_object(&w->json, w, row);
    else if (w->format == FORMAT_CSV)
        csv_line(w, row);
    else if (w->table != NULL)
        table_row(w, row);
    if (w->table != NULL && table_rows(w->table) >= STRETCH)
        print_stretch(w);
    if (w->text.size > FLUSH_BYTES)
        flush(w);
}

bool record_end(struct record_writer *w)
{
    bool ok = !w->failed;

    if (w->format == FORMAT_JSON)
        json_end(&w->json, ']');
    else if (w->format == FORMAT_TABLE)
        ok = ok && w->table != NULL && table_print(w->table, w->term, &w->text);
    ok = ok && buf_ok(&w->text);
    flush(w);
    record_abandon(w);
    return ok;
}

void record_abandon(struct record_writer *w)
{
    buf_fini(&w->text);
    table_destroy(w->table);
    w->table = NULL;
}

bool record_list(const struct column *columns, size_t count, const void *const *rows, size_t n,
                 enum format format, const struct term *term, FILE *out)
{
    struct record_writer w;

    record_begin(&w, columns, count, format, term, out);
    for (size_t i = 0; i < n; i++)
        record_row(&w, rows[i]);
    return record_end(&w);
}

static void put_field(struct buf *out, const struct term *term, const struct column *c,
                      const void *row, size_t width)
{
    char scratch[HUMAN_MAX];
    const char *text = table_text(c, row, scratch);
    enum style style = c->style != NULL ? c->style(row) : STYLE_NONE;

    if (text[0] == '\0')
        return;
    buf_printf(out, "%-*s  %s", (int)width, c->title, term->colour ? term_style(style) : "");
    utf8_put(out, text, SIZE_MAX, "");
    buf_printf(out, "%s\n", term->colour && style != STYLE_NONE ? term_plain : "");
}

static bool fields_print(const struct column *columns, size_t count, const void *row,
                         const struct term *term, FILE *out)
{
    struct buf text;
    size_t width = 0;

    for (size_t i = 0; i < count; i++)
        if (columns[i].title != NULL && strlen(columns[i].title) > width)
            width = strlen(columns[i].title);
    buf_init(&text);
    for (size_t i = 0; i < count; i++)
        if (columns[i].title != NULL)
            put_field(&text, term, &columns[i], row, width);
    bool ok = buf_ok(&text);
    fwrite(buf_text(&text), 1, text.size, out);
    buf_fini(&text);
    return ok;
}

bool record_one(const struct column *columns, size_t count, const void *row, enum format format,
                const struct term *term, FILE *out)
{
    struct record_writer w = {
        .columns = columns, .count = count, .format = format, .term = term, .out = out};

    if (format == FORMAT_TABLE)
        return fields_print(columns, count, row, term, out);
    buf_init(&w.text);
    json_init(&w.json, &w.text);
    if (format == FORMAT_JSON) {
        json_object(&w.json, &w, row);
    } else {
        csv_line(&w, NULL);
        csv_line(&w, row);
    }
    bool ok = buf_ok(&w.text);
    flush(&w);
    buf_fini(&w.text);
    return ok;
}
