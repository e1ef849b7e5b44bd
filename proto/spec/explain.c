/* `explain`: the table, for people. */
#include <stdio.h>
#include <string.h>

#include "spec/fields.h"
#include "spec/text.h"

enum { WIDTH = 79, TYPE_MAX = 200, PATH_WIDTH = 25, DEFAULT_WIDTH = 12 };

/* Words of `text` within WIDTH columns, each line begun by `indent` blanks;
 * the first line already stands at `column`. */
static void put_wrapped(struct buf *out, const char *text, size_t column, size_t indent)
{
    bool first = true;

    while (*text != '\0') {
        size_t n = strcspn(text, " ");
        if (!first && column + 1 + n > WIDTH) {
            buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        buf_printf(out, "%s%.*s", first ? "" : " ", (int)n, text);
        column += n + !first;
        first = false;
        text += n + strspn(text + n, " ");
    }
    buf_puts(out, "\n");
}

static const char *standard_of(const struct field *f)
{
    if (f->type == FIELD_CLAMP)
        return "by data set";
    if (f->standard != NULL)
        return f->standard;
    if (f->type == FIELD_TEXT && f->words == NULL)
        return "(none)";
    return f->type == FIELD_WHOLE || f->type == FIELD_LAYERS || strcmp(f->path, "model.preset") == 0
               ? "(one of two)"
               : "(required)";
}

static void put_line(struct buf *out, const char *label, const char *text)
{
    buf_printf(out, "  %-9s ", label);
    put_wrapped(out, text, 12, 12);
}

static void explain_presets(struct buf *out)
{
    const char *name, *help;

    for (size_t i = 0; (name = net_preset_name(i, &help)) != NULL; i++) {
        buf_printf(out, "  %-11s ", name);
        put_wrapped(out, help, 14, 14);
    }
    buf_puts(out, "\n");
}

static void explain_field(const struct field *f, struct buf *out)
{
    char type[TYPE_MAX];

    buf_printf(out, "%s\n\n  ", f->path);
    put_wrapped(out, f->help, 2, 2);
    buf_puts(out, "\n");
    if (strcmp(f->path, "model.preset") == 0)
        explain_presets(out);
    field_describe_type(f, type, sizeof type);
    put_line(out, "type", type);
    put_line(out, "default", standard_of(f));
    if (f->later != NULL)
        put_line(out, "later", f->later);
    put_line(out, "source", f->source);
}

static void explain_row(const struct field *f, struct buf *out)
{
    const size_t indent = 2 + PATH_WIDTH + 2 + DEFAULT_WIDTH + 2;
    const char *standard = standard_of(f);

    buf_printf(out, "  %-*s  ", PATH_WIDTH, f->path);
    if (strlen(standard) > DEFAULT_WIDTH)
        buf_printf(out, "%s\n%*s", standard, (int)indent, "");
    else
        buf_printf(out, "%-*s  ", DEFAULT_WIDTH, standard);
    put_wrapped(out, f->help, indent, indent);
}

static void explain_group(const char *group, const char *help, struct buf *out)
{
    if (group[0] != '\0')
        buf_printf(out, "%s: %s\n", group, help);
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (field_in_group(&field_table[i], group))
            explain_row(&field_table[i], out);
}

static void explain_all(struct buf *out)
{
    buf_printf(out, "  %-*s  %-*s  %s\n", PATH_WIDTH, "FIELD", DEFAULT_WIDTH, "DEFAULT", "MEANING");
    explain_group("", "", out);
    for (size_t i = 0; i < FIELD_GROUP_COUNT; i++) {
        buf_puts(out, "\n");
        explain_group(field_group_table[i].name, field_group_table[i].help, out);
    }
    buf_puts(out, "\nOne field in full: ebmctl explain optimizer.lr\n");
}

/* The row of a full path, or of a leaf that only one group has. */
static size_t find_by_any_name(const char *path)
{
    size_t row = field_find(path), found = FIELD_COUNT;

    if (row < FIELD_COUNT)
        return row;
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (strcmp(field_leaf(&field_table[i]), path) == 0) {
            if (found < FIELD_COUNT)
                return FIELD_COUNT;
            found = i;
        }
    return found;
}

enum ebm_status spec_explain(const char *path, struct buf *out, struct ebm_error *err)
{
    char near[SPEC_NAME_MAX];

    if (path == NULL || path[0] == '\0') {
        explain_all(out);
        return EBM_OK;
    }
    const struct field_group *g = field_group_find(path);
    size_t row = find_by_any_name(path);
    if (g != NULL)
        explain_group(g->name, g->help, out);
    else if (row < FIELD_COUNT)
        explain_field(&field_table[row], out);
    else if (field_suggest_path(path, near, sizeof near))
        return ebm_fail(err, EBM_ENOTFOUND, "no field '%.60s' (did you mean '%s'?)", path, near);
    else
        return ebm_fail(err, EBM_ENOTFOUND, "no field '%.60s' (`ebmctl explain` lists them)", path);
    return EBM_OK;
}
