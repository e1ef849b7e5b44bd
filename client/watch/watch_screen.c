#include "watch/watch_screen.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "watch/screen.h"
#include "watch/watch_plain.h"

enum {
    DRAW_MS = 40,    /* between two frames that no key asked for */
    TICK_MS = 1000,  /* ages and clocks go on */
    LINES_LEFT = 20, /* behind, where no jobs were given */
    SIGNAL_CODE = 128
};

struct stage {
    struct watch *w;
    struct screen screen;
    struct watch_view view;
    struct frame frames[2];
    struct frame *shown; /* NULL: what the terminal shows is unknown */
    int64_t drawn_ms, typed_ms;
    bool dirty, hurry; /* to be drawn, soon or at once */
    bool over;
};

/* ---- drawing ---- */

static void draw(struct stage *s, int64_t now_ms)
{
    struct frame *next = s->shown == &s->frames[0] ? &s->frames[1] : &s->frames[0];
    struct buf bytes;

    buf_init(&bytes);
    frame_begin(next, &s->w->term, s->w->term.width, s->w->term.height);
    watch_view_draw(&s->view, &s->w->data, next, now_ms, clock_wall_ms());
    frame_diff(s->shown, next, &bytes);
    if (frame_ok(next) && buf_ok(&bytes)) {
        s->over = !screen_write(&s->screen, &bytes) || s->over;
        s->shown = next;
    }
    buf_fini(&bytes);
    s->dirty = s->hurry = false;
    s->drawn_ms = now_ms;
}

static void draw_when_due(struct stage *s, int64_t now_ms)
{
    int64_t since = now_ms - s->drawn_ms;

    if (s->hurry || (s->dirty && since >= DRAW_MS) || since >= TICK_MS)
        draw(s, now_ms);
}

/* The size may be another one, and what is there may be anybody's. */
static void look_anew(struct stage *s)
{
    bool unicode = s->w->term.unicode;

    term_look(1, &s->w->term);
    s->w->term.unicode = unicode;
    s->shown = NULL;
    s->hurry = true;
}

/* ---- what comes from outside ---- */

static void on_signal(struct stage *s, int signal)
{
    switch (signal) {
    case SIGWINCH:
        look_anew(s);
        break;
    case SIGTSTP:
        screen_suspend(&s->screen);
        look_anew(s);
        break;
    case SIGCONT:
        screen_resume(&s->screen);
        look_anew(s);
        break;
    default:
        s->w->signal = signal;
        s->over = true;
    }
}

static void on_key(struct stage *s, int key)
{
    switch (watch_view_key(&s->view, &s->w->data, key)) {
    case VIEW_QUIT:
        s->over = true;
        break;
    case VIEW_REDRAW:
        look_anew(s);
        break;
    case VIEW_CHANGED:
        s->hurry = true;
        break;
    case VIEW_NOTHING:
        break;
    }
}

static void take_keys(struct stage *s, int64_t now_ms)
{
    bool late = now_ms - s->typed_ms >= KEYS_LATE_MS;

    for (int key; !s->over && (key = keys_next(&s->screen.keys, late)) != KEY_NONE;)
        on_key(s, key);
}

static int wait_ms(const struct stage *s, int64_t now_ms)
{
    int64_t wait = watch_data_wait_ms(&s->w->data, now_ms);
    int64_t draw_at = s->drawn_ms + (s->dirty ? DRAW_MS : TICK_MS);

    if (s->hurry)
        return 0;
    if (draw_at - now_ms < wait)
        wait = draw_at - now_ms;
    if (keys_pending(&s->screen.keys) && wait > KEYS_LATE_MS)
        wait = KEYS_LATE_MS;
    return wait > 0 ? (int)wait : 0;
}

static void wait_and_take(struct stage *s)
{
    struct link_poll items[4];
    size_t n = session_poll_items(s->w->call->session, items);
    size_t signals = n, keyboard = n + 1;
    int signal;

    items[n++] = (struct link_poll){.fd = s->screen.signals};
    if (s->screen.keyboard >= 0)
        items[n++] = (struct link_poll){.fd = s->screen.keyboard};
    link_wait(items, n, wait_ms(s, clock_mono_ms()), NULL);
    while (items[signals].ready && !s->over && (signal = screen_take_signal(&s->screen)) != 0)
        on_signal(s, signal);
    if (s->screen.keyboard >= 0 && items[keyboard].ready) {
        s->over = !screen_read_keys(&s->screen) || s->over;
        s->typed_ms = clock_mono_ms();
    }
}

/* ---- the loop ---- */

static enum ebm_status run(struct stage *s, struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    while (rc == EBM_OK && !s->over) {
        int64_t now = clock_mono_ms();
        bool changed;
        rc = watch_data_step(&s->w->data, now, &changed, err);
        s->dirty = s->dirty || changed;
        take_keys(s, now);
        if (watch_has_ended(s->w)) {
            s->over = s->hurry = true; /* the last frame shows the end */
        }
        draw_when_due(s, now);
        if (rc == EBM_OK && !s->over)
            wait_and_take(s);
    }
    return rc;
}

/* What stays on the terminal. */
static void leave_lines(const struct watch *w)
{
    const struct watch_job **jobs = watch_jobs_sorted(&w->data.jobs);
    size_t n = jobs != NULL ? w->data.jobs.count : 0;
    size_t shown = w->given_count > 0 || n < LINES_LEFT ? n : LINES_LEFT;
    struct buf text;

    buf_init(&text);
    for (size_t i = 0; i < shown; i++)
        watch_plain_line(jobs[i], &text);
    if (shown < n)
        buf_printf(&text, "and %zu more (ebmctl list)\n", n - shown);
    fputs(buf_text(&text), stdout);
    fflush(stdout);
    buf_fini(&text);
    free(jobs);
}

enum ebm_status watch_on_screen(struct watch *w, struct ebm_error *err)
{
    struct stage s = {.w = w, .hurry = true};
    enum ebm_status rc = screen_open(&s.screen, 1, err);

    if (rc != EBM_OK)
        return rc;
    watch_view_init(&s.view, &w->data, true, s.screen.keyboard >= 0);
    frame_init(&s.frames[0]);
    frame_init(&s.frames[1]);
    screen_enter(&s.screen);
    rc = run(&s, err);
    screen_leave(&s.screen);
    leave_lines(w);
    screen_close(&s.screen);
    frame_fini(&s.frames[0]);
    frame_fini(&s.frames[1]);
    return rc;
}

int watch_die(int signal_number)
{
    fflush(stdout);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
    return SIGNAL_CODE + signal_number; /* it was blocked by whoever started us */
}
