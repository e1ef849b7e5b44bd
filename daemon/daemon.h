/* The parts of a running ebmd. daemon.c opens them in order and closes them
 * in reverse; loop.c turns. Everything here runs on the one thread of the
 * loop, except what is inside the vault. */
#ifndef EBM_DAEMON_DAEMON_H
#define EBM_DAEMON_DAEMON_H

#include "config.h"
#include "home/home.h"
#include "link/link.h"
#include "live.h"
#include "notices.h"
#include "outbox.h"
#include "roster.h"
#include "store/metrics.h"
#include "store/store.h"
#include "store/vault.h"

struct daemon {
    struct home home;
    struct config config;
    int lock_fd;
    int signal_fd;
    int watch_fd; /* epoll of the shepherds' pidfds */
    struct link_context *links;
    struct link_socket *control, *worker, *events;
    struct store *store;
    struct metrics *metrics;
    struct vault *vault;
    struct outbox outbox;
    struct live_table live;
    struct notices notices;
    struct {
        bool dirty;      /* a pass is due: something was queued or ended */
        int64_t blocked; /* job at which the last pass stopped, 0 = none */
        int64_t wake_ms; /* wall clock: the first back-off ends, 0 = none */
        struct roster roster;
    } queue;
    bool unlaunched;    /* a launch could not even make its entry: recover_unlaunched */
    int64_t started_ms; /* wall clock */
    int64_t second_ms;  /* monotonic: the next look at leases and socket files */
    int64_t minute_ms;
    int64_t mend_said_ms; /* monotonic: that the sockets cannot be made again; 0 = not so */
    bool stopping;
};

/* background: once the home is ours, the log goes to its ebmd.log. */
enum ebm_status daemon_open(struct daemon *d, bool background, struct ebm_error *err);
void daemon_close(struct daemon *d); /* jobs go on */

#endif
