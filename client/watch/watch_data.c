#include "watch/watch_data.h"

#include <stdlib.h>
#include <string.h>

#include "watch/watch_ask.h"

enum {
    LOST_MS = 2000,      /* a question without an answer is asked again after this */
    LOST_MOST_MS = 4000, /* and after this when ebmd has been away for long */
    HINT_MS = 100,       /* an event does not make us ask more often than this */
    REFUSED_MS = 1000,   /* what ebmd refused is asked again after this at the soonest */
    WAIT_MOST_MS = 1000
};

static const struct watch_kind *const kinds[ASK_COUNT] = {
    [ASK_JOBS] = &watch_kind_jobs,
    [ASK_METRICS] = &watch_kind_metrics,
    [ASK_CHECKPOINTS] = &watch_kind_checkpoints,
    [ASK_EVENTS] = &watch_kind_events,
};

void watch_data_init(struct watch_data *d, struct session *session, const uint64_t *given,
                     size_t count)
{
    memset(d, 0, sizeof *d);
    d->session = session;
    d->given = given;
    d->given_count = count;
    watch_round_begin(d);
}

void watch_data_fini(struct watch_data *d)
{
    watch_jobs_fini(&d->jobs);
    free(d->visible);
    free(d->checkpoint);
    memset(d, 0, sizeof *d);
}

static bool any_under_way(const struct watch_data *d)
{
    for (size_t i = 0; i < ASK_COUNT; i++)
        if (d->slot[i].id != 0)
            return true;
    return false;
}

/* ---- what is on the screen ---- */

/* A question that is under way is of another screen: its answer is dropped by
 * its kind, and asks again. */
static void ask_now(struct watch_slot *slot)
{
    slot->answered = false;
    slot->due_ms = 0;
}

void watch_data_set_detail(struct watch_data *d, uint64_t job)
{
    if (d->detail == job)
        return;
    d->detail = job;
    d->checkpoints = 0;
    d->events = 0;
    ask_now(&d->slot[ASK_METRICS]);
    ask_now(&d->slot[ASK_CHECKPOINTS]);
    ask_now(&d->slot[ASK_EVENTS]);
}

void watch_data_set_visible(struct watch_data *d, const uint64_t *jobs, size_t n)
{
    if (n == d->visible_count && (n == 0 || memcmp(jobs, d->visible, n * sizeof *jobs) == 0))
        return;
    uint64_t *copy = malloc((n + 1) * sizeof *copy);
    if (copy == NULL)
        return; /* trends stay as they are */
    if (n > 0)
        memcpy(copy, jobs, n * sizeof *copy);
    free(d->visible);
    d->visible = copy;
    d->visible_count = n;
    d->visible_at = 0;
    ask_now(&d->slot[ASK_METRICS]);
}

/* ---- answers ---- */

/* Rows that did not come leave a gap: all of them are loaded anew. */
static void forget_rows(struct watch_data *d, uint64_t job)
{
    struct watch_job *j = watch_jobs_find(&d->jobs, job);

    if (j != NULL)
        j->rows.attempt = 0;
}

static void note_heard(struct watch_data *d, int64_t now_ms)
{
    d->waiting_ms = any_under_way(d) ? now_ms : 0;
}

/* EBM_OK: goes on in spite of it. */
static enum ebm_status take_refusal(struct watch_data *d, enum watch_ask kind,
                                    const Ebm__Reply *reply, int64_t now_ms, struct ebm_error *err)
{
    struct watch_slot *slot = &d->slot[kind];
    enum ebm_status status =
        reply->status < EBM_STATUS_COUNT ? (enum ebm_status)reply->status : EBM_EINTERNAL;

    slot->due_ms =
        now_ms + (kinds[kind]->every_ms > REFUSED_MS ? kinds[kind]->every_ms : REFUSED_MS);
    if (kind == ASK_METRICS)
        forget_rows(d, slot->job);
    if (status == EBM_ENOTFOUND && kind == ASK_JOBS && watch_round_skip(d, slot, now_ms))
        return EBM_OK;
    if (status == EBM_EAUTH || (status == EBM_ENOTFOUND && kind == ASK_JOBS))
        return ebm_fail(err, status, "%s", reply->error);
    d->troubled = kind;
    strncpy(d->trouble, reply->error[0] != '\0' ? reply->error : ebm_status_name(status),
            sizeof d->trouble - 1);
    return EBM_OK;
}

static enum ebm_status take_answer(struct watch_data *d, const Ebm__Reply *reply, int64_t now_ms,
                                   struct ebm_error *err)
{
    unsigned kind = 0;

    while (kind < ASK_COUNT && d->slot[kind].id != reply->id)
        kind++;
    if (kind < ASK_COUNT)
        d->slot[kind].id = 0;
    note_heard(d, now_ms);
    if (kind == ASK_COUNT || reply->id == 0)
        return EBM_OK; /* to a question that was given up */
    d->slot[kind].answered = true;
    if (reply->status != EBM_OK)
        return take_refusal(d, (enum watch_ask)kind, reply, now_ms, err);
    if (d->troubled == (enum watch_ask)kind)
        d->trouble[0] = '\0';
    if (!kinds[kind]->take(d, &d->slot[kind], reply, now_ms))
        return ebm_fail(err, EBM_ENOMEM, "out of memory");
    if (kind == ASK_JOBS && watch_rows_are_missing(d))
        d->slot[ASK_METRICS].due_ms = now_ms;
    return EBM_OK;
}

static enum ebm_status take_answers(struct watch_data *d, int64_t now_ms, bool *changed,
                                    struct ebm_error *err)
{
    for (;;) {
        struct answer a;
        enum ebm_status rc = session_take(d->session, &a, err);
        if (rc == EBM_OK) {
            *changed = true;
            rc = take_answer(d, a.reply, now_ms, err);
        }
        answer_fini(&a);
        if (rc != EBM_OK)
            return rc == EBM_ETIMEOUT ? EBM_OK : rc;
    }
}

/* ---- questions ---- */

int64_t watch_data_silence_ms(const struct watch_data *d, int64_t now_ms)
{
    return d->waiting_ms != 0 ? now_ms - d->waiting_ms : 0;
}

static int64_t lost_after_ms(const struct watch_data *d, int64_t now_ms)
{
    int64_t ms = watch_data_silence_ms(d, now_ms) / 2;

    return ms < LOST_MS ? LOST_MS : ms < LOST_MOST_MS ? ms : LOST_MOST_MS;
}

static void give_up_lost(struct watch_data *d, int64_t now_ms)
{
    int64_t lost = lost_after_ms(d, now_ms);

    for (size_t i = 0; i < ASK_COUNT; i++) {
        struct watch_slot *slot = &d->slot[i];
        if (slot->id == 0 || now_ms - slot->sent_ms < lost)
            continue;
        slot->id = 0;
        slot->due_ms = now_ms;
        if (i == ASK_METRICS)
            forget_rows(d, slot->job);
    }
}

static enum ebm_status ask(struct watch_data *d, enum watch_ask kind, int64_t now_ms,
                           struct ebm_error *err)
{
    struct watch_slot *slot = &d->slot[kind];
    struct watch_question q = {.request = EBM__REQUEST__INIT};

    slot->job = 0;
    if (!kinds[kind]->make(d, slot, now_ms, &q)) {
        slot->due_ms = now_ms + kinds[kind]->every_ms;
        slot->answered = true;
        return EBM_OK;
    }
    enum ebm_status rc = session_post(d->session, &q.request, err);
    slot->sent_ms = now_ms;
    if (d->waiting_ms == 0)
        d->waiting_ms = now_ms;
    /* A line that is full of what nobody took: later. */
    if (rc == EBM_EUNREACHABLE) {
        slot->due_ms = now_ms + LOST_MOST_MS;
        return EBM_OK;
    }
    slot->id = q.request.id;
    return rc;
}

/* When ebmd is away one kind of question is enough to see it come back. */
static bool may_ask(const struct watch_data *d, enum watch_ask kind, int64_t now_ms)
{
    return d->slot[kind].id == 0 &&
           (kind == ASK_JOBS || watch_data_silence_ms(d, now_ms) < LOST_MS);
}

static void hurry(struct watch_data *d, int64_t now_ms)
{
    for (size_t i = 0; i < ASK_COUNT; i++) {
        struct watch_slot *slot = &d->slot[i];
        int64_t soon = slot->sent_ms + HINT_MS > now_ms ? slot->sent_ms + HINT_MS : now_ms;
        if (slot->due_ms > soon)
            slot->due_ms = soon;
    }
}

enum ebm_status watch_data_step(struct watch_data *d, int64_t now_ms, bool *changed,
                                struct ebm_error *err)
{
    *changed = false;
    if (session_drain_events(d->session))
        hurry(d, now_ms);
    enum ebm_status rc = take_answers(d, now_ms, changed, err);
    give_up_lost(d, now_ms);
    for (unsigned kind = 0; rc == EBM_OK && kind < ASK_COUNT; kind++)
        if (may_ask(d, (enum watch_ask)kind, now_ms) && d->slot[kind].due_ms <= now_ms)
            rc = ask(d, (enum watch_ask)kind, now_ms, err);
    return rc;
}

int64_t watch_data_wait_ms(const struct watch_data *d, int64_t now_ms)
{
    int64_t wait = WAIT_MOST_MS;

    for (unsigned kind = 0; kind < ASK_COUNT; kind++) {
        const struct watch_slot *slot = &d->slot[kind];
        int64_t next = slot->id != 0 ? slot->sent_ms + lost_after_ms(d, now_ms) : slot->due_ms;
        if ((slot->id != 0 || may_ask(d, (enum watch_ask)kind, now_ms)) && next - now_ms < wait)
            wait = next - now_ms;
    }
    return wait > 0 ? wait : 0;
}

bool watch_data_is_settled(const struct watch_data *d, int64_t now_ms)
{
    for (size_t i = 0; i < ASK_COUNT; i++)
        if (!d->slot[i].answered || d->slot[i].id != 0 || d->slot[i].due_ms <= now_ms)
            return false;
    bool refused = d->trouble[0] != '\0' && d->troubled == ASK_METRICS;
    return d->complete && (refused || !watch_rows_are_missing(d));
}
