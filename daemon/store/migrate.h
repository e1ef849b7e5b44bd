/* From whatever schema a file has to the newest; part of db_open. */
#ifndef EBM_DAEMON_STORE_MIGRATE_H
#define EBM_DAEMON_STORE_MIGRATE_H

#include "store/db.h"

/* Checks the file for damage when the options ask for it, and for its owner;
 * then takes the missing steps, each in a transaction of its own, so that a
 * kill leaves the old schema or the new one. */
enum ebm_status db_migrate(struct db *db, const char *path, const struct db_options *options,
                           struct ebm_error *err);

#endif
