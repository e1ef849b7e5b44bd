#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "background.h"
#include "base/clock.h"
#include "base/log.h"
#include "home/lock.h"
#include "listen.h"
#include "recover.h"

static enum ebm_status open_signals(struct daemon *d, struct ebm_error *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* who starts us may ignore it: no child's end would be known */
    sigprocmask(SIG_BLOCK, &set, NULL);
    d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (d->signal_fd < 0)
        return ebm_fail_errno(err, errno, "cannot create a signalfd");
    d->watch_fd = epoll_create1(EPOLL_CLOEXEC);
    if (d->watch_fd < 0)
        return ebm_fail_errno(err, errno, "cannot create an epoll");
    return EBM_OK;
}

/* A descriptor for each live job and each connection. */
static void raise_limits(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static enum ebm_status open_store(struct daemon *d, struct ebm_error *err)
{
    enum ebm_status rc = store_open(&d->home, &d->store, err);

    if (rc == EBM_OK)
        rc = metrics_open(&d->home, &d->metrics, err);
    if (rc == EBM_OK)
        rc = vault_open(&d->home, d->config.vault_max_bytes, &d->vault, err);
    return rc;
}

enum ebm_status daemon_open(struct daemon *d, bool background, struct ebm_error *err)
{
    memset(d, 0, sizeof *d);
    d->lock_fd = d->signal_fd = d->watch_fd = d->notices.watch_fd = -1;
    d->started_ms = clock_wall_ms();
    umask(077);
    raise_limits();
    enum ebm_status rc = home_locate(&d->home, err);
    if (rc == EBM_OK)
        rc = config_read(&d->home, &d->config, err);
    if (rc == EBM_OK)
        log_set_level(d->config.log_level);
    if (rc == EBM_OK)
        rc = home_create(&d->home, err);
    if (rc == EBM_OK)
        rc = lock_take(&d->home, &d->lock_fd, err);
    if (rc == EBM_OK && background)
        rc = background_log(&d->home, err);
    if (rc == EBM_OK)
        rc = open_signals(d, err);
    if (rc == EBM_OK)
        rc = open_store(d, err);
    if (rc == EBM_OK)
        rc = recover(d, err);
    if (rc == EBM_OK)
        rc = notices_open(d, err);
    if (rc == EBM_OK)
        rc = listen_open(d, err);
    return rc;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void daemon_close(struct daemon *d)
{
    listen_close(d);
    notices_close(d);
    outbox_fini(&d->outbox);
    live_fini(&d->live);
    roster_fini(&d->queue.roster);
    vault_close(d->vault);
    metrics_close(d->metrics);
    store_close(d->store);
    close_fd(&d->watch_fd);
    close_fd(&d->signal_fd);
    close_fd(&d->lock_fd);
}
