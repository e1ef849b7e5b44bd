/* ebmd, the coordinator. An inventory: open the parts in order, run, close
 * them in reverse. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "background.h"
#include "base/log.h"
#include "loop.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage[] =
    "usage: ebmd [--background]\n"
    "\n"
    "Serves the jobs of one home: queues them, runs them under Open MPI, keeps their\n"
    "checkpoints. ebmctl starts it on first use; jobs go on when it ends.\n"
    "\n"
    "  --background  return once it serves; its log goes to ebmd.log in the home\n"
    "  --help        this text\n"
    "  --version     the version\n"
    "\n"
    "The home is EBM_HOME, or folders of the user (ebmd(8)). Settings in ebmd.yaml or,\n"
    "over them, in the environment:\n";

static int print_help(void)
{
    struct buf text;

    buf_init(&text);
    buf_puts(&text, usage);
    config_help(&text);
    fputs(buf_text(&text), stdout);
    buf_fini(&text);
    return EXIT_DONE;
}

struct options {
    bool background;
    int done; /* exit at once with this code; -1: go on */
};

static struct options read_options(int argc, char **argv)
{
    static const struct option table[] = {{"background", no_argument, NULL, 'b'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    struct options o = {.done = -1};

    for (int c = getopt_long(argc, argv, "h", table, NULL); c != -1;
         c = getopt_long(argc, argv, "h", table, NULL)) {
        if (c == 'b')
            o.background = true;
        else if (c == 'h')
            o.done = print_help();
        else if (c == 'v')
            o.done = puts("ebmd " EBM_VERSION) < 0 ? EXIT_FAILED : EXIT_DONE;
        else
            o.done = EXIT_USAGE;
    }
    if (o.done < 0 && optind < argc) {
        fprintf(stderr, "ebmd: unexpected argument '%s'\n", argv[optind]);
        o.done = EXIT_USAGE;
    }
    if (o.done == EXIT_USAGE)
        fputs("usage: ebmd [--background]\n", stderr);
    return o;
}

int main(int argc, char **argv)
{
    static struct daemon d;
    struct options o = read_options(argc, argv);
    struct ebm_error err = {.text = ""};
    int report = -1, code = EXIT_DONE;

    if (o.done >= 0)
        return o.done;
    if (o.background && background_enter(&report, &err) != EBM_OK) {
        fprintf(stderr, "ebmd: %s\n", err.text);
        return EXIT_FAILED;
    }
    log_set_context("program=ebmd");
    if (daemon_open(&d, o.background, &err) == EBM_OK) {
        log_info("serving", "home=%s pid=%ld slots=%u version=" EBM_VERSION, d.home.state,
                 (long)getpid(), (unsigned)d.config.slots);
        if (o.background)
            background_ready(report);
        loop_run(&d);
        log_info("stopped", "jobs=\"go on\"");
    } else {
        code = err.code == EBM_EINVAL ? EXIT_USAGE : EXIT_FAILED;
        if (o.background)
            background_failed(report, code, &err);
        else
            fprintf(stderr, "ebmd: %s\n", err.text);
    }
    daemon_close(&d);
    return code;
}
