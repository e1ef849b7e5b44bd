/* ebm-notify DIR ID: tells what the order on its standard input says, of the
 * job with this folder, and ends. Its standard error is the job's notify.log.
 *
 * ebmd may have been killed and have started a second one for the same
 * notice: DIR/notice-ID is held while one tells, and then has its end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/fsio.h"
#include "base/log.h"
#include "notify/tell.h"

enum { EXIT_TOLD, EXIT_NOT_TOLD, EXIT_USAGE, NAME_SIZE = 64 };

static const char told_word[] = "told\n", failed_word[] = "failed\n";

static void pause_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

/* Waits for another one. -1: cannot; to be told twice is better than never. */
static int take_hold(const char *name)
{
    int fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0) {
        log_warn("hold", "file=%s error=\"%s\"", name, strerror(errno));
        return -1;
    }
    while (flock(fd, LOCK_EX) != 0 && errno == EINTR)
        ;
    return fd;
}

/* What the one before us came to, or -1. */
static int find_end(int hold)
{
    char word[16];
    ssize_t n = hold >= 0 ? pread(hold, word, sizeof word - 1, 0) : 0;

    word[n > 0 ? n : 0] = '\0';
    if (strcmp(word, told_word) == 0)
        return EXIT_TOLD;
    return strcmp(word, failed_word) == 0 ? EXIT_NOT_TOLD : -1;
}

static int carry_out(const struct order *o, int hold)
{
    struct ebm_error err = {.text = ""};
    int end = find_end(hold);

    if (end >= 0)
        return end;
    bool told = tell(o, pause_ms, &err) == EBM_OK;
    const char *word = told ? told_word : failed_word;
    if (!told)
        log_error("gave-up", "event=%s error=\"%s\"", o->event, err.text);
    if (hold >= 0)
        fsio_write_all(hold, word, strlen(word), "the notice", NULL);
    return told ? EXIT_TOLD : EXIT_NOT_TOLD;
}

int main(int argc, char **argv)
{
    char name[NAME_SIZE], context[NAME_SIZE];
    struct ebm_error err = {.text = ""};
    struct order order;
    int code = EXIT_USAGE;

    if (argc != 3 || argv[1][0] != '/' || argv[2][strspn(argv[2], "0123456789")] != '\0') {
        fputs("usage: ebm-notify /path/of/job NOTICE <order\n", stderr);
        return EXIT_USAGE;
    }
    snprintf(name, sizeof name, "notice-%.20s", argv[2]);
    snprintf(context, sizeof context, "program=ebm-notify notice=%.20s", argv[2]);
    log_set_context(context);
    signal(SIGPIPE, SIG_IGN);
    enum ebm_status st = order_read(STDIN_FILENO, &order, &err);
    if (st == EBM_OK && chdir(argv[1]) != 0)
        st = ebm_fail_errno(&err, errno, "%s: cannot enter", argv[1]);
    if (st == EBM_OK)
        code = carry_out(&order, take_hold(name));
    else
        log_error("order", "error=\"%s\"", err.text);
    order_fini(&order);
    return code;
}
