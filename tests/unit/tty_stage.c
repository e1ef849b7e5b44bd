#include "tty_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { PATIENCE_MS = 20000 };

/* ---- the shell and its one job ---- */

static void run_program(const struct tty *t, const char *const *argv, const char *input)
{
    signal(SIGTTOU, SIG_IGN);
    setpgid(0, 0);
    tcsetpgrp(t->slave, getpid());
    signal(SIGTTOU, SIG_DFL);
    dup2(t->slave, 0);
    dup2(t->slave, 1);
    dup2(t->slave, 2);
    if (input != NULL) {
        int fd = open(input, O_RDONLY);
        dup2(fd, 0);
    }
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

static void run_shell(const struct tty *t, const char *const *argv, const char *input, int tell,
                      int stay)
{
    char none;
    int status;

    setsid();
    ioctl(t->slave, TIOCSCTTY, 0);
    pid_t pid = fork();
    if (pid == 0)
        run_program(t, argv, input);
    if (write(tell, &pid, sizeof pid) != sizeof pid)
        _exit(1);
    do {
        if (waitpid(pid, &status, WUNTRACED) != pid ||
            write(tell, &status, sizeof status) != sizeof status)
            _exit(1);
    } while (WIFSTOPPED(status));
    while (read(stay, &none, 1) > 0)
        ;
    _exit(0);
}

struct tty *tty_start(const char *const *argv, const char *input, unsigned width, unsigned height)
{
    struct tty *t = calloc(1, sizeof *t);
    struct winsize size = {.ws_col = (unsigned short)width, .ws_row = (unsigned short)height};
    int tell[2], stay[2];

    assert_non_null(t);
    buf_init(&t->seen);
    assert_int_equal(openpty(&t->master, &t->slave, NULL, NULL, &size), 0);
    assert_int_equal(tcgetattr(t->slave, &t->before), 0);
    assert_int_equal(pipe(tell), 0);
    assert_int_equal(pipe(stay), 0);
    t->shell = fork();
    assert_true(t->shell >= 0);
    if (t->shell == 0) {
        close(stay[1]);
        close(t->master);
        run_shell(t, argv, input, tell[1], stay[0]);
    }
    close(tell[1]);
    close(stay[0]);
    t->status = tell[0];
    t->stay = stay[1];
    assert_int_equal(read(t->status, &t->program, sizeof t->program), sizeof t->program);
    return t;
}

void tty_end(struct tty *t)
{
    kill(t->program, SIGKILL); /* where the test failed before its end */
    close(t->stay);
    kill(t->shell, SIGKILL);
    waitpid(t->shell, NULL, 0);
    close(t->master);
    close(t->slave);
    close(t->status);
    buf_fini(&t->seen);
    free(t);
}

/* ---- looking at it ---- */

static void read_some(struct tty *t)
{
    char piece[4096];
    ssize_t n = read(t->master, piece, sizeof piece);

    if (n > 0)
        buf_put(&t->seen, piece, (size_t)n);
}

static const char *since_mark(const struct tty *t)
{
    return buf_text(&t->seen) + t->mark;
}

bool tty_has(const struct tty *t, const char *text)
{
    return strstr(since_mark(t), text) != NULL;
}

void tty_wait(struct tty *t, const char *text)
{
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    const char *found;

    while ((found = strstr(since_mark(t), text)) == NULL) {
        struct pollfd p = {.fd = t->master, .events = POLLIN};
        if (clock_mono_ms() > end)
            fail_msg("'%s' did not come; it said: %s", text, since_mark(t));
        if (poll(&p, 1, 100) > 0)
            read_some(t);
    }
    t->mark = (size_t)(found - buf_text(&t->seen)) + strlen(text);
}

/* What it says meanwhile is read: nobody else does, and it would block. */
int tty_wait_status(struct tty *t)
{
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    struct pollfd p[2] = {{.fd = t->master, .events = POLLIN}, {.fd = t->status, .events = POLLIN}};
    int status;

    do {
        if (clock_mono_ms() > end)
            fail_msg("it did not end; it said: %s", since_mark(t));
        poll(p, 2, 100);
        if (p[0].revents & POLLIN)
            read_some(t);
    } while (p[0].revents & POLLIN || !(p[1].revents & POLLIN));
    assert_int_equal(read(t->status, &status, sizeof status), sizeof status);
    return status;
}

void tty_type(struct tty *t, const char *keys)
{
    assert_int_equal(write(t->master, keys, strlen(keys)), strlen(keys));
}

void tty_resize(struct tty *t, unsigned width, unsigned height)
{
    struct winsize size = {.ws_col = (unsigned short)width, .ws_row = (unsigned short)height};

    assert_int_equal(ioctl(t->master, TIOCSWINSZ, &size), 0);
}

bool tty_modes_are_restored(const struct tty *t)
{
    struct termios now;

    assert_int_equal(tcgetattr(t->slave, &now), 0);
    return now.c_iflag == t->before.c_iflag && now.c_oflag == t->before.c_oflag &&
           now.c_cflag == t->before.c_cflag && now.c_lflag == t->before.c_lflag &&
           memcmp(now.c_cc, t->before.c_cc, sizeof now.c_cc) == 0;
}

bool tty_is_raw(const struct tty *t)
{
    struct termios now;

    assert_int_equal(tcgetattr(t->slave, &now), 0);
    return (now.c_lflag & (ICANON | ECHO)) == 0;
}
