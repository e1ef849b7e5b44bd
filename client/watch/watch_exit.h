/* Rules that end a watch: "any=diverged:3,all=succeeded:0". */
#ifndef EBM_CLIENT_WATCH_EXIT_H
#define EBM_CLIENT_WATCH_EXIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "state/state.h"

enum {
    EXIT_RULES_MAX = 16,
    EXIT_CODE_MAX = 125,               /* above it a shell has meanings of its own */
    EXIT_STATE_FINAL = JOB_STATE_COUNT /* "final": any state that is */
};

struct exit_rule {
    bool all; /* of the jobs; else any */
    enum job_state state;
    int code;
};

struct exit_rules {
    struct exit_rule rule[EXIT_RULES_MAX];
    size_t count;
};

/* EBM_EINVAL says which rule is wrong, and how it should read. */
enum ebm_status watch_exit_parse(const char *text, struct exit_rules *out, struct ebm_error *err);

/* The first rule that holds for jobs in these states, or NULL. Of no jobs at
 * all nothing holds. */
const struct exit_rule *watch_exit_find(const struct exit_rules *rules, const enum job_state *state,
                                        size_t n);

#endif
