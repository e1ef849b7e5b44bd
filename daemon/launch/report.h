/* How a shepherd that starts tells ebmd: one line on its standard output,
 * "ok PID START" or "error CODE TEXT". */
#ifndef EBM_DAEMON_LAUNCH_REPORT_H
#define EBM_DAEMON_LAUNCH_REPORT_H

#include <stdbool.h>

#include "base/err.h"
#include "launch/launch.h"

/* false when nobody reads any more: the launch was given up. */
bool report_ok(int fd, struct launch_pid pid);
void report_error(int fd, const struct ebm_error *failure);

/* Waits for the line, at most 2 s, then EBM_ETIMEOUT. */
enum ebm_status report_read(int fd, struct launch_pid *out, struct ebm_error *err);

#endif
