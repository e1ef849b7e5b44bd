/* The terminal as a screen of our own: its modes, the alternate screen, the
 * signals that concern it, and its keyboard.
 *
 * The signals are blocked and read from a descriptor from screen_open on, so
 * that none of them finds the terminal in a state that nobody mends. */
#ifndef EBM_CLIENT_SCREEN_H
#define EBM_CLIENT_SCREEN_H

#include <signal.h>
#include <stdbool.h>
#include <termios.h>

#include "base/buf.h"
#include "base/err.h"
#include "watch/keys.h"

struct screen {
    int out;      /* borrowed */
    int keyboard; /* -1: none */
    int signals;  /* signalfd */
    bool own_keyboard, entered, has_modes;
    struct termios modes; /* as they were */
    sigset_t mask;
    struct keys keys;
};

/* out: a terminal. Keys come from stdin where that is one, else from the
 * controlling terminal. Changes nothing on the screen yet. */
enum ebm_status screen_open(struct screen *s, int out, struct ebm_error *err);
/* Leaves where that was not done, and lets the signals through again. */
void screen_close(struct screen *s);

void screen_enter(struct screen *s);
void screen_leave(struct screen *s);

/* Stops the process as its terminal's user wants it, with the terminal as it
 * was before; returns, entered again, when it goes on. */
void screen_suspend(struct screen *s);

/* After SIGCONT: somebody may have changed the terminal while we stood still. */
void screen_resume(struct screen *s);

/* All at once. False when the terminal is gone. */
bool screen_write(struct screen *s, const struct buf *bytes);

/* The next signal that came, 0 when there is none. */
int screen_take_signal(struct screen *s);
/* Reads what was typed into s->keys. False when the terminal is gone. */
bool screen_read_keys(struct screen *s);

#endif
