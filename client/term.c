#include "term.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_STANDARD = 80, HEIGHT_STANDARD = 24 };

const char term_plain[] = "\033[0m";

static bool env_is_set(const char *name)
{
    const char *v = getenv(name);
    return v != NULL && v[0] != '\0';
}

void term_look(int fd, struct term *out)
{
    const char *kind = getenv("TERM");
    bool dumb = kind == NULL || kind[0] == '\0' || strcmp(kind, "dumb") == 0;
    struct winsize w = {0};

    *out = (struct term){.tty = isatty(fd) == 1};
    out->unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 &&
                   (!out->tty || (!dumb && strcmp(kind, "linux") != 0));
    if (!out->tty)
        return;
    if (ioctl(fd, TIOCGWINSZ, &w) != 0 || w.ws_col == 0 || w.ws_row == 0)
        w = (struct winsize){.ws_col = WIDTH_STANDARD, .ws_row = HEIGHT_STANDARD};
    out->width = w.ws_col;
    out->height = w.ws_row;
    out->tty = !dumb;
    out->colour = out->tty && !env_is_set("NO_COLOR");
}

const char *term_style(enum style s)
{
    static const char *const code[STYLE_COUNT] = {
        [STYLE_NONE] = "",           [STYLE_BOLD] = "\033[1m",    [STYLE_DIM] = "\033[2m",
        [STYLE_GREEN] = "\033[32m",  [STYLE_YELLOW] = "\033[33m", [STYLE_RED] = "\033[31m",
        [STYLE_CYAN] = "\033[36m",   [STYLE_BLUE] = "\033[34m",   [STYLE_MAGENTA] = "\033[35m",
        [STYLE_REVERSE] = "\033[7m",
    };
    return code[s];
}

struct word_style {
    const char *word;
    enum style style;
};

static enum style look_up(const struct word_style *rows, const char *word)
{
    for (; rows->word != NULL; rows++)
        if (strcmp(rows->word, word) == 0)
            return rows->style;
    return STYLE_NONE;
}

enum style term_style_of_state(const char *state)
{
    static const struct word_style rows[] = {
        {"starting", STYLE_CYAN},    {"running", STYLE_CYAN},     {"pausing", STYLE_YELLOW},
        {"paused", STYLE_YELLOW},    {"held", STYLE_YELLOW},      {"succeeded", STYLE_GREEN},
        {"failed", STYLE_RED},       {"diverged", STYLE_MAGENTA}, {"cancelled", STYLE_DIM},
        {"unknown", STYLE_YELLOW},   {"crashed", STYLE_RED},      {"killed", STYLE_DIM},
        {"rolled-back", STYLE_BLUE}, {NULL, STYLE_NONE},
    };
    return look_up(rows, state);
}

enum style term_style_of_health(const char *health)
{
    static const struct word_style rows[] = {
        {"ok", STYLE_GREEN},    {"healthy", STYLE_GREEN}, {"suspect", STYLE_YELLOW},
        {"bad", STYLE_RED},     {"poisoned", STYLE_RED},  {"probation", STYLE_NONE},
        {"warn", STYLE_YELLOW}, {"skip", STYLE_YELLOW},   {"trip", STYLE_RED},
        {NULL, STYLE_NONE},
    };
    return look_up(rows, health);
}

const char *term_ellipsis(const struct term *t)
{
    return t->unicode ? "\xe2\x80\xa6" : "~";
}
