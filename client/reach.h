/* Is ebmd there, and if not, may it be started? */
#ifndef EBM_CLIENT_REACH_H
#define EBM_CLIENT_REACH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "home/home.h"

/* Someone listens on the control socket. */
bool reach_listens(const struct home *home);

/* Runs `ebmd --background` and waits until it serves. EBM_EUNREACHABLE with
 * what ebmd said; err is not NULL. */
enum ebm_status reach_start(const struct home *home, struct ebm_error *err);

/* Sees to it that a daemon is there: starts one, with one line on stderr,
 * unless EBM_NO_AUTOSTART is set; EBM_EUNREACHABLE says what was tried. */
enum ebm_status reach_daemon(const struct home *home, struct ebm_error *err);

/* The state folder with the user's home as "~". */
const char *reach_home_name(const struct home *home, char *out, size_t size);

#endif
