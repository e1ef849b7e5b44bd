/* Becoming a daemon: the caller's process ends once the daemon serves, or
 * says why it does not. */
#ifndef EBM_DAEMON_BACKGROUND_H
#define EBM_DAEMON_BACKGROUND_H

#include <stdbool.h>

#include "base/err.h"
#include "home/home.h"

/* Forks; only the child returns, with a pipe to the waiting parent. */
enum ebm_status background_enter(int *report, struct ebm_error *err);

/* From here on the log goes to state/ebmd.log. */
enum ebm_status background_log(const struct home *home, struct ebm_error *err);

/* It serves: the parent exits with 0. */
void background_ready(int report);

/* It does not: the parent prints the text and exits with this code. */
void background_failed(int report, int code, const struct ebm_error *err);

#endif
