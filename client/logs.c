/* logs: what the workers wrote, as it stands or as it grows. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fsio.h"
#include "commands.h"

enum { PIECE_BYTES = 256 * 1024, POLL_MS = 300, RANKS_MOST = 4096 };

struct reading {
    Ebm__Logs ask;
    bool follow, any_attempt; /* any: goes over to the next attempt */
    bool ended;               /* this attempt's log will not grow */
    bool idle;                /* nothing came */
};

static enum ebm_status read_piece(struct call *c, struct reading *r, struct ebm_error *err)
{
    Ebm__Request request = EBM__REQUEST__INIT;
    struct answer a;

    request.body_case = EBM__REQUEST__BODY_LOGS;
    request.logs = &r->ask;
    enum ebm_status rc = call_ask(c, &request, &a, err);
    if (rc == EBM_OK) {
        if (a.bulk.size > 0)
            rc = fsio_write_all(STDOUT_FILENO, a.bulk.data, a.bulk.size, "stdout", err);
        r->ask.offset += a.bulk.size;
        r->idle = a.bulk.size == 0;
        r->ended = a.reply->end;
        if (a.reply->attempt != 0)
            r->ask.attempt = a.reply->attempt;
    }
    answer_fini(&a);
    return rc;
}

/* The attempt is over: on to a newer one, or *done when the job is final. */
static enum ebm_status go_on(struct call *c, struct reading *r, bool *done, struct ebm_error *err)
{
    struct answer a;
    enum ebm_status rc = call_show(c, r->ask.job, &a, err);

    if (rc == EBM_OK) {
        const Ebm__Job *j = a.reply->jobs[0];
        if (r->any_attempt && j->attempt > r->ask.attempt) {
            r->ask.attempt++;
            r->ask.offset = 0;
            fprintf(stderr, "--- attempt %u ---\n", r->ask.attempt);
        } else {
            *done = !r->any_attempt || job_state_is_final(job_state_from_name(j->state));
        }
    }
    answer_fini(&a);
    return rc;
}

static enum ebm_status read_all(struct call *c, struct reading *r, struct ebm_error *err)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    bool done = false;

    while (!done) {
        enum ebm_status rc = read_piece(c, r, err);
        /* A job that was not started yet has no log yet. */
        bool not_yet = rc == EBM_ENOTFOUND && r->follow && r->ask.attempt == 0;
        if (rc != EBM_OK && !(not_yet && call_show(c, r->ask.job, &(struct answer){0}, err) == EBM_OK))
            return rc;
        if (!not_yet && !r->idle)
            continue;
        if (!r->follow)
            return EBM_OK;
        if (r->ended && go_on(c, r, &done, err) != EBM_OK)
            return err->code;
        if (!done)
            nanosleep(&pause, NULL);
    }
    return EBM_OK;
}

int command_logs(struct call *c)
{
    struct reading r = {.ask = EBM__LOGS__INIT};
    struct ebm_error err;
    int64_t rank, attempt;
    enum ebm_status rc = args_whole(&c->args, "rank", 0, RANKS_MOST, -1, &rank, &err);

    if (rc == EBM_OK)
        rc = args_whole(&c->args, "attempt", 1, UINT32_MAX, 0, &attempt, &err);
    if (rc != EBM_OK)
        return call_fail_usage(c, &err);
    r.ask.job = args_job(&c->args, 0);
    r.ask.rank = (int32_t)rank;
    r.ask.attempt = (uint32_t)attempt;
    r.ask.limit = PIECE_BYTES;
    r.follow = args_has(&c->args, "follow");
    r.any_attempt = attempt == 0;
    rc = read_all(c, &r, &err);
    return rc == EBM_OK ? CODE_OK : call_fail(&err);
}
