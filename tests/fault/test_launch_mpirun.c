/* launch_start with the real mpirun: every death, and that nothing is left
 * after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsio.h"
#include "launch_stage.h"

enum { SOON_MS = 4000, RANKS = 2 }; /* sooner than SIGKILL comes after SIGTERM */

struct rank {
    long pid, parent;
    int64_t first_ms;
};

static struct rank rank_of(const struct stage *s, uint32_t attempt, int r)
{
    char name[32];
    struct rank rank;

    snprintf(name, sizeof name, "rank-%d.at", r);
    assert_int_equal(sscanf(stage_text(s, attempt, name), "%ld %ld %" SCNd64, &rank.pid,
                            &rank.parent, &rank.first_ms),
                     3);
    return rank;
}

/* An attempt whose ranks have met. */
struct run {
    const struct stage *stage;
    struct launch_pid shepherd;
    long mpirun;
    struct rank rank[RANKS];
};

static struct run start(void **state, const char *ranks)
{
    struct run run = {.stage = *state};

    setenv("EBM_WORKER_PROGRAM", LAUNCH_RANK, 1);
    setenv("EBM_RANK", ranks, 1);
    run.shepherd = stage_start(run.stage, 1);
    for (int r = 0; r < RANKS; r++)
        run.rank[r] = rank_of(run.stage, 1, r);
    run.mpirun = run.rank[0].parent;
    return run;
}

static void assert_nothing_left(const struct run *run)
{
    stage_assert_clean(run->stage, 1);
    stage_wait_gone(run->mpirun);
    for (int r = 0; r < RANKS; r++)
        stage_wait_gone(run->rank[r].pid);
}

/* The shepherd ends soon, knows how, and nothing is left. */
static struct launch_end end_soon(const struct run *run, const char *what)
{
    long ms = stage_wait(run->shepherd);

    print_message("%s: over after %ld ms\n", what, ms);
    assert_in_range(ms, 0, SOON_MS);
    assert_int_equal(launch_count_marked(&run->stage->home, STAGE_FENCE + 1), 0);
    assert_nothing_left(run);
    return stage_end(run->stage, 1, run->shepherd);
}

static void two_ranks_meet_and_end(void **state)
{
    int64_t from_ms = clock_wall_ms();
    struct run run = start(state, "brief");

    print_message("first instruction of rank 0 after %ld ms\n",
                  (long)(run.rank[0].first_ms - from_ms));
    struct launch_end end = end_soon(&run, "two ranks");
    assert_int_equal(end.exit_code, 0);
    assert_int_equal(end.signal, 0);
    assert_string_equal(end.text, "");
}

static void a_rank_is_killed(void **state)
{
    struct run run = start(state, "");

    kill((pid_t)run.rank[1].pid, SIGKILL);
    struct launch_end end = end_soon(&run, "kill -9 of a rank");
    assert_int_equal(end.exit_code, 128 + SIGKILL);
    assert_string_equal(end.text, "rank 1 exited on signal 9 (Killed)");
}

static void a_rank_fails(void **state)
{
    struct run run = start(state, "fails");
    struct launch_end end = end_soon(&run, "a rank that fails");

    assert_int_equal(end.exit_code, 3);
    assert_string_equal(end.text, "labels.gz: cut short");
}

static void mpirun_is_killed(void **state)
{
    struct run run = start(state, "");

    kill((pid_t)run.mpirun, SIGKILL);
    struct launch_end end = end_soon(&run, "kill -9 of mpirun");
    assert_int_equal(end.signal, SIGKILL);
    assert_string_equal(end.text, "mpirun was killed by signal 9 (Killed)");
}

static void mpirun_is_killed_above_orphans(void **state)
{
    struct run run = start(state, "orphan,deaf,hidden");
    long hidden = stage_number(run.stage, 1, "hidden-0.at");

    kill((pid_t)run.mpirun, SIGKILL);
    struct launch_end end = end_soon(&run, "kill -9 of mpirun above orphans");
    assert_int_equal(end.signal, SIGKILL);
    stage_wait_gone(hidden);
}

static void the_shepherd_is_killed(void **state)
{
    struct run run = start(state, "");
    struct launch_end end;
    int64_t from_ms = clock_mono_ms();

    kill((pid_t)run.shepherd.pid, SIGKILL);
    stage_wait(run.shepherd);
    while (launch_count_marked(&run.stage->home, STAGE_FENCE + 1) > 0)
        usleep(1000);
    long ms = (long)(clock_mono_ms() - from_ms);
    print_message("kill -9 of the shepherd: all gone after %ld ms, without a sweep\n", ms);
    assert_in_range(ms, 0, SOON_MS);
    launch_read_end(&run.stage->home, STAGE_JOB, 1, &end);
    assert_false(end.known);
    assert_int_equal(launch_sweep(&run.stage->home, STAGE_FENCE + 1), 0);
    assert_nothing_left(&run);
}

static void the_shepherd_is_killed_above_orphans(void **state)
{
    struct run run = start(state, "orphan,deaf");

    kill((pid_t)run.shepherd.pid, SIGKILL);
    stage_wait(run.shepherd);
    stage_wait_gone(run.mpirun);
    stage_sweep(run.stage, 1);
    assert_nothing_left(&run);
}

static void a_stop_is_obeyed(void **state)
{
    struct run run = start(state, "");

    launch_stop(run.shepherd);
    struct launch_end end = end_soon(&run, "stop");
    assert_true(end.exit_code != 0 || end.signal != 0);
}

static void a_stop_reaches_deaf_ranks(void **state)
{
    struct run run = start(state, "deaf,hidden");
    long hidden = stage_number(run.stage, 1, "hidden-0.at");

    launch_stop(run.shepherd);
    end_soon(&run, "stop of deaf ranks");
    stage_wait_gone(hidden);
}

/* A stopped mpirun takes no SIGTERM. */
static void a_stop_reaches_a_frozen_mpirun(void **state)
{
    struct run run = start(state, "");

    kill((pid_t)run.mpirun, SIGSTOP);
    launch_stop(run.shepherd);
    long ms = stage_wait(run.shepherd);
    print_message("stop of a frozen mpirun: over after %ld ms\n", ms);
    assert_int_equal(stage_end(run.stage, 1, run.shepherd).signal, SIGKILL);
    assert_nothing_left(&run);
}

static void a_stop_before_the_ranks(void **state)
{
    const struct stage *s = *state;

    setenv("EBM_WORKER_PROGRAM", LAUNCH_RANK, 1);
    struct launch_pid pid = stage_start(s, 1);
    launch_stop(pid);
    long ms = stage_wait(pid);
    print_message("stop at once: over after %ld ms\n", ms);
    stage_assert_clean(s, 1);
    assert_in_range(ms, 0, SOON_MS);
}

/* mpirun's start takes about 100 ms: each moment of it is hit. */
enum { MOMENTS = 16, MOMENT_US = 8000 };

static void the_shepherd_is_killed_at_any_moment(void **state)
{
    const struct stage *s = *state;

    setenv("EBM_WORKER_PROGRAM", LAUNCH_RANK, 1);
    setenv("EBM_RANK", "orphan,deaf", 1);
    for (int i = 0; i < MOMENTS; i++) {
        struct launch_pid pid = stage_start(s, 1); /* replaces the one before */
        usleep((useconds_t)(i * MOMENT_US));
        kill((pid_t)pid.pid, SIGKILL);
        stage_wait(pid);
        stage_sweep(s, 1);
        usleep(MOMENT_US);
        stage_assert_clean(s, 1);
    }
}

/* An mpirun that has no ranks yet may miss SIGTERM, and ends by SIGKILL. */
static void a_stop_at_any_moment(void **state)
{
    enum { STOP_MS = 5000 }; /* from one to the other: herd.c */
    const struct stage *s = *state;

    setenv("EBM_WORKER_PROGRAM", LAUNCH_RANK, 1);
    setenv("EBM_RANK", "orphan,deaf", 1);
    for (uint32_t i = 0; i < MOMENTS; i++) {
        struct launch_pid pid = stage_start(s, 1 + i);
        usleep(i * MOMENT_US);
        launch_stop(pid);
        assert_in_range(stage_wait(pid), 0, STOP_MS + SOON_MS);
        stage_end(s, 1 + i, pid);
        stage_assert_clean(s, 1 + i);
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

static void a_long_tmpdir_is_no_matter(void **state)
{
    const struct stage *s = *state;
    char *old = getenv("TMPDIR") != NULL ? strdup(getenv("TMPDIR")) : NULL;
    char path[HOME_PATH_MAX];
    int n = snprintf(path, sizeof path, "%.600s/", s->tmp);

    memset(path + n, 'd', 200);
    path[n + 200] = '\0';
    assert_int_equal(fsio_mkdirs(path, 0700, NULL), EBM_OK);
    setenv("TMPDIR", path, 1);
    struct run run = start(state, "brief");
    if (old != NULL)
        setenv("TMPDIR", old, 1);
    else
        unsetenv("TMPDIR");
    free(old);
    assert_int_equal(end_soon(&run, "a long TMPDIR").exit_code, 0);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void attempts_side_by_side(void **state)
{
    const struct stage *s = *state;
    struct run run = start(state, "");
    struct launch_pid other = stage_start(s, 2);
    struct rank rank = rank_of(s, 2, 0);

    kill((pid_t)run.shepherd.pid, SIGKILL);
    stage_wait(run.shepherd);
    assert_int_equal(launch_sweep(&s->home, STAGE_FENCE + 1), 0);
    assert_nothing_left(&run);
    assert_int_equal(launch_count_marked(&s->home, STAGE_FENCE + 2), 1 + RANKS);
    launch_stop(other);
    stage_wait(other);
    stage_wait_gone(rank.pid);
    stage_assert_clean(s, 2);
}

#define staged(test) cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        staged(two_ranks_meet_and_end),
        staged(a_rank_is_killed),
        staged(a_rank_fails),
        staged(mpirun_is_killed),
        staged(mpirun_is_killed_above_orphans),
        staged(the_shepherd_is_killed),
        staged(the_shepherd_is_killed_above_orphans),
        staged(a_stop_is_obeyed),
        staged(a_stop_reaches_deaf_ranks),
        staged(a_stop_reaches_a_frozen_mpirun),
        staged(a_stop_before_the_ranks),
        staged(the_shepherd_is_killed_at_any_moment),
        staged(a_stop_at_any_moment),
        staged(a_long_tmpdir_is_no_matter),
        staged(attempts_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
