/* wait. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "commands.h"

enum {
    POLL_MS = 500,
    AWAY_MS = 60000,
    ANSWER_LEAST_MS = 1000, /* for an answer, however short the time that is left */
    ANSWER_MOST_MS = 10000
};

/* What is known of a job. */
struct known {
    bool ended, told_paused;
};

struct waiting {
    int64_t deadline_ms; /* monotonic; INT64_MAX: none */
    int64_t heard_ms;    /* of the last answer */
    struct known *job;   /* one of each */
};

/* A fraction of a second is allowed. */
static enum ebm_status take_timeout(const struct args *a, struct waiting *w, struct ebm_error *err)
{
    const char *text = args_value(a, "timeout");
    char *end;

    w->deadline_ms = INT64_MAX;
    if (text == NULL)
        return EBM_OK;
    double s = strtod(text, &end);
    if (end == text || *end != '\0' || !(s >= 0) || s > 1e9)
        return ebm_fail(err, EBM_EINVAL, "option '--timeout' needs seconds, not '%.40s'", text);
    w->deadline_ms = clock_mono_ms() + (int64_t)(s * 1000);
    return EBM_OK;
}

static void tell_end(const Ebm__Job *j)
{
    printf("job %" PRIu64 " %s at step %" PRIu64 "%s%s\n", j->job, j->state, j->step,
           j->reason[0] != '\0' ? ": " : "", j->reason);
    fflush(stdout);
}

static int64_t left_ms(const struct waiting *w)
{
    return w->deadline_ms == INT64_MAX ? INT64_MAX : w->deadline_ms - clock_mono_ms();
}

/* An ebmd that is away does not make the wait longer than was asked for. */
static void limit_answer(struct call *c, const struct waiting *w)
{
    int64_t left = left_ms(w);

    left = left < ANSWER_MOST_MS ? left : ANSWER_MOST_MS;
    session_set_deadline(c->session, left > ANSWER_LEAST_MS ? (int)left : ANSWER_LEAST_MS);
}

/* EBM_ETIMEOUT: not final yet. *code is set when it is. */
static enum ebm_status look(struct call *c, struct waiting *w, size_t i, int *code,
                            struct ebm_error *err)
{
    struct answer a;

    limit_answer(c, w);
    enum ebm_status rc = call_show(c, args_job(&c->args, i), &a, err);
    if (rc == EBM_OK) {
        const Ebm__Job *j = a.reply->jobs[0];
        enum job_state state = job_state_from_name(j->state);
        w->heard_ms = clock_mono_ms();
        if (state == JOB_PAUSED && !w->job[i].told_paused)
            fprintf(stderr, "job %" PRIu64 " is paused: %s\n", j->job, j->reason);
        w->job[i].told_paused = state == JOB_PAUSED;
        if (job_state_is_final(state)) {
            tell_end(j);
            *code = exit_worse(*code, exit_of_state(state));
        } else {
            rc = EBM_ETIMEOUT;
        }
    }
    /* ebmd may be restarted meanwhile: that ends no job. */
    if (rc == EBM_EUNREACHABLE && w->heard_ms != 0 && clock_mono_ms() - w->heard_ms < AWAY_MS)
        rc = EBM_ETIMEOUT;
    answer_fini(&a);
    return rc;
}

/* Sleeps until something happens, or for a poll's time. */
static void sleep_a_little(struct call *c, const struct waiting *w)
{
    struct link_poll items[2];
    int64_t left = left_ms(w);

    if (left <= 0)
        return;
    size_t n = session_poll_items(c->session, items);
    link_wait(items, n, left < POLL_MS ? (int)left : POLL_MS, NULL);
    session_drain_events(c->session);
}

/* One that is not there is told of before anybody waits for the others. */
static enum ebm_status find_all(struct call *c, struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    for (size_t i = 0; rc == EBM_OK && i < c->args.words; i++) {
        struct answer a;
        rc = call_show(c, args_job(&c->args, i), &a, err);
        answer_fini(&a);
    }
    return rc;
}

/* To the events of the jobs, so that an end is seen at once. */
static enum ebm_status listen(struct call *c, struct ebm_error *err)
{
    enum ebm_status rc = call_connect(c, err);

    for (size_t i = 0; rc == EBM_OK && i < c->args.words; i++)
        rc = session_subscribe(c->session, args_job(&c->args, i), err);
    return rc;
}

/* At all that have not ended: how many still have not. */
static enum ebm_status look_at_all(struct call *c, struct waiting *w, size_t *open, int *code,
                                   struct ebm_error *err)
{
    for (size_t i = 0; i < c->args.words; i++) {
        if (w->job[i].ended)
            continue;
        enum ebm_status rc = look(c, w, i, code, err);
        w->job[i].ended = rc == EBM_OK;
        if (rc != EBM_OK && rc != EBM_ETIMEOUT)
            return rc;
        *open += rc == EBM_ETIMEOUT;
    }
    return EBM_OK;
}

static void tell_late(const struct call *c, const struct waiting *w)
{
    for (size_t i = 0; i < c->args.words; i++)
        if (!w->job[i].ended)
            fprintf(stderr, "ebmctl: job %s has not ended in time\n", c->args.word[i]);
}

static int wait_all(struct call *c, struct waiting *w)
{
    struct ebm_error err;
    int code = CODE_OK;
    enum ebm_status rc = listen(c, &err);

    if (rc == EBM_OK && c->args.words > 1)
        rc = find_all(c, &err);
    if (rc != EBM_OK)
        return call_fail(&err);
    for (;;) {
        size_t open = 0;
        rc = look_at_all(c, w, &open, &code, &err);
        if (rc != EBM_OK)
            return call_fail(&err);
        if (open == 0)
            return code;
        if (clock_mono_ms() >= w->deadline_ms) {
            tell_late(c, w);
            return CODE_TIMEOUT;
        }
        sleep_a_little(c, w);
    }
}

int command_wait(struct call *c)
{
    struct waiting w = {0};
    struct ebm_error err;

    if (take_timeout(&c->args, &w, &err) != EBM_OK)
        return call_fail_usage(c, &err);
    w.job = calloc(c->args.words, sizeof *w.job);
    if (w.job == NULL)
        return call_done(false);
    int code = wait_all(c, &w);
    free(w.job);
    return code;
}
