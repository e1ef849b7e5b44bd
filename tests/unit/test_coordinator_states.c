/* Every verb in every state of a job: what comes of it is one table here, and
 * what is refused changes nothing. The jobs are made up in the store, with an
 * entry of a live attempt where the state has one; nothing of them runs. */
#include "coordinator_stage.h"

#include <stdio.h>

#include "queue.h"

enum verb { PAUSE, RESUME, CANCEL, KILL, HOLD, RELEASE, ROLLBACK, FORK, VERBS };

static const char *const verb_names[VERBS] = {"pause", "resume",  "cancel",   "kill",
                                              "hold",  "release", "rollback", "fork"};

/* Refused, or the state that follows. */
enum { NO = JOB_STATE_COUNT };

static const int expected[JOB_STATE_COUNT][VERBS] = {
    [JOB_QUEUED] = {JOB_PAUSED, NO, JOB_CANCELLED, JOB_CANCELLED, JOB_HELD, NO, JOB_QUEUED,
                    JOB_QUEUED},
    [JOB_HELD] = {NO, NO, JOB_CANCELLED, JOB_CANCELLED, NO, JOB_QUEUED, JOB_HELD, JOB_HELD},
    [JOB_STARTING] = {JOB_PAUSING, NO, JOB_PAUSING, JOB_PAUSING, NO, NO, JOB_PAUSING, JOB_STARTING},
    [JOB_RUNNING] = {JOB_PAUSING, NO, JOB_PAUSING, JOB_PAUSING, NO, NO, JOB_PAUSING, JOB_RUNNING},
    [JOB_PAUSING] = {JOB_PAUSING, NO, JOB_PAUSING, JOB_PAUSING, NO, NO, JOB_PAUSING, JOB_PAUSING},
    [JOB_PAUSED] = {NO, JOB_QUEUED, JOB_CANCELLED, JOB_CANCELLED, NO, NO, JOB_QUEUED, JOB_PAUSED},
    [JOB_SUCCEEDED] = {NO, NO, NO, NO, NO, NO, JOB_QUEUED, JOB_SUCCEEDED},
    [JOB_FAILED] = {NO, JOB_QUEUED, NO, NO, NO, NO, JOB_QUEUED, JOB_FAILED},
    [JOB_CANCELLED] = {NO, JOB_QUEUED, NO, NO, NO, NO, JOB_QUEUED, JOB_CANCELLED},
    [JOB_DIVERGED] = {NO, JOB_QUEUED, NO, NO, NO, NO, JOB_QUEUED, JOB_DIVERGED},
    [JOB_UNKNOWN] = {JOB_PAUSING, NO, JOB_PAUSING, JOB_PAUSING, NO, NO, JOB_PAUSING, JOB_UNKNOWN},
};

static const enum store_intent intents[VERBS] = {[PAUSE] = INTENT_PAUSE,
                                                 [CANCEL] = INTENT_CANCEL,
                                                 [KILL] = INTENT_KILL,
                                                 [ROLLBACK] = INTENT_ROLLBACK};

/* ---- made-up jobs ---- */

/* All slots are taken, so that nothing else starts. */
static int setup(void **state)
{
    stage_setup(state);
    stage_wait_mpirun(*state, SUBMIT(*state, .set = {"resources.ranks=4"}));
    return 0;
}

static void add_attempt(struct stage *s, int64_t job, bool live)
{
    struct store_attempt a = {.job = job, .attempt = 1, .cause = "submit", .actor = "user"};
    struct buf spec;

    if (!live) {
        a.ended_ms = 5;
        strcpy(a.outcome, "paused");
    }
    buf_init(&spec);
    assert_int_equal(store_job_texts(s->daemon.store, job, NULL, &spec, NULL), EBM_OK);
    assert_int_equal(store_attempt_insert(s->daemon.store, &a, buf_text(&spec), NULL), EBM_OK);
    buf_fini(&spec);
}

static int64_t add_checkpoint(struct stage *s, int64_t job)
{
    struct store_checkpoint c = {
        .job = job, .attempt = 1, .step = 50, .bytes = 9, .health = "healthy"};

    assert_int_equal(store_checkpoint_reserve(s->daemon.store, &c.id, NULL), EBM_OK);
    assert_int_equal(store_checkpoint_insert(s->daemon.store, &c, NULL), EBM_OK);
    return c.id;
}

/* A job that has had one attempt, with one checkpoint. */
static int64_t make_job(struct stage *s, enum job_state state, enum store_intent intent)
{
    int64_t job = SUBMIT(s, .hold = true);
    struct store_job j = stage_job(s, job);

    add_attempt(s, job, job_state_is_live(state));
    add_checkpoint(s, job);
    j.state = state;
    j.intent = intent;
    j.attempt = 1;
    j.step = 70;
    j.ended_ms = job_state_is_final(state) ? 5 : 0;
    j.restarts_used = j.rollbacks_used = 1;
    if (state != JOB_QUEUED && state != JOB_HELD)
        j.plan_cause[0] = j.plan_actor[0] = '\0';
    assert_int_equal(store_job_update(s->daemon.store, &j, NULL), EBM_OK);
    if (job_state_is_live(state))
        live_add(&s->daemon.live, job, 1)->heard_ms = clock_mono_ms();
    stage_turn(s);
    return job;
}

/* Out of the way of the next one. */
static void put_away(struct stage *s, int64_t job)
{
    struct store_job j = stage_job(s, job);
    struct live *l = live_find(&s->daemon.live, job);

    j.state = JOB_CANCELLED;
    assert_int_equal(store_job_update(s->daemon.store, &j, NULL), EBM_OK);
    if (l != NULL)
        live_remove(&s->daemon.live, l);
}

static const Ebm__Reply *try_fork(struct stage *s, int64_t job)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Fork m = EBM__FORK__INIT;

    q.body_case = EBM__REQUEST__BODY_FORK;
    q.fork = &m;
    m.job = (uint64_t)job;
    m.hold = true;
    return stage_ask(s, &q);
}

static const Ebm__Reply *try_verb(struct stage *s, int64_t job, enum verb v)
{
    if (v == FORK)
        return try_fork(s, job);
    if (v == ROLLBACK)
        return stage_try_rollback(s, job, "", false, NULL);
    return stage_try_change(s, job, verb_names[v]);
}

/* ---- all of them ---- */

static void dump(struct stage *s, int64_t job, struct buf *out)
{
    buf_clear(out);
    stage_dump(s, job, out);
}

static void check_refused(struct stage *s, int64_t job, const Ebm__Reply *r,
                          const struct buf *before)
{
    char name[32];
    struct buf after;

    buf_init(&after);
    snprintf(name, sizeof name, "job %d ", (int)job);
    stage_assert_refused(r, EBM_ESTATE, name);
    dump(s, job, &after);
    assert_string_equal(buf_text(&after), buf_text(before));
    buf_fini(&after);
}

static void check_done(struct stage *s, int64_t job, enum verb v, enum job_state state)
{
    struct store_job j = stage_job(s, job);
    bool live = job_state_is_live(state);

    if (v == FORK)
        return;
    assert_int_equal(stage_events(s, job, verb_names[v]), 1);
    assert_int_equal(j.intent, live ? intents[v] : INTENT_NONE);
    assert_int_equal(j.ended_ms != 0, job_state_is_final(j.state));
    if (v != HOLD && v != RELEASE)
        assert_true(j.reason[0] != '\0');
    if (v == RESUME || v == ROLLBACK) {
        assert_string_equal(j.plan_cause, verb_names[v]);
        assert_string_equal(j.plan_actor, "user");
        assert_true(j.plan_checkpoint > 0);
        assert_int_equal(j.restarts_used + j.rollbacks_used, 0);
    }
}

static void check_one(struct stage *s, enum job_state state, enum verb v)
{
    struct buf before;
    int64_t job = make_job(s, state, state == JOB_PAUSING ? INTENT_PAUSE : INTENT_NONE);

    buf_init(&before);
    dump(s, job, &before);
    const Ebm__Reply *r = try_verb(s, job, v);
    if (expected[state][v] == NO) {
        check_refused(s, job, r, &before);
    } else {
        if (r->status != EBM_OK)
            fail_msg("%s a %s job: %s", verb_names[v], job_state_name(state), r->error);
        if (stage_state(s, job) != (enum job_state)expected[state][v])
            fail_msg("%s a %s job: it is %s", verb_names[v], job_state_name(state),
                     job_state_name(stage_state(s, job)));
        check_done(s, job, v, state);
    }
    buf_fini(&before);
    put_away(s, job);
}

static void verbs_do_in_each_state_what_the_table_says(void **state)
{
    for (int from = 0; from < JOB_STATE_COUNT; from++)
        for (int v = 0; v < VERBS; v++)
            check_one(*state, (enum job_state)from, (enum verb)v);
}

/* The table here is that of proto/state, with what change.c leaves out. */
static void the_table_is_that_of_the_states(void **state)
{
    static const enum job_event idle[VERBS] = {JOB_EV_PAUSED,    JOB_EV_REQUEUE, JOB_EV_CANCELLED,
                                               JOB_EV_CANCELLED, JOB_EV_HOLD,    JOB_EV_RELEASE,
                                               JOB_EV_REQUEUE};

    (void)state;
    for (int from = 0; from < JOB_STATE_COUNT; from++)
        for (int v = 0; v < FORK; v++) {
            bool live = job_state_is_live((enum job_state)from);
            enum job_event event = live && intents[v] != INTENT_NONE ? JOB_EV_STOP : idle[v];
            if (expected[from][v] != NO)
                assert_int_equal(job_state_next((enum job_state)from, event), expected[from][v]);
        }
}

/* ---- what was asked before ---- */

static void orders_rise_and_never_fall(void **state)
{
    static const enum verb verbs[] = {PAUSE, CANCEL, KILL, ROLLBACK};
    struct stage *s = *state;
    struct buf before;

    buf_init(&before);
    for (int asked = INTENT_PAUSE; asked <= INTENT_KILL; asked++)
        for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
            int64_t job = make_job(s, JOB_PAUSING, (enum store_intent)asked);
            dump(s, job, &before);
            const Ebm__Reply *r = try_verb(s, job, verbs[i]);
            if (intents[verbs[i]] < (enum store_intent)asked) {
                check_refused(s, job, r, &before);
                assert_null(live_find(&s->daemon.live, job)->command);
            } else {
                assert_int_equal(r->status, EBM_OK);
                assert_int_equal(stage_job(s, job).intent, intents[verbs[i]]);
            }
            put_away(s, job);
        }
    buf_fini(&before);
}

/* ---- nothing to go back to ---- */

static void without_a_checkpoint_there_is_no_way_back(void **state)
{
    struct stage *s = *state;
    struct buf before, after;
    int64_t job = SUBMIT(s, .hold = true);

    buf_init(&before);
    buf_init(&after);
    dump(s, job, &before);
    stage_assert_refused(try_verb(s, job, ROLLBACK), EBM_ENOTFOUND, "it has no checkpoint yet to go from");
    stage_assert_refused(try_verb(s, job, FORK), EBM_ENOTFOUND, "it has no checkpoint yet to go from");
    dump(s, job, &after);
    assert_string_equal(buf_text(&after), buf_text(&before));
    buf_fini(&before);
    buf_fini(&after);
}

/* ---- sentences ---- */

static void refusals_say_what_can_be_done(void **state)
{
    static const struct {
        enum job_state state;
        enum verb verb;
        const char *text;
    } rows[] = {
        {JOB_HELD, PAUSE, "is held; release it first"},
        {JOB_RUNNING, RESUME, "is running"},
        {JOB_RUNNING, HOLD, "is running"},
        {JOB_PAUSING, RESUME, "is stopping; wait until it has stopped"},
        {JOB_PAUSED, PAUSE, "is paused; resume it, or roll it back"},
        {JOB_SUCCEEDED, RESUME, "has succeeded; roll it back or fork it"},
        {JOB_SUCCEEDED, CANCEL, "has succeeded"},
        {JOB_FAILED, PAUSE, "has failed; resume it, or roll it back"},
        {JOB_FAILED, KILL, "has failed"},
        {JOB_CANCELLED, RELEASE, "was cancelled; resume it"},
        {JOB_DIVERGED, PAUSE, "has diverged; roll it back with other settings"},
        {JOB_UNKNOWN, HOLD, "is out of sight"},
    };
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t job = make_job(s, rows[i].state, INTENT_NONE);
        stage_assert_refused(try_verb(s, job, rows[i].verb), EBM_ESTATE, rows[i].text);
        put_away(s, job);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, stage_teardown)
        T(without_a_checkpoint_there_is_no_way_back),
        T(refusals_say_what_can_be_done),
        T(verbs_do_in_each_state_what_the_table_says),
        T(the_table_is_that_of_the_states),
        T(orders_rise_and_never_fall),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
