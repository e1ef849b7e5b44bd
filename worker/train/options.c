#include "train/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fsio.h"

const char options_usage[] =
    "usage: ebm-worker                      under ebmd, which sets its environment\n"
    "       ebm-worker --standalone SPEC --out DIR [--from CHECKPOINT] [--steps N]\n"
    "                  [--set KEY=VALUE]... [--engine NAME]\n"
    "                                        without a daemon, also under mpirun\n"
    "       ebm-worker --help | --version\n"
    "\n"
    "Standalone it writes metrics.csv, checkpoint-STEP.ebm and samples-STEP.png\n"
    "into DIR, and prints the digest of each checkpoint.\n";

static enum ebm_status read_number(const char *what, const char *text, uint64_t most, uint64_t *out,
                                   struct ebm_error *err)
{
    char *end;

    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || v > most)
        return ebm_fail(err, EBM_EINVAL, "%s: '%.60s' is not a whole number up to %llu", what, text,
                        (unsigned long long)most);
    *out = v;
    return EBM_OK;
}

static enum ebm_status read_from_env(const char *name, uint64_t most, uint64_t *out,
                                     struct ebm_error *err)
{
    const char *text = getenv(name);

    return text != NULL && text[0] != '\0' ? read_number(name, text, most, out, err) : EBM_OK;
}

/* EBM_TEST_NAN_AT=STEP[:RANK] */
static enum ebm_status read_nan(struct train_hooks *h, struct ebm_error *err)
{
    const char *text = getenv("EBM_TEST_NAN_AT");
    char step[32];
    uint64_t rank = 0;

    if (text == NULL)
        return EBM_OK;
    snprintf(step, sizeof step, "%.*s", (int)strcspn(text, ":"), text);
    const char *colon = strchr(text, ':');
    enum ebm_status st = read_number("EBM_TEST_NAN_AT", step, UINT32_MAX, &h->nan_step, err);
    if (st == EBM_OK && colon != NULL)
        st = read_number("EBM_TEST_NAN_AT", colon + 1, UINT32_MAX, &rank, err);
    h->nan_rank = (size_t)rank;
    return st;
}

/* EBM_TEST_LR_BURST=STEP:STEPS */
static enum ebm_status read_burst(struct train_hooks *h, struct ebm_error *err)
{
    const char *text = getenv("EBM_TEST_LR_BURST");
    unsigned long long step, steps;

    if (text == NULL)
        return EBM_OK;
    if (sscanf(text, "%llu:%llu", &step, &steps) != 2)
        return ebm_fail(err, EBM_EINVAL, "EBM_TEST_LR_BURST: '%.60s' is not STEP:STEPS", text);
    h->burst_step = step;
    h->burst_steps = steps;
    return EBM_OK;
}

static enum ebm_status read_env(struct options *o, struct ebm_error *err)
{
    const char *dir = getenv("EBM_ATTEMPT_DIR");
    uint64_t delay = 0, threads = 0;
    enum ebm_status st = read_from_env("EBM_THREADS", 4096, &threads, err);

    if (st == EBM_OK)
        st = read_from_env("EBM_TEST_STEP_DELAY_MS", 60000, &delay, err);
    if (st == EBM_OK)
        st = read_nan(&o->hooks, err);
    if (st == EBM_OK)
        st = read_burst(&o->hooks, err);
    if (st == EBM_OK)
        st = read_from_env("EBM_TEST_POISON_AT", UINT32_MAX, &o->hooks.poison_step, err);
    o->threads = (size_t)threads;
    o->hooks.step_delay_ms = (int)delay;
    if (st != EBM_OK || o->standalone || o->action != OPTIONS_TRAIN)
        return st;
    if (dir == NULL)
        return ebm_fail(err, EBM_EINVAL,
                        "no EBM_ATTEMPT_DIR: ebm-worker is started by ebmd, or "
                        "with --standalone");
    int n = snprintf(o->spec_path, sizeof o->spec_path, "%s/spec.yaml", dir);
    if (n < 0 || (size_t)n >= sizeof o->spec_path)
        return ebm_fail(err, EBM_EINVAL, "EBM_ATTEMPT_DIR is too long");
    return EBM_OK;
}

static enum ebm_status take_value(struct options *o, const char *name, const char *value,
                                  struct ebm_error *err)
{
    if (strcmp(name, "--standalone") == 0) {
        o->standalone = true;
        if (strlen(value) >= sizeof o->spec_path)
            return ebm_fail(err, EBM_EINVAL, "the path is too long: %.200s", value);
        snprintf(o->spec_path, sizeof o->spec_path, "%s", value);
    } else if (strcmp(name, "--out") == 0) {
        o->out = value;
    } else if (strcmp(name, "--from") == 0) {
        o->from = value;
    } else if (strcmp(name, "--steps") == 0) {
        return read_number("--steps", value, UINT32_MAX, &o->steps, err);
    } else if (strcmp(name, "--engine") == 0) {
        o->engine = engine_find(value);
        if (o->engine == NULL)
            return ebm_fail(err, EBM_EINVAL,
                            "--engine: no '%.60s', there are auto, wide and onednn", value);
    } else if (strcmp(name, "--set") == 0 && o->sets < OPTIONS_SETS_MAX) {
        o->set[o->sets++] = value;
    } else {
        return ebm_fail(err, EBM_EINVAL, "unknown option '%.60s'", name);
    }
    return EBM_OK;
}

enum ebm_status options_read(int argc, char **argv, struct options *out, struct ebm_error *err)
{
    enum ebm_status st = EBM_OK;

    *out = (struct options){.action = OPTIONS_TRAIN, .engine = engine_find("auto")};
    for (int i = 1; st == EBM_OK && i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            out->action = OPTIONS_HELP;
        else if (strcmp(argv[i], "--version") == 0)
            out->action = OPTIONS_VERSION;
        else if (i + 1 < argc)
            st = take_value(out, argv[i], argv[i + 1], err), i++;
        else
            st = ebm_fail(err, EBM_EINVAL, "'%.60s' is unknown, or lacks its value", argv[i]);
    }
    if (st == EBM_OK && out->action == OPTIONS_TRAIN && out->standalone && out->out == NULL)
        st = ebm_fail(err, EBM_EINVAL, "--standalone needs --out DIR");
    return st == EBM_OK ? read_env(out, err) : st;
}

static enum ebm_status first_problem(const struct options *o, const struct spec_problems *p,
                                     struct ebm_error *err)
{
    return ebm_fail(err, EBM_EINVAL, "%.150s:%u:%u: %s", o->spec_path, p->item[0].line,
                    p->item[0].column, p->item[0].text);
}

enum ebm_status options_read_spec(const struct options *o, struct spec *spec, struct net *net,
                                  struct ebm_error *err)
{
    struct spec_problems *problems = calloc(1, sizeof *problems);
    struct buf text;

    buf_init(&text);
    enum ebm_status st = problems != NULL ? fsio_read(o->spec_path, SPEC_TEXT_MAX, &text, err)
                                          : ebm_fail(err, EBM_ENOMEM, "no memory to read the spec");
    if (st == EBM_OK) {
        st = spec_parse(buf_text(&text), text.size, o->set, o->sets, spec, problems, err);
        if (st != EBM_OK && problems->count > 0)
            st = first_problem(o, problems, err);
    }
    if (st == EBM_OK && o->steps > 0) {
        spec->train.steps = (int64_t)o->steps;
        spec->train.epochs = 0;
    }
    if (st == EBM_OK)
        st = spec_settle_net(spec, net, NULL, err);
    buf_fini(&text);
    free(problems);
    return st;
}
