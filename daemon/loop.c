#include "loop.h"

#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "attempt.h"
#include "base/clock.h"
#include "base/log.h"
#include "control.h"
#include "listen.h"
#include "orders.h"
#include "queue.h"
#include "recover.h"
#include "uploads.h"
#include "workers.h"

enum {
    MESSAGES_A_TURN = 256, /* off one socket */
    TURN_MS = 10,          /* then what has come is committed and answered first */
    SECOND_MS = 1000,
    MINUTE_MS = 60000,
    WAIT_MAX_MS = 60000
};

/* ---- what has come ---- */

enum { POLL_CONTROL, POLL_WORKER, POLL_VAULT, POLL_SIGNAL, POLL_WATCH, POLL_NOTICES, POLL_COUNT };

static void take_messages(struct daemon *d, struct link_socket *s,
                          void (*handle)(struct daemon *d, const struct link_message *m))
{
    int64_t until = clock_mono_ms() + TURN_MS;

    for (int i = 0; i < MESSAGES_A_TURN && clock_mono_ms() <= until; i++) {
        struct link_message m;
        struct ebm_error err;
        enum ebm_status rc = link_recv(s, &m, &err);
        if (rc == EBM_ETIMEOUT)
            return;
        if (rc != EBM_OK) {
            log_warn("message", "error=\"%s\"", err.text);
            continue;
        }
        handle(d, &m);
        link_message_fini(&m);
    }
}

static void take_signals(struct daemon *d)
{
    struct signalfd_siginfo s;

    while (read(d->signal_fd, &s, sizeof s) == (ssize_t)sizeof s) {
        if (s.ssi_signo == SIGHUP)
            continue;
        log_info("stop", "signal=%s", s.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
        d->stopping = true;
    }
}

/* ---- the clock ---- */

static void tick(struct daemon *d, int64_t now)
{
    orders_enforce(d, now);
    workers_check_leases(d, now);
    workers_save_steps(d, now);
    notices_settle(d, now);
    if (now >= d->second_ms) {
        d->second_ms = now + SECOND_MS;
        listen_mend(d);
        workers_miss_again(d);
        recover_unlaunched(d);
    }
    if (now >= d->minute_ms) {
        d->minute_ms = now + MINUTE_MS;
        store_ballast_restore(d->store);
    }
    if (d->queue.wake_ms != 0 && clock_wall_ms() >= d->queue.wake_ms)
        queue_touch(d);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int timeout_of(const struct daemon *d)
{
    int64_t now = clock_mono_ms();
    int64_t due = sooner(d->second_ms, sooner(attempt_end_due(d), orders_due(d)));
    due = sooner(due, notices_due(d));

    if (d->queue.dirty || d->stopping)
        return 0;
    if (d->queue.wake_ms != 0)
        due = sooner(due, now + (d->queue.wake_ms - clock_wall_ms()));
    int64_t wait = due - now;
    return wait < 0 ? 0 : wait > WAIT_MAX_MS ? WAIT_MAX_MS : (int)wait;
}

/* ---- the commit ---- */

/* What memory believes of the disk is not so: say it again. */
static void doubt(struct daemon *d)
{
    for (size_t i = 0; i < d->live.count; i++) {
        d->live.item[i]->ending = false;
        d->live.item[i]->end_again_ms = clock_mono_ms() + SECOND_MS;
        d->live.item[i]->unsure = true;
        d->live.item[i]->step_saved = 0;
    }
    d->queue.wake_ms = clock_wall_ms() + SECOND_MS;
    roster_doubt(&d->queue.roster);
    notices_doubt(d);
}

static void commit(struct daemon *d)
{
    struct ebm_error err;

    if (store_commit(d->store, &err) == EBM_OK) {
        outbox_flush(&d->outbox, d);
        return;
    }
    log_error("commit", "error=\"%s\"", err.text);
    outbox_drop(&d->outbox, d, &err);
    doubt(d);
}

void loop_turn(struct daemon *d, int wait_ms)
{
    struct link_poll poll[POLL_COUNT] = {
        [POLL_CONTROL] = {.socket = d->control, .fd = -1},
        [POLL_WORKER] = {.socket = d->worker, .fd = -1},
        [POLL_VAULT] = {.fd = vault_fd(d->vault)},
        [POLL_SIGNAL] = {.fd = d->signal_fd},
        [POLL_WATCH] = {.fd = d->watch_fd},
        [POLL_NOTICES] = {.fd = d->notices.watch_fd},
    };
    struct ebm_error err;

    if (link_wait(poll, POLL_COUNT, wait_ms, &err) != EBM_OK) {
        log_error("poll", "error=\"%s\"", err.text);
        usleep(100000); /* a poll that fails must not spin */
    }
    if (poll[POLL_SIGNAL].ready)
        take_signals(d);
    if (poll[POLL_CONTROL].ready)
        take_messages(d, d->control, control_handle);
    if (poll[POLL_WORKER].ready)
        take_messages(d, d->worker, workers_handle);
    if (poll[POLL_VAULT].ready)
        uploads_take(d);
    if (poll[POLL_WATCH].ready)
        attempt_look(d);
    if (poll[POLL_NOTICES].ready)
        notices_look(d);
    attempt_end_gone(d);
    tick(d, clock_mono_ms());
    if (d->queue.dirty)
        queue_pass(d);
    commit(d);
}

void loop_run(struct daemon *d)
{
    while (!d->stopping)
        loop_turn(d, timeout_of(d));
    /* What the last effects changed, as the pid of a launch. */
    commit(d);
}
