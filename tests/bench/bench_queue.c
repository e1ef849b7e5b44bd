/* bench_queue: how long a pass over the queue takes while so many jobs wait,
 * as one line of JSON. It opens an ebmd of its own in EBM_HOME, without a
 * socket's client, and turns nothing.
 *
 *   bench_queue JOBS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon.h"
#include "queue.h"

enum { PASSES = 51, AT_ONCE = 256 };

static const char text[] = "name: waits\n";

static void die(const struct ebm_error *err)
{
    fprintf(stderr, "bench_queue: %s\n", err->text);
    exit(1);
}

static struct store_job make_job(int64_t after, enum job_state state)
{
    struct store_job j = {
        .name = "waits", .state = state, .ranks = 1, .threads = 1, .after = after};

    strcpy(j.plan_cause, "submit");
    strcpy(j.plan_actor, "user");
    return j;
}

static int64_t insert(struct daemon *d, struct store_job j)
{
    struct ebm_error err;

    if (store_job_insert(d->store, &j, "", text, text, &err) != EBM_OK)
        die(&err);
    return j.id;
}

/* Half of them in one long chain, half behind one job, which is held. */
static void fill(struct daemon *d, long jobs)
{
    struct ebm_error err;
    int64_t newest = insert(d, make_job(0, JOB_HELD));

    store_begin(d->store, NULL);
    for (long i = 0; i < jobs; i++)
        newest = insert(d, make_job(i % 2 == 0 ? 1 : newest, JOB_QUEUED));
    if (store_commit(d->store, &err) != EBM_OK)
        die(&err);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double pass_ms(struct daemon *d)
{
    double begin = clock_mono_s();

    queue_pass(d);
    return 1000 * (clock_mono_s() - begin);
}

/* The median, with so many jobs that came since the pass before. */
static double median_pass_ms(struct daemon *d, int changes)
{
    double ms[PASSES];

    for (int i = 0; i < PASSES; i++) {
        store_begin(d->store, NULL);
        for (int k = 0; k < changes; k++)
            insert(d, make_job(1, JOB_QUEUED));
        ms[i] = pass_ms(d);
        store_commit(d->store, NULL);
    }
    qsort(ms, PASSES, sizeof ms[0], compare);
    return ms[PASSES / 2];
}

int main(int argc, char **argv)
{
    static struct daemon d;
    struct ebm_error err;

    if (argc != 2) {
        fputs("usage: bench_queue JOBS\n", stderr);
        return 2;
    }
    setenv("EBM_LOG_LEVEL", "error", 1);
    if (daemon_open(&d, false, &err) != EBM_OK)
        die(&err);
    fill(&d, strtol(argv[1], NULL, 10));
    double first = pass_ms(&d), none = median_pass_ms(&d, 0), one = median_pass_ms(&d, 1),
           many = median_pass_ms(&d, AT_ONCE);
    printf("{\"first_ms\": %.3f, \"unchanged_ms\": %.3f, \"one_new_ms\": %.3f, "
           "\"many_new_ms\": %.3f}\n",
           first, none, one, many);
    daemon_close(&d);
    return 0;
}
