/* metrics. */
#include <inttypes.h>
#include <stdio.h>

#include "columns.h"
#include "commands.h"

enum { PAGE = 10000 /* what ebmd tells at once, at most */ };

static enum ebm_status take_options(const struct args *a, Ebm__Metrics *m, struct ebm_error *err)
{
    int64_t attempt, since, n;
    enum ebm_status rc = args_whole(a, "attempt", 1, UINT32_MAX, 0, &attempt, err);

    if (rc == EBM_OK)
        rc = args_whole(a, "since", 0, INT64_MAX, 0, &since, err);
    if (rc == EBM_OK)
        rc = args_whole(a, "last", 1, PAGE, 0, &n, err);
    if (rc != EBM_OK)
        return rc;
    m->attempt = (uint32_t)attempt;
    m->since_step = (uint64_t)since;
    m->lineage = args_has(a, "lineage");
    m->newest = n > 0;
    m->limit = n > 0 ? (uint32_t)n : PAGE;
    return EBM_OK;
}

/* One page into the writer; *next is where the one after it begins, 0: there
 * is none. */
static enum ebm_status copy_page(struct call *c, Ebm__Metrics *m, struct record_writer *w,
                                 size_t *count, uint64_t *next, struct ebm_error *err)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    struct answer a;

    r.body_case = EBM__REQUEST__BODY_METRICS;
    r.metrics = m;
    enum ebm_status rc = call_ask(c, &r, &a, err);
    *next = 0;
    for (size_t i = 0; rc == EBM_OK && i < a.reply->n_metrics; i++)
        record_row(w, a.reply->metrics[i]);
    if (rc == EBM_OK) {
        *count += a.reply->n_metrics;
        if (!m->newest && a.reply->more_after > m->after_row)
            *next = a.reply->more_after;
    }
    answer_fini(&a);
    return rc;
}

static int copy_rows(struct call *c, Ebm__Metrics *m, const struct column *columns, size_t n)
{
    struct record_writer w;
    struct ebm_error err;
    size_t count = 0;
    enum ebm_status rc = call_connect(c, &err);

    if (rc != EBM_OK)
        return call_fail(&err);
    record_begin(&w, columns, n, c->format, &c->term, stdout);
    for (bool more = true; rc == EBM_OK && more;) {
        uint64_t next;
        rc = copy_page(c, m, &w, &count, &next, &err);
        m->after_row = next;
        more = next != 0;
    }
    if (rc == EBM_OK && (count > 0 || c->format != FORMAT_TABLE))
        return call_done(record_end(&w));
    record_abandon(&w);
    if (rc != EBM_OK)
        return call_fail(&err);
    printf("job %" PRIu64 " has no such metrics yet\n", m->job);
    return CODE_OK;
}

int command_metrics(struct call *c)
{
    struct column columns[METRIC_COLUMNS_MAX];
    size_t count;
    Ebm__Metrics m = EBM__METRICS__INIT;
    struct ebm_error err;
    enum ebm_status rc = take_options(&c->args, &m, &err);

    if (rc == EBM_OK)
        rc = columns_of_metrics(args_value(&c->args, "name"), columns, &count, &err);
    if (rc != EBM_OK)
        return call_fail_usage(c, &err);
    m.job = args_job(&c->args, 0);
    return copy_rows(c, &m, columns, count);
}
