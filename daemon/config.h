/* Settings of ebmd: config/ebmd.yaml, and over it the environment. */
#ifndef EBM_DAEMON_CONFIG_H
#define EBM_DAEMON_CONFIG_H

#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "home/home.h"

struct config {
    uint32_t slots;           /* EBM_SLOTS; by default the processors we may run on */
    uint64_t vault_max_bytes; /* EBM_VAULT_MAX_BYTES; 0 = no quota */
    uint32_t lease_ms;        /* EBM_LEASE_MS; a worker unheard for so long is out of sight */
    enum log_level log_level; /* EBM_LOG_LEVEL: debug info warn error */
};

/* A missing file is the defaults. EBM_EINVAL names the file, line and column,
 * or the variable, and what may stand there. */
enum ebm_status config_read(const struct home *home, struct config *out, struct ebm_error *err);

#endif
