#include "pages.h"

#include <stdlib.h>

enum {
    PAGE = 5000,
    WINDOW = 256, /* numbers looked at for the newest */
    WIDER = 8     /* times as many, where those are not enough */
};

void state_names_split(bool final, struct state_names *out)
{
    out->count = 0;
    for (unsigned s = 0; s < JOB_STATE_COUNT; s++)
        if (job_state_is_final((enum job_state)s) == final)
            out->name[out->count++] = job_state_name((enum job_state)s);
}

static enum ebm_status ask_page(struct call *c, const struct state_names *states, uint64_t after,
                                struct answer *out, struct ebm_error *err)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__List m = EBM__LIST__INIT;

    m.after_job = after;
    m.limit = PAGE;
    m.n_state = states->count;
    m.state = (char **)states->name;
    r.body_case = EBM__REQUEST__BODY_LIST;
    r.list = &m;
    return call_ask(c, &r, out, err);
}

/* A page that does not go on ends the list. */
static bool next_page(const Ebm__Reply *reply, uint64_t *after)
{
    bool more = reply->more_after > *after;

    *after = reply->more_after;
    return more;
}

enum ebm_status pages_walk(struct call *c, const struct state_names *states, uint64_t after,
                           void (*visit)(void *arg, const Ebm__Job *job), void *arg,
                           struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    for (bool more = true; more;) {
        struct answer a;
        rc = ask_page(c, states, after, &a, err);
        for (size_t i = 0; rc == EBM_OK && i < a.reply->n_jobs; i++)
            visit(arg, a.reply->jobs[i]);
        more = rc == EBM_OK && next_page(a.reply, &after);
        answer_fini(&a);
    }
    return rc;
}

/* ---- metric rows ---- */

enum ebm_status pages_walk_metrics(struct call *c, Ebm__Metrics *m,
                                   enum ebm_status (*visit)(void *arg, const Ebm__Metric *row,
                                                            struct ebm_error *err),
                                   void *arg, struct ebm_error *err)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    enum ebm_status rc = EBM_OK;

    r.body_case = EBM__REQUEST__BODY_METRICS;
    r.metrics = m;
    for (bool more = true; rc == EBM_OK && more;) {
        struct answer a;
        rc = call_ask(c, &r, &a, err);
        for (size_t i = 0; rc == EBM_OK && i < a.reply->n_metrics; i++)
            rc = visit(arg, a.reply->metrics[i], err);
        more = rc == EBM_OK && !m->newest && a.reply->more_after > m->after_row;
        if (more)
            m->after_row = a.reply->more_after;
        answer_fini(&a);
    }
    return rc;
}

/* ---- kept ---- */

void pages_fini(struct pages *p)
{
    for (size_t i = 0; i < p->count; i++)
        answer_fini(&p->page[i]);
    free(p->page);
    free(p->job);
    *p = (struct pages){.count = 0};
}

/* Takes the answer, also where it fails. */
static enum ebm_status keep(struct pages *p, struct answer *a, struct ebm_error *err)
{
    size_t n = a->reply->n_jobs;
    struct answer *page = realloc(p->page, (p->count + 1) * sizeof *page);

    if (page == NULL) {
        answer_fini(a);
        return ebm_fail(err, EBM_ENOMEM, "out of memory");
    }
    p->page = page;
    p->page[p->count++] = *a;
    const Ebm__Job **job = realloc(p->job, (p->jobs + n + 1) * sizeof(const Ebm__Job *));
    if (job == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory");
    p->job = job;
    for (size_t i = 0; i < n; i++)
        p->job[p->jobs++] = a->reply->jobs[i];
    return EBM_OK;
}

enum ebm_status pages_fetch(struct call *c, const struct state_names *states, uint64_t after,
                            struct pages *out, struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    for (bool more = true; more;) {
        struct answer a;
        rc = ask_page(c, states, after, &a, err);
        more = rc == EBM_OK && next_page(a.reply, &after);
        if (rc == EBM_OK)
            rc = keep(out, &a, err);
        else
            answer_fini(&a);
        more = more && rc == EBM_OK;
    }
    return rc;
}

/* ---- the newest ---- */

static void count(const Ebm__DaemonStatus *d, struct job_counts *out)
{
    *out = (struct job_counts){0};
    for (size_t i = 0; d != NULL && i < d->n_state && i < d->n_count; i++) {
        out->all += d->count[i];
        if (job_state_is_final(job_state_from_name(d->state[i])))
            out->ended += d->count[i];
    }
}

enum ebm_status pages_count(struct call *c, struct job_counts *out, struct ebm_error *err)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Status m = EBM__STATUS__INIT;
    struct answer a;

    r.body_case = EBM__REQUEST__BODY_STATUS;
    r.status = &m;
    enum ebm_status rc = call_ask(c, &r, &a, err);
    if (rc == EBM_OK)
        count(a.reply->daemon, out);
    answer_fini(&a);
    return rc;
}

/* Numbers rise from 1, so that the highest is at least the count of all: the
 * newest are found from there down. */
enum ebm_status pages_fetch_newest(struct call *c, const struct state_names *states, uint64_t n,
                                   const struct job_counts *counts, struct pages *out,
                                   struct ebm_error *err)
{
    for (uint64_t window = n > WINDOW ? n : WINDOW;; window *= WIDER) {
        uint64_t after = window < counts->all ? counts->all - window : 0;
        enum ebm_status rc = pages_fetch(c, states, after, out, err);
        if (rc != EBM_OK || out->jobs >= n || after == 0)
            return rc;
        pages_fini(out);
    }
}
