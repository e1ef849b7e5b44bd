/* logs: what the workers wrote, as it stands or as it grows. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsio.h"
#include "commands.h"

enum { PIECE_BYTES = 256 * 1024, POLL_MS = 300, RANKS_MOST = 4096, AWAY_MS = 60000 };

struct reading {
    Ebm__Logs ask;
    bool follow, any_attempt; /* any: goes over to the next attempt */
    bool ended;               /* this attempt's log will not grow */
    bool idle;                /* nothing came */
    int64_t heard_ms;         /* monotonic, of the last answer */
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
        r->heard_ms = clock_mono_ms();
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

/* Whether to go on in spite of a failure: a job that was not started yet has
 * no log yet, and ebmd may be restarted while we follow. */
static bool is_passing(struct call *c, const struct reading *r, enum ebm_status rc,
                       struct ebm_error *err)
{
    struct answer a;

    if (!r->follow)
        return false;
    if (rc == EBM_EUNREACHABLE)
        return r->ask.attempt != 0 && clock_mono_ms() - r->heard_ms < AWAY_MS;
    if (rc != EBM_ENOTFOUND || r->ask.attempt != 0)
        return false;
    rc = call_show(c, r->ask.job, &a, err);
    bool waits = rc == EBM_OK && !job_state_is_final(job_state_from_name(a.reply->jobs[0]->state));
    answer_fini(&a);
    return waits;
}

static enum ebm_status read_all(struct call *c, struct reading *r, struct ebm_error *err)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    bool done = false;

    while (!done) {
        enum ebm_status rc = read_piece(c, r, err);
        if (rc != EBM_OK && !is_passing(c, r, rc, err))
            return err->code;
        if (rc == EBM_OK && !r->idle)
            continue;
        if (!r->follow)
            return EBM_OK;
        if (rc == EBM_OK && r->ended)
            rc = go_on(c, r, &done, err);
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
