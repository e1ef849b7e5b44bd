/* completion bash: a script made from the table of commands. */
#include <stdio.h>
#include <string.h>

#include "commands.h"

static const char head[] =
    "# bash completion of ebmctl; made by `ebmctl completion bash`.\n"
    "_ebmctl_jobs() { EBM_NO_AUTOSTART=1 ebmctl list -n 500 -o csv 2>/dev/null |\n"
    "    sed -n '2,$s/,.*//p'; }\n"
    "_ebmctl_fields() { ebmctl explain 2>/dev/null | sed -n 's/^  \\([a-z_.]*\\)  .*/\\1/p'; }\n"
    "_ebmctl() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local options= words=\n"
    "    COMPREPLY=()\n";

static const char tail[] =
    "    case $cur in\n"
    "    -*) COMPREPLY=($(compgen -W \"$options --help\" -- \"$cur\")); return ;;\n"
    "    esac\n"
    "    case $words in\n"
    "    jobs) COMPREPLY=($(compgen -W \"$(_ebmctl_jobs)\" -- \"$cur\")) ;;\n"
    "    fields) COMPREPLY=($(compgen -W \"$(_ebmctl_fields)\" -- \"$cur\")) ;;\n"
    "    files) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
    "    *) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
    "    esac\n"
    "}\n"
    "complete -o filenames -F _ebmctl ebmctl\n";

static void put_commands(void)
{
    for (const struct command *c = command_table; c->name != NULL; c++)
        printf("%s%s", c == command_table ? "" : " ", c->name);
}

static void put_options(const struct command *c)
{
    const char *gap = "";

    for (const struct option *o = c->options; o->name != NULL; o++) {
        if (o->hidden)
            continue;
        printf("%s--%s", gap, o->name);
        gap = " ";
    }
}

/* What a command's words are completed with. */
static void put_words(const struct command *c)
{
    static const struct {
        const char *pattern, *kind;
    } kinds[] = {{"JOB", "jobs"}, {"SPEC", "files"}, {"A B", "files"}, {"FIELD", "fields"}};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strncmp(c->words + (c->words[0] == '['), kinds[i].pattern, strlen(kinds[i].pattern)) ==
            0) {
            fputs(kinds[i].kind, stdout);
            return;
        }
    if (strcmp(c->words, "[COMMAND]") == 0)
        put_commands();
    else if (c->words[0] >= 'a' && c->words[0] <= 'z')
        for (const char *p = c->words; *p != '\0'; p++)
            putchar(*p == '|' ? ' ' : *p);
}

static void put_values(void)
{
    puts("    case $prev in\n"
         "    -o|--output) case ${COMP_WORDS[1]} in\n"
         "        samples) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
         "        *) COMPREPLY=($(compgen -W 'table json csv' -- \"$cur\")) ;;\n"
         "        esac; return ;;\n"
         "    --set) COMPREPLY=($(compgen -S = -W \"$(_ebmctl_fields)\" -- \"$cur\"))\n"
         "        compopt -o nospace; return ;;\n"
         "    --after) COMPREPLY=($(compgen -W \"$(_ebmctl_jobs)\" -- \"$cur\")); return ;;");
    fputs("    --state) COMPREPLY=($(compgen -W '", stdout);
    for (unsigned i = 0; i < JOB_STATE_COUNT; i++)
        printf("%s%s", i > 0 ? " " : "", job_state_name((enum job_state)i));
    fputs("' -- \"$cur\")); return ;;\n    --name) COMPREPLY=($(compgen -W '", stdout);
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        printf("%s%s", i > 0 ? " " : "", wire_metric_names[i]);
    puts("' -- \"$cur\")); return ;;\n    esac");
}

int command_completion(struct call *c)
{
    struct ebm_error err;

    if (strcmp(c->args.word[0], "bash") != 0) {
        ebm_fail(&err, EBM_EINVAL, "no completion for '%.40s': bash", c->args.word[0]);
        return call_fail_usage(c, &err);
    }
    fputs(head, stdout);
    fputs("    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '", stdout);
    put_commands();
    puts("' -- \"$cur\"))\n        return\n    fi");
    put_values();
    puts("    case ${COMP_WORDS[1]} in");
    for (const struct command *k = command_table; k->name != NULL; k++) {
        printf("    %s) options='", k->name);
        put_options(k);
        fputs("' words='", stdout);
        put_words(k);
        puts("' ;;");
    }
    puts("    esac");
    fputs(tail, stdout);
    return CODE_OK;
}
