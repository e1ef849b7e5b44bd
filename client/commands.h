/* All commands: the table, and the functions that its rows name. */
#ifndef EBM_CLIENT_COMMANDS_H
#define EBM_CLIENT_COMMANDS_H

#include "call.h"

extern const struct command command_table[]; /* ends with a row without a name */

/* NULL when there is none of this name; *near (may be NULL) gets the command
 * that was perhaps meant, or NULL. */
const struct command *command_find(const char *name, const char **near);

/* Runs argv; returns the exit code. */
int ebmctl_run(int argc, char **argv);

int command_submit(struct call *c);
int command_list(struct call *c);
int command_show(struct call *c);
int command_watch(struct call *c);
int command_wait(struct call *c);
int command_logs(struct call *c);
int command_metrics(struct call *c);
int command_stability(struct call *c);
int command_checkpoints(struct call *c);
int command_pin(struct call *c);
int command_unpin(struct call *c);
int command_samples(struct call *c);
int command_events(struct call *c);
int command_history(struct call *c);
int command_rollback(struct call *c);
int command_fork(struct call *c);
int command_change(struct call *c); /* pause resume cancel kill hold release */
int command_diff(struct call *c);
int command_explain(struct call *c);
int command_validate(struct call *c);
int command_status(struct call *c);
int command_daemon(struct call *c);
int command_completion(struct call *c);
int command_help(struct call *c);
int command_version(struct call *c);

/* Shared by watch and submit --follow: until the job is final. With another
 * format than a table it says what it says on stderr. */
int watch_follow(struct call *c, uint64_t job);

#endif
