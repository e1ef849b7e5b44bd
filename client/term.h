/* What stdout is, and the few styles that are used on it. */
#ifndef EBM_CLIENT_TERM_H
#define EBM_CLIENT_TERM_H

#include <stdbool.h>
#include <stddef.h>

enum style {
    STYLE_NONE,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_GREEN,
    STYLE_YELLOW,
    STYLE_RED,
    STYLE_CYAN,
    STYLE_BLUE,
    STYLE_MAGENTA,
    STYLE_REVERSE,
    STYLE_COUNT
};

struct term {
    bool tty;             /* a terminal that understands escape sequences */
    bool colour;          /* a tty, and not NO_COLOR */
    bool unicode;         /* the locale is UTF-8 and the terminal draws it */
    size_t width, height; /* 0 where it is no terminal: nothing is cut */
};

/* Asks the terminal (and the environment) about fd. Needs setlocale. */
void term_look(int fd, struct term *out);

/* The escape sequence that begins a style; "" for STYLE_NONE. */
const char *term_style(enum style s);
extern const char term_plain[]; /* ends any */

enum style term_style_of_state(const char *state);
enum style term_style_of_health(const char *health);

/* What stands for cut text: "…" or "~". */
const char *term_ellipsis(const struct term *t);

#endif
