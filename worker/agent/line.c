#include "agent/line.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    HEARTBEAT_MS = 1000,
    SILENT_BEATS = 4,     /* heartbeats without an answer: ebmd is away */
    REOPEN_HELLOS = 10,   /* after this many the queue is emptied */
    LOG_START_MS = 10000, /* "waiting", before the start */
    LOG_AWAY_MS = 60000,  /* and after it */
    WAIT_MAX_MS = 60000
};

enum ebm_status line_init(struct line *l, const struct agent_config *config, struct mailbox *m,
                          struct ebm_error *err)
{
    memset(l, 0, sizeof *l);
    l->config = config;
    l->mailbox = m;
    l->heartbeat_ms = HEARTBEAT_MS;
    if (gethostname(l->host, sizeof l->host - 1) != 0)
        l->host[0] = '\0';
    rows_init(&l->metrics.rows, config->dir, config->rows_in_memory);
    enum ebm_status rc = post_open(&l->post, config, err);
    if (rc != EBM_OK)
        line_fini(l);
    return rc;
}

void line_fini(struct line *l)
{
    post_close(&l->post);
    rows_fini(&l->metrics.rows);
    upload_fini(&l->upload);
    pictures_fini(&l->pictures);
    fetch_fini(&l->fetch);
}

static void take_rows(struct line *l, const struct inbox *in)
{
    uint64_t lost = in->rows_lost;

    for (size_t i = 0; i < in->rows; i++)
        if (rows_put(&l->metrics.rows, &in->row[i], NULL) != EBM_OK)
            lost++;
    if (lost > 0)
        log_error("metrics-lost", "rows=%llu error=\"out of memory\"", (unsigned long long)lost);
}

static void take_inbox(struct line *l)
{
    struct inbox in;

    mailbox_take(l->mailbox, &in, &l->view);
    if (l->state != LINE_FENCED) {
        take_rows(l, &in);
        if (in.has_snapshot) {
            upload_put(&l->upload, &in.snapshot);
            l->upload_after = l->metrics.rows.next - 1;
        }
        for (size_t i = 0; i < in.pictures; i++)
            pictures_put(&l->pictures, &in.picture[i]);
    }
    inbox_fini(&in);
    if (l->state == LINE_QUIET && (l->view.wants_start || l->view.wants_end))
        l->state = LINE_HELLO;
}

static void log_absence(struct line *l, int64_t now)
{
    int every = l->welcomed ? LOG_AWAY_MS : LOG_START_MS;

    if (now < l->log_ms)
        return;
    if (l->hellos > 0) /* the first one is no news */
        log_warn("ebmd-away", "endpoint=%s doing=\"%s\" rows_kept=%llu", l->config->endpoint,
                 l->view.wants_end ? "waiting with the results"
                 : l->start_given  ? "training goes on"
                                   : "waiting to start",
                 (unsigned long long)(l->metrics.rows.next - l->metrics.rows.first));
    if (l->hellos > 0)
        l->log_ms = now + every;
}

static int64_t hello_tick(struct line *l, int64_t now)
{
    Ebm__FromWorker message = EBM__FROM_WORKER__INIT;
    Ebm__Hello body = EBM__HELLO__INIT;

    if (now < l->hello_ms)
        return l->hello_ms;
    log_absence(l, now);
    if (l->hellos % REOPEN_HELLOS == REOPEN_HELLOS - 1)
        post_reopen(&l->post, NULL); /* failing, it keeps the old one */
    l->hellos++;
    body.ranks = l->view.ranks;
    body.pid = getpid();
    body.host = l->host;
    body.step = l->view.step;
    body.again = l->welcomed;
    message.body_case = EBM__FROM_WORKER__BODY_HELLO;
    message.hello = &body;
    post_send(&l->post, &message, NULL, 0);
    l->hello_ms = now + l->config->hello_ms;
    return l->hello_ms;
}

static int64_t beat_tick(struct line *l, int64_t now)
{
    Ebm__FromWorker message = EBM__FROM_WORKER__INIT;
    Ebm__Heartbeat body = EBM__HEARTBEAT__INIT;
    Ebm__Stability stability = EBM__STABILITY__INIT;

    if (now < l->beat_ms)
        return l->beat_ms;
    body.step = l->view.step;
    body.phase = l->view.phase;
    body.command_seen = l->command_seen;
    if (l->view.standing.word[0] != '\0') {
        standing_write(&l->view.standing, &stability);
        body.stability = &stability;
    }
    message.body_case = EBM__FROM_WORKER__BODY_HEARTBEAT;
    message.heartbeat = &body;
    post_send(&l->post, &message, NULL, 0);
    l->beat_ms = now + l->heartbeat_ms;
    return l->beat_ms;
}

static bool all_delivered(const struct line *l)
{
    return rows_empty(&l->metrics.rows) && upload_idle(&l->upload) && l->pictures.n == 0;
}

/* Words that promise a checkpoint of the last step; "stopped" promises none. */
static bool promises_checkpoint(const char *outcome)
{
    static const char *const words[] = {"succeeded", "paused", "cancelled"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(outcome, words[i]) == 0)
            return true;
    return false;
}

static void read_ending(struct line *l, struct ending *out)
{
    mailbox_read_ending(l->mailbox, out);
    if (!l->upload.lost || !promises_checkpoint(out->outcome))
        return;
    strcpy(out->outcome, "stopped");
    snprintf(out->reason, sizeof out->reason, "its last checkpoint could not be stored: %.300s",
             l->upload.lost_error.text);
    wire_mend_text(out->reason);
}

static int64_t end_tick(struct line *l, int64_t now)
{
    Ebm__FromWorker message = EBM__FROM_WORKER__INIT;
    Ebm__Finished body = EBM__FINISHED__INIT;
    struct ending ending;

    if (!l->view.wants_end || !all_delivered(l))
        return INT64_MAX;
    if (now < l->end_ms)
        return l->end_ms;
    l->beat_ms = now; /* how it stands in its last step */
    beat_tick(l, now);
    read_ending(l, &ending);
    body.outcome = ending.outcome;
    body.reason = ending.reason;
    body.step = ending.step;
    body.onset = ending.onset;
    message.body_case = EBM__FROM_WORKER__BODY_FINISHED;
    message.finished = &body;
    post_send(&l->post, &message, NULL, 0);
    l->end_sent = true;
    l->end_ms = now + l->config->resend_ms;
    return l->end_ms;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Whoever starts from a checkpoint never takes the steps before it again, so
 * their rows are stored first. */
static int64_t upload_in_turn(struct line *l, int64_t now)
{
    if (l->metrics.rows.first <= l->upload_after)
        return INT64_MAX; /* the acknowledgement of the rows wakes us */
    return upload_tick(&l->upload, &l->post, now);
}

static int64_t up_tick(struct line *l, int64_t now)
{
    bool flush = l->view.wants_end || !upload_idle(&l->upload);

    if (now - l->heard_ms > (int64_t)SILENT_BEATS * l->heartbeat_ms) {
        l->state = LINE_HELLO;
        l->hellos = 0;
        l->hello_ms = l->log_ms = 0;
        post_reopen(&l->post, NULL);
        return hello_tick(l, now);
    }
    int64_t next = beat_tick(l, now);
    next = sooner(next, fetch_tick(&l->fetch, &l->post, now));
    next = sooner(next, metrics_out_tick(&l->metrics, &l->post, now, flush));
    next = sooner(next, upload_in_turn(l, now));
    next = sooner(next, pictures_tick(&l->pictures, &l->post, now));
    return sooner(next, end_tick(l, now));
}

static int64_t tick(struct line *l, int64_t now)
{
    if (l->state == LINE_HELLO)
        return hello_tick(l, now);
    return l->state == LINE_UP ? up_tick(l, now) : INT64_MAX;
}

static void wait_until(struct line *l, int64_t next)
{
    int64_t now = clock_mono_ms();
    int64_t ms = next <= now ? 0 : next - now < WAIT_MAX_MS ? next - now : WAIT_MAX_MS;
    struct link_poll items[2] = {{.socket = l->post.socket}, {.fd = l->mailbox->wake_fd}};
    struct ebm_error err;

    if (link_wait(items, 2, (int)ms, &err) != EBM_OK) {
        log_error("agent-poll", "error=\"%s\"", err.text);
        usleep(100000); /* a poll that fails must not spin */
    }
}

bool line_turn(struct line *l)
{
    take_inbox(l);
    if (l->view.closing)
        return false;
    wait_until(l, tick(l, clock_mono_ms()));
    line_receive(l, clock_mono_ms());
    return true;
}
