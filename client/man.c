#include "man.h"

#include <string.h>

#include "spec/fields.h"

enum { TYPE_MAX = 200 };

/* Text in which nothing is a request or an escape of roff. */
static void put_plain(struct buf *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        buf_puts(out, "\\&");
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            buf_puts(out, "\\e");
        else if (*text == '-')
            buf_puts(out, "\\-");
        else
            buf_put(out, text, 1);
    }
}

static void put_line(struct buf *out, const char *label, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    buf_printf(out, ".br\n%s: ", label);
    put_plain(out, text);
    buf_puts(out, "\n");
}

static void put_field(struct buf *out, const struct field *f)
{
    char type[TYPE_MAX];

    buf_puts(out, ".TP\n.B ");
    put_plain(out, f->path);
    buf_puts(out, "\n");
    put_plain(out, f->help);
    buf_puts(out, "\n");
    field_describe_type(f, type, sizeof type);
    put_line(out, "Type", type);
    put_line(out, "Default", f->standard);
    put_line(out, "Source", f->source);
}

static void put_group(struct buf *out, const char *name, const char *help)
{
    buf_printf(out, ".SS %s\n", name[0] != '\0' ? name : "top level");
    if (help[0] != '\0') {
        put_plain(out, help);
        buf_puts(out, "\n");
    }
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (field_in_group(&field_table[i], name))
            put_field(out, &field_table[i]);
}

static void put_presets(struct buf *out)
{
    const char *name, *help;

    buf_puts(out, ".SH PRESETS\n");
    for (size_t i = 0; (name = net_preset_name(i, &help)) != NULL; i++) {
        buf_puts(out, ".TP\n.B ");
        put_plain(out, name);
        buf_puts(out, "\n");
        put_plain(out, help);
        buf_puts(out, "\n");
    }
}

static void put_toys(struct buf *out)
{
    const char *name;

    buf_puts(out, ".SH DATA SETS\n"
                  ".B fashion\\-mnist\n"
                  "is read from Debian's package dataset\\-fashion\\-mnist,\n"
                  ".BI idx: DIR\n"
                  "from a folder of IDX files, plain or gzipped; a relative folder is one beside "
                  "the spec.\nPoints in the plane:\n");
    for (size_t i = 0; (name = spec_toy_name(i)) != NULL; i++)
        buf_printf(out, "%s\n.B toy/%s", i > 0 ? "," : "", name);
    buf_puts(out, "\n");
}

void man_of_spec(struct buf *out)
{
    buf_puts(out, ".\\\" Made by `ebmctl explain --man` from the table of fields.\n"
                  ".TH EBM-SPEC 5 \"\" \"ebmd " EBM_VERSION "\" \"File formats\"\n"
                  ".SH NAME\nebm\\-spec \\- the description of a training job for ebmd\n"
                  ".SH DESCRIPTION\n"
                  "A spec is a YAML file: fields in groups, each with a default unless it says "
                  "that it is required. Anchors, aliases, tags, tabs and duplicate keys are "
                  "refused. All errors are told at once, with line and column.\n.PP\n"
                  "On the command line,\n.BI \\-\\-set\\  group.field = value\n"
                  "overrides a field.\n.SH FIELDS\n");
    put_group(out, "", "");
    for (size_t i = 0; i < FIELD_GROUP_COUNT; i++)
        put_group(out, field_group_table[i].name, field_group_table[i].help);
    put_presets(out);
    put_toys(out);
    buf_puts(out, ".SH SEE ALSO\n.BR ebmctl (1),\n.BR ebmd (8)\n");
}
