/* Rounds over the jobs: the given ones one by one; or all that are open, then
 * those that ended lately.
 *
 * The list of ended jobs may be long: it is read whole in the first round
 * only, and from the highest known number on in later ones. What was open and
 * was in neither list has ended, and is asked for by its number. */
#include <stdlib.h>

#include "base/clock.h"
#include "watch/watch_ask.h"

enum {
    PAGE = 2000,
    EVERY_MS = 1000,
    REST = 4, /* lists that took long are followed by so many times as long a rest */
    REST_MOST_MS = 10000,
    OVERLAP = 64 /* numbers looked at again: a job may end between two pages of a round */
};

void watch_round_begin(struct watch_data *d)
{
    struct watch_round *r = &d->round;

    r->number++;
    r->under_way = false;
    r->took_ms = 0;
    r->at = 0;
    r->phase = d->given_count > 0 ? PHASE_GIVEN : PHASE_OPEN;
    r->after = 0;
}

static bool ended_long_ago(const struct watch_job *j, int64_t before_ms)
{
    return job_state_is_final(j->state) && j->ended_ms < before_ms;
}

static int64_t recent_ms(void)
{
    return clock_wall_ms() - WATCH_RECENT_MS;
}

static void end_round(struct watch_data *d, struct watch_slot *slot, int64_t now_ms)
{
    int64_t rest = REST * d->round.took_ms;

    d->complete = true;
    if (d->given_count == 0)
        watch_jobs_drop(&d->jobs, ended_long_ago, recent_ms());
    rest = rest < REST_MOST_MS ? rest : REST_MOST_MS;
    slot->due_ms = d->round.began_ms + EVERY_MS;
    if (slot->due_ms < now_ms + rest)
        slot->due_ms = now_ms + rest;
    watch_round_begin(d);
}

/* ---- asking ---- */

/* The names of the states that are final, or of all others. */
static size_t states_of(bool final, char **out)
{
    size_t n = 0;

    for (unsigned s = 0; s < JOB_STATE_COUNT; s++)
        if (job_state_is_final((enum job_state)s) == final)
            out[n++] = (char *)job_state_name((enum job_state)s);
    return n;
}

static void make_list(const struct watch_round *r, struct watch_question *q)
{
    static char *names[2][JOB_STATE_COUNT];
    bool final = r->phase == PHASE_ENDED;
    const Ebm__List empty = EBM__LIST__INIT;

    q->list = empty;
    q->list.after_job = r->after;
    q->list.limit = PAGE;
    q->list.n_state = states_of(final, names[final]);
    q->list.state = names[final];
    q->request.body_case = EBM__REQUEST__BODY_LIST;
    q->request.list = &q->list;
}

static const struct watch_job *find_missed(const struct watch_data *d)
{
    for (size_t i = 0; i < d->jobs.count; i++)
        if (!job_state_is_final(d->jobs.job[i]->state) && d->jobs.job[i]->round != d->round.number)
            return d->jobs.job[i];
    return NULL;
}

static void make_show(uint64_t job, struct watch_question *q)
{
    const Ebm__Show empty = EBM__SHOW__INIT;

    q->show = empty;
    q->show.job = job;
    q->request.body_case = EBM__REQUEST__BODY_SHOW;
    q->request.show = &q->show;
}

static bool make(struct watch_data *d, struct watch_slot *slot, int64_t now_ms,
                 struct watch_question *q)
{
    const struct watch_job *missed = d->round.phase == PHASE_MISSED ? find_missed(d) : NULL;

    if (!d->round.under_way)
        d->round.began_ms = now_ms;
    d->round.under_way = true;
    if (d->round.phase == PHASE_GIVEN || d->round.phase == PHASE_MISSED) {
        slot->job = missed != NULL ? missed->job : d->given[d->round.at];
        make_show(slot->job, q);
    } else {
        make_list(&d->round, q);
    }
    return true;
}

/* ---- what is told ---- */

static bool put(struct watch_data *d, const Ebm__Job *told)
{
    bool ended = job_state_is_final(job_state_from_name(told->state));

    if (told->job > d->highest)
        d->highest = told->job;
    if (d->given_count == 0 && ended && told->ended_ms < recent_ms() &&
        watch_jobs_find(&d->jobs, told->job) == NULL)
        return true;
    struct watch_job *j = watch_jobs_put(&d->jobs, told);
    if (j != NULL)
        j->round = d->round.number;
    return j != NULL;
}

/* Where the round goes on once this answer is in. */
static void go_on(struct watch_data *d, struct watch_slot *slot, uint64_t more_after,
                  int64_t now_ms)
{
    struct watch_round *r = &d->round;
    bool listed = r->phase == PHASE_ENDED || r->phase == PHASE_OPEN;

    slot->due_ms = now_ms;
    if (listed)
        r->took_ms += now_ms - slot->sent_ms;
    if (listed && more_after > r->after) {
        r->after = more_after;
    } else if (r->phase == PHASE_OPEN) {
        r->phase = PHASE_ENDED;
        r->after = d->complete && d->highest > OVERLAP ? d->highest - OVERLAP : 0;
    } else if (r->phase == PHASE_GIVEN && ++r->at < d->given_count) {
        return;
    } else {
        r->phase = PHASE_MISSED;
        if (d->given_count > 0 || find_missed(d) == NULL)
            end_round(d, slot, now_ms);
    }
}

static bool take(struct watch_data *d, struct watch_slot *slot, const Ebm__Reply *reply,
                 int64_t now_ms)
{
    for (size_t i = 0; i < reply->n_jobs; i++)
        if (!put(d, reply->jobs[i]))
            return false;
    go_on(d, slot, reply->more_after, now_ms);
    return true;
}

static bool has_number(const struct watch_job *j, int64_t number)
{
    return j->job == (uint64_t)number;
}

bool watch_round_skip(struct watch_data *d, struct watch_slot *slot, int64_t now_ms)
{
    if (d->round.phase != PHASE_MISSED)
        return false;
    watch_jobs_drop(&d->jobs, has_number, (int64_t)slot->job);
    go_on(d, slot, 0, now_ms);
    return true;
}

const struct watch_kind watch_kind_jobs = {make, take, EVERY_MS};
