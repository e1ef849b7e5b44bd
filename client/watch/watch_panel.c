#include "watch/watch_panel.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "columns.h"
#include "watch/fit.h"
#include "watch/grid.h"
#include "watch/watch_plots.h"

enum {
    WIDE_FROM = 110, /* columns: checkpoints stand beside events */
    PAIRS_FROM = 64, /* plots stand in pairs */
    BETWEEN = 3,     /* columns between two parts side by side */
    SHOWN_MAX = 16,  /* checkpoints or events */
    PLOT_MOST = 20,
    BANDS_MAX = 16
};

struct panel {
    const struct watch_data *data;
    const struct watch_job *job;
    const struct pieces *hint;
    int64_t wall_ms;
    struct plots plots;
};

/* ---- where it stands ---- */

static void add_attempt(struct pieces *line, const struct watch_job *j)
{
    if (j->attempt > 1)
        pieces_add(line, 4, STYLE_NONE, "attempt %u", j->attempt);
    if (j->restarts_used > 0)
        pieces_add(line, 6, STYLE_DIM, "%u of %u restarts used", j->restarts_used, j->max_restarts);
}

static void put_title(struct panel *p, struct frame *f, size_t right, size_t line, size_t lines)
{
    const struct watch_job *j = p->job;
    struct pieces t = {.count = 0};
    char time[HUMAN_MAX];

    (void)line, (void)lines;
    pieces_add(&t, 0, STYLE_BOLD, "job %" PRIu64, j->job);
    pieces_add(&t, 2, STYLE_BOLD, "%s", j->name);
    pieces_add(&t, 1, term_style_of_state(j->state_name), "%s %s", frame_glyph(f, GLYPH_BULLET),
               j->state_name);
    /* A screen of one line has no line for progress. */
    if (f->height == 1 && j->total_steps > 0)
        pieces_add(&t, 1, STYLE_NONE, "%d%%", (int)(100 * watch_job_share(j)));
    add_attempt(&t, j);
    if (j->started_ms > 0 && j->ended_ms > 0)
        pieces_add(&t, 5, STYLE_DIM, "took %s", human_duration(j->ended_ms - j->started_ms, time));
    else if (j->started_ms > 0)
        pieces_add(&t, 5, STYLE_DIM, "started %s", human_ago(j->started_ms, p->wall_ms, time));
    pieces_put(&t, f, right, 2);
}

static void put_progress(struct panel *p, struct frame *f, size_t right, size_t line, size_t lines)
{
    const struct watch_job *j = p->job;
    struct pieces t = {.count = 0};
    char left[HUMAN_MAX];
    double seconds = watch_job_seconds_left(j);

    (void)line, (void)lines;
    if (j->total_steps > 0) {
        enum style style = term_style_of_state(j->state_name);
        pieces_add_bar(&t, 2, style, watch_job_share(j));
        pieces_add(&t, 0, STYLE_BOLD, "%d%%", (int)(100 * watch_job_share(j)));
        pieces_add(&t, 1, STYLE_NONE, "step %" PRIu64 " of %" PRIu64, j->step, j->total_steps);
    } else {
        pieces_add(&t, 0, STYLE_NONE, "step %" PRIu64, j->step);
    }
    if (j->rate > 0 && job_state_is_live(j->state))
        pieces_add(&t, 4, STYLE_NONE, j->rate < 1000 ? "%.3g steps/s" : "%.0f steps/s", j->rate);
    if (!isnan(seconds))
        pieces_add(&t, 3, STYLE_NONE, "%s left", human_seconds(seconds, left));
    pieces_put(&t, f, right, 2);
}

static void put_reason(struct panel *p, struct frame *f, size_t right, size_t line, size_t lines)
{
    enum style style = term_style_of_state(p->job->state_name);

    (void)line, (void)lines;
    frame_limit(f, right);
    if (p->job->reason[0] != '\0')
        frame_put(f, job_state_is_final(p->job->state) ? style : STYLE_NONE, p->job->reason);
    else
        frame_put(f, STYLE_BLUE, p->job->happened);
    frame_limit(f, f->width);
}

static size_t count_reason(const struct panel *p)
{
    return p->job->reason[0] != '\0' || p->job->happened[0] != '\0';
}

/* The numbers that have no plot. */
static void add_numbers(struct pieces *t, const struct watch_row *r)
{
    char number[HUMAN_MAX], other[HUMAN_MAX];

    pieces_add(t, 1, STYLE_DIM, "param grad %s", human_number(r->value[METRIC_PARAM_GRAD], number));
    pieces_add(t, 3, STYLE_DIM, "sample mean %s std %s",
               human_number(r->value[METRIC_SAMPLE_MEAN], number),
               human_number(r->value[METRIC_SAMPLE_STD], other));
    pieces_add(t, 2, STYLE_DIM, "saturation %s", human_number(r->value[METRIC_SATURATION], number));
    pieces_add(t, 4, STYLE_DIM, "%s chain steps/s",
               human_count(r->value[METRIC_CHAIN_STEPS_PER_SECOND], number));
}

static bool has_health(const struct watch_job *j)
{
    return j->health[0] != '\0' && strcmp(j->health, "-") != 0;
}

static void put_health(struct panel *p, struct frame *f, size_t right, size_t line, size_t lines)
{
    const struct watch_job *j = p->job;
    const struct watch_row *last = watch_rows_last(&j->rows);
    struct pieces t = {.count = 0};

    (void)line, (void)lines;
    if (has_health(j))
        pieces_add(&t, 0, term_style_of_health(j->health), "health %s", j->health);
    if (last != NULL)
        add_numbers(&t, last);
    pieces_put(&t, f, right, 2);
}

static size_t count_health(const struct panel *p)
{
    return has_health(p->job) || p->job->rows.count > 0;
}

/* What the detector says, and what it waits for. */
static void put_verdict(struct panel *p, struct frame *f, size_t right, size_t line, size_t lines)
{
    const struct watch_job *j = p->job;
    struct pieces t = {.count = 0};

    (void)line, (void)lines;
    pieces_add(&t, 0, term_style_of_health(j->verdict), "stability %s", j->verdict);
    pieces_add_text(&t, 1, STYLE_NONE, j->outlook);
    pieces_put(&t, f, right, 2);
}

static size_t count_verdict(const struct panel *p)
{
    return p->job->verdict[0] != '\0';
}

/* ---- plots ---- */

#define PUT_PLOT(name, which)                                                                      \
    static void name(struct panel *p, struct frame *f, size_t right, size_t line, size_t lines)    \
    {                                                                                              \
        plots_put_line(&p->plots, which, f, right, line, lines);                                   \
    }

PUT_PLOT(put_grad, PLOT_GRAD)
PUT_PLOT(put_gap, PLOT_GAP)
PUT_PLOT(put_energies, PLOT_ENERGIES)
PUT_PLOT(put_loss, PLOT_LOSS)

static void put_steps(struct panel *p, struct frame *f, size_t right, size_t line, size_t lines)
{
    (void)line, (void)lines;
    plots_put_steps(&p->plots, f, right);
}

/* A job that never ran has no plots. */
static size_t count_plot(const struct panel *p)
{
    return p->job->attempt > 0 ? PLOT_MOST : 0;
}

static size_t count_steps(const struct panel *p)
{
    return p->job->rows.count > 0;
}

/* ---- checkpoints ---- */

struct checkpoint_row {
    const struct watch_checkpoint *c;
    int64_t wall_ms;
};

static const char *text_id(const void *row, char scratch[HUMAN_MAX])
{
    return columns_checkpoint_name(((const struct checkpoint_row *)row)->c->checkpoint, scratch);
}

static const char *text_step(const void *row, char scratch[HUMAN_MAX])
{
    snprintf(scratch, HUMAN_MAX, "step %" PRIu64, ((const struct checkpoint_row *)row)->c->step);
    return scratch;
}

static const char *text_health(const void *row, char scratch[HUMAN_MAX])
{
    (void)scratch;
    return ((const struct checkpoint_row *)row)->c->health;
}

static enum style style_health(const void *row)
{
    return term_style_of_health(((const struct checkpoint_row *)row)->c->health);
}

static const char *text_size(const void *row, char scratch[HUMAN_MAX])
{
    return human_bytes(((const struct checkpoint_row *)row)->c->bytes, scratch);
}

static const char *text_age(const void *row, char scratch[HUMAN_MAX])
{
    const struct checkpoint_row *r = row;

    return human_ago(r->c->created_ms, r->wall_ms, scratch);
}

static const char *text_kept(const void *row, char scratch[HUMAN_MAX])
{
    (void)scratch;
    return ((const struct checkpoint_row *)row)->c->kept;
}

static enum style style_dim(const void *row)
{
    (void)row;
    return STYLE_DIM;
}

static const struct grid_column checkpoint_grid[] = {
    {.rank = 0, .text = text_id},
    {.rank = 1, .text = text_step},
    {.rank = 2, .text = text_health, .style = style_health},
    {.rank = 4, .text = text_size, .right = true},
    {.rank = 3, .text = text_age, .right = true, .style = style_dim},
    {.rank = 5, .text = text_kept, .least = 8, .style = style_dim},
};

/* The newest first: what does not fit is old. */
static void put_checkpoints(struct panel *p, struct frame *f, size_t right, size_t line,
                            size_t lines)
{
    struct checkpoint_row row[SHOWN_MAX];
    const void *rows[SHOWN_MAX];
    size_t n = p->data->checkpoints < lines - 1 ? p->data->checkpoints : lines - 1;
    struct grid g;

    n = n < SHOWN_MAX ? n : SHOWN_MAX;
    for (size_t i = 0; i < n; i++) {
        row[i] =
            (struct checkpoint_row){&p->data->checkpoint[p->data->checkpoints - 1 - i], p->wall_ms};
        rows[i] = &row[i];
    }
    frame_limit(f, right);
    if (line == 0) {
        frame_put(f, STYLE_BOLD, "checkpoints");
        if (p->data->checkpoints > n)
            frame_printf(f, STYLE_DIM, "  newest %zu of %zu", n, p->data->checkpoints);
    } else if (p->data->checkpoints == 0 && line == 1) {
        frame_put(f, STYLE_DIM, "none");
    } else if (line <= n) {
        grid_fit(&g, checkpoint_grid, sizeof checkpoint_grid / sizeof checkpoint_grid[0], rows, n,
                 right - f->column);
        grid_put_row(&g, f, rows[line - 1]);
    }
    frame_limit(f, f->width);
}

/* Its title, and at least a line to say that there is none. */
static size_t count_checkpoints(const struct panel *p)
{
    size_t n = p->data->checkpoints < SHOWN_MAX ? p->data->checkpoints : SHOWN_MAX;

    return p->job->attempt > 0 ? 1 + (n > 0 ? n : 1) : 0;
}

/* ---- events ---- */

static enum style style_of_event(const char *kind)
{
    static const struct {
        const char *kind;
        enum style style;
    } rows[] = {{"rollback", STYLE_BLUE},
                {"checkpoint", STYLE_DIM},
                {"suspect", STYLE_YELLOW},
                {"lost", STYLE_YELLOW},
                {"error", STYLE_RED}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].kind, kind) == 0)
            return rows[i].style;
    return term_style_of_state(kind);
}

void watch_panel_put_event(struct frame *f, const struct watch_event *e, bool with_job,
                           size_t right)
{
    struct pieces t = {.count = 0};
    char clock[HUMAN_MAX];

    pieces_add(&t, 2, STYLE_DIM, "%s", human_clock(e->time_ms, clock));
    if (with_job && e->job != 0)
        pieces_add(&t, 1, STYLE_NONE, "job %" PRIu64, e->job);
    pieces_add_text(&t, 0, style_of_event(e->kind), e->text[0] != '\0' ? e->text : e->kind);
    pieces_put(&t, f, right, 2);
}

static void put_events(struct panel *p, struct frame *f, size_t right, size_t line, size_t lines)
{
    (void)lines;
    frame_limit(f, right);
    if (line == 0)
        frame_put(f, STYLE_BOLD, "events");
    else if (line <= p->data->events)
        watch_panel_put_event(f, &p->data->event[p->data->events - line], false, right);
    frame_limit(f, f->width);
}

static size_t count_events(const struct panel *p)
{
    size_t n = p->data->events < SHOWN_MAX ? p->data->events : SHOWN_MAX;

    return n > 0 ? 1 + n : 0;
}

/* ---- the whole ---- */

static void put_hint(struct panel *p, struct frame *f, size_t right, size_t line, size_t lines)
{
    (void)line, (void)lines;
    pieces_put(p->hint, f, right, 3);
}

static size_t count_hint(const struct panel *p)
{
    return p->hint->count > 0;
}

static size_t count_one(const struct panel *p)
{
    (void)p;
    return 1;
}

typedef void box_put(struct panel *p, struct frame *f, size_t right, size_t line, size_t lines);

/* Lines across the screen, with one box in them or two side by side. */
struct band {
    unsigned rank; /* of those that may be left out; 0 matters most */
    size_t least, want;
    size_t (*count)(const struct panel *p); /* lines it could fill; 0: it has nothing */
    box_put *left, *right;
};

#define HEAD                                                                                       \
    {0, 1, 1, count_one, put_title, NULL}, {1, 1, 1, count_one, put_progress, NULL},               \
        {2, 1, 1, count_reason, put_reason, NULL}, {3, 1, 1, count_verdict, put_verdict, NULL},    \
    {                                                                                              \
        4, 1, 1, count_health, put_health, NULL                                                    \
    }
#define BLANK(rank)                                                                                \
    {                                                                                              \
        rank, 1, 1, count_one, NULL, NULL                                                          \
    }

static const struct band narrow[] = {
    HEAD,
    {3, 2, 4, count_plot, put_grad, NULL},
    {6, 2, 4, count_plot, put_gap, NULL},
    {9, 2, 4, count_plot, put_energies, NULL},
    {10, 2, 4, count_plot, put_loss, NULL},
    {11, 1, 1, count_steps, put_steps, NULL},
    BLANK(14),
    {8, 2, 4, count_checkpoints, put_checkpoints, NULL},
    {7, 2, 6, count_events, put_events, NULL},
    {5, 1, 1, count_hint, put_hint, NULL},
};

static const struct band normal[] = {
    HEAD,
    BLANK(13),
    {3, 2, 4, count_plot, put_grad, put_gap},
    {8, 2, 4, count_plot, put_energies, put_loss},
    {9, 1, 1, count_steps, put_steps, put_steps},
    BLANK(14),
    {7, 2, 4, count_checkpoints, put_checkpoints, NULL},
    {6, 2, 5, count_events, put_events, NULL},
    {5, 1, 1, count_hint, put_hint, NULL},
};

static size_t count_both(const struct panel *p)
{
    return count_checkpoints(p) > count_events(p) ? count_checkpoints(p) : count_events(p);
}

static const struct band wide[] = {
    HEAD,
    BLANK(11),
    {3, 2, 5, count_plot, put_grad, put_gap},
    {7, 2, 5, count_plot, put_energies, put_loss},
    {8, 1, 1, count_steps, put_steps, put_steps},
    BLANK(12),
    {6, 2, 8, count_both, put_checkpoints, put_events},
    {5, 1, 1, count_hint, put_hint, NULL},
};

static const struct arrangement {
    const struct band *band;
    size_t count, from; /* columns */
} arrangements[] = {
    {wide, sizeof wide / sizeof wide[0], WIDE_FROM},
    {normal, sizeof normal / sizeof normal[0], PAIRS_FROM},
    {narrow, sizeof narrow / sizeof narrow[0], 0},
};

static void put_band(struct panel *p, struct frame *f, const struct band *b, size_t lines)
{
    size_t middle = b->right != NULL ? (f->width - BETWEEN) / 2 : f->width;

    for (size_t line = 0; line < lines; line++) {
        if (b->left != NULL)
            b->left(p, f, middle, line, lines);
        if (b->right != NULL) {
            frame_skip_to(f, middle + BETWEEN);
            b->right(p, f, f->width, line, lines);
        }
        frame_end_line(f);
    }
}

static void put_bands(struct panel *p, struct frame *f, const struct arrangement *a)
{
    struct fit_part part[BANDS_MAX];
    size_t share[BANDS_MAX];

    for (size_t i = 0; i < a->count; i++) {
        size_t most = a->band[i].count(p);
        size_t want = a->band[i].want < most ? a->band[i].want : most;
        size_t least = a->band[i].least < most ? a->band[i].least : most;
        part[i] = (struct fit_part){least, want, most, a->band[i].rank};
        if (a->band[i].want == 1)
            part[i].most = want;
    }
    size_t height = f->height == WATCH_ANY_HEIGHT ? fit_wanted(part, a->count, 0) : f->height;
    size_t used = fit_share(part, a->count, height, 0, share);
    for (size_t i = 0; i < a->count; i++) {
        /* The hint stands at the bottom. */
        for (; i + 1 == a->count && used < height; used++)
            frame_end_line(f);
        put_band(p, f, &a->band[i], share[i]);
    }
}

void watch_panel_draw(struct frame *f, const struct watch_data *d, const struct watch_job *j,
                      const struct pieces *hint, int64_t wall_ms)
{
    struct panel p = {.data = d, .job = j, .hint = hint, .wall_ms = wall_ms};
    const struct arrangement *a = arrangements;

    while (f->width < a->from)
        a++;
    plots_init(&p.plots, &j->rows);
    put_bands(&p, f, a);
    plots_fini(&p.plots);
}
