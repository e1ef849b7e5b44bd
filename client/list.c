/* list, show. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "commands.h"
#include "state/state.h"
#include "suggest.h"

enum { PAGE = 5000 };

/* "running,queued" in pieces. */
struct states {
    char text[256];
    char *name[JOB_STATE_COUNT];
    size_t count;
};

static enum ebm_status take_state(struct states *s, char *name, struct ebm_error *err)
{
    struct suggest near;

    if (job_state_from_name(name) != JOB_STATE_COUNT) {
        if (s->count < JOB_STATE_COUNT)
            s->name[s->count++] = name;
        return EBM_OK;
    }
    suggest_init(&near, name);
    for (unsigned i = 0; i < JOB_STATE_COUNT; i++)
        suggest_try(&near, job_state_name((enum job_state)i));
    return ebm_fail(err, EBM_EINVAL, "no state '%.40s'%s%s%s", name,
                    near.best != NULL ? " (did you mean '" : "",
                    near.best != NULL ? near.best : "", near.best != NULL ? "'?)" : "");
}

static enum ebm_status take_states(const char *text, struct states *s, struct ebm_error *err)
{
    char *rest = NULL;

    *s = (struct states){.count = 0};
    if (text == NULL)
        return EBM_OK;
    if (snprintf(s->text, sizeof s->text, "%s", text) >= (int)sizeof s->text)
        return ebm_fail(err, EBM_EINVAL, "option '--state' is too long");
    for (char *p = strtok_r(s->text, ",", &rest); p != NULL; p = strtok_r(NULL, ",", &rest)) {
        enum ebm_status rc = take_state(s, p, err);
        if (rc != EBM_OK)
            return rc;
    }
    return EBM_OK;
}

/* All pages, kept whole: the newest come last. */
struct pages {
    struct answer *page;
    size_t count;
    const Ebm__Job **job; /* borrows from the pages */
    size_t jobs;
};

static void pages_fini(struct pages *p)
{
    for (size_t i = 0; i < p->count; i++)
        answer_fini(&p->page[i]);
    free(p->page);
    free(p->job);
}

static enum ebm_status pages_add(struct pages *p, const struct answer *a, struct ebm_error *err)
{
    struct answer *page = realloc(p->page, (p->count + 1) * sizeof *page);
    if (page == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory");
    p->page = page;
    p->page[p->count++] = *a;
    const Ebm__Job **job = realloc(p->job, (p->jobs + a->reply->n_jobs + 1) * sizeof *job);
    if (job == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory");
    p->job = job;
    for (size_t i = 0; i < a->reply->n_jobs; i++)
        p->job[p->jobs++] = a->reply->jobs[i];
    return EBM_OK;
}

static enum ebm_status fetch(struct call *c, struct states *states, struct pages *out,
                             struct ebm_error *err)
{
    uint64_t after = 0;
    enum ebm_status rc;

    do {
        Ebm__Request r = EBM__REQUEST__INIT;
        Ebm__List list = EBM__LIST__INIT;
        struct answer a;
        list.after_job = after;
        list.limit = PAGE;
        list.n_state = states->count;
        list.state = states->name;
        r.body_case = EBM__REQUEST__BODY_LIST;
        r.list = &list;
        rc = call_ask(c, &r, &a, err);
        uint64_t next = rc == EBM_OK ? a.reply->more_after : 0;
        if (rc == EBM_OK)
            rc = pages_add(out, &a, err);
        else
            answer_fini(&a);
        after = next > after ? next : 0; /* a page that does not go on ends the list */
    } while (rc == EBM_OK && after != 0);
    return rc;
}

int command_list(struct call *c)
{
    struct states states;
    struct pages pages = {0};
    struct ebm_error err;
    int64_t limit;
    enum ebm_status rc = take_states(args_value(&c->args, "state"), &states, &err);

    if (rc == EBM_OK)
        rc = args_whole(&c->args, "limit", 1, INT64_MAX, INT64_MAX, &limit, &err);
    if (rc != EBM_OK)
        return call_fail_usage(c, &err);
    rc = fetch(c, &states, &pages, &err);
    int code;
    if (rc != EBM_OK) {
        code = call_fail(&err);
    } else if (pages.jobs == 0 && c->format == FORMAT_TABLE && states.count == 0) {
        puts("no jobs yet (ebmctl submit SPEC)");
        code = CODE_OK;
    } else {
        size_t skip = (uint64_t)limit < pages.jobs ? pages.jobs - (size_t)limit : 0;
        code = call_done(record_list(job_columns, job_column_count,
                                     (const void *const *)pages.job + skip, pages.jobs - skip,
                                     c->format, &c->term, stdout));
    }
    pages_fini(&pages);
    return code;
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
