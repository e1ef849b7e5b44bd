/* Which checkpoint a person means, by `--to` or `--at`. */
#ifndef EBM_DAEMON_TARGET_H
#define EBM_DAEMON_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

enum { TARGET_WHY_MAX = 240 };

/* to: "" or "last-healthy": the newest healthy one, else the newest on
 * probation (why says so), never a suspect or poisoned one; "newest": the
 * newest that is not poisoned; "c12": that checkpoint; a number: the newest
 * with exactly that step, and never an id. rows: those that are not deleted,
 * rising by (step, id). EBM_ENOTFOUND names the nearest ones that exist;
 * EBM_ESTATE: the one that is named is poisoned; a suspect one that is named
 * is taken, and why says that it is. *index is into rows. */
enum ebm_status target_choose(const char *to, const struct store_checkpoint *rows, size_t n,
                              size_t *index, char why[TARGET_WHY_MAX], struct ebm_error *err);

/* It says which one or which step, and leaves nothing to choose. */
bool target_is_named(const char *to);

#endif
