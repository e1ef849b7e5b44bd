/* history, events. */
#include <inttypes.h>
#include <stdio.h>

#include "columns.h"
#include "commands.h"

enum { EVENTS_STANDARD = 1000, EVENTS_MOST = WIRE_ROWS_MAX };

int command_history(struct call *c)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__History m = EBM__HISTORY__INIT;
    struct answer a;
    struct ebm_error err;
    int code;

    m.job = args_job(&c->args, 0);
    r.body_case = EBM__REQUEST__BODY_HISTORY;
    r.history = &m;
    if (call_ask(c, &r, &a, &err) != EBM_OK) {
        code = call_fail(&err);
    } else if (a.reply->n_attempts == 0 && c->format == FORMAT_TABLE) {
        printf("job %" PRIu64 " has not been started yet\n", m.job);
        code = CODE_OK;
    } else {
        code = call_done(record_list(attempt_columns, attempt_column_count,
                                     (const void *const *)a.reply->attempts, a.reply->n_attempts,
                                     c->format, &c->term, stdout));
    }
    answer_fini(&a);
    return code;
}

int command_events(struct call *c)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__Events m = EBM__EVENTS__INIT;
    struct answer a;
    struct ebm_error err;
    int64_t limit;

    if (args_whole(&c->args, "limit", 1, EVENTS_MOST, EVENTS_STANDARD, &limit, &err) != EBM_OK)
        return call_fail_usage(c, &err);
    m.job = c->args.words > 0 ? args_job(&c->args, 0) : 0;
    m.limit = (uint32_t)limit;
    m.newest = true;
    r.body_case = EBM__REQUEST__BODY_EVENTS;
    r.events = &m;
    int code = call_ask(c, &r, &a, &err) != EBM_OK
                   ? call_fail(&err)
                   : call_done(record_list(event_columns, event_column_count,
                                           (const void *const *)a.reply->events, a.reply->n_events,
                                           c->format, &c->term, stdout));
    answer_fini(&a);
    return code;
}
