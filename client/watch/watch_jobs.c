#include "watch/watch_jobs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

static void destroy(struct watch_job *j)
{
    watch_rows_fini(&j->rows);
    free(j);
}

void watch_jobs_fini(struct watch_jobs *t)
{
    for (size_t i = 0; i < t->count; i++)
        destroy(t->job[i]);
    free(t->job);
    memset(t, 0, sizeof *t);
}

/* Where the job is or would be. */
static size_t place_of(const struct watch_jobs *t, uint64_t job)
{
    size_t low = 0, high = t->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->job[middle]->job < job)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct watch_job *watch_jobs_find(const struct watch_jobs *t, uint64_t job)
{
    size_t i = place_of(t, job);

    return i < t->count && t->job[i]->job == job ? t->job[i] : NULL;
}

static struct watch_job *insert(struct watch_jobs *t, uint64_t job)
{
    size_t i = place_of(t, job);

    if (t->count == t->capacity) {
        size_t capacity = t->capacity == 0 ? FIRST_CAPACITY : 2 * t->capacity;
        struct watch_job **grown = realloc(t->job, capacity * sizeof(struct watch_job *));
        if (grown == NULL)
            return NULL;
        t->job = grown;
        t->capacity = capacity;
    }
    struct watch_job *j = calloc(1, sizeof *j);
    if (j == NULL)
        return NULL;
    j->job = job;
    memmove(t->job + i + 1, t->job + i, (t->count - i) * sizeof(struct watch_job *));
    t->job[i] = j;
    t->count++;
    return j;
}

/* Cut between characters. */
static void copy_text(char *to, size_t size, const char *from)
{
    size_t n = strlen(from);

    if (n >= size)
        for (n = size - 1; n > 0 && ((unsigned char)from[n] & 0xc0) == 0x80; n--)
            ;
    memcpy(to, from, n);
    to[n] = '\0';
}

struct watch_job *watch_jobs_put(struct watch_jobs *t, const Ebm__Job *told)
{
    struct watch_job *j = watch_jobs_find(t, told->job);

    if (j == NULL)
        j = insert(t, told->job);
    if (j == NULL)
        return NULL;
    copy_text(j->name, sizeof j->name, told->name);
    copy_text(j->state_name, sizeof j->state_name, told->state);
    copy_text(j->health, sizeof j->health, told->health);
    copy_text(j->reason, sizeof j->reason, told->reason);
    copy_text(j->verdict, sizeof j->verdict,
              told->stability != NULL ? told->stability->verdict : "");
    copy_text(j->outlook, sizeof j->outlook,
              told->stability != NULL ? told->stability->outlook : "");
    copy_text(j->happened, sizeof j->happened, told->happened);
    j->state = job_state_from_name(told->state);
    j->rows_settled = j->rows_settled && !job_state_is_live(j->state);
    j->step = told->step;
    j->total_steps = told->total_steps;
    j->attempt = told->attempt;
    j->restarts_used = told->restarts_used;
    j->max_restarts = told->max_restarts;
    j->started_ms = told->started_ms;
    j->ended_ms = told->ended_ms;
    j->rate = told->rate;
    j->langevin_grad = told->langevin_grad;
    j->energy_gap = told->energy_gap;
    return j;
}

void watch_jobs_drop(struct watch_jobs *t, bool (*drop)(const struct watch_job *j, int64_t arg),
                     int64_t arg)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->count; i++)
        if (drop(t->job[i], arg))
            destroy(t->job[i]);
        else
            t->job[kept++] = t->job[i];
    t->count = kept;
}

static int group_of(const struct watch_job *j)
{
    return job_state_is_live(j->state) ? 0 : job_state_is_final(j->state) ? 2 : 1;
}

static int compare(const void *a, const void *b)
{
    const struct watch_job *x = *(const struct watch_job *const *)a;
    const struct watch_job *y = *(const struct watch_job *const *)b;
    int group = group_of(x) - group_of(y);

    if (group != 0)
        return group;
    if (group_of(x) == 2 && x->ended_ms != y->ended_ms)
        return x->ended_ms > y->ended_ms ? -1 : 1;
    return x->job < y->job ? -1 : x->job > y->job;
}

const struct watch_job **watch_jobs_sorted(const struct watch_jobs *t)
{
    const struct watch_job **list =
        t->count > 0 ? malloc(t->count * sizeof(const struct watch_job *)) : NULL;

    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < t->count; i++)
        list[i] = t->job[i];
    qsort(list, t->count, sizeof(const struct watch_job *), compare);
    return list;
}

double watch_job_share(const struct watch_job *j)
{
    if (j->total_steps == 0)
        return 0;
    return j->step < j->total_steps ? (double)j->step / (double)j->total_steps : 1;
}

double watch_job_seconds_left(const struct watch_job *j)
{
    if (!(j->rate > 0) || j->total_steps == 0 || !job_state_is_live(j->state))
        return NAN;
    return j->total_steps > j->step ? (double)(j->total_steps - j->step) / j->rate : 0;
}
