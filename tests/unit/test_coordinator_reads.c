/* What a job leaves behind, as clients read it: checkpoints, metrics, logs,
 * pictures; and pins. */
#include "coordinator_actor.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- metrics ---- */

static const Ebm__Reply *metrics(struct stage *s, const Ebm__Metrics *how)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Metrics m = *how;

    q.body_case = EBM__REQUEST__BODY_METRICS;
    q.metrics = &m;
    return stage_ask(s, &q);
}

#define METRICS(s, ...)                                                                            \
    metrics((s), &(const Ebm__Metrics){PROTOBUF_C_MESSAGE_INIT(&ebm__metrics__descriptor),         \
                                       __VA_ARGS__})

static void assert_steps(const Ebm__Reply *r, uint32_t attempt, uint64_t first, size_t n)
{
    assert_int_equal(r->status, EBM_OK);
    assert_int_equal(r->n_metrics, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(r->metrics[i]->attempt, attempt);
        assert_int_equal(r->metrics[i]->step, first + i);
        assert_int_equal(r->metrics[i]->n_value, METRIC_COUNT);
    }
}

static void metrics_come_in_pages(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    assert_steps(METRICS(s, .job = 1), 0, 0, 0);
    actor_rows(&a, 1, 11, 10); /* rows 1-10 at steps 11-20 */
    actor_expect(&a, EBM__TO_WORKER__BODY_METRICS_ACK);
    const Ebm__Reply *r = METRICS(s, .job = 1);
    assert_steps(r, 1, 11, 10);
    assert_int_equal(r->more_after, 0);
    r = METRICS(s, .job = 1, .limit = 4);
    assert_steps(r, 1, 11, 4);
    r = METRICS(s, .job = 1, .limit = 4, .after_row = r->more_after);
    assert_steps(r, 1, 15, 4);
    r = METRICS(s, .job = 1, .limit = 4, .after_row = r->more_after);
    assert_steps(r, 1, 19, 2);
    assert_int_equal(r->more_after, 0);
    assert_steps(METRICS(s, .job = 1, .since_step = 18), 1, 18, 3);
    assert_steps(METRICS(s, .job = 1, .since_step = 21), 1, 0, 0);
    assert_steps(METRICS(s, .job = 1, .since_step = UINT64_MAX), 1, 0, 0);
    assert_steps(METRICS(s, .job = 1, .after_row = UINT64_MAX), 1, 0, 0);
    actor_close(&a);
}

static void newest_metrics_say_where_to_go_on(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    const Ebm__Reply *r = METRICS(s, .job = 1, .newest = true, .limit = 3);
    assert_steps(r, 1, 0, 0);
    assert_int_equal(r->more_after, 0);
    actor_rows(&a, 1, 1, 10);
    actor_expect(&a, EBM__TO_WORKER__BODY_METRICS_ACK);
    r = METRICS(s, .job = 1, .newest = true, .limit = 3);
    assert_steps(r, 1, 8, 3);
    uint64_t after = r->more_after;
    assert_int_equal(METRICS(s, .job = 1, .after_row = after)->n_metrics, 0);
    actor_rows(&a, 11, 11, 2);
    actor_expect(&a, EBM__TO_WORKER__BODY_METRICS_ACK);
    assert_steps(METRICS(s, .job = 1, .after_row = after), 1, 11, 2);
    assert_steps(METRICS(s, .job = 1, .after_row = after, .newest = true), 1, 11, 2);
    actor_close(&a);
}

/* 60 steps, of which the last ten were abandoned; then 10 others. */
static void run_two_attempts(struct stage *s, int64_t job, struct actor *a)
{
    actor_start(a, s, job, 0);
    actor_rows(a, 1, 1, 50);
    actor_checkpoint(a, 50);
    actor_rows(a, 51, 51, 10);
    actor_beat(a, 60);
    actor_close(a);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    actor_start(a, s, job, 50);
    actor_rows(a, 1, 51, 10);
    actor_beat(a, 60);
}

static void metrics_are_told_apart_by_attempt_and_line(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    run_two_attempts(s, job, &a);
    assert_int_equal(METRICS(s, .job = 1)->n_metrics, 70);
    assert_steps(METRICS(s, .job = 1, .attempt = 1), 1, 1, 60);
    assert_steps(METRICS(s, .job = 1, .attempt = 2), 2, 51, 10);
    stage_assert_refused(METRICS(s, .job = 1, .attempt = 3), EBM_ENOTFOUND, "it has had 2");
    const Ebm__Reply *r = METRICS(s, .job = 1, .lineage = true);
    assert_int_equal(r->n_metrics, 60);
    for (uint64_t i = 0; i < 60; i++) {
        assert_int_equal(r->metrics[i]->step, i + 1);
        assert_int_equal(r->metrics[i]->attempt, i < 50 ? 1 : 2);
    }
    actor_close(&a);
}

/* Pages count what was looked at, so none of them is ever endless; what is
 * not of the line may leave a page empty, but never ends the walk. */
static void pages_of_a_line_lose_nothing(void **state)
{
    struct stage *s = *state;
    struct actor a;
    uint64_t after = 0, next = 1;
    int64_t job = SUBMIT(s);

    run_two_attempts(s, job, &a);
    do {
        const Ebm__Reply *r = METRICS(s, .job = 1, .lineage = true, .limit = 7, .after_row = after);
        for (size_t i = 0; i < r->n_metrics; i++)
            assert_int_equal(r->metrics[i]->step, next++);
        after = r->more_after;
    } while (after != 0);
    assert_int_equal(next, 61);
    actor_close(&a);
}

static void the_newest_metrics_are_on_the_job(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    assert_true(isnan(stage_show(s, job)->langevin_grad));
    actor_start(&a, s, job, 0);
    actor_rows(&a, 1, 1, 3);
    actor_expect(&a, EBM__TO_WORKER__BODY_METRICS_ACK);
    const Ebm__Job *m = stage_show(s, job);
    assert_true(m->langevin_grad == 0.5 + METRIC_LANGEVIN_GRAD);
    assert_true(m->energy_gap == 0.5 + METRIC_ENERGY_GAP);
    assert_string_equal(m->health, "ok");
    assert_int_equal(m->step, 3);
    actor_close(&a);
    stage_reopen(s); /* from the store */
    assert_true(stage_show(s, job)->energy_gap == 0.5 + METRIC_ENERGY_GAP);
}

static void what_the_detector_says_is_on_the_job(void **state)
{
    struct stage *s = *state;
    Ebm__Stability told = EBM__STABILITY__INIT;
    struct actor a;
    char longest[2000];
    int64_t job = SUBMIT(s);

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    actor_start(&a, s, job, 0);
    assert_null(stage_show(s, job)->stability);
    told.verdict = (char *)"warn";
    told.signal = (char *)"langevin-grad";
    told.outlook = (char *)"r_t left its band";
    told.suspicion = 1.5;
    told.langevin_low = 0.01;
    told.langevin_high = 0.1;
    a.stability = &told;
    actor_beat(&a, 7);
    actor_rows(&a, 1, 1, 7);
    actor_expect(&a, EBM__TO_WORKER__BODY_METRICS_ACK);
    const Ebm__Job *m = stage_show(s, job);
    assert_non_null(m->stability);
    assert_string_equal(m->stability->verdict, "warn");
    assert_string_equal(m->stability->signal, "langevin-grad");
    assert_string_equal(m->stability->outlook, "r_t left its band");
    assert_true(m->stability->suspicion == 1.5 && m->stability->langevin_high == 0.1);
    assert_string_equal(m->health, "suspect");
    told.verdict = told.signal = told.outlook = longest;
    actor_beat(&a, 8);
    assert_true(strlen(stage_show(s, job)->stability->outlook) < 400);
    actor_close(&a);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_attempt(s, job, 1).ended_ms != 0);
    assert_null(stage_show(s, job)->stability); /* nobody trains it */
}

/* ---- logs ---- */

static const Ebm__Reply *logs(struct stage *s, int64_t job, uint32_t attempt, int32_t rank,
                              uint64_t offset, uint32_t limit)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Logs m = EBM__LOGS__INIT;

    q.body_case = EBM__REQUEST__BODY_LOGS;
    q.logs = &m;
    m.job = (uint64_t)job;
    m.attempt = attempt;
    m.rank = rank;
    m.offset = offset;
    m.limit = limit;
    return stage_ask(s, &q);
}

static void write_log(struct stage *s, int64_t job, const char *name, const char *text)
{
    char dir[HOME_PATH_MAX], path[HOME_PATH_MAX + 32];

    home_attempt_dir(&s->daemon.home, job, 1, dir, sizeof dir);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void logs_come_in_pieces(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s, .hold = true);

    stage_assert_refused(logs(s, job, 0, -1, 0, 0), EBM_ENOTFOUND, "not been started");
    stage_change(s, job, "release");
    stage_wait_mpirun(s, job);
    write_log(s, job, "rank-0.log", "0123456789");
    const Ebm__Reply *r = logs(s, job, 0, 0, 0, 4);
    assert_int_equal(r->status, EBM_OK);
    assert_int_equal(r->attempt, 1);
    assert_false(r->end);
    assert_int_equal(s->bulk.size, 4);
    assert_memory_equal(s->bulk.data, "0123", 4);
    logs(s, job, 1, 0, 4, 0);
    assert_int_equal(s->bulk.size, 6);
    assert_memory_equal(s->bulk.data, "456789", 6);
    assert_int_equal(logs(s, job, 0, 0, 10, 0)->status, EBM_OK);
    assert_int_equal(s->bulk.size, 0);
    assert_int_equal(logs(s, job, 0, 0, UINT64_MAX, 0)->status, EBM_OK);
    assert_int_equal(s->bulk.size, 0);
    assert_int_equal(logs(s, job, 0, 0, INT64_MAX, UINT32_MAX)->status, EBM_OK);
    assert_int_equal(s->bulk.size, 0);
}

static void a_log_that_is_not_there_yet_is_empty(void **state)
{
    struct stage *s = *state;
    int64_t job = SUBMIT(s);

    stage_wait_mpirun(s, job);
    assert_int_equal(logs(s, job, 0, 7, 0, 0)->status, EBM_OK);
    assert_int_equal(s->bulk.size, 0);
    stage_assert_refused(logs(s, job, 2, -1, 0, 0), EBM_ENOTFOUND, "no attempt 2");
    stage_change(s, job, "kill");
    STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
    stage_assert_refused(logs(s, job, 0, 7, 0, 0), EBM_ENOTFOUND, "no log of rank 7");
    const Ebm__Reply *r = logs(s, job, 0, -1, 0, 0);
    assert_int_equal(r->status, EBM_OK);
    assert_true(r->end); /* it will not grow */
}

static void a_log_is_no_link_to_elsewhere(void **state)
{
    struct stage *s = *state;
    char dir[HOME_PATH_MAX], path[HOME_PATH_MAX + 32];
    int64_t job = SUBMIT(s);

    stage_wait_mpirun(s, job);
    home_attempt_dir(&s->daemon.home, job, 1, dir, sizeof dir);
    snprintf(path, sizeof path, "%s/rank-3.log", dir);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    stage_assert_refused(logs(s, job, 0, 3, 0, 0), EBM_EIO, "rank-3.log");
    assert_int_equal(s->bulk.size, 0);
}

/* ---- pictures ---- */

static void send_picture(struct actor *a, uint64_t seq, uint64_t step, const char *bytes)
{
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__PictureUp body = EBM__PICTURE_UP__INIT;

    body.seq = seq;
    body.step = step;
    m.body_case = EBM__FROM_WORKER__BODY_PICTURE;
    m.picture = &body;
    actor_send(a, &m, bytes, strlen(bytes));
    assert_int_equal(actor_expect(a, EBM__TO_WORKER__BODY_PICTURE_ACK)->picture_ack->seq, seq);
}

static const Ebm__Reply *picture(struct stage *s, int64_t job, int64_t checkpoint, uint64_t step)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Picture m = EBM__PICTURE__INIT;

    q.body_case = EBM__REQUEST__BODY_PICTURE;
    q.picture = &m;
    m.job = (uint64_t)job;
    m.checkpoint = (uint64_t)checkpoint;
    m.step = step;
    return stage_ask(s, &q);
}

static void assert_picture(struct stage *s, const Ebm__Reply *r, uint64_t step, const char *bytes)
{
    assert_int_equal(r->status, EBM_OK);
    assert_int_equal(r->step, step);
    assert_int_equal(s->bulk.size, strlen(bytes));
    assert_memory_equal(s->bulk.data, bytes, strlen(bytes));
}

static void pictures_are_found_by_step_and_checkpoint(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s), other = SUBMIT(s, .hold = true);

    actor_start(&a, s, job, 0);
    stage_assert_refused(picture(s, job, 0, 0), EBM_ENOTFOUND, "no picture");
    send_picture(&a, 1, 10, "png at ten");
    send_picture(&a, 2, 50, "png at fifty");
    send_picture(&a, 3, 50, "png again"); /* a resend changes nothing */
    send_picture(&a, 4, 60, "");          /* none: acknowledged, and not kept */
    int64_t checkpoint = actor_checkpoint(&a, 50);
    assert_picture(s, picture(s, job, 0, 0), 50, "png at fifty");
    assert_picture(s, picture(s, job, 0, 10), 10, "png at ten");
    assert_picture(s, picture(s, job, checkpoint, 0), 50, "png at fifty");
    stage_assert_refused(picture(s, job, 0, 60), EBM_ENOTFOUND, "step 60");
    stage_assert_refused(picture(s, job, checkpoint + 1, 0), EBM_ENOTFOUND, "no checkpoint");
    stage_assert_refused(picture(s, other, checkpoint, 0), EBM_ENOTFOUND, "is one of job 1");
    actor_close(&a);
}

/* ---- checkpoints and pins ---- */

static const Ebm__Checkpoint *find_checkpoint(const Ebm__Reply *r, int64_t id)
{
    for (size_t i = 0; i < r->n_checkpoints; i++)
        if (r->checkpoints[i]->checkpoint == (uint64_t)id)
            return r->checkpoints[i];
    return NULL;
}

static const Ebm__Reply *pin(struct stage *s, int64_t checkpoint, bool pinned)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Pin m = EBM__PIN__INIT;

    q.body_case = EBM__REQUEST__BODY_PIN;
    q.pin = &m;
    m.checkpoint = (uint64_t)checkpoint;
    m.pinned = pinned;
    return stage_ask(s, &q);
}

static void checkpoints_say_why_they_are_kept(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t id[6], job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    for (uint64_t i = 0; i < 6; i++)
        id[i] = actor_checkpoint(&a, 50 * (i + 1));
    const Ebm__Reply *r = stage_checkpoints(s, job);
    /* Steps 150 on are the last three and the newest healthy one (two
     * intervals old: step 200); the oldest is to become the one for what is
     * seen late. */
    assert_int_equal(r->n_checkpoints, 4);
    assert_string_equal(find_checkpoint(r, id[0])->kept_because, "ageing");
    assert_null(find_checkpoint(r, id[1]));
    assert_null(find_checkpoint(r, id[2]));
    const Ebm__Checkpoint *c = find_checkpoint(r, id[3]);
    assert_string_equal(c->health, "healthy");
    assert_string_equal(c->kept_because, "last-3 healthy");
    assert_int_equal(c->step, 200);
    assert_int_equal(c->bytes, ACTOR_BLOB);
    assert_int_equal(strlen(c->digest), 64);
    c = find_checkpoint(r, id[5]);
    assert_string_equal(c->health, "probation");
    assert_string_equal(c->kept_because, "last-3");
    assert_true(stage_checkpoint(s, id[1]).deleted);
    assert_int_equal(stage_events(s, job, "health"), 4);
    actor_close(&a);
}

static void a_pin_keeps_and_its_end_lets_go(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    actor_checkpoint(&a, 50);
    int64_t second = actor_checkpoint(&a, 100);
    assert_int_equal(pin(s, second, true)->status, EBM_OK);
    assert_int_equal(pin(s, second, true)->status, EBM_OK);
    assert_int_equal(stage_events(s, job, "pinned"), 1);
    for (uint64_t step = 150; step <= 300; step += 50)
        actor_checkpoint(&a, step);
    assert_string_equal(find_checkpoint(stage_checkpoints(s, job), second)->kept_because, "pinned");
    assert_int_equal(pin(s, second, false)->status, EBM_OK);
    assert_null(find_checkpoint(stage_checkpoints(s, job), second));
    stage_assert_refused(pin(s, second, true), EBM_ENOTFOUND, "is gone");
    actor_close(&a);
}

/* What was under suspicion when the run was paused stays so, whatever is pinned. */
static void a_pin_of_a_paused_job_proves_nothing(void **state)
{
    Ebm__Stability told;
    struct stage *s = *state;
    struct actor a;
    int64_t id[5], job = SUBMIT(s, .set = {"checkpoint.keep_last=9"});

    actor_start(&a, s, job, 0);
    actor_train_warned(&a, &told, 160, id, 5, 260);
    stage_change(s, job, "pause");
    assert_string_equal(actor_beat(&a, 261), "pause");
    actor_end_with(s, &a, "paused", 0);
    STAGE_UNTIL(s, stage_state(s, job) == JOB_PAUSED);
    assert_string_equal(stage_show(s, job)->health, "suspect");
    assert_int_equal(pin(s, id[4], true)->status, EBM_OK);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(stage_checkpoint(s, id[i]).health, i < 1 ? "healthy" : "probation");
}

/* ---- history ---- */

static void history_tells_each_attempt(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    assert_int_equal(stage_history(s, job)->n_attempts, stage_job(s, job).attempt);
    run_two_attempts(s, job, &a);
    const Ebm__Reply *r = stage_history(s, job);
    assert_int_equal(r->n_attempts, 2);
    const Ebm__Attempt *first = r->attempts[0], *second = r->attempts[1];
    assert_string_equal(first->cause, "submit");
    assert_string_equal(first->actor, "user");
    assert_string_equal(first->outcome, "crashed");
    assert_string_equal(first->host, "stage");
    assert_int_equal(first->last_step, 60);
    assert_true(first->ended_ms > 0);
    assert_string_equal(second->cause, "restart");
    assert_string_equal(second->actor, "ebmd");
    assert_string_equal(second->outcome, "");
    assert_int_equal(second->from_step, 50);
    assert_int_equal(second->last_step, 60); /* as it is now */
    assert_int_equal(second->ended_ms, 0);
    actor_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(metrics_come_in_pages),
        T(newest_metrics_say_where_to_go_on),
        T(metrics_are_told_apart_by_attempt_and_line),
        T(pages_of_a_line_lose_nothing),
        T(the_newest_metrics_are_on_the_job),
        T(what_the_detector_says_is_on_the_job),
        T(logs_come_in_pieces),
        T(a_log_that_is_not_there_yet_is_empty),
        T(a_log_is_no_link_to_elsewhere),
        T(pictures_are_found_by_step_and_checkpoint),
        T(checkpoints_say_why_they_are_kept),
        T(a_pin_keeps_and_its_end_lets_go),
        T(a_pin_of_a_paused_job_proves_nothing),
        T(history_tells_each_attempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
