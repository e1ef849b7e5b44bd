/* metrics. */
#include <inttypes.h>
#include <stdio.h>

#include "columns.h"
#include "commands.h"

enum { PAGE = 10000 };

static enum ebm_status take_options(const struct args *a, Ebm__Metrics *m,
                                    struct ebm_error *err)
{
    int64_t attempt, since, n;
    enum ebm_status rc = args_whole(a, "attempt", 1, UINT32_MAX, 0, &attempt, err);

    if (rc == EBM_OK)
        rc = args_whole(a, "since", 0, INT64_MAX, 0, &since, err);
    if (rc == EBM_OK)
        rc = args_whole(a, "last", 1, WIRE_ROWS_MAX, 0, &n, err);
    if (rc != EBM_OK)
        return rc;
    m->attempt = (uint32_t)attempt;
    m->since_step = (uint64_t)since;
    m->lineage = args_has(a, "lineage");
    m->newest = n > 0;
    m->limit = n > 0 ? (uint32_t)n : PAGE;
    return EBM_OK;
}

/* Page by page into the writer. */
static enum ebm_status copy_rows(struct call *c, Ebm__Metrics *m, const struct column *columns,
                                 size_t count, struct ebm_error *err)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    struct record_writer w;
    bool begun = false;
    enum ebm_status rc;

    r.body_case = EBM__REQUEST__BODY_METRICS;
    r.metrics = m;
    do {
        struct answer a;
        rc = call_ask(c, &r, &a, err);
        uint64_t next = 0;
        if (rc == EBM_OK) {
            if (!begun)
                record_begin(&w, columns, count, c->format, &c->term, stdout);
            begun = true;
            for (size_t i = 0; i < a.reply->n_metrics; i++)
                record_row(&w, a.reply->metrics[i]);
            next = m->newest ? 0 : a.reply->more_after;
        }
        answer_fini(&a);
        if (next <= m->after_row)
            next = 0;
        m->after_row = next;
    } while (rc == EBM_OK && m->after_row != 0);
    if (begun && !record_end(&w))
        return ebm_fail(err, EBM_ENOMEM, "out of memory");
    return rc;
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
    rc = copy_rows(c, &m, columns, count, &err);
    return rc == EBM_OK ? CODE_OK : call_fail(&err);
}
