/* The coordinator and its clients: submit, lists, events, status, and what is
 * refused. */
#include "coordinator_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned count_jobs(struct stage *s)
{
    uint64_t counts[JOB_STATE_COUNT];
    unsigned n = 0;

    assert_int_equal(store_job_counts(s->daemon.store, counts, NULL), EBM_OK);
    for (int i = 0; i < JOB_STATE_COUNT; i++)
        n += (unsigned)counts[i];
    return n;
}

/* ---- specs that are refused ---- */

#define GOOD "model: { preset: mlp }\ntrain: { steps: 10 }\n"

static void wrong_specs_are_refused_with_their_places(void **state)
{
    static const struct {
        const char *spec;
        uint32_t line, column;
        const char *text;
    } rows[] = {
        {GOOD "data: { dataset: toy/rings }\nlerning_rate: 1\n", 4, 1, "unknown key"},
        {GOOD "data: { dataset: toy/rings, batch_size: many }\n", 3, 41, "batch_size"},
        {GOOD "data: { dataset: toy/ring }\n", 3, 18, "did you mean 'toy/rings'"},
        {GOOD "data: { dataset: toy/rings, batch_size: 64 }\nreplay: { size: 8 }\n", 4, 17,
         "replay.size (8) is smaller"},
        {GOOD "data: { dataset: toy/rings }\nresources: { ranks: 3, threads: 2 }\n", 4, 21,
         "need 6 slots, and this machine has 4"},
        {GOOD "data: { dataset: toy/rings }\noptimizer: { lr: -1 }\n", 4, 18, "optimizer.lr"},
        {GOOD "data: { dataset: [\n", 4, 1, ""},
        {GOOD "data: { dataset: idx:nowhere }\n", 3, 18, "/nowhere"},
        {"", 0, 0, ""},
    };
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const Ebm__Reply *r = stage_try_submit(s, &(struct submission){.spec = rows[i].spec});
        stage_assert_refused(r, EBM_EINVAL, "problem");
        assert_true(r->n_problem > 0);
        assert_int_equal(r->job, 0);
        if (r->problem[0]->line != rows[i].line || r->problem[0]->column != rows[i].column ||
            strstr(r->problem[0]->text, rows[i].text) == NULL)
            fail_msg("row %zu: %u:%u %s", i, r->problem[0]->line, r->problem[0]->column,
                     r->problem[0]->text);
    }
    assert_int_equal(count_jobs(s), 0);
    assert_int_equal(stage_events(s, 0, "submitted"), 0);
}

static void all_problems_come_at_once(void **state)
{
    const Ebm__Reply *r = stage_try_submit(
        *state, &(struct submission){.spec = "model: { preset: mlpp }\nfoo: 1\n"
                                             "data: { dataset: toy/rings, batch_size: x }\n",
                                     .set = {"optimizer.lr=fast", "nosuch=1"}});

    stage_assert_refused(r, EBM_EINVAL, "6 problems in the spec");
    assert_int_equal(r->n_problem, 6);
    for (size_t i = 1; i < r->n_problem; i++)
        assert_true(r->problem[i - 1]->line <= r->problem[i]->line);
}

/* A relative folder is one beside the spec's file. */
static void a_data_folder_is_looked_for_beside_the_spec(void **state)
{
    struct stage *s = *state;
    const Ebm__Reply *r =
        stage_try_submit(s, &(struct submission){.set = {"data.dataset=idx:pictures"}});

    stage_assert_refused(r, EBM_EINVAL, "1 problem in the spec");
    assert_non_null(strstr(r->problem[0]->text, s->dir));
    assert_non_null(strstr(r->problem[0]->text, "/pictures"));
}

static void a_job_cannot_follow_what_ended_badly(void **state)
{
    struct stage *s = *state;
    int64_t first = SUBMIT(s, .hold = true);

    stage_assert_refused(stage_try_submit(s, &(struct submission){.after = 99}), EBM_ENOTFOUND,
                         "--after 99: no job 99");
    stage_assert_refused(stage_try_submit(s, &(struct submission){.after = -1}), EBM_ENOTFOUND,
                         "no job");
    stage_change(s, first, "cancel");
    stage_assert_refused(stage_try_submit(s, &(struct submission){.after = first}), EBM_ESTATE,
                         "has ended as cancelled");
    stage_assert_refused(stage_try_submit(s, &(struct submission){.after = 99, .dry_run = true}),
                         EBM_ENOTFOUND, "no job 99");
    assert_int_equal(count_jobs(s), 1);
}

/* ---- submitted ---- */

static void a_job_is_shown_as_it_was_submitted(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .priority = -7, .hold = true,
                         .set = {"resources.ranks=2", "optimizer.lr=0.5", "name=other"});
    const Ebm__Job *m = stage_show(s, job);
    char dir[128];

    snprintf(dir, sizeof dir, "%s/jobs/%d", s->dir, (int)job);
    assert_int_equal(m->job, job);
    assert_string_equal(m->name, "other");
    assert_string_equal(m->state, "held");
    assert_int_equal(m->priority, -7);
    assert_int_equal(m->slots, 2);
    assert_int_equal(m->total_steps, 1000);
    assert_int_equal(m->attempts, 0);
    assert_string_equal(m->health, "-");
    assert_string_equal(m->source, stage_spec);
    assert_non_null(strstr(m->spec, "lr: 0.5"));
    assert_non_null(strstr(m->spec, "max_restarts"));
    assert_string_equal(m->dir, dir);
    assert_non_null(strstr(m->reason, "release it"));
    assert_true(m->submitted_ms > 0 && m->started_ms == 0 && m->ended_ms == 0);
    assert_string_equal(stage_event_text(s, job, "submitted"), "other, held");
}

static void a_dry_run_leaves_nothing_behind(void **state)
{
    struct stage *s = *state;
    const Ebm__Reply *r = stage_try_submit(s, &(struct submission){.dry_run = true});

    assert_int_equal(r->status, EBM_OK);
    assert_int_equal(r->job, 0);
    assert_int_equal(count_jobs(s), 0);
    assert_int_equal(SUBMIT(s, .hold = true), 1);
}

/* ---- keys ---- */

static void a_key_makes_a_retry_the_same_job(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .key = "k1", .hold = true);

    assert_int_equal(SUBMIT(s, .key = "k1", .hold = true), job);
    assert_int_equal(SUBMIT(s, .key = "k2", .hold = true), job + 1);
    stage_reopen(s);
    assert_int_equal(SUBMIT(s, .key = "k1"), job);
    assert_int_equal(count_jobs(s), 2);
    assert_int_equal(stage_events(s, job, "submitted"), 1);
}

static void a_key_is_for_one_kind_of_request(void **state)
{
    struct stage *s = *state;
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Change m = EBM__CHANGE__INIT;
    int64_t job = SUBMIT(s, .key = "k1", .hold = true);

    q.key = "k1";
    q.body_case = EBM__REQUEST__BODY_CHANGE;
    q.change = &m;
    m.job = (uint64_t)job;
    m.verb = "cancel";
    stage_assert_refused(stage_ask(s, &q), EBM_EINVAL, "was used for another kind of request");
    assert_int_equal(stage_state(s, job), JOB_HELD);
    assert_int_equal(SUBMIT(s, .key = "k1", .hold = true), job);
}

/* Its reply is kept for a day, the key of a job as long as the job. */
static void a_key_outlives_its_reply(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .key = "k1", .hold = true);
    struct buf none;

    buf_init(&none);
    /* The same job by another way: no reply under this key, but the job. */
    struct store_job j = {.name = "x", .state = JOB_HELD};
    assert_int_equal(store_job_insert(s->daemon.store, &j, "k3", "x", "x", NULL), EBM_OK);
    assert_int_equal(store_key_get(s->daemon.store, "k3", &none, NULL), EBM_ENOTFOUND);
    assert_int_equal(SUBMIT(s, .key = "k3"), j.id);
    assert_int_equal(count_jobs(s), 2);
    assert_true(j.id != job);
    buf_fini(&none);
}

static void a_refusal_does_not_use_a_key_up(void **state)
{
    struct stage *s = *state;
    char key[160];

    stage_assert_refused(
        stage_try_submit(s, &(struct submission){.key = "k", .set = {"train.steps=x"}}), EBM_EINVAL,
        "problem");
    assert_int_equal(SUBMIT(s, .key = "k", .hold = true), 1);
    memset(key, 'k', sizeof key);
    key[129] = '\0';
    stage_assert_refused(stage_try_submit(s, &(struct submission){.key = key}), EBM_EPROTO,
                         "longer than 128");
    key[128] = '\0';
    assert_int_equal(SUBMIT(s, .key = key, .hold = true), 2);
}

/* ---- lists ---- */

static const Ebm__Reply *list(struct stage *s, uint64_t after, uint32_t limit, char *state)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__List m = EBM__LIST__INIT;

    q.body_case = EBM__REQUEST__BODY_LIST;
    q.list = &m;
    m.after_job = after;
    m.limit = limit;
    m.state = &state;
    m.n_state = state != NULL ? 1 : 0;
    return stage_ask(s, &q);
}

static void assert_page(const Ebm__Reply *r, uint64_t first, size_t n, uint64_t more_after)
{
    assert_int_equal(r->status, EBM_OK);
    assert_int_equal(r->n_jobs, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(r->jobs[i]->job, first + i);
    assert_int_equal(r->more_after, more_after);
}

static void lists_come_in_pages(void **state)
{
    struct stage *s = *state;

    assert_page(list(s, 0, 0, NULL), 0, 0, 0);
    for (int i = 0; i < 5; i++)
        SUBMIT(s, .hold = true);
    assert_page(list(s, 0, 0, NULL), 1, 5, 0);
    assert_page(list(s, 0, UINT32_MAX, NULL), 1, 5, 0);
    assert_page(list(s, 0, 2, NULL), 1, 2, 2);
    assert_page(list(s, 2, 2, NULL), 3, 2, 4);
    assert_page(list(s, 4, 2, NULL), 5, 1, 0);
    assert_page(list(s, 3, 2, NULL), 4, 2, 0); /* a page that is just full is the last */
    assert_page(list(s, 5, 2, NULL), 0, 0, 0);
    assert_page(list(s, INT64_MAX, 2, NULL), 0, 0, 0);
    assert_page(list(s, UINT64_MAX, 2, NULL), 0, 0, 0);
}

static void lists_filter_by_state(void **state)
{
    struct stage *s = *state;

    for (int i = 0; i < 4; i++)
        SUBMIT(s, .hold = true);
    stage_change(s, 1, "cancel");
    stage_change(s, 2, "cancel");
    assert_page(list(s, 0, 0, "held"), 3, 2, 0);
    assert_page(list(s, 0, 1, "held"), 3, 1, 3);
    assert_page(list(s, 0, 1, "cancelled"), 1, 1, 1);
    assert_page(list(s, 0, 0, "running"), 0, 0, 0);
    stage_assert_refused(list(s, 0, 0, "dancing"), EBM_EINVAL, "no state 'dancing'");
    stage_assert_refused(list(s, 0, 0, ""), EBM_EINVAL, "no state ''");
}

/* ---- events ---- */

static const Ebm__Reply *events(struct stage *s, uint64_t job, uint64_t after, uint32_t limit,
                                bool newest)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Events m = EBM__EVENTS__INIT;

    q.body_case = EBM__REQUEST__BODY_EVENTS;
    q.events = &m;
    m.job = job;
    m.after_seq = after;
    m.limit = limit;
    m.newest = newest;
    return stage_ask(s, &q);
}

static void events_come_in_pages(void **state)
{
    struct stage *s = *state;

    SUBMIT(s, .hold = true);
    SUBMIT(s, .hold = true);
    stage_change(s, 1, "cancel"); /* events 1 2 3: submitted submitted cancel */
    const Ebm__Reply *r = events(s, 0, 0, 2, false);
    assert_int_equal(r->n_events, 2);
    assert_int_equal(r->more_after, r->events[1]->seq);
    r = events(s, 0, r->more_after, 2, false);
    assert_int_equal(r->n_events, 1);
    assert_string_equal(r->events[0]->kind, "cancel");
    assert_int_equal(r->events[0]->job, 1);
    assert_int_equal(r->more_after, 0);
    r = events(s, 1, 0, 0, false);
    assert_int_equal(r->n_events, 2);
    r = events(s, 0, 0, 1, true);
    assert_int_equal(r->n_events, 1);
    assert_string_equal(r->events[0]->kind, "cancel");
    assert_int_equal(r->more_after, 0);
    r = events(s, 0, r->events[0]->seq, 1, true);
    assert_int_equal(r->n_events, 0);
    assert_int_equal(events(s, 0, UINT64_MAX, 0, false)->n_events, 0);
    assert_int_equal(events(s, 0, UINT64_MAX, 5, true)->n_events, 0);
}

static bool take_event(struct link_socket *sub, uint64_t *seq)
{
    struct link_message m;
    Ebm__Event *e = NULL;

    if (link_recv(sub, &m, NULL) != EBM_OK)
        return false;
    assert_int_equal(wire_decode_event(&m, &e, NULL), EBM_OK);
    assert_string_equal(e->state, "held");
    *seq = e->row->seq;
    wire_free(&e->base);
    link_message_fini(&m);
    return true;
}

/* A subscription takes a moment to arrive: jobs are submitted until one of
 * their events does. */
static void events_are_published_after_their_commit(void **state)
{
    struct stage *s = *state;
    struct link_socket *sub = stage_connect(s, LINK_SUB, s->daemon.home.events);
    uint64_t seq = 0;

    assert_int_equal(link_subscribe(sub, "job.", NULL), EBM_OK);
    STAGE_UNTIL(s, SUBMIT(s, .hold = true) > 0 && take_event(sub, &seq));
    const Ebm__Reply *r = events(s, 0, seq - 1, 1, false);
    assert_int_equal(r->events[0]->seq, seq);
    assert_string_equal(r->events[0]->kind, "submitted");
    stage_disconnect(s, sub);
}

/* ---- no such job ---- */

static void fill_for_job(Ebm__Request *q, Ebm__Request__BodyCase body, uint64_t job)
{
    static union {
        Ebm__Show show;
        Ebm__Checkpoints checkpoints;
        Ebm__History history;
        Ebm__Events events;
        Ebm__Metrics metrics;
        Ebm__Rollback rollback;
        Ebm__Fork fork;
        Ebm__Change change;
        Ebm__Pin pin;
        Ebm__Picture picture;
        Ebm__Logs logs;
    } u;

    q->body_case = body;
    q->show = &u.show;
#define FILL(BODY, member, id)                                                                     \
    if (body == EBM__REQUEST__BODY_##BODY) {                                                       \
        ebm__##member##__init(&u.member);                                                          \
        u.member.id = job;                                                                         \
    }
    FILL(SHOW, show, job)
    FILL(CHECKPOINTS, checkpoints, job)
    FILL(HISTORY, history, job)
    FILL(EVENTS, events, job)
    FILL(METRICS, metrics, job)
    FILL(ROLLBACK, rollback, job)
    FILL(FORK, fork, job)
    FILL(CHANGE, change, job)
    FILL(PIN, pin, checkpoint)
    FILL(PICTURE, picture, job)
    FILL(LOGS, logs, job)
#undef FILL
    if (body == EBM__REQUEST__BODY_CHANGE)
        u.change.verb = "kill";
}

static void unknown_jobs_are_not_found(void **state)
{
    static const Ebm__Request__BodyCase bodies[] = {
        EBM__REQUEST__BODY_SHOW,    EBM__REQUEST__BODY_CHECKPOINTS, EBM__REQUEST__BODY_HISTORY,
        EBM__REQUEST__BODY_EVENTS,  EBM__REQUEST__BODY_METRICS,     EBM__REQUEST__BODY_ROLLBACK,
        EBM__REQUEST__BODY_FORK,    EBM__REQUEST__BODY_CHANGE,      EBM__REQUEST__BODY_PIN,
        EBM__REQUEST__BODY_PICTURE, EBM__REQUEST__BODY_LOGS,
    };
    static const uint64_t ids[] = {2, 0, INT64_MAX, (uint64_t)INT64_MAX + 2, UINT64_MAX};
    struct stage *s = *state;

    SUBMIT(s, .hold = true);
    for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++)
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
            Ebm__Request q = EBM__REQUEST__INIT;
            if (ids[i] == 0 && bodies[b] == EBM__REQUEST__BODY_EVENTS)
                continue; /* all jobs */
            fill_for_job(&q, bodies[b], ids[i]);
            stage_assert_refused(stage_ask(s, &q), EBM_ENOTFOUND, "no ");
        }
}

static void unknown_verbs_are_refused(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .hold = true);

    stage_assert_refused(stage_try_change(s, job, "dance"), EBM_EINVAL, "no such change: 'dance'");
    stage_assert_refused(stage_try_change(s, job, ""), EBM_EINVAL, "no such change");
}

/* ---- ebmd itself ---- */

static const Ebm__Reply *ask_plain(struct stage *s, Ebm__Request__BodyCase body)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Status status = EBM__STATUS__INIT;
    Ebm__Stop stop = EBM__STOP__INIT;

    q.body_case = body;
    if (body == EBM__REQUEST__BODY_STATUS)
        q.status = &status;
    else
        q.stop = &stop;
    return stage_ask(s, &q);
}

static void status_counts_jobs_and_slots(void **state)
{
    struct stage *s = *state;

    SUBMIT(s, .hold = true);
    int64_t job = SUBMIT(s, .set = {"resources.ranks=3"});
    stage_wait_mpirun(s, job);
    const Ebm__DaemonStatus *m = ask_plain(s, EBM__REQUEST__BODY_STATUS)->daemon;
    assert_non_null(m);
    assert_string_equal(m->home, s->dir);
    assert_int_equal(m->pid, getpid());
    assert_int_equal(m->slots_total, STAGE_SLOTS);
    assert_int_equal(m->slots_used, 3);
    assert_true(m->store_bytes > 0 && m->metrics_bytes > 0 && m->vault_bytes > 0);
    assert_true(m->disk_free_bytes > 0);
    assert_int_equal(m->n_state, JOB_STATE_COUNT);
    for (size_t i = 0; i < m->n_state; i++)
        assert_int_equal(m->count[i],
                         strcmp(m->state[i], "held") == 0 || strcmp(m->state[i], "starting") == 0);
}

static void stop_is_answered_first(void **state)
{
    struct stage *s = *state;

    assert_int_equal(ask_plain(s, EBM__REQUEST__BODY_STOP)->status, EBM_OK);
    assert_true(s->daemon.stopping);
    loop_run(&s->daemon); /* returns */
}

static void a_home_has_one_ebmd(void **state)
{
    struct stage *s = *state;
    static struct daemon second;
    struct ebm_error err = {.text = ""};

    assert_int_equal(daemon_open(&second, false, &err), EBM_EEXIST);
    assert_non_null(strstr(err.text, "another ebmd"));
    daemon_close(&second);
    assert_int_equal(SUBMIT(s, .hold = true), 1); /* the first goes on, with its sockets */
}

static void wrong_settings_keep_it_closed(void **state)
{
    struct stage *s = *state;
    struct ebm_error err = {.text = ""};

    stage_close(s);
    setenv("EBM_SLOTS", "none", 1);
    assert_int_equal(stage_try_open(s, &err), EBM_EINVAL);
    assert_non_null(strstr(err.text, "EBM_SLOTS"));
    setenv("EBM_SLOTS", "4", 1);
    stage_open(s);
}

static bool is_socket_there(struct stage *s)
{
    return access(s->daemon.home.control + strlen("ipc://"), F_OK) == 0;
}

static void a_deleted_socket_comes_back(void **state)
{
    struct stage *s = *state;

    assert_int_equal(unlink(s->daemon.home.control + strlen("ipc://")), 0);
    STAGE_UNTIL(s, is_socket_there(s));
    assert_int_equal(SUBMIT(s, .hold = true), 1); /* over the old connection */
    stage_disconnect(s, s->client);
    s->client = stage_connect(s, LINK_DEALER, s->daemon.home.control);
    assert_int_equal(SUBMIT(s, .hold = true), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(wrong_specs_are_refused_with_their_places),
        T(all_problems_come_at_once),
        T(a_data_folder_is_looked_for_beside_the_spec),
        T(a_job_cannot_follow_what_ended_badly),
        T(a_job_is_shown_as_it_was_submitted),
        T(a_dry_run_leaves_nothing_behind),
        T(a_key_makes_a_retry_the_same_job),
        T(a_key_is_for_one_kind_of_request),
        T(a_key_outlives_its_reply),
        T(a_refusal_does_not_use_a_key_up),
        T(lists_come_in_pages),
        T(lists_filter_by_state),
        T(events_come_in_pages),
        T(events_are_published_after_their_commit),
        T(unknown_jobs_are_not_found),
        T(unknown_verbs_are_refused),
        T(status_counts_jobs_and_slots),
        T(stop_is_answered_first),
        T(a_home_has_one_ebmd),
        T(wrong_settings_keep_it_closed),
        T(a_deleted_socket_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
