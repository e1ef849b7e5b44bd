#include "call.h"

#include <inttypes.h>
#include <stdio.h>

#include "home/lock.h"
#include "reach.h"

/* When nobody serves this home any more: a request that ebmd took with it is
 * answered by the next one, under its key. */
static void revive(void *arg)
{
    struct call *c = arg;
    struct ebm_error none;

    if (lock_holder(&c->home) == 0 && !reach_listens(&c->home))
        reach_daemon(&c->home, &none);
}

enum ebm_status call_connect(struct call *c, struct ebm_error *err)
{
    if (c->session != NULL)
        return EBM_OK;
    enum ebm_status rc = home_locate(&c->home, err);
    if (rc == EBM_OK)
        rc = reach_daemon(&c->home, err);
    if (rc != EBM_OK)
        return rc;
    const struct session_config config = {
        .control = c->home.control, .events = c->home.events, .revive = revive, .revive_arg = c};
    return session_open(&config, &c->session, err);
}

enum ebm_status call_ask(struct call *c, Ebm__Request *request, struct answer *out,
                         struct ebm_error *err)
{
    char name[HOME_PATH_MAX];

    *out = (struct answer){0};
    enum ebm_status rc = call_connect(c, err);
    if (rc != EBM_OK)
        return rc;
    rc = session_call(c->session, request, out, err);
    if (rc == EBM_EUNREACHABLE && out->reply == NULL)
        ebm_fail(err, rc, "ebmd of %.300s does not answer (see ebmctl daemon status)",
                 reach_home_name(&c->home, name, sizeof name));
    return rc;
}

int call_fail(const struct ebm_error *err)
{
    fflush(stdout);
    fprintf(stderr, "ebmctl: %s\n", err->text);
    return exit_of_status(err->code);
}

int call_fail_usage(const struct call *c, const struct ebm_error *err)
{
    struct buf usage;

    buf_init(&usage);
    args_usage(c->args.command, &usage);
    fflush(stdout);
    fprintf(stderr, "ebmctl %s: %s\n%s", c->args.command->name, err->text, buf_text(&usage));
    buf_fini(&usage);
    return CODE_USAGE;
}

int call_done(bool printed)
{
    if (printed)
        return CODE_OK;
    fputs("ebmctl: out of memory\n", stderr);
    return CODE_REFUSED;
}

enum ebm_status call_show(struct call *c, uint64_t job, struct answer *out, struct ebm_error *err)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Show show = EBM__SHOW__INIT;

    show.job = job;
    r.body_case = EBM__REQUEST__BODY_SHOW;
    r.show = &show;
    enum ebm_status rc = call_ask(c, &r, out, err);
    if (rc == EBM_OK && out->reply->n_jobs != 1)
        return ebm_fail(err, EBM_EPROTO, "ebmd told of %zu jobs instead of job %llu",
                        out->reply->n_jobs, (unsigned long long)job);
    return rc;
}

void call_print_job(const struct call *c, uint64_t job, const char *text)
{
    char number[HUMAN_MAX] = "";

    if (job != 0)
        snprintf(number, sizeof number, "%" PRIu64, job);
    if (c->format == FORMAT_TABLE)
        puts(text);
    else if (c->format == FORMAT_CSV)
        printf("job\n%s\n", number);
    else
        printf("{\"job\": %s}\n", job != 0 ? number : "null");
}
