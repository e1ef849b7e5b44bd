/* metrics. */
#include <inttypes.h>
#include <stdio.h>

#include "columns.h"
#include "commands.h"
#include "pages.h"

static enum ebm_status take_options(const struct args *a, Ebm__Metrics *m, struct ebm_error *err)
{
    int64_t attempt, since, n;
    enum ebm_status rc = args_whole(a, "attempt", 1, UINT32_MAX, 0, &attempt, err);

    if (rc == EBM_OK)
        rc = args_whole(a, "since", 0, INT64_MAX, 0, &since, err);
    if (rc == EBM_OK)
        rc = args_whole(a, "last", 1, PAGES_METRICS, 0, &n, err);
    if (rc != EBM_OK)
        return rc;
    m->attempt = (uint32_t)attempt;
    m->since_step = (uint64_t)since;
    m->lineage = args_has(a, "lineage");
    m->newest = n > 0;
    m->limit = n > 0 ? (uint32_t)n : PAGES_METRICS;
    return EBM_OK;
}

struct copying {
    struct record_writer writer;
    size_t count;
};

static enum ebm_status copy_row(void *arg, const Ebm__Metric *row, struct ebm_error *err)
{
    struct copying *to = arg;

    (void)err;
    record_row(&to->writer, row);
    to->count++;
    return EBM_OK;
}

static int copy_rows(struct call *c, Ebm__Metrics *m, const struct column *columns, size_t n)
{
    struct copying to = {.count = 0};
    struct ebm_error err;
    enum ebm_status rc = call_connect(c, &err);

    if (rc != EBM_OK)
        return call_fail(&err);
    record_begin(&to.writer, columns, n, c->format, &c->term, stdout);
    rc = pages_walk_metrics(c, m, copy_row, &to, &err);
    if (rc == EBM_OK && (to.count > 0 || c->format != FORMAT_TABLE))
        return call_done(record_end(&to.writer));
    record_abandon(&to.writer);
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
