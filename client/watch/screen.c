#include "watch/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/* Alternate screen, no cursor, and no line that flows into the next where we
 * and the terminal are not of one mind about the width of a character. */
static const char enter_text[] = "\033[?1049h\033[?25l\033[?7l";
static const char leave_text[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};

/* Those that whoever started us wants ignored stay so. */
static void block_signals(struct screen *s, sigset_t *set)
{
    struct sigaction now;

    sigemptyset(set);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
        if (sigaction(watched[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(set, watched[i]);
    sigprocmask(SIG_BLOCK, set, &s->mask);
}

static void find_keyboard(struct screen *s)
{
    s->keyboard = STDIN_FILENO;
    if (!isatty(STDIN_FILENO)) {
        s->keyboard = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
        s->own_keyboard = s->keyboard >= 0;
    }
}

enum ebm_status screen_open(struct screen *s, int out, struct ebm_error *err)
{
    sigset_t set;

    *s = (struct screen){.out = out, .keyboard = -1};
    block_signals(s, &set);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signals < 0) {
        int e = errno;
        sigprocmask(SIG_SETMASK, &s->mask, NULL);
        return ebm_fail_errno(err, e, "cannot make a descriptor for signals");
    }
    find_keyboard(s);
    return EBM_OK;
}

void screen_close(struct screen *s)
{
    screen_leave(s);
    if (s->own_keyboard)
        close(s->keyboard);
    close(s->signals);
    sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

/* A terminal that others made non-blocking is waited for. */
static bool write_all(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n > 0) {
        ssize_t w = write(fd, p, n);
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        if (w < 0 && errno == EAGAIN)
            poll(&ready, 1, -1);
        else if (w < 0 && errno != EINTR)
            return false;
        p += w > 0 ? w : 0;
        n -= w > 0 ? (size_t)w : 0;
    }
    return true;
}

/* Keys come at once and unseen; Ctrl-C and Ctrl-Z still are signals. */
static void set_modes(struct screen *s)
{
    struct termios t = s->modes;

    t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    t.c_iflag &= ~(tcflag_t)ICRNL;
    t.c_cc[VMIN] = 0;
    t.c_cc[VTIME] = 0;
    if (s->has_modes)
        tcsetattr(s->keyboard, TCSADRAIN, &t);
}

void screen_enter(struct screen *s)
{
    if (s->entered)
        return;
    s->has_modes = s->keyboard >= 0 && tcgetattr(s->keyboard, &s->modes) == 0;
    s->entered = true;
    screen_resume(s);
}

void screen_resume(struct screen *s)
{
    if (!s->entered)
        return;
    set_modes(s);
    write_all(s->out, enter_text, sizeof enter_text - 1);
}

void screen_leave(struct screen *s)
{
    if (!s->entered)
        return;
    s->entered = false;
    write_all(s->out, leave_text, sizeof leave_text - 1);
    /* Keys that nobody read are not for the shell. */
    if (s->has_modes)
        tcsetattr(s->keyboard, TCSAFLUSH, &s->modes);
}

void screen_suspend(struct screen *s)
{
    const struct timespec at_once = {0};
    sigset_t stop, go_on;

    screen_leave(s);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    sigemptyset(&go_on);
    sigaddset(&go_on, SIGCONT);
    raise(SIGTSTP);
    /* Here it stops, and goes on. */
    sigprocmask(SIG_UNBLOCK, &stop, NULL);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    sigtimedwait(&go_on, NULL, &at_once);
    screen_enter(s);
}

bool screen_write(struct screen *s, const struct buf *bytes)
{
    return write_all(s->out, bytes->data, bytes->size);
}

int screen_take_signal(struct screen *s)
{
    struct signalfd_siginfo info;

    return read(s->signals, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

/* Nothing to read is no end, unless the line was cut. */
static bool is_cut(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

bool screen_read_keys(struct screen *s)
{
    unsigned char bytes[KEYS_HELD_MAX];
    ssize_t n = read(s->keyboard, bytes, keys_room(&s->keys));

    if (n > 0)
        keys_put(&s->keys, bytes, (size_t)n);
    return n > 0 || !is_cut(s->keyboard);
}
