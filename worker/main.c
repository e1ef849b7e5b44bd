/* ebm-worker: one rank of a training run. An inventory: open the parts in
 * order, run, close them in reverse. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sink.h"
#include "base/log.h"
#include "comm/comm.h"
#include "train/options.h"
#include "train/process.h"
#include "train/run.h"

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_DIVERGED, EXIT_FENCED = 75 };

static const struct {
    const char *outcome;
    int standalone; /* exit status; under ebmd the delivered outcome counts */
} exits[] = {
    {"succeeded", EXIT_OK},   {"paused", EXIT_OK},     {"cancelled", EXIT_OK},
    {"stopped", EXIT_OK},     {"failed", EXIT_FAILED}, {"diverged", EXIT_DIVERGED},
    {"corrupt", EXIT_FAILED},
};

static int exit_of(const struct options *o, const struct run_ending *ending)
{
    if (strcmp(ending->outcome, "fenced") == 0)
        return EXIT_FENCED;
    for (size_t i = 0; o->standalone && i < sizeof exits / sizeof exits[0]; i++)
        if (strcmp(exits[i].outcome, ending->outcome) == 0)
            return exits[i].standalone;
    return EXIT_OK;
}

static enum ebm_status open_sink(const struct options *o, struct sink_handle *sink,
                                 struct ebm_error *err)
{
    return o->standalone ? standalone_open(o->out, o->from, sink, err) : agent_open(sink, err);
}

/* Collective. Rank 0 delivers the outcome, however long that takes; the
 * others wait. */
static int deliver(const struct options *o, struct comm *comm, const struct sink_handle *sink,
                   const struct run_ending *ending)
{
    struct ebm_error err = {0};
    enum ebm_status st = EBM_OK;
    int code = exit_of(o, ending);

    if (sink != NULL) {
        log_info("end", "outcome=%s step=%" PRIu64 " reason=\"%s\"", ending->outcome, ending->step,
                 ending->reason);
        const struct sink_ending told = {ending->outcome, ending->reason, ending->step,
                                         ending->onset};
        if (code != EXIT_FENCED)
            st = sink->ops->finish(sink->sink, &told, &err);
    }
    enum ebm_status met = comm_meet(comm, st == EBM_OK ? &err : NULL);
    st = comm_agree(comm, st != EBM_OK ? st : met, &err);
    if (st != EBM_OK && sink != NULL)
        log_error("end", "error=\"%s\"", err.text);
    if (st == EBM_ESTALE)
        return EXIT_FENCED;
    return st == EBM_OK || code != EXIT_OK ? code : EXIT_FAILED;
}

/* Collective. From the spec to the delivered outcome. */
static int train(const struct options *o, struct comm *comm, const struct sink_handle *sink)
{
    static struct spec spec;
    static struct net net;
    struct ebm_error err = {0};
    struct run_ending ending = {0};
    struct run_config config = {.spec = &spec,
                                .net = &net,
                                .ops = o->engine,
                                .hooks = &o->hooks,
                                .evidence_dir = o->standalone ? o->out : getenv("EBM_ATTEMPT_DIR")};

    enum ebm_status st = options_read_spec(o, &spec, &net, &err);
    st = comm_agree(comm, st, &err);
    if (st != EBM_OK) {
        ending.outcome = "failed";
        snprintf(ending.reason, sizeof ending.reason, "%s", err.text);
        return deliver(o, comm, sink, &ending);
    }
    config.threads = o->threads > 0 ? o->threads : (size_t)spec.resources.threads;
    run_train(&config, comm, sink, &ending);
    if (comm_is_broken(comm)) {
        log_error("broken", "error=\"%s\"", ending.reason);
        comm_abort(comm, EXIT_FAILED);
    }
    return deliver(o, comm, sink, &ending);
}

/* Collective. Rank 0 opens the sink; all go on, or none. */
static int run(const struct options *o, struct comm *comm)
{
    struct sink_handle sink = {0};
    struct ebm_error err = {0};
    bool root = comm_rank(comm) == 0;
    int code = EXIT_FAILED;

    enum ebm_status st = process_open_log(comm_rank(comm), &err);
    if (st == EBM_OK && root)
        st = open_sink(o, &sink, &err);
    st = comm_agree(comm, st, &err);
    if (st == EBM_OK)
        code = train(o, comm, root ? &sink : NULL);
    else if (root)
        log_error("start", "error=\"%s\"", err.text);
    if (sink.ops != NULL)
        sink.ops->destroy(sink.sink);
    return code;
}

int main(int argc, char **argv)
{
    struct options options;
    struct ebm_error err = {0};
    struct comm *comm = NULL;

    process_die_with_parent();
    if (options_read(argc, argv, &options, &err) != EBM_OK) {
        fprintf(stderr, "ebm-worker: %s\n%s", err.text, options_usage);
        return EXIT_USAGE;
    }
    if (options.action == OPTIONS_HELP) {
        fputs(options_usage, stdout);
        return EXIT_OK;
    }
    if (options.action == OPTIONS_VERSION) {
        puts("ebm-worker " EBM_VERSION);
        return EXIT_OK;
    }
    if (comm_open(&argc, &argv, &comm, &err) != EBM_OK) {
        fprintf(stderr, "ebm-worker: %s\n", err.text);
        return EXIT_FAILED;
    }
    int code = run(&options, comm);
    comm_close(comm);
    return code;
}
