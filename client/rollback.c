/* rollback, fork. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "columns.h"
#include "commands.h"

/* "job 1: stops attempt 2 at step 830; goes back to checkpoint c7 (step 400,
 * healthy); optimizer.lr=5e-05; 430 steps are abandoned, kept in history".
 * A checkpoint of an abandoned stretch may lie ahead of the job. */
static void describe(const Ebm__Plan *p, bool dry_run, struct buf *out)
{
    char name[HUMAN_MAX];

    buf_printf(out, "job %" PRIu64 ": ", p->job);
    if (p->stops_attempt != 0)
        buf_printf(out, "stops attempt %u at step %" PRIu64 "; ", p->stops_attempt, p->at_step);
    if (p->checkpoint == 0)
        buf_puts(out, "begins again from scratch");
    else
        buf_printf(out, "goes %s to checkpoint %s (step %" PRIu64 ", %s)",
                   p->step <= p->at_step ? "back" : "ahead",
                   columns_checkpoint_name(p->checkpoint, name), p->step, p->health);
    if (p->overrides[0] != '\0')
        buf_printf(out, "; %s", p->overrides);
    if (p->abandons_steps > 0)
        buf_printf(out, "; %" PRIu64 " steps are abandoned, kept in history", p->abandons_steps);
    buf_puts(out, "\n");
    if (p->why[0] != '\0')
        buf_printf(out, "chosen: %s\n", p->why);
    if (p->in_force[0] != '\0')
        buf_printf(out, "still in force from the last recovery: %s\n", p->in_force);
    if (dry_run)
        buf_puts(out, "nothing was done (dry run)\n");
}

static int print_plan(const struct call *c, const Ebm__Reply *reply, bool dry_run)
{
    struct buf text;

    if (reply->plan == NULL)
        return CODE_OK;
    if (c->format != FORMAT_TABLE)
        return call_done(
            record_one(plan_columns, plan_column_count, reply->plan, c->format, &c->term, stdout));
    buf_init(&text);
    describe(reply->plan, dry_run, &text);
    fputs(buf_text(&text), stdout);
    bool ok = buf_ok(&text);
    buf_fini(&text);
    return call_done(ok);
}

/* An override that is wrong comes as a problem of the spec. */
static int fail_overrides(const struct answer *a, const struct ebm_error *err)
{
    int code = exit_of_status(err->code);

    if (a->reply == NULL || a->reply->n_problem == 0)
        return call_fail(err);
    fflush(stdout);
    for (size_t i = 0; i < a->reply->n_problem; i++)
        fprintf(stderr, "ebmctl: %s\n", a->reply->problem[i]->text);
    return code;
}

/* The text of an option that names a checkpoint; "" is no name. */
static enum ebm_status take_place(const struct args *a, const char *name, const char **out,
                                  struct ebm_error *err)
{
    const char *value = args_value(a, name);

    *out = value != NULL ? value : "";
    if (value == NULL || value[0] != '\0')
        return EBM_OK;
    return ebm_fail(err, EBM_EINVAL,
                    "option '--%s' names nothing: give a checkpoint, as c7, or leave it out", name);
}

int command_rollback(struct call *c)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Rollback m = EBM__ROLLBACK__INIT;
    struct answer a;
    struct ebm_error err;
    const char *to;

    if (take_place(&c->args, "to", &to, &err) != EBM_OK)
        return call_fail_usage(c, &err);
    const char **sets = args_values(&c->args, "set", &m.n_set);
    if (sets == NULL)
        return call_done(false);
    m.job = args_job(&c->args, 0);
    m.to = (char *)to;
    m.set = (char **)sets;
    m.dry_run = args_has(&c->args, "dry-run");
    r.body_case = EBM__REQUEST__BODY_ROLLBACK;
    r.rollback = &m;
    int code = call_ask(c, &r, &a, &err) != EBM_OK ? fail_overrides(&a, &err)
                                                   : print_plan(c, a.reply, m.dry_run);
    answer_fini(&a);
    free(sets);
    return code;
}

int command_fork(struct call *c)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Fork m = EBM__FORK__INIT;
    struct answer a;
    struct ebm_error err;
    char text[120];
    const char *at;
    int code = CODE_OK;

    if (take_place(&c->args, "at", &at, &err) != EBM_OK)
        return call_fail_usage(c, &err);
    const char **sets = args_values(&c->args, "set", &m.n_set);
    if (sets == NULL)
        return call_done(false);
    m.job = args_job(&c->args, 0);
    m.at = (char *)at;
    m.set = (char **)sets;
    m.hold = args_has(&c->args, "hold");
    r.body_case = EBM__REQUEST__BODY_FORK;
    r.fork = &m;
    if (call_ask(c, &r, &a, &err) != EBM_OK) {
        code = fail_overrides(&a, &err);
    } else {
        snprintf(text, sizeof text, "job %" PRIu64 " submitted: a fork of job %" PRIu64,
                 a.reply->job, m.job);
        call_print_job(c, a.reply->job, text);
    }
    answer_fini(&a);
    free(sets);
    return code;
}
