/* The attempt's folder: what lies in it, and the two small files by which
 * the shepherd speaks to ebmd.
 *
 *   spec.yaml     the effective spec                      ebmd
 *   token         the worker's secret, mode 0600          ebmd
 *   launch        what the shepherd is to run (plan.h)    ebmd
 *   lock          held by the shepherd while it lives     shepherd
 *   shepherd      "pid start"                             shepherd
 *   output.log    mpirun and all ranks                    shepherd
 *   shepherd.log  the shepherd's own events               shepherd
 *   status        how mpirun ended                        shepherd
 *   rank-R.log    one rank                                worker */
#ifndef EBM_DAEMON_LAUNCH_FOLDER_H
#define EBM_DAEMON_LAUNCH_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "launch/launch.h"

/* How mpirun ended, as "status" holds it. */
struct folder_status {
    int exit_code; /* meaningful when signal is 0 */
    int signal;
    int64_t ended_ms; /* wall clock */
};

/* DIR/NAME into path; EBM_EINVAL when it does not fit. */
enum ebm_status folder_path(const char *dir, const char *name, char *path, size_t size,
                            struct ebm_error *err);

/* DIR/NAME becomes exactly these bytes, or stays as it was. Atomic, but not
 * synced: for files that mean nothing after a power cut. */
enum ebm_status folder_write(const char *dir, const char *name, const void *bytes, size_t n,
                             unsigned mode, struct ebm_error *err);

enum ebm_status folder_write_pid(const char *dir, struct launch_pid pid, struct ebm_error *err);
/* false when it is not there or not whole. */
bool folder_read_pid(const char *dir, struct launch_pid *out);

/* Takes the room on disk that a status needs, so that a full disk cannot hide
 * how the attempt ended. Before folder_write_status. */
enum ebm_status folder_reserve_status(const char *dir, struct ebm_error *err);
/* Durable: "status" is there and whole, or not there. */
enum ebm_status folder_write_status(const char *dir, const struct folder_status *status,
                                    struct ebm_error *err);
/* false when it is not there or not whole. */
bool folder_read_status(const char *dir, struct folder_status *out);

#endif
