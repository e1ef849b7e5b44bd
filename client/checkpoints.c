/* checkpoints, pin, unpin. */
#include <inttypes.h>
#include <stdio.h>

#include "columns.h"
#include "commands.h"

int command_checkpoints(struct call *c)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Checkpoints m = EBM__CHECKPOINTS__INIT;
    struct answer a;
    struct ebm_error err;
    int code;

    m.job = args_job(&c->args, 0);
    r.body_case = EBM__REQUEST__BODY_CHECKPOINTS;
    r.checkpoints = &m;
    if (call_ask(c, &r, &a, &err) != EBM_OK) {
        code = call_fail(&err);
    } else if (a.reply->n_checkpoints == 0 && c->format == FORMAT_TABLE) {
        printf("job %" PRIu64 " has no checkpoint yet\n", m.job);
        code = CODE_OK;
    } else {
        code = call_done(record_list(checkpoint_columns, checkpoint_column_count,
                                     (const void *const *)a.reply->checkpoints,
                                     a.reply->n_checkpoints, c->format, &c->term, stdout));
    }
    answer_fini(&a);
    return code;
}

static enum ebm_status pin(struct call *c, const char *word, bool pinned, struct ebm_error *err)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Pin m = EBM__PIN__INIT;
    struct answer a = {0};

    if (!args_number(word, 'c', &m.checkpoint))
        return ebm_fail(err, EBM_EINVAL, "'%.40s' is not a checkpoint, as c7", word);
    m.pinned = pinned;
    r.body_case = EBM__REQUEST__BODY_PIN;
    r.pin = &m;
    enum ebm_status rc = call_ask(c, &r, &a, err);
    if (rc == EBM_OK)
        printf("checkpoint c%" PRIu64 " is %s\n", m.checkpoint, pinned ? "pinned" : "not pinned");
    answer_fini(&a);
    return rc;
}

static int pin_all(struct call *c, bool pinned)
{
    struct ebm_error err;

    for (size_t i = 0; i < c->args.words; i++)
        if (pin(c, c->args.word[i], pinned, &err) != EBM_OK)
            return call_fail(&err);
    return CODE_OK;
}

int command_pin(struct call *c)
{
    return pin_all(c, true);
}

int command_unpin(struct call *c)
{
    return pin_all(c, false);
}
