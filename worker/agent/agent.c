#include "agent/agent.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/line.h"
#include "agent/mailbox.h"

struct sink {
    struct agent_config config;
    struct mailbox mailbox;
    struct line line; /* the thread's alone while it runs */
    pthread_t thread;
};

static void *agent_main(void *arg)
{
    struct sink *s = arg;

    while (line_turn(&s->line))
        ;
    return NULL;
}

/* Signals are the training thread's business. */
static int start_thread(struct sink *s)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&s->thread, NULL, agent_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

static enum ebm_status agent_start(struct sink *s, uint32_t ranks, struct buf *blob,
                                   struct ebm_error *err)
{
    return mailbox_start(&s->mailbox, ranks, blob, err);
}

static void agent_metrics(struct sink *s, const struct sink_row *row)
{
    mailbox_put_row(&s->mailbox, row);
}

static void agent_checkpoint(struct sink *s, uint64_t step, double score,
                             const uint8_t math_digest[DIGEST_BYTES], struct buf *blob)
{
    struct snapshot snapshot = {.step = step, .score = score, .blob = *blob};

    memcpy(snapshot.math_digest, math_digest, DIGEST_BYTES);
    buf_init(blob);
    mailbox_put_snapshot(&s->mailbox, &snapshot);
}

static void agent_picture(struct sink *s, uint64_t step, struct buf *png)
{
    mailbox_put_picture(&s->mailbox, step, png);
}

static void agent_progress(struct sink *s, uint64_t step, const char *phase)
{
    mailbox_set_progress(&s->mailbox, step, phase);
}

static void agent_verdict(struct sink *s, const struct standing *v)
{
    mailbox_set_verdict(&s->mailbox, v);
}

static enum sink_order agent_order(struct sink *s)
{
    return mailbox_order(&s->mailbox);
}

static void agent_order_done(struct sink *s, enum sink_order order)
{
    mailbox_order_done(&s->mailbox, order);
}

/* The wire takes UTF-8 only, and cutting may split a character. */
static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from != NULL ? from : "");
    wire_mend_text(to);
}

static enum ebm_status agent_finish(struct sink *s, const struct sink_ending *e,
                                    struct ebm_error *err)
{
    struct ending ending = {.step = e->step, .onset = e->onset};

    copy_text(ending.outcome, sizeof ending.outcome, e->outcome);
    copy_text(ending.reason, sizeof ending.reason, e->reason);
    return mailbox_finish(&s->mailbox, &ending, err);
}

static void agent_destroy(struct sink *s)
{
    if (s == NULL)
        return;
    mailbox_close(&s->mailbox);
    pthread_join(s->thread, NULL);
    line_fini(&s->line);
    mailbox_fini(&s->mailbox);
    free(s);
}

static const struct sink_ops agent_ops = {
    .start = agent_start,
    .metrics = agent_metrics,
    .checkpoint = agent_checkpoint,
    .picture = agent_picture,
    .progress = agent_progress,
    .verdict = agent_verdict,
    .order = agent_order,
    .order_done = agent_order_done,
    .finish = agent_finish,
    .destroy = agent_destroy,
};

enum ebm_status agent_open_with(const struct agent_config *config, struct sink_handle *out,
                                struct ebm_error *err)
{
    struct sink *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for the agent");
    s->config = *config;
    enum ebm_status rc = mailbox_init(&s->mailbox, err);
    if (rc != EBM_OK) {
        free(s);
        return rc;
    }
    rc = line_init(&s->line, &s->config, &s->mailbox, err);
    if (rc == EBM_OK) {
        int e = start_thread(s);
        if (e == 0) {
            *out = (struct sink_handle){.ops = &agent_ops, .sink = s};
            return EBM_OK;
        }
        rc = ebm_fail_errno(err, e, "agent: cannot start its thread");
        line_fini(&s->line);
    }
    mailbox_fini(&s->mailbox);
    free(s);
    return rc;
}

enum ebm_status agent_open(struct sink_handle *out, struct ebm_error *err)
{
    struct agent_config config;

    agent_config_init(&config);
    enum ebm_status rc = agent_config_from_env(&config, err);
    return rc == EBM_OK ? agent_open_with(&config, out, err) : rc;
}
