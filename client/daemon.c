/* daemon start|stop|status, and status. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "columns.h"
#include "commands.h"
#include "home/lock.h"
#include "suggest.h"

enum { STOP_MS = 10000, POLL_MS = 20 };

static int print_status(struct call *c)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Status m = EBM__STATUS__INIT;
    struct answer a;
    struct ebm_error err;
    int code;

    r.body_case = EBM__REQUEST__BODY_STATUS;
    r.status = &m;
    enum ebm_status rc = call_ask(c, &r, &a, &err);
    if (rc == EBM_OK && a.reply->daemon == NULL)
        rc = ebm_fail(&err, EBM_EPROTO, "ebmd told nothing of itself");
    code = rc != EBM_OK ? call_fail(&err)
                        : call_done(record_one(daemon_columns, daemon_column_count, a.reply->daemon,
                                               c->format, &c->term, stdout));
    answer_fini(&a);
    return code;
}

int command_status(struct call *c)
{
    return print_status(c);
}

/* These look before they speak, so that none of them starts a daemon by
 * asking it. */
static bool is_up(const struct home *home)
{
    return reach_listens(home) || lock_holder(home) != 0;
}

static int fail_down(const struct call *c)
{
    char name[HOME_PATH_MAX];

    fprintf(stderr, "ebmctl: no ebmd serves %s\n", reach_home_name(&c->home, name, sizeof name));
    return CODE_UNREACHABLE;
}

static int start(struct call *c)
{
    char name[HOME_PATH_MAX];
    struct ebm_error err;

    reach_home_name(&c->home, name, sizeof name);
    if (is_up(&c->home)) {
        printf("ebmd serves %s already\n", name);
        return CODE_OK;
    }
    if (reach_start(&c->home, &err) != EBM_OK)
        return call_fail(&err);
    printf("started ebmd (home %s)\n", name);
    return CODE_OK;
}

static int stop(struct call *c)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Stop m = EBM__STOP__INIT;
    struct answer a;
    struct ebm_error err;
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};

    if (!is_up(&c->home))
        return fail_down(c);
    r.body_case = EBM__REQUEST__BODY_STOP;
    r.stop = &m;
    enum ebm_status rc = call_ask(c, &r, &a, &err);
    answer_fini(&a);
    if (rc != EBM_OK)
        return call_fail(&err);
    int64_t deadline = clock_mono_ms() + STOP_MS;
    while (is_up(&c->home) && clock_mono_ms() < deadline)
        nanosleep(&pause, NULL);
    if (is_up(&c->home)) {
        fputs("ebmctl: ebmd has agreed to stop, but has not yet\n", stderr);
        return CODE_TIMEOUT;
    }
    puts("ebmd has stopped; jobs that run go on");
    return CODE_OK;
}

static int status(struct call *c)
{
    return is_up(&c->home) ? print_status(c) : fail_down(c);
}

int command_daemon(struct call *c)
{
    static const struct {
        const char *word;
        int (*run)(struct call *c);
    } words[] = {{"start", start}, {"stop", stop}, {"status", status}};
    struct ebm_error err;
    struct suggest near;

    if (home_locate(&c->home, &err) != EBM_OK)
        return call_fail(&err);
    suggest_init(&near, c->args.word[0]);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, c->args.word[0]) == 0)
            return words[i].run(c);
        suggest_try(&near, words[i].word);
    }
    ebm_fail(&err, EBM_EINVAL, "'%.40s' is none of start, stop and status%s%s%s", c->args.word[0],
             near.best != NULL ? " (did you mean '" : "", near.best != NULL ? near.best : "",
             near.best != NULL ? "'?)" : "");
    return call_fail_usage(c, &err);
}
