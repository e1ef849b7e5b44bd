/* A terminal for a test: a pseudo-terminal with a process of its own that
 * stands for the shell, so that the terminal outlives the program that runs
 * on it, and the program can be stopped and go on as a shell's job. */
#ifndef EBM_TESTS_TTY_STAGE_H
#define EBM_TESTS_TTY_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <termios.h>

#include "base/buf.h"

struct tty {
    int master, slave;
    pid_t shell, program;
    int status; /* pipe from the shell: a wait status each time */
    int stay;   /* the shell ends when this is closed */
    struct termios before;
    struct buf seen; /* all output so far */
    size_t mark;     /* tty_wait looks from here on */
};

/* Runs argv (ended by NULL) on a terminal of this size; environment as it is.
 * input: what its stdin is, NULL: the terminal. */
struct tty *tty_start(const char *const *argv, const char *input, unsigned width, unsigned height);
void tty_end(struct tty *t);

/* Waits until the text comes, and sets the mark behind it. Fails the test
 * when it does not within 20 s. */
void tty_wait(struct tty *t, const char *text);
/* The same until the program ends or stops; its wait status. */
int tty_wait_status(struct tty *t);
/* Whether the text came since the mark, so far. */
bool tty_has(const struct tty *t, const char *text);

void tty_type(struct tty *t, const char *keys);
void tty_resize(struct tty *t, unsigned width, unsigned height);
/* The modes are those from before the program began. */
bool tty_modes_are_restored(const struct tty *t);
bool tty_is_raw(const struct tty *t);

#endif
