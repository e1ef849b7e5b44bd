#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsio.h"
#include "launch/process.h"
#include "launch/scratch.h"
#include "launch_stage.h"

enum { WAIT_MS = 60000, LOOK_US = 2000, ATTEMPTS_MAX = 20, TEXT_SIZE = 65536 };

int stage_setup(void **state)
{
    struct stage *s = calloc(1, sizeof *s);
    const char *tmp = getenv("TMPDIR");
    int room = (int)sizeof s->home.run - 16;

    assert_non_null(s);
    snprintf(s->tmp, sizeof s->tmp, "%s/ebm-launch-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(s->tmp));
    snprintf(s->home.state, sizeof s->home.state, "%.*s/state", room, s->tmp);
    snprintf(s->home.run, sizeof s->home.run, "%.*s/run", room, s->tmp);
    snprintf(s->home.worker, sizeof s->home.worker, "ipc://%.*s/run/w", room - 16, s->tmp);
    assert_int_equal(home_create(&s->home, NULL), EBM_OK);
    unsetenv("EBM_MPIRUN");
    unsetenv("EBM_LIBEXEC");
    setenv("EBM_WORKER_PROGRAM", "/bin/true", 1);
    *state = s;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

int stage_teardown(void **state)
{
    struct stage *s = *state;
    struct launch_pid pid;

    for (uint32_t n = 1; n <= ATTEMPTS_MAX; n++) {
        if (launch_find(&s->home, STAGE_JOB, n, &pid))
            kill((pid_t)pid.pid, SIGKILL);
        launch_sweep(&s->home, STAGE_FENCE + n);
    }
    nftw(s->tmp, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(s);
    return 0;
}

const char *stage_script(const struct stage *s, const char *name, const char *text)
{
    static char path[HOME_PATH_MAX + 64];

    snprintf(path, sizeof path, "%s/%s", s->tmp, name);
    assert_int_equal(fsio_write_atomic(path, text, strlen(text), 0700, NULL), EBM_OK);
    return path;
}

void stage_mpirun(const struct stage *s, const char *text)
{
    setenv("EBM_MPIRUN", stage_script(s, "mpirun", text), 1);
}

enum ebm_status stage_launch(const struct stage *s, uint32_t attempt, struct launch_pid *pid,
                             struct ebm_error *err)
{
    const struct launch_request request = {
        .job = STAGE_JOB,
        .attempt = attempt,
        .fence = STAGE_FENCE + attempt,
        .ranks = 2,
        .threads = 1,
        .token = "a-secret",
        .spec = "name: staged\n",
    };

    return launch_start(&s->home, &request, pid, err);
}

struct launch_pid stage_start(const struct stage *s, uint32_t attempt)
{
    struct launch_pid pid = {0};
    struct ebm_error err = {0};

    if (stage_launch(s, attempt, &pid, &err) != EBM_OK)
        fail_msg("launch_start: %s", err.text);
    return pid;
}

long stage_wait(struct launch_pid pid)
{
    int64_t from = clock_mono_ms();
    struct pollfd p = {.fd = launch_watch(pid), .events = POLLIN};

    if (p.fd >= 0)
        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    if (p.fd >= 0)
        close(p.fd);
    return (long)(clock_mono_ms() - from);
}

struct launch_end stage_end(const struct stage *s, uint32_t attempt, struct launch_pid pid)
{
    struct launch_end end;

    stage_wait(pid);
    launch_read_end(&s->home, STAGE_JOB, attempt, &end);
    assert_true(end.known);
    return end;
}

const char *stage_path(const struct stage *s, uint32_t attempt, const char *name)
{
    static char path[HOME_PATH_MAX + 64];
    char dir[HOME_PATH_MAX];

    home_attempt_dir(&s->home, STAGE_JOB, (int)attempt, dir, sizeof dir);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

void stage_sweep(const struct stage *s, uint32_t attempt)
{
    int64_t deadline = clock_mono_ms() + WAIT_MS;

    while (launch_sweep(&s->home, STAGE_FENCE + attempt) > 0)
        if (clock_mono_ms() > deadline)
            fail_msg("processes of attempt %u do not end", attempt);
}

bool stage_exists(const struct stage *s, uint32_t attempt, const char *name)
{
    return access(stage_path(s, attempt, name), F_OK) == 0;
}

static void show_log(const struct stage *s, uint32_t attempt, const char *name)
{
    const char *path = stage_path(s, attempt, name);
    struct buf b;

    buf_init(&b);
    if (fsio_read(path, TEXT_SIZE, &b, NULL) == EBM_OK)
        print_message("%s:\n%s\n", path, buf_text(&b));
    buf_fini(&b);
}

const char *stage_text(const struct stage *s, uint32_t attempt, const char *name)
{
    static char text[TEXT_SIZE];
    const char *path = stage_path(s, attempt, name);
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    struct buf b;

    buf_init(&b);
    while (fsio_read(path, TEXT_SIZE - 1, &b, NULL) != EBM_OK || b.size == 0 ||
           b.data[b.size - 1] != '\n') {
        buf_clear(&b);
        if (clock_mono_ms() > deadline) {
            show_log(s, attempt, "shepherd.log");
            show_log(s, attempt, "output.log");
            fail_msg("%s: no line in it", name);
        }
        usleep(LOOK_US);
    }
    memcpy(text, b.data, b.size);
    text[b.size] = '\0';
    buf_fini(&b);
    return text;
}

long stage_number(const struct stage *s, uint32_t attempt, const char *name)
{
    return strtol(stage_text(s, attempt, name), NULL, 10);
}

void stage_assert_clean(const struct stage *s, uint32_t attempt)
{
    char scratch[HOME_PATH_MAX];

    assert_int_equal(launch_count_marked(&s->home, STAGE_FENCE + attempt), 0);
    scratch_path(s->home.state, STAGE_FENCE + attempt, scratch, sizeof scratch);
    assert_int_equal(access(scratch, F_OK), -1);
}

void stage_wait_marked(const struct stage *s, uint32_t attempt, int count)
{
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    int found;

    while ((found = launch_count_marked(&s->home, STAGE_FENCE + attempt)) != count) {
        if (clock_mono_ms() > deadline)
            fail_msg("%d marked processes instead of %d", found, count);
        usleep(LOOK_US);
    }
}

void stage_wait_gone(long pid)
{
    struct launch_pid found;
    int64_t deadline = clock_mono_ms() + WAIT_MS;

    while (process_identify((pid_t)pid, &found)) {
        if (clock_mono_ms() > deadline)
            fail_msg("process %ld is still there", pid);
        usleep(LOOK_US);
    }
}
