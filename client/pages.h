/* Jobs from ebmd, page by page. */
#ifndef EBM_CLIENT_PAGES_H
#define EBM_CLIENT_PAGES_H

#include "call.h"

/* Names of states; none: all states. */
struct state_names {
    const char *name[JOB_STATE_COUNT];
    size_t count;
};

/* The states that are final, or all others. */
void state_names_split(bool final, struct state_names *out);

/* Jobs above this number, in rising order, to `visit` (which does not keep
 * them). */
enum ebm_status pages_walk(struct call *c, const struct state_names *states, uint64_t after,
                           void (*visit)(void *arg, const Ebm__Job *job), void *arg,
                           struct ebm_error *err);

/* Metric rows as m asks for them, in the order (attempt, seq), to `visit`,
 * which does not keep them; its failure ends the walk. m->limit is the size
 * of a page, or with m->newest of all. Changes m->after_row. */
enum { PAGES_METRICS = 10000 /* what ebmd tells at once, at most */ };
enum ebm_status pages_walk_metrics(struct call *c, Ebm__Metrics *m,
                                   enum ebm_status (*visit)(void *arg, const Ebm__Metric *row,
                                                            struct ebm_error *err),
                                   void *arg, struct ebm_error *err);

/* Jobs that are kept. */
struct pages {
    struct answer *page; /* owned */
    size_t count;
    const Ebm__Job **job; /* owned; they are the pages' */
    size_t jobs;
};
void pages_fini(struct pages *p);

/* Appends all jobs of these states. pages_fini in every case. */
enum ebm_status pages_fetch(struct call *c, const struct state_names *states, uint64_t after,
                            struct pages *out, struct ebm_error *err);

struct job_counts {
    uint64_t all, ended;
};
enum ebm_status pages_count(struct call *c, struct job_counts *out, struct ebm_error *err);

/* The n newest of these states, and maybe some before them, into empty pages,
 * without a walk over all that there are. pages_fini in every case. */
enum ebm_status pages_fetch_newest(struct call *c, const struct state_names *states, uint64_t n,
                                   const struct job_counts *counts, struct pages *out,
                                   struct ebm_error *err);

#endif
