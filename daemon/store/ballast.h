/* The file of 16 MiB that keeps room back for a full disk (store.h). */
#ifndef EBM_DAEMON_STORE_BALLAST_H
#define EBM_DAEMON_STORE_BALLAST_H

#include <stdbool.h>

/* Removes the one in the folder of this database; false: there was none. */
bool ballast_release_beside(const char *database);

#endif
