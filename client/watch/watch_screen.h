/* A watch with a screen of its own: its loop over ebmd, keys, signals. */
#ifndef EBM_CLIENT_WATCH_SCREEN_H
#define EBM_CLIENT_WATCH_SCREEN_H

#include "call.h"
#include "watch/watch_data.h"
#include "watch/watch_exit.h"
#include "watch/watch_panel.h"
#include "watch/watch_view.h"

struct watch {
    struct call *call; /* borrowed */
    struct term term;
    uint64_t *given; /* none: all that are open */
    size_t given_count;
    int64_t began_ms; /* wall clock */
    struct exit_rules rules;
    struct watch_data data;
    int code;   /* to exit with */
    int signal; /* that ended it, 0: none */
};

/* By a rule, or because all given jobs have: sets w->code. */
bool watch_has_ended(struct watch *w);

/* Until it has ended, or a key or a signal ends it (CODE_OK, w->signal).
 * Leaves a line for each job behind. The terminal is as it was after it, on
 * an error too. */
enum ebm_status watch_on_screen(struct watch *w, struct ebm_error *err);

/* Ends the process as the signal does, so that a shell sees what ended it. */
int watch_die(int signal);

#endif
