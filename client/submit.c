/* submit. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "reach.h"
#include "spec_file.h"

static const char nothing_submitted[] = "; nothing submitted";

/* What submit works with; too large for the stack of a small thread, so it
 * lives on the heap. */
struct submission {
    struct spec_file file;
    struct spec spec;
    struct spec_problems problems;
    const char **sets;
    size_t n_sets;
    int64_t priority, after;
};

static enum ebm_status take_options(struct call *c, struct submission *s, struct ebm_error *err)
{
    s->sets = args_values(&c->args, "set", &s->n_sets);
    if (s->sets == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory");
    enum ebm_status rc = args_whole(&c->args, "priority", -1000000, 1000000, 0, &s->priority, err);
    if (rc == EBM_OK)
        rc = args_whole(&c->args, "after", 1, INT64_MAX, 0, &s->after, err);
    return rc;
}

/* What the daemon found, in the form of what the parser finds. */
static void take_problems(const Ebm__Reply *reply, struct spec_problems *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < reply->n_problem && out->count < SPEC_ERRORS_MAX; i++) {
        struct spec_problem *p = &out->item[out->count++];
        p->line = reply->problem[i]->line;
        p->column = reply->problem[i]->column;
        snprintf(p->text, sizeof p->text, "%s", reply->problem[i]->text);
    }
    out->total = reply->n_problem;
}

static enum ebm_status send_submit(struct call *c, struct submission *s, struct answer *a,
                                   struct ebm_error *err)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Submit m = EBM__SUBMIT__INIT;

    m.spec = (char *)buf_text(&s->file.text);
    m.file = (char *)s->file.name;
    m.n_set = s->n_sets;
    m.set = (char **)s->sets;
    m.hold = args_has(&c->args, "hold");
    m.priority = (int32_t)s->priority;
    m.after = (uint64_t)s->after;
    m.dry_run = args_has(&c->args, "dry-run") || s->problems.total > 0;
    m.base_dir = s->file.folder;
    r.body_case = EBM__REQUEST__BODY_SUBMIT;
    r.submit = &m;
    return call_ask(c, &r, a, err);
}

static int tell_submitted(struct call *c, const struct submission *s, const Ebm__Reply *reply)
{
    char text[160];

    if (args_has(&c->args, "dry-run")) {
        snprintf(text, sizeof text, "%.100s is sound; nothing submitted (dry run)", s->file.name);
        call_print_job(c, 0, text);
        return CODE_OK;
    }
    bool follow = args_has(&c->args, "follow");
    snprintf(text, sizeof text, "job %" PRIu64 " submitted: %s", reply->job, s->spec.name);
    call_print_job(c, reply->job, text);
    fflush(stdout);
    return follow ? watch_follow(c, reply->job) : CODE_OK;
}

/* A text that a message can bear, and somebody to take it. */
static bool can_ask(struct call *c, const struct submission *s)
{
    struct home home;

    if (memchr(buf_text(&s->file.text), '\0', s->file.text.size) != NULL)
        return false;
    return c->session != NULL || (home_locate(&home, NULL) == EBM_OK && reach_listens(&home));
}

/* What ebmd finds, else what was found here. */
static int report_all(struct call *c, struct submission *s)
{
    struct answer a = {0};
    struct ebm_error err;

    if (send_submit(c, s, &a, &err) != EBM_OK && a.reply != NULL && a.reply->n_problem > 0)
        take_problems(a.reply, &s->problems);
    spec_file_report(&s->file, &s->problems, nothing_submitted);
    answer_fini(&a);
    return CODE_USAGE;
}

static int submit(struct call *c, struct submission *s)
{
    struct answer a = {0};
    struct ebm_error err;
    enum ebm_status rc = take_options(c, s, &err);

    if (rc != EBM_OK)
        return call_fail_usage(c, &err);
    rc = spec_file_read(c->args.word[0], &s->file, &err);
    if (rc != EBM_OK)
        return call_fail(&err);
    /* Here first: a spec with errors need not start a daemon, but one that is
     * there knows more of them. */
    rc = spec_parse(buf_text(&s->file.text), s->file.text.size, s->sets, s->n_sets, &s->spec,
                    &s->problems, &err);
    if (rc != EBM_OK && s->problems.total > 0 && !can_ask(c, s)) {
        if (spec_resolve_paths(&s->spec, s->file.folder))
            spec_check_rest(&s->spec, &s->problems);
        spec_file_report(&s->file, &s->problems, nothing_submitted);
        return CODE_USAGE;
    }
    if (rc != EBM_OK && s->problems.total > 0)
        return report_all(c, s);
    if (rc == EBM_OK)
        rc = send_submit(c, s, &a, &err);
    int code = rc == EBM_OK ? tell_submitted(c, s, a.reply) : exit_of_status(rc);
    if (rc != EBM_OK && a.reply != NULL && a.reply->n_problem > 0) {
        take_problems(a.reply, &s->problems);
        spec_file_report(&s->file, &s->problems, nothing_submitted);
        code = CODE_USAGE;
    } else if (rc != EBM_OK) {
        call_fail(&err);
    }
    answer_fini(&a);
    return code;
}

int command_submit(struct call *c)
{
    struct submission *s = calloc(1, sizeof *s);

    if (s == NULL)
        return call_done(false);
    int code = submit(c, s);
    spec_file_fini(&s->file);
    free(s->sets);
    free(s);
    return code;
}
