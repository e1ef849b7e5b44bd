/* help, version. */
#include <stdio.h>

#include "commands.h"

enum { NAME_WIDTH = 12 };

static void help_overview(void)
{
    puts("usage: ebmctl COMMAND [ARGUMENT...] [OPTION...]\n\n"
         "Trains energy-based models: queues them, watches over them, takes them back to\n"
         "a healthy checkpoint when they diverge.\n");
    for (const struct command *c = command_table; c->name != NULL; c++)
        printf("  %-*s %s\n", NAME_WIDTH, c->name, c->help);
    puts("\nMore on one: ebmctl help submit. The fields of a spec: ebmctl explain.\n"
         "EBM_HOME puts all state under one folder.");
}

int command_help(struct call *c)
{
    struct buf text;
    struct ebm_error err;
    const char *near = NULL;

    if (c->args.words == 0) {
        help_overview();
        return CODE_OK;
    }
    const struct command *command = command_find(c->args.word[0], &near);
    if (command == NULL) {
        ebm_fail(&err, EBM_EINVAL, "unknown command '%.60s'%s%s%s", c->args.word[0],
                 near != NULL ? " (did you mean '" : "", near != NULL ? near : "",
                 near != NULL ? "'?)" : "");
        return call_fail(&err);
    }
    buf_init(&text);
    args_help(command, &text);
    fputs(buf_text(&text), stdout);
    int code = call_done(buf_ok(&text));
    buf_fini(&text);
    return code;
}

int command_version(struct call *c)
{
    (void)c;
    puts("ebmctl " EBM_VERSION);
    return CODE_OK;
}
