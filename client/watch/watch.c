/* watch: the command, and its three ways: a screen of its own, lines of text,
 * one frame. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "commands.h"
#include "watch/watch_exit.h"
#include "watch/watch_plain.h"
#include "watch/watch_screen.h"

enum {
    AWAY_MS = 60000,   /* without a screen, an ebmd that is away for longer ends it */
    ANSWER_MS = 10000, /* for the first answers */
    WIDTH_STANDARD = 80
};

/* ---- what is watched ---- */

static bool is_known(const uint64_t *jobs, size_t n, uint64_t job)
{
    for (size_t i = 0; i < n; i++)
        if (jobs[i] == job)
            return true;
    return false;
}

/* A job that is not there is told before anything begins; those that are make
 * the first frame. */
static enum ebm_status look_at_jobs(struct watch *w, struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    for (size_t i = 0; rc == EBM_OK && i < w->given_count; i++) {
        struct answer a;
        rc = call_show(w->call, w->given[i], &a, err);
        if (rc == EBM_OK && watch_jobs_put(&w->data.jobs, a.reply->jobs[0]) == NULL)
            rc = ebm_fail(err, EBM_ENOMEM, "out of memory");
        answer_fini(&a);
    }
    return rc;
}

static enum ebm_status begin(struct watch *w, struct ebm_error *err)
{
    enum ebm_status rc = call_connect(w->call, err);

    if (rc != EBM_OK)
        return rc;
    w->began_ms = clock_wall_ms();
    watch_data_init(&w->data, w->call->session, w->given, w->given_count);
    rc = look_at_jobs(w, err);
    if (rc == EBM_OK && w->given_count == 0)
        rc = session_subscribe(w->call->session, 0, err);
    for (size_t i = 0; rc == EBM_OK && i < w->given_count; i++)
        rc = session_subscribe(w->call->session, w->given[i], err);
    return rc;
}

/* ---- when it ends ---- */

/* All given ones have ended: their code, as wait has it; -1: not yet. */
static int code_of_given(const struct watch_data *d)
{
    int code = CODE_OK;

    for (size_t i = 0; i < d->given_count; i++) {
        const struct watch_job *j = watch_jobs_find(&d->jobs, d->given[i]);
        if (j == NULL || !job_state_is_final(j->state))
            return -1;
        code = exit_worse(code, exit_of_state(j->state));
    }
    return d->given_count > 0 ? code : -1;
}

/* Without jobs given, one that had ended before the watch began is shown, and
 * is no news. */
static bool is_news(const struct watch *w, const struct watch_job *j)
{
    return w->given_count > 0 || !job_state_is_final(j->state) || j->ended_ms >= w->began_ms;
}

static const struct exit_rule *find_rule(const struct watch *w)
{
    const struct watch_jobs *jobs = &w->data.jobs;
    const struct exit_rule *rule = NULL;
    size_t n = 0;

    if (w->rules.count == 0)
        return NULL;
    enum job_state *state = malloc((jobs->count + 1) * sizeof *state);
    for (size_t i = 0; state != NULL && i < jobs->count; i++)
        if (is_news(w, jobs->job[i]))
            state[n++] = jobs->job[i]->state;
    if (state != NULL)
        rule = watch_exit_find(&w->rules, state, n);
    free(state);
    return rule;
}

bool watch_has_ended(struct watch *w)
{
    if (!w->data.complete)
        return false;
    const struct exit_rule *rule = find_rule(w);
    int code = code_of_given(&w->data);
    if (rule == NULL && code < 0)
        return false;
    w->code = rule != NULL ? rule->code : code;
    return true;
}

static bool any_is_open(const struct watch_jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++)
        if (!job_state_is_final(jobs->job[i]->state))
            return true;
    return false;
}

/* ---- lines of text ---- */

static enum ebm_status fail_away(const struct watch *w, struct ebm_error *err)
{
    char name[HOME_PATH_MAX];

    return ebm_fail(err, EBM_EUNREACHABLE, "ebmd of %.300s does not answer",
                    reach_home_name(&w->call->home, name, sizeof name));
}

static void wait_data(struct watch *w)
{
    struct link_poll items[2];
    size_t n = session_poll_items(w->call->session, items);

    link_wait(items, n, (int)watch_data_wait_ms(&w->data, clock_mono_ms()), NULL);
}

/* All that were open have ended. Without jobs given, their end is no failure
 * of the watch. */
static bool lines_have_ended(struct watch *w)
{
    if (watch_has_ended(w))
        return true;
    if (w->given_count > 0 || !w->data.complete || any_is_open(&w->data.jobs))
        return false;
    w->code = w->rules.count > 0 ? CODE_REFUSED : CODE_OK; /* none of them held */
    return true;
}

static enum ebm_status watch_lines(struct watch *w, FILE *out, struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;
    bool changed, ended = false, first = true;
    struct buf text;

    buf_init(&text);
    while (rc == EBM_OK && !ended) {
        int64_t now = clock_mono_ms();
        rc = watch_data_step(&w->data, now, &changed, err);
        if (rc == EBM_OK && watch_data_silence_ms(&w->data, now) > AWAY_MS)
            rc = fail_away(w, err);
        if (rc == EBM_OK && w->data.complete) {
            watch_plain_print(&w->data.jobs, first && w->given_count == 0, now, clock_wall_ms(),
                              &text);
            first = false;
            ended = lines_have_ended(w);
        }
        fputs(buf_text(&text), out);
        fflush(out);
        buf_clear(&text);
        if (rc == EBM_OK && !ended)
            wait_data(w);
    }
    buf_fini(&text);
    return rc;
}

/* ---- one frame ---- */

static enum ebm_status watch_once(struct watch *w, struct ebm_error *err)
{
    struct term term = {.unicode = w->term.unicode};
    size_t width = w->term.width > 0 ? w->term.width : WIDTH_STANDARD;
    int64_t began = clock_mono_ms();
    struct watch_view view;
    struct frame f;
    struct buf text;
    bool changed;
    enum ebm_status rc;

    watch_view_init(&view, &w->data, false, false);
    frame_init(&f);
    for (;;) {
        int64_t now = clock_mono_ms();
        rc = watch_data_step(&w->data, now, &changed, err);
        frame_begin(&f, &term, width, WATCH_ANY_HEIGHT);
        watch_view_draw(&view, &w->data, &f, now, clock_wall_ms());
        bool over = now - began > ANSWER_MS;
        if (rc == EBM_OK && over && !w->data.complete)
            rc = fail_away(w, err);
        if (rc != EBM_OK || over || watch_data_is_settled(&w->data, now))
            break;
        wait_data(w);
    }
    buf_init(&text);
    frame_print(&f, &text);
    if (rc == EBM_OK)
        fputs(buf_text(&text), stdout);
    buf_fini(&text);
    frame_fini(&f);
    return rc;
}

/* ---- the command ---- */

enum way { WAY_SCREEN, WAY_LINES, WAY_ONCE };

static int watch(struct watch *w, enum way way, FILE *out)
{
    struct ebm_error err;
    enum ebm_status rc = begin(w, &err);

    if (rc == EBM_OK && way == WAY_ONCE)
        rc = watch_once(w, &err);
    else if (rc == EBM_OK && way == WAY_LINES)
        rc = watch_lines(w, out, &err);
    else if (rc == EBM_OK)
        rc = watch_on_screen(w, &err);
    watch_data_fini(&w->data);
    if (rc != EBM_OK)
        return call_fail(&err);
    return w->signal != 0 ? watch_die(w->signal) : w->code;
}

static enum ebm_status take_options(const struct call *c, struct watch *w, struct ebm_error *err)
{
    const char *rules = args_value(&c->args, "exit");

    if (args_has(&c->args, "ascii"))
        w->term.unicode = false;
    if (rules != NULL && args_has(&c->args, "once"))
        return ebm_fail(err, EBM_EINVAL, "option '--exit' is of no use with '--once'");
    return rules != NULL ? watch_exit_parse(rules, &w->rules, err) : EBM_OK;
}

int command_watch(struct call *c)
{
    struct watch w = {.call = c, .term = c->term};
    struct ebm_error err;
    enum way way = c->term.tty ? WAY_SCREEN : WAY_LINES;

    if (take_options(c, &w, &err) != EBM_OK)
        return call_fail_usage(c, &err);
    w.given = calloc(c->args.words + 1, sizeof *w.given);
    if (w.given == NULL)
        return call_done(false);
    for (size_t i = 0; i < c->args.words; i++)
        if (!is_known(w.given, w.given_count, args_job(&c->args, i)))
            w.given[w.given_count++] = args_job(&c->args, i);
    int code = watch(&w, args_has(&c->args, "once") ? WAY_ONCE : way, stdout);
    free(w.given);
    return code;
}

int watch_follow(struct call *c, uint64_t job)
{
    struct watch w = {.call = c, .term = c->term, .given = &job, .given_count = 1};

    /* What was asked for as JSON or CSV stays alone on stdout. */
    if (c->format != FORMAT_TABLE)
        return watch(&w, WAY_LINES, stderr);
    return watch(&w, c->term.tty ? WAY_SCREEN : WAY_LINES, stdout);
}
