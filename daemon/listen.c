#include "listen.h"

#include <string.h>
#include <sys/stat.h>

#include "base/log.h"

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

static void mend_one(struct link_socket *s, const char *endpoint)
{
    struct ebm_error err;

    if (is_there(endpoint))
        return;
    if (link_rebind(s, &err) == EBM_OK) {
        make_private(endpoint);
        log_warn("socket", "endpoint=%s reason=\"its file was gone; made again\"", endpoint);
    } else {
        log_error("socket", "endpoint=%s error=\"%s\"", endpoint, err.text);
    }
}

void listen_mend(struct daemon *d)
{
    struct ebm_error err;

    if (is_there(d->home.control) && is_there(d->home.worker) && is_there(d->home.events))
        return;
    if (home_create(&d->home, &err) != EBM_OK)
        log_error("socket", "error=\"%s\"", err.text);
    mend_one(d->control, d->home.control);
    mend_one(d->worker, d->home.worker);
    mend_one(d->events, d->home.events);
}
