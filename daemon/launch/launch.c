#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fsio.h"
#include "launch/folder.h"
#include "launch/plan.h"
#include "launch/process.h"
#include "launch/programs.h"
#include "launch/report.h"
#include "launch/scratch.h"
#include "launch/spawn.h"

/* ---- what mpirun is to do ---- */

/* Settings of Open MPI for ranks on one machine: nothing of them looks for a
 * network, another host or ssh, and what is chosen here need not be probed
 * (the start takes a third of the time). */
static const struct {
    const char *name, *value;
} mca[] = {
    {"plm", "isolated"},
    {"pml", "ob1"},
    {"btl", "self,vader"},
    /* Reading another rank's memory is forbidden in many containers; ranks
     * share segments instead. */
    {"btl_vader_single_copy_mechanism", "none"},
    {"oob_tcp_if_include", "lo"},
    {"oob_tcp_disable_ipv6_family", "1"},
    /* Once a rank has died the others are of no use: no wait before SIGKILL. */
    {"odls_base_sigkill_timeout", "0"},
    /* A rank that waits for another gives way: the cores are shared with
     * other jobs, and with the agent's thread. */
    {"mpi_yield_when_idle", "1"},
};

static void put_mpirun(struct plan_writer *w, const struct launch_request *r,
                       const struct programs *programs, const char *scratch)
{
    plan_put(w, PLAN_ARGV, "%s", programs->mpirun);
    plan_put(w, PLAN_ARGV, "-n");
    plan_put(w, PLAN_ARGV, "%" PRIu32, r->ranks);
    plan_put(w, PLAN_ARGV, "--oversubscribe");
    plan_put(w, PLAN_ARGV, "--bind-to");
    plan_put(w, PLAN_ARGV, "none");
    for (size_t i = 0; i < sizeof mca / sizeof mca[0]; i++) {
        plan_put(w, PLAN_ARGV, "--mca");
        plan_put(w, PLAN_ARGV, "%s", mca[i].name);
        plan_put(w, PLAN_ARGV, "%s", mca[i].value);
    }
    static const char *const in_scratch[] = {"orte_tmpdir_base", "btl_vader_backing_directory"};
    for (size_t i = 0; i < sizeof in_scratch / sizeof in_scratch[0]; i++) {
        plan_put(w, PLAN_ARGV, "--mca");
        plan_put(w, PLAN_ARGV, "%s", in_scratch[i]);
        plan_put(w, PLAN_ARGV, "%s", scratch);
    }
    plan_put(w, PLAN_ARGV, "%s", programs->worker);
}

static void put_environment(struct plan_writer *w, const struct home *home,
                            const struct launch_request *r, const char *mark, const char *dir)
{
    plan_put(w, PLAN_ENV, "EBM_JOB=%" PRId64, r->job);
    plan_put(w, PLAN_ENV, "EBM_ATTEMPT=%" PRIu32, r->attempt);
    plan_put(w, PLAN_ENV, "EBM_FENCE=%" PRIu64, r->fence);
    plan_put(w, PLAN_ENV, "EBM_HOME_MARK=%s", mark);
    plan_put(w, PLAN_ENV, "EBM_TOKEN_FILE=%s/token", dir);
    plan_put(w, PLAN_ENV, "EBM_ENDPOINT=%s", home->worker);
    plan_put(w, PLAN_ENV, "EBM_ATTEMPT_DIR=%s", dir);
    plan_put(w, PLAN_ENV, "EBM_THREADS=%" PRIu32, r->threads);
    plan_put(w, PLAN_ENV, "OMP_NUM_THREADS=%" PRIu32, r->threads);
    if (geteuid() != 0)
        return;
    plan_put(w, PLAN_ENV, "OMPI_ALLOW_RUN_AS_ROOT=1");
    plan_put(w, PLAN_ENV, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1");
    plan_put(w, PLAN_NOTE,
             "running mpirun as root: by ebmd's own setting of "
             "OMPI_ALLOW_RUN_AS_ROOT");
}

static enum ebm_status write_plan(const struct home *home, const struct launch_request *r,
                                  const struct programs *programs, const char *dir,
                                  struct ebm_error *err)
{
    char scratch[HOME_PATH_MAX], mark[HOME_PATH_MAX];
    struct plan_writer w;

    process_mark_home(home, mark);
    scratch_path(mark, r->fence, scratch, sizeof scratch);
    plan_writer_init(&w);
    plan_put(&w, PLAN_HOME, "%s", mark);
    plan_put(&w, PLAN_FENCE, "%" PRIu64, r->fence);
    plan_put(&w, PLAN_SCRATCH, "%s", scratch);
    put_mpirun(&w, r, programs, scratch);
    put_environment(&w, home, r, mark, dir);
    enum ebm_status st = plan_write(&w, dir, err);
    plan_writer_fini(&w);
    return st;
}

static enum ebm_status write_folder(const struct home *home, const struct launch_request *r,
                                    const struct programs *programs, const char *dir,
                                    struct ebm_error *err)
{
    enum ebm_status st = fsio_mkdirs(dir, 0700, err);

    if (st == EBM_OK)
        st = folder_write(dir, "spec.yaml", r->spec, strlen(r->spec), 0600, err);
    if (st == EBM_OK)
        st = folder_write(dir, "token", r->token, strlen(r->token), 0600, err);
    return st == EBM_OK ? write_plan(home, r, programs, dir, err) : st;
}

/* ---- starting the shepherd ---- */

/* Runs it with its report on this descriptor; the process that is reaped
 * here has already left the shepherd behind. 0 or an errno. */
static int start(const char *shepherd, const char *dir, const char *log, int report)
{
    char *const argv[] = {(char *)"ebm-shepherd", (char *)dir, NULL};
    /* What its loop reads from its signalfd is held from before its first
     * instruction. */
    static const int held[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, 0};
    const struct spawn how = {
        .program = shepherd, .argv = argv, .in = -1, .out = report, .log = log, .held = held};
    pid_t pid;
    int failed = spawn_start(&how, &pid);

    while (failed == 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return failed;
}

static enum ebm_status start_shepherd(const char *shepherd, const char *dir, struct launch_pid *out,
                                      struct ebm_error *err)
{
    char log[HOME_PATH_MAX];
    int ends[2];
    enum ebm_status st = folder_path(dir, "shepherd.log", log, sizeof log, err);

    if (st != EBM_OK)
        return st;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ebm_fail_errno(err, errno, "cannot create a pipe");
    int failed = start(shepherd, dir, log, ends[1]);
    close(ends[1]);
    st = failed == 0 ? report_read(ends[0], out, err)
                     : ebm_fail_errno(err, failed, "%s: cannot start", shepherd);
    /* A shepherd that is too late with its report finds nobody to read it,
     * and ends without having started anything. */
    close(ends[0]);
    return st;
}

enum ebm_status launch_start(const struct home *home, const struct launch_request *request,
                             struct launch_pid *out, struct ebm_error *err)
{
    struct programs programs;
    struct folder_status ended;
    char dir[HOME_PATH_MAX];

    if (launch_find(home, request->job, request->attempt, out))
        return EBM_OK;
    home_attempt_dir(home, request->job, (int)request->attempt, dir, sizeof dir);
    if (folder_read_status(dir, &ended))
        return ebm_fail(err, EBM_EEXIST, "%s: this attempt has already run", dir);
    enum ebm_status st = programs_find(&programs, err);
    if (st == EBM_OK)
        st = write_folder(home, request, &programs, dir, err);
    return st == EBM_OK ? start_shepherd(programs.shepherd, dir, out, err) : st;
}
