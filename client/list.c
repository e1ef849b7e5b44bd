/* list, show. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "commands.h"
#include "pages.h"
#include "suggest.h"

enum { ENDED_SHOWN = 20 /* of the jobs that ended, on a terminal */ };

static enum ebm_status take_state(struct state_names *s, const char *name, struct ebm_error *err)
{
    enum job_state state = job_state_from_name(name);
    struct suggest near;

    /* The name is the table's own: it outlives the text it was read from. */
    if (state != JOB_STATE_COUNT) {
        if (s->count < JOB_STATE_COUNT)
            s->name[s->count++] = job_state_name(state);
        return EBM_OK;
    }
    suggest_init(&near, name);
    for (unsigned i = 0; i < JOB_STATE_COUNT; i++)
        suggest_try(&near, job_state_name((enum job_state)i));
    return ebm_fail(err, EBM_EINVAL, "no state '%.40s'%s%s%s", name,
                    near.best != NULL ? " (did you mean '" : "", near.best != NULL ? near.best : "",
                    near.best != NULL ? "'?)" : "");
}

/* "running,queued" */
static enum ebm_status take_states(const char *text, struct state_names *s, struct ebm_error *err)
{
    char copy[256], *rest = NULL;

    s->count = 0;
    if (text == NULL)
        return EBM_OK;
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
        return ebm_fail(err, EBM_EINVAL, "option '--state' is too long");
    for (char *p = strtok_r(copy, ",", &rest); p != NULL; p = strtok_r(NULL, ",", &rest)) {
        enum ebm_status rc = take_state(s, p, err);
        if (rc != EBM_OK)
            return rc;
    }
    return s->count > 0 ? EBM_OK : ebm_fail(err, EBM_EINVAL, "option '--state' names no state");
}

static int print_jobs(const struct call *c, const Ebm__Job *const *jobs, size_t n)
{
    return call_done(record_list(job_columns, job_column_count, (const void *const *)jobs, n,
                                 c->format, &c->term, stdout));
}

static void print_none(void)
{
    puts("no jobs yet (ebmctl submit SPEC)");
}

/* ---- all, as they come ---- */

struct writing {
    struct record_writer writer;
    size_t count;
};

static void write_job(void *arg, const Ebm__Job *job)
{
    struct writing *w = arg;

    record_row(&w->writer, job);
    w->count++;
}

static int list_all(struct call *c, const struct state_names *states)
{
    struct writing w = {.count = 0};
    struct ebm_error err;
    enum ebm_status rc = call_connect(c, &err);

    if (rc != EBM_OK)
        return call_fail(&err);
    record_begin(&w.writer, job_columns, job_column_count, c->format, &c->term, stdout);
    rc = pages_walk(c, states, 0, write_job, &w, &err);
    if (rc != EBM_OK) {
        record_abandon(&w.writer);
        return call_fail(&err);
    }
    if (w.count > 0 || c->format != FORMAT_TABLE || states->count > 0)
        return call_done(record_end(&w.writer));
    record_abandon(&w.writer);
    print_none();
    return CODE_OK;
}

/* ---- the newest ---- */

static int list_newest(struct call *c, const struct state_names *states, uint64_t n)
{
    struct pages pages = {0};
    struct job_counts counts;
    struct ebm_error err;
    enum ebm_status rc = pages_count(c, &counts, &err);

    if (rc == EBM_OK)
        rc = pages_fetch_newest(c, states, n, &counts, &pages, &err);
    size_t skip = pages.jobs > n ? pages.jobs - (size_t)n : 0;
    int code = CODE_OK;
    if (rc != EBM_OK)
        code = call_fail(&err);
    else if (pages.jobs == 0 && c->format == FORMAT_TABLE && states->count == 0)
        print_none();
    else
        code = print_jobs(c, pages.job + skip, pages.jobs - skip);
    pages_fini(&pages);
    return code;
}

/* ---- what a terminal gets: the open ones, and the newest that ended ---- */

struct recent {
    struct pages open, ended;
    struct job_counts counts;
};

static enum ebm_status fetch_recent(struct call *c, struct recent *r, struct ebm_error *err)
{
    struct state_names open, ended;
    enum ebm_status rc = pages_count(c, &r->counts, err);

    state_names_split(false, &open);
    state_names_split(true, &ended);
    if (rc == EBM_OK)
        rc = pages_fetch(c, &open, 0, &r->open, err);
    if (rc == EBM_OK)
        rc = pages_fetch_newest(c, &ended, ENDED_SHOWN, &r->counts, &r->ended, err);
    return rc;
}

/* Two rising lists as one. */
static void merge(const Ebm__Job *const *a, size_t n, const Ebm__Job *const *b, size_t m,
                  const Ebm__Job **out)
{
    while (n > 0 || m > 0)
        if (m == 0 || (n > 0 && (*a)->job < (*b)->job)) {
            *out++ = *a++;
            n--;
        } else {
            *out++ = *b++;
            m--;
        }
}

static void tell_hidden(const struct call *c, uint64_t hidden)
{
    printf("%s%" PRIu64 " older job%s that ended %s not shown: ebmctl list --all%s\n",
           c->term.colour ? term_style(STYLE_DIM) : "", hidden, hidden == 1 ? "" : "s",
           hidden == 1 ? "is" : "are", c->term.colour ? term_plain : "");
}

static int print_recent(const struct call *c, const struct recent *r)
{
    size_t skip = r->ended.jobs > ENDED_SHOWN ? r->ended.jobs - ENDED_SHOWN : 0;
    size_t ended = r->ended.jobs - skip, n = r->open.jobs + ended;
    const Ebm__Job **all = malloc((n + 1) * sizeof(const Ebm__Job *));

    if (all == NULL)
        return call_done(false);
    int code = CODE_OK;
    merge(r->open.job, r->open.jobs, r->ended.job + skip, ended, all);
    if (n > 0)
        code = print_jobs(c, all, n);
    else
        print_none();
    if (r->counts.ended > ended)
        tell_hidden(c, r->counts.ended - ended);
    free(all);
    return code;
}

static int list_recent(struct call *c)
{
    struct recent r = {.counts = {0}};
    struct ebm_error err;
    enum ebm_status rc = fetch_recent(c, &r, &err);
    int code = rc == EBM_OK ? print_recent(c, &r) : call_fail(&err);

    pages_fini(&r.open);
    pages_fini(&r.ended);
    return code;
}

/* ---- the commands ---- */

int command_list(struct call *c)
{
    struct state_names states;
    struct ebm_error err;
    int64_t limit;
    enum ebm_status rc = take_states(args_value(&c->args, "state"), &states, &err);

    if (rc == EBM_OK)
        rc = args_whole(&c->args, "limit", 1, INT64_MAX, 0, &limit, &err);
    if (rc != EBM_OK)
        return call_fail_usage(c, &err);
    if (limit > 0)
        return list_newest(c, &states, (uint64_t)limit);
    if (c->format == FORMAT_TABLE && c->term.tty && states.count == 0 && !args_has(&c->args, "all"))
        return list_recent(c);
    return list_all(c, &states);
}

int command_show(struct call *c)
{
    struct answer a;
    struct ebm_error err;
    enum ebm_status rc = call_show(c, args_job(&c->args, 0), &a, &err);
    int code = rc != EBM_OK ? call_fail(&err)
                            : call_done(record_one(job_detail_columns, job_detail_column_count,
                                                   a.reply->jobs[0], c->format, &c->term, stdout));

    answer_fini(&a);
    return code;
}
