/* Settings of ebmd: config/ebmd.yaml, and over it the environment. One table
 * in config.c has a row for each. */
#ifndef EBM_DAEMON_CONFIG_H
#define EBM_DAEMON_CONFIG_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "home/home.h"

struct config {
    uint64_t slots;           /* by default the processors we may run on */
    uint64_t vault_max_bytes; /* quota of checkpoint bytes, 0 = none */
    uint64_t lease_ms;        /* a worker unheard for so long is out of sight */
    uint64_t stop_grace_ms;   /* from the order to pause or cancel until it is enforced */
    enum log_level log_level;
};

/* A missing file is the defaults. EBM_EINVAL names the file, line and column,
 * or the variable, and what may stand there. */
enum ebm_status config_read(const struct home *home, struct config *out, struct ebm_error *err);

/* "  slots  EBM_SLOTS  help", a line for each setting, for --help. */
void config_help(struct buf *out);

#endif
