/* The file "launch" of an attempt's folder: what its shepherd is to run.
 *
 *   ebm-launch 1
 *   home=/home/u/.local/state/ebmd
 *   fence=7
 *   scratch=/dev/shm/ebm-1000-...-7
 *   note=a line for output.log                  any number, also none
 *   argv=/usr/bin/mpirun                        one a line, in order
 *   env=EBM_JOB=3                               added to what is inherited
 *
 * Strict: one blank line, one unknown key, a second "home" make it no plan.
 * A value runs to the end of its line and cannot hold a line's end. */
#ifndef EBM_DAEMON_LAUNCH_PLAN_H
#define EBM_DAEMON_LAUNCH_PLAN_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { PLAN_LIST_MAX = 64 };

enum plan_key { PLAN_HOME, PLAN_FENCE, PLAN_SCRATCH, PLAN_NOTE, PLAN_ARGV, PLAN_ENV, PLAN_KEYS };

/* ---- writing ---- */

struct plan_writer {
    struct buf text;
    struct ebm_error err; /* the first value that cannot be written */
};

void plan_writer_init(struct plan_writer *w);
void plan_writer_fini(struct plan_writer *w);
void plan_put(struct plan_writer *w, enum plan_key key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* DIR/launch, atomically; or what went wrong in a plan_put before it. */
enum ebm_status plan_write(const struct plan_writer *w, const char *dir, struct ebm_error *err);

/* ---- reading ---- */

struct plan_list {
    char *item[PLAN_LIST_MAX + 1]; /* NULL after the last, as execv wants it */
    size_t count;
};

struct plan {
    struct buf text; /* owned; all below point into it */
    const char *home, *scratch;
    uint64_t fence;
    struct plan_list notes, argv, env;
};

void plan_init(struct plan *plan);
void plan_fini(struct plan *plan);
/* EBM_ECORRUPT with the line when it is not a plan. */
enum ebm_status plan_read(struct plan *plan, const char *dir, struct ebm_error *err);

#endif
