/* The real ebmctl on a terminal: the screen it takes and gives back, keys,
 * signals, sizes, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>

#include "fake_ebmd.h"
#include "tty_stage.h"

static const char enter_screen[] = "\033[?1049h", leave_screen[] = "\033[?1049l",
                  show_cursor[] = "\033[?25h";

struct place {
    struct fake_ebmd *ebmd;
    struct tty *tty;
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->ebmd = fake_ebmd_start();
    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    for (uint64_t s = 1; s <= 10; s++) {
        struct ebmd_row row = {.job = 1, .attempt = 1, .step = s};
        fake_ebmd_put_row(p->ebmd, &row);
    }
    setenv("TERM", "xterm-256color", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    unsetenv("NO_COLOR");
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    if (p->tty != NULL)
        tty_end(p->tty);
    fake_ebmd_stop(p->ebmd);
    free(p);
    return 0;
}

static void start(struct place *p, const char *const *words, unsigned width, unsigned height)
{
    const char *argv[8] = {EBMCTL};

    for (size_t i = 0; words[i] != NULL; i++)
        argv[i + 1] = words[i];
    p->tty = tty_start(argv, NULL, width, height);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The panel of job 1, drawn. */
static void start_panel(struct place *p)
{
    start(p, WORDS("watch", "1"), 80, 24);
    tty_wait(p->tty, enter_screen);
    tty_wait(p->tty, "step 10 of 100");
    assert_true(tty_is_raw(p->tty));
}

/* It has ended so, the screen and the modes are given back, and a line stays
 * behind. */
static void assert_left(struct place *p, const char *line)
{
    tty_wait(p->tty, show_cursor);
    tty_wait(p->tty, leave_screen);
    tty_wait(p->tty, line);
    assert_false(tty_has(p->tty, enter_screen));
    assert_true(tty_modes_are_restored(p->tty));
}

static void assert_exit(struct place *p, int code, const char *line)
{
    int status = tty_wait_status(p->tty);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
    assert_left(p, line);
}

static void assert_killed(struct place *p, int signal)
{
    int status = tty_wait_status(p->tty);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), signal);
    assert_left(p, "job 1 fashion-ebm: running");
}

static void test_quit(void **state)
{
    struct place *p = *state;

    start_panel(p);
    tty_type(p->tty, "q");
    assert_exit(p, 0, "job 1 fashion-ebm: running");
}

static void test_signals(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    struct place *p = *state;

    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        start_panel(p);
        kill(p->tty->program, signals[i]);
        assert_killed(p, signals[i]);
        tty_end(p->tty);
        p->tty = NULL;
    }
}

static void test_interrupt_key(void **state)
{
    struct place *p = *state;

    start_panel(p);
    tty_type(p->tty, "\003");
    assert_killed(p, SIGINT);
}

static int count(const struct tty *t, const char *text)
{
    int n = 0;

    for (const char *p = buf_text(&t->seen); (p = strstr(p, text)) != NULL; p++)
        n++;
    return n;
}

/* Ctrl-Z: the terminal is the shell's again; then it goes on where it was. */
static void test_suspend(void **state)
{
    struct place *p = *state;

    start_panel(p);
    for (int i = 0; i < 2; i++) {
        tty_type(p->tty, "\032");
        int status = tty_wait_status(p->tty);
        assert_true(WIFSTOPPED(status));
        assert_int_equal(WSTOPSIG(status), SIGTSTP);
        tty_wait(p->tty, leave_screen);
        assert_true(tty_modes_are_restored(p->tty));
        kill(p->tty->program, SIGCONT);
        tty_wait(p->tty, enter_screen);
        tty_wait(p->tty, "step 10 of 100");
        assert_true(tty_is_raw(p->tty));
        tty_type(p->tty, "\014");
        tty_wait(p->tty, "step 10 of 100");
        assert_int_equal(count(p->tty, enter_screen), 2 + i);
    }
    tty_type(p->tty, "q");
    assert_exit(p, 0, "job 1");
}

/* Stopped from outside, while somebody changes the modes. */
static void test_stopped_from_outside(void **state)
{
    struct place *p = *state;

    start_panel(p);
    kill(p->tty->program, SIGSTOP);
    assert_true(WIFSTOPPED(tty_wait_status(p->tty)));
    assert_int_equal(tcsetattr(p->tty->slave, TCSANOW, &p->tty->before), 0);
    kill(p->tty->program, SIGCONT);
    tty_wait(p->tty, "step 10 of 100");
    assert_true(tty_is_raw(p->tty));
    tty_type(p->tty, "q");
    assert_exit(p, 0, "job 1");
}

/* The highest line that was written to since the mark. */
static unsigned long highest_line(const struct tty *t)
{
    unsigned long highest = 0;

    for (const char *p = buf_text(&t->seen) + t->mark; (p = strstr(p, "\033[")) != NULL; p += 2) {
        char *end;
        unsigned long line = strtoul(p + 2, &end, 10);
        if (end > p + 2 && strncmp(end, ";1H", 3) == 0 && line > highest)
            highest = line;
    }
    return highest;
}

static void test_resize(void **state)
{
    struct place *p = *state;

    start_panel(p);
    tty_resize(p->tty, 40, 10);
    tty_wait(p->tty, "\033[10;1H\033[2mq quit");
    tty_type(p->tty, "\014"); /* all of it anew */
    tty_wait(p->tty, "\033[1;1H");
    tty_type(p->tty, "\014");
    tty_wait(p->tty, "q quit");
    assert_true(highest_line(p->tty) <= 10);
    tty_resize(p->tty, 100, 40);
    tty_wait(p->tty, "\033[40;1H\033[2mq quit");
    tty_resize(p->tty, 1, 1);
    tty_type(p->tty, "q");
    assert_exit(p, 0, "job 1");
}

/* The end of all given jobs ends it, with the code of wait. */
static void test_end(void **state)
{
    struct place *p = *state;

    start_panel(p);
    fake_ebmd_put(p->ebmd, 1, "diverged", 40, 100, "gave up");
    tty_wait(p->tty, "diverged"); /* the last frame shows it */
    assert_exit(p, 3, "job 1 fashion-ebm: diverged, step 40 of 100 (40%): gave up");
}

static void test_exit_rule(void **state)
{
    struct place *p = *state;

    start(p, WORDS("watch", "--exit", "any=failed:4,any=paused:9"), 80, 24);
    tty_wait(p->tty, "fashion-ebm");
    fake_ebmd_put(p->ebmd, 2, "paused", 40, 100, "by the user");
    assert_exit(p, 9, "job 2 fashion-ebm: paused");
    tty_end(p->tty);
    /* No rule is applied to a part of the jobs. */
    fake_ebmd_script(p->ebmd, &(struct ebmd_script){.page = 1});
    start(p, WORDS("watch", "--exit", "all=running:4,any=paused:5"), 80, 24);
    assert_exit(p, 5, "job 2 fashion-ebm: paused");
    tty_end(p->tty);
    /* A rule goes before the code of wait, also when all has ended already. */
    fake_ebmd_put(p->ebmd, 3, "failed", 40, 100, "");
    start(p, WORDS("watch", "3", "--exit", "any=failed:7"), 80, 24);
    assert_exit(p, 7, "job 3 fashion-ebm: failed");
}

static void test_job_is_missing(void **state)
{
    struct place *p = *state;

    start(p, WORDS("watch", "9"), 80, 24);
    int status = tty_wait_status(p->tty);
    assert_int_equal(WEXITSTATUS(status), 5);
    tty_wait(p->tty, "ebmctl: no such job");
    assert_null(strstr(buf_text(&p->tty->seen), enter_screen));
}

/* An error while it runs: the screen is given back before it is told. */
static void test_error(void **state)
{
    struct place *p = *state;
    struct ebmd_script script = {.refuse = {[EBM__REQUEST__BODY_SHOW] = EBM_EAUTH},
                                 .refuse_text = "not yours any more"};

    start_panel(p);
    fake_ebmd_script(p->ebmd, &script);
    assert_exit(p, 4, "ebmctl: not yours any more");
}

static void test_list_keys(void **state)
{
    struct place *p = *state;

    fake_ebmd_put(p->ebmd, 2, "running", 20, 100, "");
    start(p, WORDS("watch"), 80, 24);
    tty_wait(p->tty, "2 jobs");
    tty_type(p->tty, "\033[");
    tty_type(p->tty, "B"); /* an arrow in two pieces */
    tty_type(p->tty, "\r");
    tty_wait(p->tty, "step 20 of 100");
    tty_type(p->tty, "\033"); /* Escape alone, after a short time */
    tty_wait(p->tty, "2 jobs");
    tty_type(p->tty, "q");
    assert_exit(p, 0, "job 1 fashion-ebm: running");
    tty_wait(p->tty, "job 2 fashion-ebm: running");
}

/* ebmd goes away and comes back: the screen says so, and goes on. */
static void test_away(void **state)
{
    struct place *p = *state;

    start_panel(p);
    fake_ebmd_set_down(p->ebmd, true);
    tty_wait(p->tty, "ebmd has not answered for");
    fake_ebmd_put(p->ebmd, 1, "running", 77, 100, "");
    fake_ebmd_set_down(p->ebmd, false);
    tty_wait(p->tty, "step 77 of 100");
    tty_type(p->tty, "q");
    assert_exit(p, 0, "step 77");
}

/* Keys come from the terminal though stdin is something else. */
static void test_stdin_elsewhere(void **state)
{
    struct place *p = *state;
    const char *argv[] = {EBMCTL, "watch", "1", NULL};

    p->tty = tty_start(argv, "/dev/null", 80, 24);
    tty_wait(p->tty, "step 10 of 100");
    tty_type(p->tty, "q");
    assert_exit(p, 0, "job 1");
}

static bool has_colour(const struct tty *t)
{
    const char *text = buf_text(&t->seen);

    return strstr(text, "\033[36m") != NULL || strstr(text, "\033[1m") != NULL;
}

static void test_colours(void **state)
{
    struct place *p = *state;

    start_panel(p);
    tty_type(p->tty, "q");
    assert_exit(p, 0, "job 1");
    assert_true(has_colour(p->tty));
    tty_end(p->tty);
    setenv("NO_COLOR", "1", 1);
    start_panel(p);
    tty_type(p->tty, "q");
    assert_exit(p, 0, "job 1");
    assert_false(has_colour(p->tty));
    assert_non_null(strstr(buf_text(&p->tty->seen), "\xe2\x94\x81")); /* yet a bar */
}

static void test_ascii(void **state)
{
    struct place *p = *state;

    start(p, WORDS("watch", "--ascii", "1"), 80, 24);
    tty_wait(p->tty, "step 10 of 100");
    tty_type(p->tty, "q");
    assert_exit(p, 0, "job 1");
    for (size_t i = 0; i < p->tty->seen.size; i++)
        assert_true(p->tty->seen.data[i] < 0x80);
}

/* A terminal that knows no escape sequences gets lines. */
static void test_dumb(void **state)
{
    struct place *p = *state;

    setenv("TERM", "dumb", 1);
    start(p, WORDS("watch", "1"), 80, 24);
    tty_wait(p->tty, "job 1 fashion-ebm: running");
    fake_ebmd_put(p->ebmd, 1, "succeeded", 100, 100, "");
    assert_int_equal(WEXITSTATUS(tty_wait_status(p->tty)), 0);
    tty_wait(p->tty, "succeeded");
    assert_null(strchr(buf_text(&p->tty->seen), '\033'));
}

/* One frame has no escapes, on a terminal too, and is as wide as that. */
static void test_once(void **state)
{
    struct place *p = *state;

    start(p, WORDS("watch", "--once", "1"), 50, 10);
    assert_int_equal(WEXITSTATUS(tty_wait_status(p->tty)), 0);
    tty_wait(p->tty, "step 10 of 100");
    assert_null(strchr(buf_text(&p->tty->seen), '\033'));
}

/* A list on a terminal: what is open, and the newest that ended. */
static void test_recent_list(void **state)
{
    struct place *p = *state;

    for (uint64_t i = 2; i <= 101; i++)
        fake_ebmd_put(p->ebmd, i, i == 50 ? "held" : "succeeded", 10, 10, "");
    start(p, WORDS("list"), 100, 24);
    assert_int_equal(WEXITSTATUS(tty_wait_status(p->tty)), 0);
    tty_wait(p->tty, "running");
    tty_wait(p->tty, "held");
    tty_wait(p->tty, " 82  fashion-ebm");
    tty_wait(p->tty, "101  fashion-ebm");
    tty_wait(p->tty, "79 older jobs that ended are not shown: ebmctl list --all");
    assert_null(strstr(buf_text(&p->tty->seen), " 81  fashion-ebm"));
    tty_end(p->tty);
    start(p, WORDS("list", "--all"), 100, 24);
    assert_int_equal(WEXITSTATUS(tty_wait_status(p->tty)), 0);
    tty_wait(p->tty, " 81  fashion-ebm");
    assert_null(strstr(buf_text(&p->tty->seen), "not shown"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_quit),
        TEST(test_signals),
        TEST(test_interrupt_key),
        TEST(test_suspend),
        TEST(test_stopped_from_outside),
        TEST(test_resize),
        TEST(test_end),
        TEST(test_exit_rule),
        TEST(test_job_is_missing),
        TEST(test_error),
        TEST(test_list_keys),
        TEST(test_away),
        TEST(test_stdin_elsewhere),
        TEST(test_colours),
        TEST(test_ascii),
        TEST(test_dumb),
        TEST(test_once),
        TEST(test_recent_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
