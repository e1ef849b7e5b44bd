/* Usage and help texts of a command, from its row. */
#include <stdio.h>
#include <string.h>

#include "args.h"

enum { WIDTH = 79, INDENT = 7, OPTION_WIDTH = 22 };

static void put_piece(struct buf *out, size_t *column, const char *piece)
{
    size_t n = strlen(piece);

    if (*column + 1 + n > WIDTH) {
        buf_printf(out, "\n%*s", INDENT, "");
        *column = INDENT;
    }
    buf_printf(out, " %s", piece);
    *column += 1 + n;
}

static void put_option_name(const struct option *o, char *piece, size_t size)
{
    if (o->letter != 0 && o->value != NULL)
        snprintf(piece, size, "[-%c %s]", o->letter, o->value);
    else if (o->letter != 0)
        snprintf(piece, size, "[-%c]", o->letter);
    else if (o->value != NULL)
        snprintf(piece, size, "[--%s %s]%s", o->name, o->value, o->repeats ? "..." : "");
    else
        snprintf(piece, size, "[--%s]", o->name);
}

void args_usage(const struct command *command, struct buf *out)
{
    char piece[96];
    size_t column = strlen("usage:");

    buf_puts(out, "usage:");
    put_piece(out, &column, "ebmctl");
    put_piece(out, &column, command->name);
    if (command->words[0] != '\0')
        put_piece(out, &column, command->words);
    for (const struct option *o = command->options; o->name != NULL; o++) {
        if (o->hidden)
            continue;
        put_option_name(o, piece, sizeof piece);
        put_piece(out, &column, piece);
    }
    buf_puts(out, "\n");
}

static void help_option(const struct option *o, struct buf *out)
{
    char left[96];

    snprintf(left, sizeof left, "%c%c%s--%s%s%s", o->letter != 0 ? '-' : ' ',
             o->letter != 0 ? o->letter : ' ', o->letter != 0 ? ", " : "  ", o->name,
             o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
    if (strlen(left) > OPTION_WIDTH)
        buf_printf(out, "  %s\n  %*s  %s\n", left, OPTION_WIDTH, "", o->help);
    else
        buf_printf(out, "  %-*s  %s\n", OPTION_WIDTH, left, o->help);
}

void args_help(const struct command *command, struct buf *out)
{
    args_usage(command, out);
    buf_printf(out, "\n%s\n", command->help);
    bool first = true;
    for (const struct option *o = command->options; o->name != NULL; o++) {
        if (o->hidden)
            continue;
        if (first)
            buf_puts(out, "\n");
        first = false;
        help_option(o, out);
    }
}
