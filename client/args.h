/* Commands as rows of a table, and the parser that the table is.
 *
 * Usage text, completion and the test of the man page come from the same
 * rows. The pattern of a command's words, as "JOB", "JOB..." "[JOB...]",
 * "A B" or "[FIELD]", says how many there may be; a JOB is a number. */
#ifndef EBM_CLIENT_ARGS_H
#define EBM_CLIENT_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct option {
    const char *name;  /* "priority", without the dashes; NULL ends a table */
    char letter;       /* 'o', or 0 */
    const char *value; /* "N" in the usage text; NULL: a flag */
    const char *help;
    bool repeats;
    bool hidden; /* not for people: left out of help, completion and man page */
};

struct call;

struct command {
    const char *name; /* NULL ends the table */
    const char *words;
    const struct option *options;
    int (*run)(struct call *c); /* returns the exit code */
    const char *help;
};

struct given {
    const struct option *option;
    const char *value; /* NULL for a flag */
};

struct args {
    const struct command *command;
    struct given *given; /* owned; the texts are argv's */
    size_t given_count;
    const char **word; /* owned */
    size_t words;
    bool help; /* -h or --help: nothing else was checked */
};

/* argv without program and command. EBM_EINVAL says what is wrong, with a
 * suggestion. args_fini after success and after failure. */
enum ebm_status args_parse(const struct command *command, int argc, char *const *argv,
                           struct args *out, struct ebm_error *err);
void args_fini(struct args *a);

/* The name must be in the command's table. */
bool args_has(const struct args *a, const char *name);
const char *args_value(const struct args *a, const char *name); /* last one, or NULL */
/* i-th value of a repeated option, NULL past the end. */
const char *args_value_at(const struct args *a, const char *name, size_t i);
/* All values of a repeated option; caller frees the array. */
const char **args_values(const struct args *a, const char *name, size_t *n);

/* A whole number within the bounds; `fallback` when not given. */
enum ebm_status args_whole(const struct args *a, const char *name, int64_t min, int64_t max,
                           int64_t fallback, int64_t *out, struct ebm_error *err);
/* The words that are jobs were checked: this is the number of word i. */
uint64_t args_job(const struct args *a, size_t i);

/* Digits only, at least 1; "c7" too when `prefix` is 'c'. */
bool args_number(const char *text, char prefix, uint64_t *out);

/* "usage: ebmctl list [--state STATE] ..." in one wrapped paragraph. */
void args_usage(const struct command *command, struct buf *out);
/* Usage, what it does, options. */
void args_help(const struct command *command, struct buf *out);

#endif
