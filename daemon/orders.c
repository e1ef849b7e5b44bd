#include "orders.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "jobs.h"
#include "unit.h"

enum {
    ABANDON_MS = 10000, /* a stretch that is abandoned anyway is not waited for longer */
    FULL_DISK_MS = 20000,
    /* From when its shepherd was told to when that is killed itself. One that
     * stops gives mpirun 5 s and the rest 10. */
    KILLED_MS = 2000,
    STOPPED_MS = 20000
};

static const struct order_row {
    const char *verb; /* to the worker; NULL: it is not asked, but made to */
    int64_t grace_ms; /* 0: the setting */
    const char *doing;
} order_rows[] = {
    [INTENT_NONE] = {NULL, 0, ""},
    [INTENT_PAUSE] = {"pause", 0, "is pausing"},
    [INTENT_PAUSE_NOSPACE] = {"stop", FULL_DISK_MS, "is pausing: the disk is full"},
    [INTENT_ROLLBACK] = {"stop", ABANDON_MS, "is being rolled back"},
    [INTENT_CANCEL] = {"cancel", 0, "is being cancelled"},
    [INTENT_KILL] = {NULL, 0, "is being killed"},
};

/* ---- giving ---- */

static void send_order(struct daemon *d, struct live *l)
{
    Ebm__ToWorker m = EBM__TO_WORKER__INIT;
    Ebm__HeartbeatAck ack = EBM__HEARTBEAT_ACK__INIT;

    /* Before the first heartbeat its numbers are not known; it goes with the
     * answer to that. */
    if (!l->beats)
        return;
    Ebm__Command command = orders_pending(l);
    if (command.seq == 0) /* it was seen */
        return;
    ack.command = &command;
    m.fence = l->fence;
    m.body_case = EBM__TO_WORKER__BODY_HEARTBEAT_ACK;
    m.heartbeat_ack = &ack;
    outbox_put_worker(&d->outbox, (struct outbox_peer){l->identity, l->identity_size}, &m, NULL, 0);
}

static void note_force(struct live *l, const char *why, int64_t lasts_ms)
{
    log_info("stop", "job=%" PRId64 " attempt=%u reason=\"%s\"", l->job, l->attempt, why);
    l->stop_at_ms = 0;
    l->kill_at_ms = clock_mono_ms() + lasts_ms;
    l->forced = true;
}

static void force_stop(struct live *l)
{
    note_force(l, "it did not stop in time", STOPPED_MS);
    if (l->shepherd.pid != 0)
        launch_stop(l->shepherd);
}

static void force_end(struct live *l)
{
    note_force(l, "killed on request", KILLED_MS);
    if (l->shepherd.pid != 0)
        launch_kill(l->shepherd);
}

/* Its shepherd does nothing, as one that a SIGSTOP holds. What is left of the
 * attempt is swept when the end of the shepherd is seen. */
static void kill_shepherd(struct live *l)
{
    log_warn("stop", "job=%" PRId64 " attempt=%u reason=\"its shepherd does not end it\"", l->job,
             l->attempt);
    l->kill_at_ms = 0;
    if (l->shepherd.pid != 0)
        launch_kill_shepherd(l->shepherd);
}

static void stand(struct daemon *d, struct live *l, enum store_intent intent)
{
    const struct order_row *row = &order_rows[intent];
    int64_t grace = row->grace_ms != 0 ? row->grace_ms : (int64_t)d->config.stop_grace_ms;

    if (intent == INTENT_NONE)
        return;
    if (row->verb == NULL) {
        l->command = NULL;
        force_end(l);
        return;
    }
    if (l->command != NULL && l->stop_at_ms != 0 && strcmp(l->command, row->verb) == 0)
        return; /* asked again: that wins no time */
    l->command = row->verb;
    l->command_seq = 0;
    l->stop_at_ms = clock_mono_ms() + grace;
}

/* Effect: id is the job, number the intent. */
static void give(struct daemon *d, int64_t id, int64_t number)
{
    struct live *l = live_find(&d->live, id);

    if (l == NULL)
        return;
    stand(d, l, (enum store_intent)number);
    if (l->command != NULL)
        send_order(d, l);
}

enum ebm_status orders_check(const struct store_job *job, enum store_intent intent,
                             struct ebm_error *err)
{
    struct store_job copy = *job;

    if (intent < job->intent)
        return ebm_fail(err, EBM_ESTATE, "job %" PRId64 " %s", job->id,
                        order_rows[job->intent].doing);
    return jobs_apply(&copy, JOB_EV_STOP, err);
}

enum ebm_status orders_ask(struct daemon *d, struct store_job *job, enum store_intent intent,
                           struct ebm_error *err)
{
    enum ebm_status rc = orders_check(job, intent, err);

    if (rc == EBM_OK)
        rc = jobs_apply(job, JOB_EV_STOP, err);
    if (rc != EBM_OK)
        return rc;
    job->intent = intent;
    outbox_put_effect(&d->outbox, give, job->id, intent);
    return EBM_OK;
}

void orders_recall(struct daemon *d, struct live *l, enum store_intent intent)
{
    stand(d, l, intent);
}

Ebm__Command orders_pending(struct live *l)
{
    Ebm__Command c = EBM__COMMAND__INIT;

    if (l->command == NULL)
        return c;
    if (l->command_seq == 0)
        l->command_seq = l->command_last + 1;
    if (l->command_seen >= l->command_seq)
        return c;
    l->command_last = l->command_seq;
    c.seq = l->command_seq;
    c.verb = (char *)l->command;
    return c;
}

void orders_enforce(struct daemon *d, int64_t now_ms)
{
    for (size_t i = 0; i < d->live.count; i++) {
        struct live *l = d->live.item[i];
        if (l->stop_at_ms != 0 && now_ms >= l->stop_at_ms)
            force_stop(l);
        if (l->kill_at_ms != 0 && !l->gone && now_ms >= l->kill_at_ms)
            kill_shepherd(l);
    }
}

int64_t orders_due(const struct daemon *d)
{
    int64_t due = INT64_MAX;

    for (size_t i = 0; i < d->live.count; i++) {
        const struct live *l = d->live.item[i];
        if (l->stop_at_ms != 0 && l->stop_at_ms < due)
            due = l->stop_at_ms;
        if (l->kill_at_ms != 0 && !l->gone && l->kill_at_ms < due)
            due = l->kill_at_ms;
    }
    return due;
}

/* ---- a full disk ---- */

struct full_disk {
    int64_t job;
    const struct ebm_error *why;
};

static enum ebm_status pause_full_disk(struct daemon *d, void *arg, struct ebm_error *err)
{
    const struct full_disk *f = arg;
    struct store_job job;
    enum ebm_status rc = store_job_get(d->store, f->job, &job, err);

    if (rc != EBM_OK || !job_state_is_live(job.state) || job.intent >= INTENT_PAUSE_NOSPACE)
        return rc;
    rc = orders_ask(d, &job, INTENT_PAUSE_NOSPACE, err);
    if (rc != EBM_OK)
        return rc;
    snprintf(job.reason, sizeof job.reason, "disk full: %.380s", f->why->text);
    rc = jobs_log(d, &job, "disk-full", err, "%s", f->why->text);
    return rc == EBM_OK ? jobs_save(d, &job, err) : rc;
}

void orders_pause_full_disk(struct daemon *d, int64_t job, const struct ebm_error *why)
{
    struct full_disk f = {job, why};
    struct ebm_error err;

    if (unit_do(d, pause_full_disk, &f, &err) != EBM_OK)
        log_error("pause", "job=%" PRId64 " error=\"%s\"", job, err.text);
}
