#include "agent/post.h"

#include <string.h>

enum ebm_status post_open(struct post *p, const struct agent_config *config, struct ebm_error *err)
{
    memset(p, 0, sizeof *p);
    p->config = config;
    enum ebm_status rc = link_context_create(&p->context, err);
    if (rc == EBM_OK)
        rc = link_open(p->context, LINK_DEALER, false, config->endpoint, &p->socket, err);
    if (rc != EBM_OK)
        post_close(p);
    return rc;
}

void post_close(struct post *p)
{
    link_close(p->socket);
    link_context_destroy(p->context);
    p->socket = NULL;
    p->context = NULL;
}

enum ebm_status post_reopen(struct post *p, struct ebm_error *err)
{
    struct link_socket *fresh = NULL;
    enum ebm_status rc =
        link_open(p->context, LINK_DEALER, false, p->config->endpoint, &fresh, err);

    if (rc != EBM_OK)
        return rc;
    link_close(p->socket);
    p->socket = fresh;
    return EBM_OK;
}

bool post_send(struct post *p, Ebm__FromWorker *m, const void *bulk, size_t bulk_size)
{
    m->job = p->config->job;
    m->attempt = p->config->attempt;
    m->fence = p->config->fence;
    m->token = (char *)p->config->token;
    return wire_send(p->socket, NULL, 0, &m->base, bulk, bulk_size, NULL) == EBM_OK;
}
