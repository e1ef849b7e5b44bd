#include "watch/watch_list.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/chart.h"
#include "watch/fit.h"
#include "watch/grid.h"
#include "watch/watch_panel.h"

enum { MARGIN = 2 /* for the pointer */, EVENTS_LEAST = 3, EVENTS_WANT = 6, EVENTS_MOST = 16 };

/* ---- columns ---- */

#define JOB(row) ((const struct watch_job *)(row))

static const char *text_job(const void *row, char scratch[HUMAN_MAX])
{
    snprintf(scratch, HUMAN_MAX, "%" PRIu64, JOB(row)->job);
    return scratch;
}

static const char *text_name(const void *row, char scratch[HUMAN_MAX])
{
    (void)scratch;
    return JOB(row)->name;
}

static const char *text_state(const void *row, char scratch[HUMAN_MAX])
{
    (void)scratch;
    return JOB(row)->state_name;
}

static enum style style_state(const void *row)
{
    return term_style_of_state(JOB(row)->state_name);
}

static const char *text_done(const void *row, char scratch[HUMAN_MAX])
{
    if (JOB(row)->total_steps == 0)
        return "";
    snprintf(scratch, HUMAN_MAX, "%d%%", (int)(100 * watch_job_share(row)));
    return scratch;
}

static void put_bar(const void *row, struct frame *f, size_t width)
{
    if (JOB(row)->total_steps > 0)
        chart_put_bar(f, style_state(row), watch_job_share(row), width);
}

static const char *text_step(const void *row, char scratch[HUMAN_MAX])
{
    snprintf(scratch, HUMAN_MAX, "%" PRIu64, JOB(row)->step);
    return scratch;
}

static const char *text_left(const void *row, char scratch[HUMAN_MAX])
{
    return human_seconds(watch_job_seconds_left(row), scratch);
}

static const char *text_attempt(const void *row, char scratch[HUMAN_MAX])
{
    if (JOB(row)->attempt < 2)
        return "";
    snprintf(scratch, HUMAN_MAX, "%u", JOB(row)->attempt);
    return scratch;
}

static bool has_metrics(const struct watch_job *j)
{
    return j->health[0] != '\0' && strcmp(j->health, "-") != 0;
}

/* Of the newest row. A list of ebmd's has it of live jobs only. */
static const char *text_newest(const struct watch_job *j, enum wire_metric metric, double told,
                               char scratch[HUMAN_MAX])
{
    const struct watch_row *last = watch_rows_last(&j->rows);

    if (last != NULL)
        return human_number(last->value[metric], scratch);
    return has_metrics(j) && !isnan(told) ? human_number(told, scratch) : "";
}

static const char *text_grad(const void *row, char scratch[HUMAN_MAX])
{
    return text_newest(row, METRIC_LANGEVIN_GRAD, JOB(row)->langevin_grad, scratch);
}

static const char *text_gap(const void *row, char scratch[HUMAN_MAX])
{
    return text_newest(row, METRIC_ENERGY_GAP, JOB(row)->energy_gap, scratch);
}

static void put_trend(const void *row, struct frame *f, size_t width)
{
    const struct watch_rows *r = &JOB(row)->rows;
    struct chart_point *p = watch_rows_points(r, METRIC_LANGEVIN_GRAD);
    size_t n = r->count < WATCH_ROWS_TREND ? r->count : WATCH_ROWS_TREND;

    if (p != NULL)
        chart_put_trend(f, STYLE_CYAN, p + (r->count - n), n, width);
    free(p);
}

static const char *text_health(const void *row, char scratch[HUMAN_MAX])
{
    (void)scratch;
    return has_metrics(row) ? JOB(row)->health : "";
}

static enum style style_health(const void *row)
{
    return term_style_of_health(JOB(row)->health);
}

static const char *text_reason(const void *row, char scratch[HUMAN_MAX])
{
    (void)scratch;
    return JOB(row)->reason;
}

static const struct grid_column columns[] = {
    {.title = "JOB", .rank = 0, .right = true, .text = text_job},
    {.title = "NAME", .rank = 2, .least = 12, .text = text_name},
    {.title = "STATE", .rank = 1, .text = text_state, .style = style_state},
    {.title = "", .rank = 5, .least = 8, .most = 30, .put = put_bar},
    {.title = "DONE", .rank = 3, .right = true, .text = text_done},
    {.title = "STEP", .rank = 10, .right = true, .text = text_step},
    {.title = "LEFT", .rank = 7, .right = true, .text = text_left},
    {.title = "R_T TREND", .rank = 4, .least = 9, .most = 30, .put = put_trend},
    {.title = "R_T", .rank = 6, .right = true, .text = text_grad},
    {.title = "GAP", .rank = 11, .right = true, .text = text_gap},
    {.title = "HEALTH", .rank = 8, .text = text_health, .style = style_health},
    {.title = "ATTEMPT", .rank = 9, .right = true, .text = text_attempt},
    {.title = "REASON", .rank = 12, .least = 16, .text = text_reason},
};

/* ---- parts ---- */

/* "2 running · 1 queued" */
static void put_title(struct frame *f, const struct watch_data *d,
                      const struct watch_job *const *jobs, size_t n, int64_t wall_ms)
{
    size_t count[JOB_STATE_COUNT + 1] = {0};
    struct pieces t = {.count = 0};
    char clock[HUMAN_MAX];

    for (size_t i = 0; i < n; i++)
        count[jobs[i]->state]++;
    pieces_add(&t, 0, STYLE_BOLD, "%zu job%s", n, n == 1 ? "" : "s");
    for (unsigned s = 0; s < JOB_STATE_COUNT; s++)
        if (count[s] > 0)
            pieces_add(&t, 1 + s, term_style_of_state(job_state_name((enum job_state)s)), "%zu %s",
                       count[s], job_state_name((enum job_state)s));
    if (d->given_count == 0)
        pieces_add(&t, 14, STYLE_DIM, "ended ones: of the last hour");
    human_clock(wall_ms, clock);
    pieces_put(&t, f, f->width > strlen(clock) ? f->width - strlen(clock) - 1 : f->width, 2);
    if (f->column + strlen(clock) < f->width)
        frame_put_right(f, STYLE_DIM, clock, f->width);
    frame_end_line(f);
}

static void put_row(struct frame *f, const struct grid *g, const struct watch_job *j, bool selected)
{
    if (selected) {
        frame_background(f, STYLE_REVERSE);
        frame_put(f, STYLE_NONE, frame_glyph(f, GLYPH_POINTER));
    }
    frame_skip_to(f, MARGIN);
    grid_put_row(g, f, j);
    frame_end_line(f);
}

static void put_nothing(struct frame *f, const struct watch_data *d)
{
    frame_put(f, STYLE_DIM,
              d->complete ? "no job is open, and none ended within the last hour" : "asking ebmd");
    frame_end_line(f);
}

static size_t place_of(const struct watch_list *l, const struct watch_job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (jobs[i]->job == l->selected)
            return i;
    return n;
}

/* Which ones are on the screen: the selected one is, and no line is wasted. */
static void scroll(struct watch_list *l, const struct watch_job *const *jobs, size_t n,
                   size_t lines)
{
    size_t at = place_of(l, jobs, n);

    l->shown = lines < n ? lines : n;
    if (at < n && at < l->top)
        l->top = at;
    if (at < n && at >= l->top + l->shown)
        l->top = at + 1 - l->shown;
    if (l->top + l->shown > n)
        l->top = n - l->shown;
}

static void put_events(struct frame *f, const struct watch_data *d, size_t lines)
{
    if (lines == 0)
        return;
    frame_put(f, STYLE_BOLD, "events");
    frame_end_line(f);
    for (size_t i = 1; i < lines; i++) {
        if (i <= d->events)
            watch_panel_put_event(f, &d->event[d->events - i], true, f->width);
        frame_end_line(f);
    }
}

/* ---- the whole ---- */

enum part { TITLE, BLANK_1, HEADER, ROWS, BLANK_2, REASON, EVENTS, FILLER, HINT, PARTS };

static void share_lines(size_t height, size_t n, size_t events, bool reason, bool hint,
                        size_t share[PARTS])
{
    size_t rows = n > 0 ? n : 1, most = height / 3 * 2 > 1 ? height / 3 * 2 : 1;
    const struct fit_part part[PARTS] = {
        [TITLE] = {1, 1, 1, 2},
        [BLANK_1] = {1, 1, 1, 7},
        [HEADER] = {n > 0, 1, 1, 1},
        [ROWS] = {rows < most ? rows : most, rows, rows, 0},
        [BLANK_2] = {1, 1, 1, 8},
        [REASON] = {reason, 1, 1, 4},
        [EVENTS] = {events > 0 ? EVENTS_LEAST : 0, events < EVENTS_WANT ? events + 1 : EVENTS_WANT,
                    events + 1, 6},
        [FILLER] = {0, 0, 0, 9},
        [HINT] = {hint, 1, 1, 3},
    };

    size_t total = height == WATCH_ANY_HEIGHT ? fit_wanted(part, PARTS, 0) : height;
    size_t used = fit_share(part, PARTS, total, 0, share);
    share[FILLER] = hint ? total - used : 0;
}

static void put_reason(struct frame *f, const struct watch_job *j)
{
    struct pieces t = {.count = 0};

    pieces_add(&t, 0, STYLE_BOLD, "job %" PRIu64, j->job);
    pieces_add_text(&t, 1, STYLE_NONE, j->reason);
    pieces_put(&t, f, f->width, 2);
    frame_end_line(f);
}

static void put_rows(struct frame *f, struct watch_list *l, const struct watch_job *const *jobs,
                     size_t n, bool header, size_t lines)
{
    struct grid g;

    scroll(l, jobs, n, lines);
    grid_fit(&g, columns, sizeof columns / sizeof columns[0], (const void *const *)(jobs + l->top),
             l->shown, f->width > MARGIN ? f->width - MARGIN : f->width);
    if (header) {
        frame_skip_to(f, MARGIN);
        grid_put_titles(&g, f);
        frame_end_line(f);
    }
    for (size_t i = 0; i < l->shown; i++)
        put_row(f, &g, jobs[l->top + i], jobs[l->top + i]->job == l->selected);
}

static void put_blanks(struct frame *f, size_t n)
{
    while (n-- > 0)
        frame_end_line(f);
}

void watch_list_draw(struct frame *f, struct watch_list *l, const struct watch_data *d,
                     const struct watch_job *const *jobs, size_t n, const struct pieces *hint,
                     int64_t wall_ms)
{
    size_t share[PARTS], at = place_of(l, jobs, n);
    size_t events = d->events < EVENTS_MOST ? d->events : EVENTS_MOST;
    bool reason = at < n && jobs[at]->reason[0] != '\0';

    share_lines(f->height, n, events, reason, hint->count > 0, share);
    if (share[TITLE] > 0)
        put_title(f, d, jobs, n, wall_ms);
    put_blanks(f, share[BLANK_1]);
    l->shown = 0;
    if (n == 0)
        put_nothing(f, d);
    else
        put_rows(f, l, jobs, n, share[HEADER] > 0, share[ROWS]);
    put_blanks(f, share[BLANK_2]);
    if (share[REASON] > 0)
        put_reason(f, jobs[at]);
    put_events(f, d, share[EVENTS]);
    put_blanks(f, share[FILLER]);
    if (share[HINT] == 0)
        return;
    pieces_put(hint, f, f->width, 3);
    frame_end_line(f);
}

void watch_list_move(struct watch_list *l, const struct watch_job *const *jobs, size_t n,
                     long places)
{
    size_t at = place_of(l, jobs, n);

    if (n == 0)
        return;
    if (at == n)
        at = 0; /* it is gone */
    else if (places < 0)
        at = (size_t)-places < at ? at - (size_t)-places : 0;
    else
        at = (size_t)places < n - 1 - at ? at + (size_t)places : n - 1;
    l->selected = jobs[at]->job;
}
