/* ebm-notify's parts: orders, commands, requests, tries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsio.h"
#include "base/log.h"
#include "notify/command.h"
#include "notify/post.h"
#include "notify/tell.h"

enum { PATH_SIZE = 160, SOON_MS = 10000, TIMEOUT_S = 20 };

static char dir[64];
static pid_t server;
static int64_t paused_ms; /* by the pauses of tell */
static unsigned pauses;

/* ---- the stage ---- */

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/ebm-notify-XXXXXX");
    server = 0;
    paused_ms = pauses = 0;
    log_set_level(LOG_ERROR);
    return mkdtemp(dir) != NULL && chdir(dir) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    char command[PATH_SIZE];

    (void)state;
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void wait_a_little(void)
{
    const struct timespec t = {.tv_nsec = 5000000};
    nanosleep(&t, NULL);
}

/* The text of a file once it is there; good until the next call. */
static const char *text_of(const char *name)
{
    static struct buf text;
    int64_t deadline = clock_mono_ms() + SOON_MS;

    buf_clear(&text);
    while (fsio_read(name, 1 << 20, &text, NULL) != EBM_OK) {
        if (clock_mono_ms() > deadline)
            fail_msg("%s never came", name);
        wait_a_little();
    }
    return buf_text(&text);
}

static bool is_there(const char *name)
{
    return access(name, F_OK) == 0;
}

static void count_pause(int64_t ms)
{
    paused_ms += ms;
    pauses++;
}

/* Starts post-taker with these answers: the URL that it serves. */
static const char *serve(const char *first, const char *second, const char *third)
{
    static char url[PATH_SIZE];
    char *const argv[] = {(char *)"post-taker",
                          (char *)"port",
                          (char *)"bodies",
                          (char *)first,
                          (char *)second,
                          (char *)third,
                          NULL};

    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        execv(POST_TAKER, argv);
        _exit(127);
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%d/hook?key=1", atoi(text_of("port")));
    return url;
}

static struct order order_of(const char *command, const char *url)
{
    return (struct order){.event = "failed",
                          .job = "7",
                          .state = "failed",
                          .reason = "it's \"over\"",
                          .command = command,
                          .url = url,
                          .body = "{\"event\": \"failed\"}\n",
                          .timeout_s = TIMEOUT_S,
                          .retries = 3};
}

static void assert_fails(enum ebm_status status, enum ebm_status wanted,
                         const struct ebm_error *err, const char *text)
{
    if (status != wanted || strstr(err->text, text) == NULL)
        fail_msg("%s, '%s' (wanted %s, '%s')", ebm_status_name(status), err->text,
                 ebm_status_name(wanted), text);
}

/* ---- orders ---- */

static int file_of(const void *bytes, size_t n)
{
    int fd = open("order", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, bytes, n), n);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void an_order_goes_round(void **state)
{
    struct order o = order_of("echo 'a=b' && url=1", ""), back;
    struct ebm_error err = {.text = ""};
    struct buf packed;

    (void)state;
    o.reason = "two\nlines";
    buf_init(&packed);
    order_pack(&o, &packed);
    int fd = file_of(packed.data, packed.size);
    assert_int_equal(order_read(fd, &back, &err), EBM_OK);
    assert_string_equal(back.event, o.event);
    assert_string_equal(back.job, o.job);
    assert_string_equal(back.state, o.state);
    assert_string_equal(back.reason, o.reason);
    assert_string_equal(back.command, o.command);
    assert_string_equal(back.url, "");
    assert_string_equal(back.body, o.body);
    assert_true(back.timeout_s == TIMEOUT_S && back.retries == 3);
    order_fini(&back);
    close(fd);
    buf_fini(&packed);
}

static void an_order_that_is_none_is_refused(void **state)
{
    struct order o = order_of("true", ""), back;
    struct ebm_error err = {.text = ""};
    struct buf packed;

    (void)state;
    buf_init(&packed);
    order_pack(&o, &packed);
    for (size_t n = 0; n < packed.size; n++) {
        int fd = file_of(packed.data, n);
        assert_int_equal(order_read(fd, &back, &err), EBM_EINVAL);
        order_fini(&back);
        close(fd);
    }
    buf_fini(&packed);
}

/* ---- commands ---- */

static void a_command_has_the_event(void **state)
{
    struct order o =
        order_of("cat >got; echo \"$EBM_EVENT $EBM_JOB $EBM_STATE $EBM_REASON\" >>got", "");
    struct ebm_error err = {.text = ""};

    (void)state;
    assert_int_equal(command_tell(&o, &err), EBM_OK);
    assert_string_equal(text_of("got"), "{\"event\": \"failed\"}\nfailed 7 failed it's \"over\"\n");
}

static void a_command_that_fails_is_told_of(void **state)
{
    struct ebm_error err = {.text = ""};
    struct order o = order_of("exit 3", "");

    (void)state;
    assert_fails(command_tell(&o, &err), EBM_EIO, &err, "exit status 3");
    o.command = "kill -9 $$";
    assert_fails(command_tell(&o, &err), EBM_EIO, &err, "killed by signal 9");
    o.command = "/no/such/program";
    assert_fails(command_tell(&o, &err), EBM_EIO, &err, "exit status 127");
}

/* The reader of a pipe that its last writer closes. */
static void a_command_that_hangs_is_killed_with_its_group(void **state)
{
    struct order o = order_of("mkfifo held; (exec 3<>held; touch open; sleep 600) & "
                              "while [ ! -e open ]; do sleep 0.01; done; wait",
                              "");
    struct ebm_error err = {.text = ""};
    int64_t began = clock_mono_ms();

    (void)state;
    o.timeout_s = 1;
    assert_fails(command_tell(&o, &err), EBM_ETIMEOUT, &err, "no end within 1 s: killed");
    assert_true(clock_mono_ms() - began >= 1000);
    assert_true(is_there("open"));
    /* with nobody left that reads, a writer is refused */
    int64_t deadline = clock_mono_ms() + SOON_MS;
    for (int fd = 0; fd >= 0; wait_a_little()) {
        fd = open("held", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
            close(fd);
        if (clock_mono_ms() > deadline)
            fail_msg("a process of the group is left");
    }
    assert_int_equal(errno, ENXIO);
}

/* Its noise is kept, but not all of it; and it is not waited for. */
static void output_is_bounded(void **state)
{
    struct order o =
        order_of("head -c 1000000 /dev/zero | tr '\\0' x; sleep 600 & echo $! >pid; exit 0", "");
    struct ebm_error err = {.text = ""};
    struct stat st;
    int log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
        saved = fcntl(2, F_DUPFD_CLOEXEC, 3);

    (void)state;
    assert_true(log >= 0 && saved >= 0 && dup2(log, 2) == 2);
    enum ebm_status rc = command_tell(&o, &err);
    assert_true(dup2(saved, 2) == 2);
    close(saved);
    close(log);
    kill(atoi(text_of("pid")), SIGKILL); /* it was left alone */
    assert_int_equal(rc, EBM_OK);
    assert_int_equal(stat("log", &st), 0);
    assert_int_equal(st.st_size, (16 << 10) + 1);
}

/* ---- requests ---- */

static void a_body_is_posted(void **state)
{
    struct order o = order_of("", serve("200", NULL, NULL));
    struct ebm_error err = {.text = ""};

    (void)state;
    if (post_tell(&o, &err) != EBM_OK)
        fail_msg("%s", err.text);
    assert_string_equal(text_of("bodies"), "{\"event\": \"failed\"}\n\n"
                                           "application/json POST /hook?key=1 HTTP/1.1\n");
}

static void answers_are_judged(void **state)
{
    struct order o = order_of("", serve("503", "404", "301"));
    struct ebm_error err = {.text = ""};

    (void)state;
    assert_fails(post_tell(&o, &err), EBM_EUNREACHABLE, &err, "the server answered 503");
    assert_fails(post_tell(&o, &err), EBM_EINVAL, &err, "the server answered 404");
    assert_fails(post_tell(&o, &err), EBM_EINVAL, &err, "the server answered 301");
    assert_false(is_there("bodies"));
    o.url = "ftp://127.0.0.1/x";
    assert_int_equal(post_tell(&o, &err), EBM_EINVAL);
}

static void a_silent_server_is_given_up(void **state)
{
    struct order o = order_of("", serve("0", NULL, NULL));
    struct ebm_error err = {.text = ""};

    (void)state;
    o.timeout_s = 1;
    assert_int_equal(post_tell(&o, &err), EBM_ETIMEOUT);
    assert_null(strstr(err.text, "key=1"));
}

static void nobody_there_may_pass(void **state)
{
    char url[PATH_SIZE];
    struct ebm_error err = {.text = ""};

    (void)state;
    snprintf(url, sizeof url, "%s", serve("200", NULL, NULL));
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    server = 0;
    struct order o = order_of("", url);
    assert_int_equal(post_tell(&o, &err), EBM_EUNREACHABLE);
}

/* ---- tries ---- */

static void pauses_double_to_a_minute(void **state)
{
    static const int64_t wanted[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};

    (void)state;
    for (unsigned i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        assert_int_equal(tell_backoff_ms(i + 1), wanted[i]);
    assert_int_equal(tell_backoff_ms(1000), 60000);
}

/* Each way until it has succeeded, and no longer. */
static void what_was_told_is_not_told_again(void **state)
{
    struct order o = order_of("echo one >>told", serve("503", "500", "204"));
    struct ebm_error err = {.text = ""};

    (void)state;
    if (tell(&o, count_pause, &err) != EBM_OK)
        fail_msg("%s", err.text);
    assert_string_equal(text_of("told"), "one\n");
    assert_non_null(strstr(text_of("bodies"), "failed"));
    assert_int_equal(pauses, 2);
    assert_int_equal(paused_ms, 3000);
}

static void tries_come_to_an_end(void **state)
{
    struct order o = order_of("echo one >>tries; exit 5", "");
    struct ebm_error err = {.text = ""};

    (void)state;
    assert_fails(tell(&o, count_pause, &err), EBM_EIO, &err, "command: exit status 5");
    assert_string_equal(text_of("tries"), "one\none\none\none\n");
    assert_int_equal(paused_ms, 7000);
    o.retries = 0;
    unlink("tries");
    assert_fails(tell(&o, count_pause, &err), EBM_EIO, &err, "exit status 5");
    assert_string_equal(text_of("tries"), "one\n");
}

static void what_never_will_is_not_tried_again(void **state)
{
    struct order o = order_of("true", serve("404", "200", NULL));
    struct ebm_error err = {.text = ""};

    (void)state;
    assert_fails(tell(&o, count_pause, &err), EBM_EINVAL, &err, "url: the server answered 404");
    assert_int_equal(pauses, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_order_goes_round),
        T(an_order_that_is_none_is_refused),
        T(a_command_has_the_event),
        T(a_command_that_fails_is_told_of),
        T(a_command_that_hangs_is_killed_with_its_group),
        T(output_is_bounded),
        T(a_body_is_posted),
        T(answers_are_judged),
        T(a_silent_server_is_given_up),
        T(nobody_there_may_pass),
        T(pauses_double_to_a_minute),
        T(what_was_told_is_not_told_again),
        T(tries_come_to_an_end),
        T(what_never_will_is_not_tried_again),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
