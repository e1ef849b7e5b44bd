/* One ebmd a home. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "home/lock.h"
#include "temp_home.h"

static int setup(void **state)
{
    struct home *h = malloc(sizeof *h);

    *state = h;
    return h != NULL ? temp_home_make(h) : -1;
}

static int teardown(void **state)
{
    temp_home_remove(*state);
    free(*state);
    return 0;
}

static int take(const struct home *h)
{
    struct ebm_error err = {.text = ""};
    int fd = -1;

    if (lock_take(h, &fd, &err) != EBM_OK)
        fail_msg("%s", err.text);
    assert_true(fd >= 0);
    return fd;
}

/* A process that takes the lock, says so, and stays until it is killed. */
static pid_t start_holder(const struct home *h)
{
    int fds[2];
    char byte = 0;

    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int fd;
        if (lock_take(h, &fd, NULL) != EBM_OK || write(fds[1], "1", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    close(fds[0]);
    return pid;
}

static void kill_holder(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void a_missing_folder_is_named(void **state)
{
    struct home h = *(const struct home *)*state;
    struct ebm_error err;
    int fd = 7;

    strcat(h.state, "/nowhere");
    assert_int_equal(lock_take(&h, &fd, &err), EBM_ENOTFOUND);
    assert_non_null(strstr(err.text, "/nowhere/ebmd.lock"));
    assert_int_equal(fd, -1);
    assert_int_equal(lock_holder(&h), 0);
}

/* Whoever can write there must not make us write somewhere else. */
static void a_link_is_not_followed(void **state)
{
    const struct home *h = *state;
    struct ebm_error err;
    char lock[HOME_PATH_MAX + 32], other[HOME_PATH_MAX + 32];
    int fd;

    temp_home_path(h, "ebmd.lock", lock, sizeof lock);
    temp_home_path(h, "other", other, sizeof other);
    assert_int_equal(symlink(other, lock), 0);
    assert_int_not_equal(lock_take(h, &fd, &err), EBM_OK);
    assert_int_equal(access(other, F_OK), -1);
    assert_int_equal(lock_holder(h), 0);
}

static void a_second_one_is_told_who_has_it(void **state)
{
    const struct home *h = *state;
    char who[64];
    struct ebm_error err;
    int second = 7;
    int fd = take(h);

    assert_int_equal(lock_take(h, &second, &err), EBM_EEXIST);
    assert_int_equal(second, -1);
    snprintf(who, sizeof who, "pid %ld", (long)getpid());
    assert_non_null(strstr(err.text, who));
    assert_non_null(strstr(err.text, h->state));
    close(fd);
    close(take(h));
}

static void the_holder_is_known_from_outside(void **state)
{
    const struct home *h = *state;
    struct ebm_error err;
    char who[64];
    int fd;

    assert_int_equal(lock_holder(h), 0);
    pid_t pid = start_holder(h);
    assert_int_equal(lock_holder(h), pid);
    assert_int_equal(lock_holder(h), pid); /* asking takes nothing */
    assert_int_equal(lock_take(h, &fd, &err), EBM_EEXIST);
    snprintf(who, sizeof who, "pid %ld", (long)pid);
    assert_non_null(strstr(err.text, who));
    kill_holder(pid);
}

static void the_lock_goes_with_a_killed_holder(void **state)
{
    const struct home *h = *state;
    pid_t pid = start_holder(h);

    kill_holder(pid);
    assert_int_equal(lock_holder(h), 0); /* though its pid is still in the file */
    int fd = take(h);
    assert_int_equal(lock_holder(h), getpid());
    close(fd);
    assert_int_equal(lock_holder(h), 0);
}

static void the_file_is_private(void **state)
{
    const struct home *h = *state;
    char path[HOME_PATH_MAX + 32];
    struct stat st;
    mode_t old = umask(0);
    int fd = take(h);

    umask(old);
    temp_home_path(h, "ebmd.lock", path, sizeof path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
}

/* A shorter pid after a longer one: nothing of the old one is left. */
static void an_old_pid_is_overwritten(void **state)
{
    const struct home *h = *state;
    char path[HOME_PATH_MAX + 32];

    temp_home_path(h, "ebmd.lock", path, sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "123456789123\n", 13), 13);
    close(fd);
    fd = take(h);
    assert_int_equal(lock_holder(h), getpid());
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_missing_folder_is_named),          T(a_link_is_not_followed),
        T(a_second_one_is_told_who_has_it),    T(the_holder_is_known_from_outside),
        T(the_lock_goes_with_a_killed_holder), T(the_file_is_private),
        T(an_old_pid_is_overwritten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
