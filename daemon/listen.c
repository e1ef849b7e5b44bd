#include "listen.h"

#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"

enum { SAY_AGAIN_MS = 60000 };

static bool is_there(const char *endpoint)
{
    struct stat st;

    return stat(endpoint + strlen("ipc://"), &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The umask leaves a socket's file executable, which means nothing for one. */
static void make_private(const char *endpoint)
{
    chmod(endpoint + strlen("ipc://"), 0600);
}

static enum ebm_status open_one(struct daemon *d, enum link_kind kind, const char *endpoint,
                                struct link_socket **out, struct ebm_error *err)
{
    enum ebm_status rc = link_open(d->links, kind, true, endpoint, out, err);

    if (rc == EBM_OK)
        make_private(endpoint);
    return rc;
}

enum ebm_status listen_open(struct daemon *d, struct ebm_error *err)
{
    enum ebm_status rc = link_context_create(&d->links, err);

    if (rc == EBM_OK)
        rc = open_one(d, LINK_ROUTER, d->home.control, &d->control, err);
    if (rc == EBM_OK)
        rc = open_one(d, LINK_ROUTER, d->home.worker, &d->worker, err);
    if (rc == EBM_OK)
        rc = open_one(d, LINK_PUB, d->home.events, &d->events, err);
    return rc;
}

void listen_close(struct daemon *d)
{
    link_close(d->control);
    link_close(d->worker);
    link_close(d->events);
    link_context_destroy(d->links);
    d->control = d->worker = d->events = NULL;
    d->links = NULL;
}

static enum ebm_status mend_one(struct link_socket *s, const char *endpoint, struct ebm_error *err)
{
    if (is_there(endpoint))
        return EBM_OK;
    enum ebm_status rc = link_rebind(s, err);
    if (rc != EBM_OK)
        return rc;
    make_private(endpoint);
    log_warn("socket", "endpoint=%s reason=\"its file was gone; made again\"", endpoint);
    return EBM_OK;
}

static enum ebm_status mend_all(struct daemon *d, struct ebm_error *err)
{
    const struct {
        struct link_socket *socket;
        const char *endpoint;
    } all[] = {
        {d->control, d->home.control}, {d->worker, d->home.worker}, {d->events, d->home.events}};
    enum ebm_status rc = home_create(&d->home, err);

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct ebm_error own;
        if (mend_one(all[i].socket, all[i].endpoint, &own) != EBM_OK && rc == EBM_OK) {
            *err = own;
            rc = own.code;
        }
    }
    return rc;
}

void listen_mend(struct daemon *d)
{
    struct ebm_error err;

    if (is_there(d->home.control) && is_there(d->home.worker) && is_there(d->home.events))
        return;
    int64_t now = clock_mono_ms();
    if (mend_all(d, &err) == EBM_OK) {
        d->mend_said_ms = 0;
    } else if (d->mend_said_ms == 0 || now - d->mend_said_ms >= SAY_AGAIN_MS) {
        d->mend_said_ms = now;
        log_error("socket", "error=\"%s\" reason=\"tried again each second\"", err.text);
    }
}
