/* ebmd itself: how it stands, and its stop. */
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "control.h"
#include "queue.h"

static uint64_t disk_free(const char *path)
{
    struct statvfs fs;

    return statvfs(path, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

static void fill_counts(Ebm__DaemonStatus *m, const uint64_t counts[JOB_STATE_COUNT],
                        struct reply *r)
{
    m->state = reply_alloc(r, JOB_STATE_COUNT * sizeof *m->state);
    m->count = reply_alloc(r, JOB_STATE_COUNT * sizeof *m->count);
    if (m->state == NULL || m->count == NULL)
        return;
    for (unsigned s = 0; s < JOB_STATE_COUNT; s++) {
        m->state[s] = (char *)job_state_name((enum job_state)s);
        m->count[s] = counts[s];
    }
    m->n_state = m->n_count = JOB_STATE_COUNT;
}

enum ebm_status control_status(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                               struct ebm_error *err)
{
    static const Ebm__DaemonStatus empty = EBM__DAEMON_STATUS__INIT;
    uint64_t counts[JOB_STATE_COUNT];
    Ebm__DaemonStatus *m = reply_alloc(reply, sizeof *m);
    enum ebm_status rc = store_job_counts(d->store, counts, err);

    (void)request;
    if (rc != EBM_OK || m == NULL)
        return rc;
    *m = empty;
    m->version = (char *)EBM_VERSION;
    m->pid = getpid();
    m->started_ms = d->started_ms;
    m->home = reply_text(reply, d->home.state);
    m->slots_total = (uint32_t)d->config.slots;
    m->slots_used = queue_used(d);
    fill_counts(m, counts, reply);
    m->store_bytes = store_bytes(d->store);
    m->metrics_bytes = metrics_bytes(d->metrics);
    m->vault_bytes = vault_bytes(d->vault);
    m->disk_free_bytes = disk_free(d->home.state);
    m->events_endpoint = reply_text(reply, d->home.events);
    reply->message.daemon = m;
    return EBM_OK;
}

enum ebm_status control_stop(struct daemon *d, const Ebm__Request *request, struct reply *reply,
                             struct ebm_error *err)
{
    (void)request, (void)reply, (void)err;
    log_info("stop", "reason=\"asked by a client\"");
    d->stopping = true;
    return EBM_OK;
}
