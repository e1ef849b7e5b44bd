#include "commands.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "suggest.h"

#define FORMAT                                                                                     \
    {                                                                                              \
        .name = "output", .letter = 'o', .value = "FORMAT",                                        \
        .help = "table (the default), json or csv"                                                 \
    }
#define SET                                                                                        \
    {                                                                                              \
        .name = "set", .value = "KEY=VALUE", .repeats = true,                                      \
        .help = "override a field of the spec, as optimizer.lr=5e-5"                               \
    }
#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const struct option no_options[] = {END};
static const struct option format_options[] = {FORMAT, END};

static const struct option submit_options[] = {
    SET,
    {.name = "hold", .help = "keep it in the queue until it is released"},
    {.name = "priority", .value = "N", .help = "higher ones start first; 0 is the default"},
    {.name = "after", .value = "JOB", .help = "start only once this job has succeeded"},
    {.name = "dry-run", .help = "check everything, submit nothing"},
    {.name = "follow", .letter = 'f', .help = "watch it to its end; exit as wait does"},
    FORMAT,
    END};

static const struct option list_options[] = {
    {.name = "state", .value = "STATES", .help = "only these, as running,queued"},
    {.name = "limit", .letter = 'n', .value = "N", .help = "only the newest N"},
    {.name = "all", .letter = 'a', .help = "the ones that ended long ago too"},
    FORMAT,
    END};

static const struct option watch_options[] = {
    {.name = "once", .help = "print one frame as plain text, and end"},
    {.name = "ascii", .help = "draw with ASCII characters only"},
    {.name = "exit",
     .value = "RULES",
     .help = "end when one holds: any=diverged:3,all=succeeded:0"},
    END};

static const struct option wait_options[] = {
    {.name = "timeout", .value = "SECONDS", .help = "give up after this long, exit 124"}, END};

static const struct option logs_options[] = {
    {.name = "follow", .letter = 'f', .help = "go on as it grows, until the job ends"},
    {.name = "rank", .value = "R", .help = "of this rank only"},
    {.name = "attempt", .value = "N", .help = "of this attempt, not the newest"},
    END};

static const struct option metrics_options[] = {
    {.name = "name", .value = "NAMES", .help = "only these, as loss,energy_gap"},
    {.name = "since", .value = "STEP", .help = "from this step on"},
    {.name = "attempt", .value = "N", .help = "of this attempt only"},
    {.name = "lineage", .help = "only what led to the job as it is"},
    {.name = "last", .letter = 'n', .value = "N", .help = "only the last N rows"},
    FORMAT,
    END};

static const struct option stability_options[] = {
    {.name = "replay", .help = "judge all its recorded steps again"},
    {.name = "set",
     .value = "KEY=VALUE",
     .repeats = true,
     .help = "for --replay, as stability.gap_deviations=6"},
    FORMAT,
    END};

static const struct option samples_options[] = {
    {.name = "output", .letter = 'o', .value = "FILE", .help = "where the PNG goes; - is stdout"},
    {.name = "at", .value = "CHECKPOINT|STEP", .help = "of c7, or of step 400; not the newest"},
    END};

static const struct option events_options[] = {
    {.name = "limit", .letter = 'n', .value = "N", .help = "only the last N; 1000 is the default"},
    FORMAT,
    END};

static const struct option rollback_options[] = {
    {.name = "to",
     .value = "CHECKPOINT|STEP",
     .help = "c7, 400, or last-healthy, which is the default"},
    SET,
    {.name = "dry-run", .help = "say what would be done"},
    FORMAT,
    END};

static const struct option fork_options[] = {
    {.name = "at", .value = "CHECKPOINT", .help = "start there; the newest healthy is the default"},
    SET,
    {.name = "hold", .help = "keep it in the queue until it is released"},
    FORMAT,
    END};

static const struct option validate_options[] = {
    {.name = "expand", .help = "print the spec with every default, and the net"}, SET, END};

static const struct option explain_options[] = {
    {.name = "man", .hidden = true, .help = "the manual page of the spec"}, END};

const struct command command_table[] = {
    {"submit", "SPEC", submit_options, command_submit,
     "Queue a job from a spec file (- is stdin)."},
    {"list", "", list_options, command_list, "List jobs, the newest last."},
    {"show", "JOB", format_options, command_show,
     "Show one job: where it stands, and why it waits or how it ended."},
    {"watch", "[JOB...]", watch_options, command_watch,
     "Watch jobs live: progress, stability, checkpoints, events."},
    {"wait", "JOB...", wait_options, command_wait,
     "Wait until jobs end: exit 0 succeeded, 1 failed, 3 diverged."},
    {"logs", "JOB", logs_options, command_logs, "Print what the workers wrote."},
    {"metrics", "JOB", metrics_options, command_metrics, "Print the metrics of every step."},
    {"stability", "JOB", stability_options, command_stability,
     "Show the signs of divergence, or judge a run again."},
    {"checkpoints", "JOB", format_options, command_checkpoints, "List the checkpoints of a job."},
    {"history", "JOB", format_options, command_history,
     "List the attempts of a job: from where, why, and how each ended."},
    {"events", "[JOB]", events_options, command_events, "List what happened, oldest first."},
    {"samples", "JOB", samples_options, command_samples, "Fetch a picture of samples, a PNG."},
    {"rollback", "JOB", rollback_options, command_rollback,
     "Take a job back to a checkpoint and go on from there."},
    {"fork", "JOB", fork_options, command_fork, "Start a new job from a checkpoint of this one."},
    {"pause", "JOB...", no_options, command_change, "Write a checkpoint, then stop; see resume."},
    {"resume", "JOB...", no_options, command_change, "Go on with a paused job."},
    {"cancel", "JOB...", no_options, command_change, "Write a checkpoint, then stop for good."},
    {"kill", "JOB...", no_options, command_change, "Stop at once, without a checkpoint."},
    {"hold", "JOB...", no_options, command_change, "Keep a queued job from starting."},
    {"release", "JOB...", no_options, command_change, "Let a held job start."},
    {"pin", "CHECKPOINT...", no_options, command_pin, "Keep a checkpoint, whatever its age."},
    {"unpin", "CHECKPOINT...", no_options, command_unpin, "Let a checkpoint age again."},
    {"diff", "A B", no_options, command_diff,
     "Compare two specs, each a job or a file: exit 0 same, 1 different."},
    {"validate", "SPEC", validate_options, command_validate,
     "Check a spec file, without a daemon."},
    {"explain", "[FIELD]", explain_options, command_explain,
     "Explain a field of the spec, a group of fields, or all."},
    {"status", "", format_options, command_status, "Show ebmd itself: slots, jobs, disk."},
    {"daemon", "start|stop|status", format_options, command_daemon,
     "Start or stop ebmd, or show its status. Jobs go on without it."},
    {"completion", "bash", no_options, command_completion,
     "Print the completion script of a shell."},
    {"help", "[COMMAND]", no_options, command_help, "Explain a command."},
    {"version", "", no_options, command_version, "Print the version."},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct command *command_find(const char *name, const char **near)
{
    struct suggest s;

    suggest_init(&s, name);
    for (const struct command *c = command_table; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
        suggest_try(&s, c->name);
    }
    if (near != NULL)
        *near = s.best;
    return NULL;
}

static int fail_command(const char *name)
{
    const char *near = NULL;

    command_find(name, &near);
    fprintf(stderr, "ebmctl: unknown command '%.60s'", name);
    if (near != NULL)
        fprintf(stderr, " (did you mean '%s'?)\n", near);
    else
        fputs(" (ebmctl help lists them)\n", stderr);
    return CODE_USAGE;
}

/* -o of the commands that list, where it is a format. */
static enum ebm_status take_format(struct call *c, struct ebm_error *err)
{
    for (const struct option *o = c->args.command->options; o->name != NULL; o++) {
        const char *value;
        if (o->letter != 'o' || strcmp(o->value, "FORMAT") != 0)
            continue;
        value = args_value(&c->args, o->name);
        if (value != NULL && !format_from_name(value, &c->format))
            return ebm_fail(err, EBM_EINVAL, "no format '%.40s': table, json or csv", value);
    }
    return EBM_OK;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct call c = {.format = FORMAT_TABLE};
    struct ebm_error err;
    enum ebm_status rc = args_parse(command, argc, argv, &c.args, &err);
    int code;

    term_look(1, &c.term);
    if (rc == EBM_OK)
        rc = take_format(&c, &err);
    if (rc != EBM_OK) {
        code = call_fail_usage(&c, &err);
    } else if (c.args.help) {
        struct buf text;
        buf_init(&text);
        args_help(command, &text);
        fputs(buf_text(&text), stdout);
        code = call_done(buf_ok(&text));
        buf_fini(&text);
    } else {
        code = command->run(&c);
    }
    session_close(c.session);
    args_fini(&c.args);
    return code;
}

/* Words that stand where a command does. */
static const char *command_name(const char *word)
{
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
        return "help";
    return strcmp(word, "--version") == 0 ? "version" : word;
}

int ebmctl_run(int argc, char **argv)
{
    int code;

    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_DFL); /* `ebmctl list | head` ends quietly, whoever started us */
    const struct command *command = command_find(argc > 1 ? command_name(argv[1]) : "help", NULL);
    if (command == NULL) {
        code = fail_command(argv[1]);
    } else {
        code = run_command(command, argc > 1 ? argc - 2 : 0, argv + 2);
        if (argc == 1)
            code = CODE_USAGE;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("ebmctl: cannot write the output");
        return code != CODE_OK ? code : CODE_REFUSED;
    }
    return code;
}
