#include "agent_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

void stage_open(struct stage *s, const struct fake_script *script)
{
    struct ebm_error err;

    s->daemon = fake_start(script);
    fake_agent_config(s->daemon, &s->config);
    assert_int_equal(agent_open_with(&s->config, &s->sink, &err), EBM_OK);
}

void stage_reopen(struct stage *s)
{
    s->sink.ops->destroy(s->sink.sink);
    assert_int_equal(agent_open_with(&s->config, &s->sink, NULL), EBM_OK);
}

void stage_close(struct stage *s)
{
    s->sink.ops->destroy(s->sink.sink);
    pthread_mutex_lock(&s->daemon->lock);
    unsigned broken = s->daemon->record.broken;
    pthread_mutex_unlock(&s->daemon->lock);
    fake_stop(s->daemon);
    assert_int_equal(broken, 0);
}

void stage_start(struct stage *s)
{
    struct buf blob;
    struct ebm_error err;

    buf_init(&blob);
    assert_int_equal(s->sink.ops->start(s->sink.sink, 2, &blob, &err), EBM_OK);
    assert_int_equal(blob.size, 0);
    buf_fini(&blob);
}

enum ebm_status stage_finish(struct stage *s, const char *outcome)
{
    struct ebm_error err = {0};

    return s->sink.ops->finish(s->sink.sink, &(struct sink_ending){outcome, "as told", 900, 0},
                               &err);
}

static void *finish_main(void *arg)
{
    return (void *)(intptr_t)stage_finish(arg, "paused");
}

pthread_t stage_finish_aside(struct stage *s)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, finish_main, s), 0);
    return thread;
}

enum ebm_status stage_join(pthread_t thread)
{
    void *status;

    assert_int_equal(pthread_join(thread, &status), 0);
    return (enum ebm_status)(intptr_t)status;
}

void stage_put_rows(struct stage *s, uint64_t from, uint64_t to)
{
    for (uint64_t i = from + 1; i <= to; i++) {
        struct sink_row row = {.step = 3 * i, .time_ms = (int64_t)i};
        s->sink.ops->metrics(s->sink.sink, &row);
    }
}

void stage_assert_rows(const struct stage *s, uint64_t n)
{
    struct fake_daemon *f = s->daemon;

    pthread_mutex_lock(&f->lock);
    assert_int_equal(f->record.rows, n);
    for (uint64_t i = 1; i <= n; i++)
        assert_int_equal(f->record.row_step[i], 3 * i);
    assert_in_range(f->record.largest_batch, 0, 512);
    pthread_mutex_unlock(&f->lock);
}

void stage_await_order(struct stage *s, enum sink_order order)
{
    int64_t end = clock_mono_ms() + 20000;

    while (s->sink.ops->order(s->sink.sink) != order && clock_mono_ms() < end)
        usleep(1000);
    assert_int_equal(s->sink.ops->order(s->sink.sink), order);
}

bool rows_reach(const struct fake_record *r, uint64_t n)
{
    return r->rows >= n;
}

bool beats_reach(const struct fake_record *r, uint64_t n)
{
    return r->heartbeats >= n;
}

bool hellos_reach(const struct fake_record *r, uint64_t n)
{
    return r->hellos >= n;
}

bool hellos_again_reach(const struct fake_record *r, uint64_t n)
{
    return r->hellos_again >= n;
}

bool refusals_reach(const struct fake_record *r, uint64_t n)
{
    return r->refusals >= n;
}

bool unheard_hellos_reach(const struct fake_record *r, uint64_t n)
{
    return r->unheard_hellos >= n;
}

bool commits_reach(const struct fake_record *r, uint64_t n)
{
    return r->commits >= n;
}

bool begins_reach(const struct fake_record *r, uint64_t n)
{
    return r->begins >= n;
}

bool ends_reach(const struct fake_record *r, uint64_t n)
{
    return r->ends >= n;
}

bool finished_reaches(const struct fake_record *r, uint64_t n)
{
    return r->finished >= n;
}

bool command_is_seen(const struct fake_record *r, uint64_t seq)
{
    return r->command_seen == seq;
}

bool beat_step_is(const struct fake_record *r, uint64_t step)
{
    return r->beat_step == step;
}

bool picture_step_is(const struct fake_record *r, uint64_t step)
{
    return r->picture_step == step;
}
