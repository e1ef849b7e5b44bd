/* Shared by metrics.c and pictures.c. */
#ifndef EBM_DAEMON_METRICS_PRIVATE_H
#define EBM_DAEMON_METRICS_PRIVATE_H

#include "store/db.h"
#include "store/metrics.h"

struct metrics {
    struct db *db;
    char path[HOME_PATH_MAX + 16];
};

extern const struct db_options metrics_options;

#endif
