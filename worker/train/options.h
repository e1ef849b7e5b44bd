/* What ebm-worker is asked to do: its arguments and its environment.
 *
 * Under ebmd: no arguments; EBM_ATTEMPT_DIR holds spec.yaml, EBM_THREADS
 * says how many compute threads (else the spec does). For tests:
 * EBM_TEST_STEP_DELAY_MS=MS, EBM_TEST_NAN_AT=STEP[:RANK], EBM_TEST_POISON_AT=STEP,
 * EBM_TEST_LR_BURST=STEP:STEPS. */
#ifndef EBM_TRAIN_OPTIONS_H
#define EBM_TRAIN_OPTIONS_H

#include <stdbool.h>

#include "base/err.h"
#include "net/net.h"
#include "spec/spec.h"
#include "train/trainer.h"

enum { OPTIONS_SETS_MAX = 64 };

enum options_action { OPTIONS_TRAIN, OPTIONS_HELP, OPTIONS_VERSION };

struct options {
    enum options_action action;
    bool standalone;
    char spec_path[1024];
    const char *out, *from;            /* standalone; borrowed from argv */
    const char *set[OPTIONS_SETS_MAX]; /* borrowed from argv */
    size_t sets;
    uint64_t steps; /* 0 = as the spec says */
    size_t threads; /* 0 = as the spec says */
    const struct engine_ops *engine;
    struct train_hooks hooks;
};

/* Not collective. EBM_EINVAL is a wrong argument or environment. */
enum ebm_status options_read(int argc, char **argv, struct options *out, struct ebm_error *err);

/* Not collective. Reads the spec file, with --set and --steps, and settles
 * the net. The first problem is the error. */
enum ebm_status options_read_spec(const struct options *o, struct spec *spec, struct net *net,
                                  struct ebm_error *err);

extern const char options_usage[];

#endif
