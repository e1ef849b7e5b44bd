/* pause, resume, cancel, kill, hold, release: the verb is the command. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"

/* What is said when ebmd agreed; the job may still be on its way. */
static const struct {
    const char *verb, *said;
} verbs[] = {
    {"pause", "pauses after a checkpoint"},
    {"resume", "goes on"},
    {"cancel", "stops for good after a checkpoint"},
    {"kill", "is killed"},
    {"hold", "is held"},
    {"release", "is released"},
};

static const char *what_is_said(const char *verb)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].verb, verb) == 0)
            return verbs[i].said;
    return verb;
}

static enum ebm_status change(struct call *c, uint64_t job, struct ebm_error *err)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Change m = EBM__CHANGE__INIT;
    struct answer a;

    m.job = job;
    m.verb = (char *)c->args.command->name;
    r.body_case = EBM__REQUEST__BODY_CHANGE;
    r.change = &m;
    enum ebm_status rc = call_ask(c, &r, &a, err);
    if (rc == EBM_OK && a.reply->n_jobs == 1 && a.reply->jobs[0]->reason[0] != '\0')
        printf("job %" PRIu64 " %s (%s: %s)\n", job, what_is_said(m.verb), a.reply->jobs[0]->state,
               a.reply->jobs[0]->reason);
    else if (rc == EBM_OK)
        printf("job %" PRIu64 " %s\n", job, what_is_said(m.verb));
    answer_fini(&a);
    return rc;
}

/* Every job is tried; the first failure is the exit code. */
int command_change(struct call *c)
{
    struct ebm_error err;
    int code = CODE_OK;

    for (size_t i = 0; i < c->args.words; i++) {
        if (change(c, args_job(&c->args, i), &err) == EBM_OK)
            continue;
        int failed = call_fail(&err);
        code = code == CODE_OK ? failed : code;
        if (failed == CODE_UNREACHABLE)
            break;
    }
    return code;
}
