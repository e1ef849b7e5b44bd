/* A rank for the tests of launching: MPI and nothing else. Writes "PID PPID
 * MS" (wall clock of its first instruction) into rank-R.at, meets the other
 * ranks, and stays, unless it is told otherwise.
 *
 *   EBM_RANK   names joined by commas:
 *   brief      ends well after the meeting
 *   deaf       ignores SIGTERM
 *   orphan     does not die with its parent
 *   hidden     rank 0 starts a child with no mark, in its own session
 *   fails      rank 1 logs an error and ends with status 3 */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsio.h"
#include "base/log.h"
#include "comm/comm.h"

static bool told(const char *name)
{
    const char *names = getenv("EBM_RANK");

    return names != NULL && strstr(names, name) != NULL;
}

static void put_number_file(const char *name, size_t rank, const char *text)
{
    char path[1024];

    snprintf(path, sizeof path, "%s/%s-%zu.at", getenv("EBM_ATTEMPT_DIR"), name, rank);
    fsio_write_atomic(path, text, strlen(text), 0600, NULL);
}

static void start_hidden(size_t rank)
{
    char text[64];
    char *const argv[] = {(char *)"sleep", (char *)"60", NULL};
    char *const env[] = {NULL};
    pid_t pid = fork();

    if (pid == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        execve("/bin/sleep", argv, env);
        _exit(1);
    }
    snprintf(text, sizeof text, "%ld\n", (long)pid);
    put_number_file("hidden", rank, text);
}

int main(int argc, char **argv)
{
    int64_t first_ms = clock_wall_ms();
    struct ebm_error err = {0};
    struct comm *comm = NULL;
    char text[128];

    if (!told("orphan"))
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (told("deaf"))
        signal(SIGTERM, SIG_IGN);
    if (comm_open(&argc, &argv, &comm, &err) != EBM_OK) {
        fprintf(stderr, "launch-rank: %s\n", err.text);
        return 1;
    }
    size_t rank = comm_rank(comm);
    if (told("hidden") && rank == 0)
        start_hidden(rank);
    comm_meet(comm, &err);
    snprintf(text, sizeof text, "%ld %ld %" PRId64 "\n", (long)getpid(), (long)getppid(), first_ms);
    put_number_file("rank", rank, text);
    if (told("fails"))
        comm_meet(comm, &err); /* both have told where they are */
    if (told("fails") && rank == 1) {
        log_error("start", "rank=1 error=\"labels.gz: cut short\"");
        _exit(3);
    }
    while (!told("brief"))
        pause();
    comm_close(comm);
    return 0;
}
