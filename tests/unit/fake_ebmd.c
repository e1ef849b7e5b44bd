#include "fake_ebmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "state/state.h"

enum { DEADLINE_S = 20, POLL_MS = 5 };

static void receive(struct fake_ebmd *f)
{
    struct link_message in;
    ProtobufCMessage *m = NULL;

    while (link_recv(f->control, &in, NULL) == EBM_OK) {
        pthread_mutex_lock(&f->lock);
        if (wire_decode(&in, &ebm__request__descriptor, &m, NULL, NULL) == EBM_OK) {
            fake_ebmd_answer(f, &in, (const Ebm__Request *)m);
            wire_free(m);
        } else {
            f->record.unreadable++;
        }
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
        link_message_fini(&in);
    }
}

static void publish(struct fake_ebmd *f)
{
    pthread_mutex_lock(&f->lock);
    for (; f->published < f->events; f->published++) {
        struct ebmd_event *e = &f->event[f->published];
        Ebm__Event m = EBM__EVENT__INIT;
        Ebm__EventRow row = EBM__EVENT_ROW__INIT;
        row.seq = f->published + 1;
        row.job = e->job;
        row.time_ms = e->time_ms;
        row.kind = e->kind;
        row.text = e->text;
        m.row = &row;
        wire_publish(f->publisher, e->job, &m, NULL);
    }
    pthread_mutex_unlock(&f->lock);
}

/* ---- the thread ---- */

static void must(enum ebm_status rc, const struct ebm_error *err)
{
    if (rc == EBM_OK)
        return;
    fprintf(stderr, "fake ebmd: %s\n", err->text);
    abort();
}

static void open_sockets(struct fake_ebmd *f)
{
    struct ebm_error err;

    must(link_open(f->context, LINK_ROUTER, true, f->home.control, &f->control, &err), &err);
    must(link_open(f->context, LINK_PUB, true, f->home.events, &f->publisher, &err), &err);
}

static void close_sockets(struct fake_ebmd *f)
{
    link_close(f->control);
    link_close(f->publisher);
    f->control = f->publisher = NULL;
    unlink(f->home.control + strlen("ipc://"));
    unlink(f->home.events + strlen("ipc://"));
}

/* Goes down or comes back, when told to. */
static bool obey(struct fake_ebmd *f)
{
    pthread_mutex_lock(&f->lock);
    bool stopping = f->stopping;
    if (f->wants_down != f->is_down) {
        if (f->wants_down)
            close_sockets(f);
        else
            open_sockets(f);
        f->is_down = f->wants_down;
        pthread_cond_broadcast(&f->changed);
    }
    pthread_mutex_unlock(&f->lock);
    return !stopping;
}

static void *run(void *arg)
{
    struct fake_ebmd *f = arg;

    while (obey(f)) {
        struct link_poll item = {.socket = f->control, .fd = -1};
        if (f->is_down) {
            const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
            nanosleep(&pause, NULL);
            continue;
        }
        link_wait(&item, 1, POLL_MS, NULL);
        receive(f);
        publish(f);
    }
    return NULL;
}

struct fake_ebmd *fake_ebmd_start(void)
{
    struct fake_ebmd *f = calloc(1, sizeof *f);
    char folder[64] = "/tmp/ebmctl-XXXXXX";
    struct ebm_error err;

    if (f == NULL || mkdtemp(folder) == NULL)
        abort();
    setenv("EBM_HOME", folder, 1);
    setenv("EBM_NO_AUTOSTART", "1", 1);
    must(home_locate(&f->home, &err), &err);
    must(home_create(&f->home, &err), &err);
    must(link_context_create(&f->context, &err), &err);
    open_sockets(f);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    if (pthread_create(&f->thread, NULL, run, f) != 0)
        abort();
    return f;
}

static void free_job(Ebm__Job *j)
{
    char *texts[] = {j->name, j->state, j->health, j->reason, j->spec, j->source, j->dir};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
}

void fake_ebmd_stop(struct fake_ebmd *f)
{
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    close_sockets(f);
    link_context_destroy(f->context);
    rmdir(f->home.run);
    rmdir(f->home.state);
    for (size_t i = 0; i < f->jobs; i++)
        free_job(&f->job[i]);
    for (size_t i = 0; i < f->checkpoints; i++) {
        free(f->checkpoint[i].health);
        free(f->checkpoint[i].digest);
        free(f->checkpoint[i].kept_because);
    }
    free(f->job);
    free(f->row);
    free(f->checkpoint);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* ---- what the test says ---- */

void fake_ebmd_script(struct fake_ebmd *f, const struct ebmd_script *script)
{
    pthread_mutex_lock(&f->lock);
    f->script = *script;
    pthread_mutex_unlock(&f->lock);
}

const struct ebmd_record *fake_ebmd_peek(struct fake_ebmd *f)
{
    pthread_mutex_lock(&f->lock);
    f->peeked = f->record;
    pthread_mutex_unlock(&f->lock);
    return &f->peeked;
}

static struct timespec deadline(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += DEADLINE_S;
    return t;
}

bool fake_ebmd_wait_asked(struct fake_ebmd *f, unsigned body_case, unsigned times)
{
    struct timespec end = deadline();
    int rc = 0;

    pthread_mutex_lock(&f->lock);
    while (rc == 0 && f->record.asked[body_case] < times)
        rc = pthread_cond_timedwait(&f->changed, &f->lock, &end);
    bool ok = f->record.asked[body_case] >= times;
    pthread_mutex_unlock(&f->lock);
    return ok;
}

void fake_ebmd_set_down(struct fake_ebmd *f, bool down)
{
    pthread_mutex_lock(&f->lock);
    f->wants_down = down;
    while (f->is_down != down)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static char *copy(const char *text)
{
    char *p = strdup(text != NULL ? text : "");

    if (p == NULL)
        abort();
    return p;
}

static void *grow(void *list, size_t n, size_t size)
{
    /* Doubles: a test may put in a hundred thousand. */
    if (n != 0 && (n & (n - 1)) != 0)
        return list;
    void *p = realloc(list, (n == 0 ? 1 : 2 * n) * size);
    if (p == NULL)
        abort();
    return p;
}

static Ebm__Job *place_for(struct fake_ebmd *f, uint64_t job)
{
    Ebm__Job *j = f->jobs > 0 && f->job[f->jobs - 1].job < job ? NULL : fake_ebmd_find(f, job);

    if (j != NULL) {
        free_job(j);
        return j;
    }
    f->job = grow(f->job, f->jobs, sizeof *f->job);
    return &f->job[f->jobs++];
}

void fake_ebmd_put_job(struct fake_ebmd *f, const Ebm__Job *job)
{
    pthread_mutex_lock(&f->lock);
    Ebm__Job *j = place_for(f, job->job);
    *j = *job;
    j->name = copy(job->name);
    j->state = copy(job->state);
    j->health = copy(job->health);
    j->reason = copy(job->reason);
    j->spec = copy(job->spec);
    j->source = copy(job->source);
    j->dir = copy(job->dir);
    pthread_mutex_unlock(&f->lock);
}

void fake_ebmd_put(struct fake_ebmd *f, uint64_t job, const char *state, uint64_t step,
                   uint64_t total, const char *reason)
{
    Ebm__Job j = EBM__JOB__INIT;

    j.job = job;
    j.name = (char *)"fashion-ebm";
    j.state = (char *)state;
    j.step = step;
    j.total_steps = total;
    j.reason = (char *)reason;
    j.health = (char *)(step > 0 ? "ok" : "-");
    j.attempt = j.attempts = step > 0;
    j.ranks = j.slots = 2;
    j.langevin_grad = 0.0125;
    j.energy_gap = -0.25;
    j.rate = strcmp(state, "running") == 0 ? 2.5 : 0;
    j.submitted_ms = clock_wall_ms() - 100000;
    j.started_ms = step > 0 ? clock_wall_ms() - 90000 : 0;
    if (job_state_is_final(job_state_from_name(state)))
        j.ended_ms = clock_wall_ms() - 1000;
    fake_ebmd_put_job(f, &j);
}

void fake_ebmd_put_row(struct fake_ebmd *f, const struct ebmd_row *row)
{
    pthread_mutex_lock(&f->lock);
    f->row = grow(f->row, f->rows, sizeof *f->row);
    f->row[f->rows++] = *row;
    pthread_mutex_unlock(&f->lock);
}

void fake_ebmd_put_checkpoint(struct fake_ebmd *f, const Ebm__Checkpoint *c)
{
    pthread_mutex_lock(&f->lock);
    f->checkpoint = grow(f->checkpoint, f->checkpoints, sizeof *f->checkpoint);
    Ebm__Checkpoint *to = &f->checkpoint[f->checkpoints++];
    *to = *c;
    to->health = copy(c->health);
    to->digest = copy(c->digest);
    to->kept_because = copy(c->kept_because);
    pthread_mutex_unlock(&f->lock);
}

void fake_ebmd_put_event(struct fake_ebmd *f, uint64_t job, const char *kind, const char *text)
{
    pthread_mutex_lock(&f->lock);
    if (f->events == FAKE_EVENTS_MAX)
        abort();
    struct ebmd_event *e = &f->event[f->events++];
    e->job = job;
    e->time_ms = clock_wall_ms();
    snprintf(e->kind, sizeof e->kind, "%s", kind);
    snprintf(e->text, sizeof e->text, "%s", text);
    pthread_mutex_unlock(&f->lock);
}
