/* A command under way: its arguments, the terminal, the line to ebmd. */
#ifndef EBM_CLIENT_CALL_H
#define EBM_CLIENT_CALL_H

#include "args.h"
#include "exit.h"
#include "home/home.h"
#include "reach.h"
#include "record.h"
#include "session.h"
#include "term.h"

struct call {
    struct args args;
    enum format format;
    struct term term;
    struct home home;
    struct session *session; /* opened by the first request */
};

/* Finds the home and opens the line, starting ebmd where that is allowed. */
enum ebm_status call_connect(struct call *c, struct ebm_error *err);
/* call_connect where needed, then session_call. */
enum ebm_status call_ask(struct call *c, Ebm__Request *request, struct answer *out,
                         struct ebm_error *err);

/* "ebmctl: text" to stderr; returns the exit code of the status. */
int call_fail(const struct ebm_error *err);
/* The same with "usage: ..." of the command after it; returns CODE_USAGE. */
int call_fail_usage(const struct call *c, const struct ebm_error *err);
/* For what a command has printed: CODE_OK, or "out of memory". */
int call_done(bool printed);

/* A job as Show tells it. */
enum ebm_status call_show(struct call *c, uint64_t job, struct answer *out, struct ebm_error *err);
/* "job 3" with the verb's form for messages to people goes to stdout, unless
 * another format was asked for: then {"job": N} or a CSV of it. Job 0: there
 * is none, null. */
void call_print_job(const struct call *c, uint64_t job, const char *text);

#endif
