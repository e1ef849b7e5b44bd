/* What a watch shows, at every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <locale.h>
#include <math.h>

#include "utf8.h"
#include "watch/watch_panel.h"
#include "watch/watch_view.h"

static const struct term colour = {.tty = true, .colour = true, .unicode = true};
static const struct term ascii = {.tty = true};
static const struct term plain = {.unicode = true};
static const int64_t now_ms = 1700000100000;

/* ---- a stage with jobs on it ---- */

struct stage {
    struct watch_data data;
    struct watch_view view;
    struct frame frame;
    uint64_t given[1];
};

static Ebm__Job job_of(uint64_t job, const char *state, uint64_t step, uint64_t total)
{
    Ebm__Job j = EBM__JOB__INIT;

    j.job = job;
    j.name = (char *)"fashion-ebm";
    j.state = (char *)state;
    j.step = step;
    j.total_steps = total;
    j.attempt = 2;
    j.health = (char *)"ok";
    j.reason = (char *)"";
    j.restarts_used = 1;
    j.max_restarts = 5;
    j.rate = 2.5;
    j.langevin_grad = 0.0125;
    j.energy_gap = -0.25;
    j.started_ms = now_ms - 100000;
    if (job_state_is_final(job_state_from_name(state)))
        j.ended_ms = now_ms - 1000 - (int64_t)job;
    return j;
}

static struct watch_job *put(struct stage *s, uint64_t job, const char *state, const char *reason)
{
    Ebm__Job j = job_of(job, state, 1450, 2345);

    j.reason = (char *)reason;
    return watch_jobs_put(&s->data.jobs, &j);
}

static void put_rows(struct watch_job *j, size_t n, double scale)
{
    watch_rows_reset(&j->rows, WATCH_ROWS_FULL, j->attempt);
    for (size_t i = 1; i <= n; i++) {
        double v[METRIC_COUNT];
        for (size_t k = 0; k < METRIC_COUNT; k++)
            v[k] = scale * sin((double)i / 40 + (double)k);
        Ebm__Metric m = EBM__METRIC__INIT;
        m.attempt = j->attempt;
        m.step = i;
        m.n_value = METRIC_COUNT;
        m.value = v;
        assert_true(watch_rows_add(&j->rows, &m));
    }
}

static void put_event(struct stage *s, const char *kind, const char *text)
{
    struct watch_event *e = &s->data.event[s->data.events++];

    *e = (struct watch_event){.seq = s->data.events, .job = 42, .time_ms = now_ms};
    snprintf(e->kind, sizeof e->kind, "%s", kind);
    snprintf(e->text, sizeof e->text, "%s", text);
}

static void put_checkpoints(struct stage *s, size_t n)
{
    s->data.checkpoint = calloc(n + 1, sizeof *s->data.checkpoint);
    s->data.checkpoints = n;
    for (size_t i = 0; i < n; i++)
        s->data.checkpoint[i] = (struct watch_checkpoint){i + 1,          200 * (i + 1), 12345678,
                                                          now_ms - 60000, "healthy",     "last-5"};
}

/* One job was given, or none. */
static struct stage *stage_make(uint64_t given)
{
    struct stage *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->given[0] = given;
    watch_data_init(&s->data, NULL, s->given, given != 0);
    s->data.complete = true;
    watch_view_init(&s->view, &s->data, true, true);
    frame_init(&s->frame);
    return s;
}

static void stage_free(struct stage *s)
{
    frame_fini(&s->frame);
    watch_data_fini(&s->data);
    free(s);
}

static void draw(struct stage *s, const struct term *t, size_t width, size_t height)
{
    /* To draw asks ebmd for what it shows; here there is none. */
    frame_begin(&s->frame, t, width, height);
    watch_view_draw(&s->view, &s->data, &s->frame, 1000, now_ms);
}

/* ---- looking at lines ---- */

/* A line without its styles. */
static const char *bare(const char *line)
{
    static char out[4096];
    size_t n = 0;

    for (; *line != '\0' && n < sizeof out - 1; line++) {
        if (*line == '\033')
            line = strchr(line, 'm');
        else
            out[n++] = *line;
        assert_non_null(line);
    }
    out[n] = '\0';
    return out;
}

static bool shows(const struct stage *s, const char *text)
{
    for (size_t i = 0; i < s->frame.count; i++)
        if (strstr(bare(frame_line(&s->frame, i)), text) != NULL)
            return true;
    return false;
}

static void assert_shows(const struct stage *s, const char *text)
{
    if (shows(s, text))
        return;
    for (size_t i = 0; i < s->frame.count; i++)
        print_error("%s\n", bare(frame_line(&s->frame, i)));
    fail_msg("'%s' is not shown", text);
}

static void assert_fits(const struct stage *s, size_t width, size_t height)
{
    assert_in_range(s->frame.count, 1, height);
    for (size_t i = 0; i < s->frame.count; i++) {
        const char *line = bare(frame_line(&s->frame, i));
        if (utf8_width(line) > width)
            fail_msg("%zux%zu: line %zu has %zu columns: %s", width, height, i, utf8_width(line),
                     line);
        for (const char *p = line; *p != '\0'; p++)
            assert_false((unsigned char)*p < 0x20 || *p == 0x7f);
    }
}

static void assert_fits_everywhere(struct stage *s)
{
    static const size_t widths[] = {1, 2, 3, 5, 10, 20, 39, 40, 63, 64, 79, 80, 109, 110, 132, 200},
                        heights[] = {1, 2, 3, 5, 8, 10, 16, 24, 30, 60, 100};
    static const struct term *const terms[] = {&colour, &ascii, &plain};

    for (size_t t = 0; t < 3; t++)
        for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
            for (size_t h = 0; h < sizeof heights / sizeof heights[0]; h++) {
                draw(s, terms[t], widths[w], heights[h]);
                assert_fits(s, widths[w], heights[h]);
            }
}

/* ---- one job ---- */

static struct stage *panel_make(void)
{
    struct stage *s = stage_make(42);

    put_rows(put(s, 42, "running", ""), 1450, 0.5);
    put_checkpoints(s, 7);
    put_event(s, "checkpoint", "checkpoint c6 at step 1200");
    put_event(s, "rollback", "goes back to checkpoint c6");
    return s;
}

/* The edges of a band are not there before there is one. */
static void test_panel_stability(void **state)
{
    struct stage *s = panel_make();
    Ebm__Stability told = EBM__STABILITY__INIT;
    Ebm__Job j = job_of(42, "running", 1450, 2345);

    (void)state;
    told.verdict = (char *)"warn";
    told.outlook = (char *)"r_t left its band; a second sign is a trip";
    j.stability = &told;
    struct watch_job *w = watch_jobs_put(&s->data.jobs, &j);
    for (size_t i = 0; i < w->rows.count; i++) {
        double *v = w->rows.row[i].value;
        bool known = i >= w->rows.count / 2;
        v[METRIC_LANGEVIN_GRAD] = 2;
        v[METRIC_LANGEVIN_LOW] = known ? 1 : (double)NAN;
        v[METRIC_LANGEVIN_HIGH] = known ? 4 : (double)NAN;
    }
    draw(s, &colour, 100, 30);
    assert_fits(s, 100, 30);
    assert_shows(s, "stability warn  r_t left its band; a second sign is a trip");
    assert_shows(s, "r_t 2 healthy 1 to 4");
    for (size_t i = 0; i < s->frame.count; i++)
        assert_null(strchr(bare(frame_line(&s->frame, i)), '!'));
    /* Both edges or none, however narrow it is. */
    for (size_t columns = 20; columns <= 100; columns++) {
        draw(s, &colour, columns, 30);
        for (size_t i = 0; i < s->frame.count; i++) {
            const char *r = strstr(bare(frame_line(&s->frame, i)), "r_t 2");
            assert_true(r == NULL || strstr(r, " to ") == NULL || strstr(r, "healthy 1 to 4"));
            assert_true(r == NULL || strstr(r, "healthy") == NULL || strstr(r, "healthy 1 to 4"));
        }
    }
    stage_free(s);
}

static void test_panel(void **state)
{
    struct stage *s = panel_make();

    (void)state;
    draw(s, &colour, 80, 24);
    assert_fits(s, 80, 24);
    assert_shows(s, "job 42  fashion-ebm  \xe2\x97\x8f running  attempt 2");
    assert_shows(s, "61%  step 1450 of 2345  2.5 steps/s  6 min left");
    assert_shows(s, "health ok");
    assert_shows(s, "r_t ");
    assert_shows(s, "energy gap ");
    assert_shows(s, "data ");
    assert_shows(s, "loss ");
    assert_shows(s, "step 1 \xe2\x94\x80");
    assert_shows(s, "c7  step 1400  healthy  12.3 MB  60 s ago  last-5");
    assert_shows(s, "goes back to checkpoint c6");
    assert_shows(s, "q quit");
    assert_int_equal(s->frame.count, 24); /* the keys stand on the last line */
    assert_string_equal(bare(frame_line(&s->frame, 23)), "q quit");
    stage_free(s);
}

/* Columns of the first and of the last axis in a line. */
static size_t find_axes(const char *line, size_t *last)
{
    enum { AXIS = 0x2502, TICK = 0x2524, CORNER = 0x2514 };
    size_t column = 0, first = SIZE_MAX;
    uint32_t c;

    while ((c = utf8_next(&line)) != 0) {
        if (c == AXIS || c == TICK || c == CORNER) {
            first = first == SIZE_MAX ? column : first;
            *last = column;
        }
        column += (size_t)utf8_columns(c);
    }
    return first;
}

/* The axes of plots stand below one another, in both halves of the screen. */
static void test_panel_aligns(void **state)
{
    static const size_t widths[] = {64, 80, 109, 110, 132};
    struct stage *s = panel_make();

    (void)state;
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        size_t half = (widths[i] - 3) / 2 + 3, first = SIZE_MAX, last = 0, lines = 0;
        draw(s, &plain, widths[i], 24);
        for (size_t k = 0; k < s->frame.count; k++) {
            size_t at = find_axes(frame_line(&s->frame, k), &last);
            if (at == SIZE_MAX)
                continue;
            first = first == SIZE_MAX ? at : first;
            assert_int_equal(at, first);
            assert_int_equal(last, first + half);
            lines++;
        }
        assert_in_range(lines, 5, 20);
    }
    stage_free(s);
}

/* What matters less goes first. */
static void test_panel_small(void **state)
{
    struct stage *s = panel_make();

    (void)state;
    draw(s, &plain, 40, 10);
    assert_shows(s, "job 42");
    assert_shows(s, "61%");
    assert_shows(s, "r_t ");
    assert_shows(s, "q quit");
    assert_false(shows(s, "checkpoints"));
    assert_false(shows(s, "loss"));
    draw(s, &plain, 30, 2);
    assert_shows(s, "running");
    assert_shows(s, "61%");
    assert_false(shows(s, "r_t"));
    draw(s, &plain, 30, 1);
    assert_string_equal(frame_line(&s->frame, 0), "job 42  \xe2\x97\x8f running  61%");
    draw(s, &plain, 1, 1);
    assert_int_equal(s->frame.count, 1);
    stage_free(s);
}

static void test_panel_fits(void **state)
{
    struct stage *s = panel_make();

    (void)state;
    assert_fits_everywhere(s);
    stage_free(s);
}

/* In ASCII nothing else is written, whatever names and texts hold. */
static void test_panel_ascii(void **state)
{
    struct stage *s = stage_make(42);
    struct watch_job *j = put(s, 42, "failed", "\xc3\xa9 \033[2J \xe6\xbc\xa2");

    (void)state;
    put_rows(j, 300, 1);
    put_event(s, "x", "\xe2\x80\xae right to left");
    draw(s, &ascii, 120, 40);
    assert_shows(s, "energy data 0.798");
    assert_shows(s, "sample (*) ");
    for (size_t i = 0; i < s->frame.count; i++)
        for (const char *p = frame_line(&s->frame, i); *p != '\0'; p++)
            assert_in_range(*p, 0x20, 0x7e);
    stage_free(s);
}

/* Without colours there is no escape sequence at all. */
static void test_panel_plain(void **state)
{
    struct stage *s = panel_make();

    (void)state;
    draw(s, &plain, 80, 24);
    for (size_t i = 0; i < s->frame.count; i++)
        assert_null(strchr(frame_line(&s->frame, i), '\033'));
    draw(s, &colour, 80, 24);
    assert_non_null(strstr(frame_line(&s->frame, 0), "\033[36m"));
    stage_free(s);
}

/* Numbers of every kind, texts of every length. */
static void test_panel_extremes(void **state)
{
    static const double scales[] = {1e308, 1e-308, NAN, INFINITY, 0};
    char text[WATCH_TEXT];

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        struct stage *s = stage_make(42);
        Ebm__Job told = job_of(42, "running", UINT64_MAX - 1, UINT64_MAX);
        told.name = text;
        told.reason = text;
        told.rate = i == 0 ? 1e-300 : 1e300;
        told.attempt = UINT32_MAX;
        struct watch_job *j = watch_jobs_put(&s->data.jobs, &told);
        put_rows(j, 200, scales[i]);
        put_checkpoints(s, 100);
        for (int k = 0; k < WATCH_EVENTS; k++)
            put_event(s, "diverged", text);
        snprintf(s->data.trouble, sizeof s->data.trouble, "%s", text);
        assert_fits_everywhere(s);
        stage_free(s);
    }
}

static void test_panel_new_job(void **state)
{
    struct stage *s = stage_make(42);
    Ebm__Job told = job_of(42, "queued", 0, 0);

    (void)state;
    told.attempt = 0;
    told.started_ms = 0;
    told.rate = 0;
    told.health = (char *)"-";
    told.reason = (char *)"waits for 2 slots";
    watch_jobs_put(&s->data.jobs, &told);
    draw(s, &plain, 80, 24);
    assert_shows(s, "queued");
    assert_shows(s, "waits for 2 slots");
    assert_false(shows(s, "r_t"));
    assert_false(shows(s, "checkpoints"));
    assert_false(shows(s, "nan"));
    stage_free(s);
}

static void test_notices(void **state)
{
    struct stage *s = panel_make();

    (void)state;
    s->data.waiting_ms = 1000 - 2999;
    draw(s, &plain, 80, 24);
    assert_false(shows(s, "has not answered"));
    s->data.waiting_ms = 1000 - 5000;
    draw(s, &plain, 80, 24);
    assert_shows(s, "ebmd has not answered for 5 s, trying   q quit");
    s->data.waiting_ms = 0;
    strcpy(s->data.trouble, "metrics.db: disk I/O error");
    draw(s, &plain, 80, 24);
    assert_shows(s, "disk I/O error");
    stage_free(s);
}

/* ---- the list ---- */

static struct stage *list_make(size_t n)
{
    static const char *const states[] = {"succeeded", "queued", "running", "paused", "diverged"};
    struct stage *s = stage_make(0);

    for (size_t i = 1; i <= n; i++)
        put_rows(put(s, i, states[i % 5], "because it is so"), 40, 0.5);
    return s;
}

static void key(struct stage *s, int k, enum view_action expected)
{
    assert_int_equal(watch_view_key(&s->view, &s->data, k), expected);
    draw(s, &plain, 80, 12);
}

static void test_list(void **state)
{
    struct stage *s = list_make(5);

    (void)state;
    put_event(s, "checkpoint", "checkpoint c6");
    draw(s, &plain, 80, 24);
    assert_shows(s, "5 jobs  1 queued  1 running  1 paused  1 succeeded  1 diverged");
    assert_shows(s, "JOB  NAME         STATE");
    /* What runs stands first and is selected; what ended stands last, the
     * newest first: job 4 ended after job 5. */
    assert_non_null(strstr(frame_line(&s->frame, 3), "\xe2\x96\xb8"));
    assert_non_null(strstr(frame_line(&s->frame, 3), "  2  fashion-ebm  running"));
    assert_non_null(strstr(frame_line(&s->frame, 4), "  1  fashion-ebm  queued"));
    assert_non_null(strstr(frame_line(&s->frame, 5), "  3  fashion-ebm  paused"));
    assert_non_null(strstr(frame_line(&s->frame, 6), "  4  fashion-ebm  diverged"));
    assert_non_null(strstr(frame_line(&s->frame, 7), "  5  fashion-ebm  succeeded"));
    assert_shows(s, "61%");
    assert_shows(s, "\xe2\x96\x86"); /* a trend */
    assert_shows(s, "job 2  because it is so");
    assert_shows(s, "job 42  checkpoint c6");
    stage_free(s);
}

static void test_list_keys(void **state)
{
    struct stage *s = list_make(60);

    (void)state;
    draw(s, &plain, 80, 12);
    uint64_t first = s->view.list.selected;
    key(s, 'j', VIEW_CHANGED);
    uint64_t second = s->view.list.selected;
    assert_int_not_equal(first, second);
    key(s, KEY_UP, VIEW_CHANGED);
    assert_int_equal(s->view.list.selected, first);
    key(s, 'k', VIEW_CHANGED); /* stays at the top */
    assert_int_equal(s->view.list.selected, first);
    key(s, 'G', VIEW_CHANGED);
    assert_int_equal(s->view.list.top + s->view.list.shown, 60);
    assert_shows(s, "\xe2\x96\xb8");
    key(s, KEY_PAGE_UP, VIEW_CHANGED);
    assert_shows(s, "\xe2\x96\xb8");
    key(s, 'g', VIEW_CHANGED);
    assert_int_equal(s->view.list.selected, first);
    key(s, KEY_ENTER, VIEW_CHANGED);
    assert_int_equal(s->view.open, first);
    assert_int_equal(s->data.detail, first);
    key(s, KEY_DOWN, VIEW_NOTHING); /* nothing to select in a panel */
    key(s, KEY_ESCAPE, VIEW_CHANGED);
    assert_int_equal(s->view.open, 0);
    assert_int_equal(s->view.list.selected, first);
    key(s, 'x', VIEW_NOTHING);
    key(s, 0x0c, VIEW_REDRAW);
    key(s, 'q', VIEW_QUIT);
    stage_free(s);
}

/* The panel of the one job that was given is all that there is. */
static void test_single_has_no_list(void **state)
{
    struct stage *s = panel_make();

    (void)state;
    draw(s, &plain, 80, 12);
    key(s, KEY_ESCAPE, VIEW_NOTHING);
    assert_int_equal(s->view.open, 42);
    stage_free(s);
}

static void test_list_fits(void **state)
{
    struct stage *s = list_make(30);

    (void)state;
    for (int i = 0; i < 20; i++)
        put_event(s, "checkpoint", "checkpoint c6 at step 1200, of a job with a long story");
    assert_fits_everywhere(s);
    assert_true(s->view.list.selected != 0);
    stage_free(s);
}

/* A job that is selected or open and goes away. */
static bool drop_all(const struct watch_job *j, int64_t arg)
{
    (void)j, (void)arg;
    return true;
}

static void test_list_empties(void **state)
{
    struct stage *s = list_make(3);

    (void)state;
    draw(s, &plain, 80, 24);
    key(s, KEY_ENTER, VIEW_CHANGED);
    watch_jobs_drop(&s->data.jobs, drop_all, 0);
    draw(s, &plain, 80, 24);
    assert_int_equal(s->view.open, 0);
    assert_shows(s, "no job is open");
    key(s, 'j', VIEW_NOTHING);
    key(s, KEY_ENTER, VIEW_CHANGED);
    assert_int_equal(s->view.open, 0);
    assert_fits_everywhere(s);
    put(s, 77, "running", "");
    draw(s, &plain, 80, 24);
    assert_int_equal(s->view.list.selected, 77);
    stage_free(s);
}

/* Only what is on the screen is asked for. */
static void test_visible(void **state)
{
    struct stage *s = list_make(100);

    (void)state;
    draw(s, &plain, 80, 20);
    assert_int_equal(s->data.visible_count, s->view.list.shown);
    assert_in_range(s->data.visible_count, 10, 20);
    key(s, KEY_ENTER, VIEW_CHANGED);
    assert_int_equal(s->data.visible_count, 0);
    stage_free(s);
}

/* ---- one frame of any height ---- */

static void test_any_height(void **state)
{
    struct stage *s = panel_make();

    (void)state;
    watch_view_init(&s->view, &s->data, false, false);
    draw(s, &plain, 80, WATCH_ANY_HEIGHT);
    assert_in_range(s->frame.count, 18, 30);
    assert_shows(s, "events");
    assert_false(shows(s, "q quit"));
    stage_free(s);
    s = list_make(150);
    watch_view_init(&s->view, &s->data, false, false);
    draw(s, &plain, 80, WATCH_ANY_HEIGHT);
    assert_in_range(s->frame.count, 152, 160);
    assert_false(shows(s, "\xe2\x96\xb8"));
    stage_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_panel_stability),
        cmocka_unit_test(test_panel),
        cmocka_unit_test(test_panel_aligns),
        cmocka_unit_test(test_panel_small),
        cmocka_unit_test(test_panel_fits),
        cmocka_unit_test(test_panel_ascii),
        cmocka_unit_test(test_panel_plain),
        cmocka_unit_test(test_panel_extremes),
        cmocka_unit_test(test_panel_new_job),
        cmocka_unit_test(test_notices),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_keys),
        cmocka_unit_test(test_single_has_no_list),
        cmocka_unit_test(test_list_fits),
        cmocka_unit_test(test_list_empties),
        cmocka_unit_test(test_visible),
        cmocka_unit_test(test_any_height),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
