#include "watch/watch_view.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "watch/watch_panel.h"

void watch_view_init(struct watch_view *v, const struct watch_data *d, bool interactive,
                     bool has_keys)
{
    *v = (struct watch_view){
        .single = d->given_count == 1, .interactive = interactive, .has_keys = has_keys};
    if (v->single)
        v->open = d->given[0];
}

/* ---- the last line ---- */

static void add_keys(const struct watch_view *v, const struct frame *f, struct pieces *hint)
{
    if (!v->has_keys) {
        pieces_add(hint, 1, STYLE_DIM, "Ctrl-C ends");
        return;
    }
    if (v->open == 0) {
        pieces_add(hint, 3, STYLE_DIM, "%s select", frame_glyph(f, GLYPH_UP_DOWN));
        pieces_add(hint, 2, STYLE_DIM, "Enter open");
    } else if (!v->single) {
        pieces_add(hint, 2, STYLE_DIM, "Esc back");
    }
    pieces_add(hint, 1, STYLE_DIM, "q quit");
}

/* What is amiss goes before the keys. */
static void make_hint(const struct watch_view *v, const struct watch_data *d, const struct frame *f,
                      int64_t now_ms, struct pieces *hint)
{
    int64_t silence = watch_data_silence_ms(d, now_ms);
    char time[HUMAN_MAX];

    hint->count = 0;
    if (silence >= WATCH_SILENT_MS)
        pieces_add(hint, 0, STYLE_YELLOW, "ebmd has not answered for %s, trying",
                   human_duration(silence, time));
    else if (d->trouble[0] != '\0')
        pieces_add_text(hint, 0, STYLE_YELLOW, d->trouble);
    if (v->interactive)
        add_keys(v, f, hint);
}

/* ---- the whole ---- */

static void tell_visible(const struct watch_view *v, struct watch_data *d,
                         const struct watch_job *const *jobs)
{
    size_t n = v->open == 0 ? v->list.shown : 0;
    uint64_t *ids = malloc((n + 1) * sizeof *ids);

    for (size_t i = 0; ids != NULL && i < n; i++)
        ids[i] = jobs[v->list.top + i]->job;
    if (ids != NULL)
        watch_data_set_visible(d, ids, n);
    free(ids);
}

void watch_view_draw(struct watch_view *v, struct watch_data *d, struct frame *f, int64_t now_ms,
                     int64_t wall_ms)
{
    const struct watch_job *j = v->open != 0 ? watch_jobs_find(&d->jobs, v->open) : NULL;
    struct pieces hint;

    if (j == NULL && !v->single)
        v->open = 0; /* it ended more than an hour ago */
    make_hint(v, d, f, now_ms, &hint);
    const struct watch_job **jobs = watch_jobs_sorted(&d->jobs);
    size_t n = jobs != NULL ? d->jobs.count : 0;
    if (v->interactive)
        watch_list_move(&v->list, jobs, n, 0);
    if (j != NULL)
        watch_panel_draw(f, d, j, &hint, wall_ms);
    else
        watch_list_draw(f, &v->list, d, jobs, n, &hint, wall_ms);
    watch_data_set_detail(d, v->open);
    tell_visible(v, d, jobs);
    free(jobs);
}

/* ---- keys ---- */

struct key_row {
    int key;
    /* How far the selection moves: places, or with `pages` screens. */
    long places;
    bool pages;
};

static const struct key_row moves[] = {
    {KEY_UP, -1, false},         {'k', -1, false},
    {KEY_DOWN, 1, false},        {'j', 1, false},
    {KEY_PAGE_UP, -1, true},     {KEY_PAGE_DOWN, 1, true},
    {KEY_HOME, -INT_MAX, false}, {'g', -INT_MAX, false},
    {KEY_END, INT_MAX, false},   {'G', INT_MAX, false},
};

static const struct key_row *find_move(int key)
{
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++)
        if (moves[i].key == key)
            return &moves[i];
    return NULL;
}

static enum view_action move(struct watch_view *v, const struct watch_data *d,
                             const struct key_row *m)
{
    const struct watch_job **jobs = watch_jobs_sorted(&d->jobs);
    long page = v->list.shown > 1 ? (long)v->list.shown - 1 : 1;

    if (jobs == NULL)
        return VIEW_NOTHING;
    watch_list_move(&v->list, jobs, d->jobs.count, m->pages ? m->places * page : m->places);
    free(jobs);
    return VIEW_CHANGED;
}

static bool is_one_of(int key, const int *keys)
{
    while (*keys != KEY_NONE && *keys != key)
        keys++;
    return *keys != KEY_NONE;
}

enum view_action watch_view_key(struct watch_view *v, const struct watch_data *d, int key)
{
    static const int open_keys[] = {KEY_ENTER, KEY_RIGHT, 'l', KEY_NONE};
    static const int back_keys[] = {KEY_ESCAPE, KEY_LEFT, 'h', 0x7f, '\b', KEY_NONE};
    enum { CTRL_L = 0x0c };
    const struct key_row *m = find_move(key);

    if (key == 'q' || key == 'Q')
        return VIEW_QUIT;
    if (key == CTRL_L)
        return VIEW_REDRAW;
    if (v->open == 0 && m != NULL)
        return move(v, d, m);
    if (v->open == 0 && is_one_of(key, open_keys))
        v->open = v->list.selected;
    else if (v->open != 0 && !v->single && is_one_of(key, back_keys))
        v->open = 0;
    else
        return VIEW_NOTHING;
    return VIEW_CHANGED;
}
