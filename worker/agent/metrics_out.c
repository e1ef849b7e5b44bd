#include "agent/metrics_out.h"

#include "base/log.h"

static void fill(struct metrics_out *m, uint32_t attempt, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ebm__metric__init(&m->metric[i]);
        m->metric[i].attempt = attempt;
        m->metric[i].step = m->row[i].step;
        m->metric[i].time_ms = m->row[i].time_ms;
        m->metric[i].n_value = METRIC_COUNT;
        m->metric[i].value = m->row[i].value;
        m->pointer[i] = &m->metric[i];
    }
}

static bool send_batch(struct metrics_out *m, struct post *post, int64_t now)
{
    Ebm__FromWorker message = EBM__FROM_WORKER__INIT;
    Ebm__MetricRows body = EBM__METRIC_ROWS__INIT;
    struct ebm_error err;
    size_t n;

    if (rows_get(&m->rows, m->sent + 1, m->row, METRICS_BATCH, &n, &err) != EBM_OK) {
        log_error("metrics-lost", "error=\"%s\"", err.text);
        return false;
    }
    fill(m, post->config->attempt, n);
    body.first_seq = m->sent + 1;
    body.n_row = n;
    body.row = m->pointer;
    message.body_case = EBM__FROM_WORKER__BODY_METRICS;
    message.metrics = &body;
    if (!post_send(post, &message, NULL, 0))
        return false;
    if (m->sent + 1 == m->rows.first)
        m->progress_ms = now;
    m->sent += n;
    if (m->sent > m->sent_ever)
        m->sent_ever = m->sent;
    m->batch_ms = now;
    return true;
}

static bool batch_is_due(const struct metrics_out *m, const struct post *post, int64_t now,
                         bool flush)
{
    uint64_t unsent = m->rows.next - 1 - m->sent;
    uint64_t in_flight = m->sent + 1 - m->rows.first;

    if (unsent == 0 || in_flight + METRICS_BATCH > METRICS_WINDOW)
        return false;
    return flush || unsent >= METRICS_BATCH || now >= m->batch_ms + post->config->batch_ms;
}

int64_t metrics_out_tick(struct metrics_out *m, struct post *post, int64_t now, bool flush)
{
    if (rows_empty(&m->rows))
        return INT64_MAX;
    if (m->sent + 1 > m->rows.first && now >= m->progress_ms + post->config->resend_ms)
        metrics_out_again(m);
    while (batch_is_due(m, post, now, flush))
        if (!send_batch(m, post, now))
            return now + post->config->resend_ms;
    int64_t resend = m->progress_ms + post->config->resend_ms;
    int64_t batch = m->batch_ms + post->config->batch_ms;
    if (m->sent + 1 == m->rows.first ||
        (m->sent + 1 < m->rows.next && batch > now && batch < resend))
        return batch;
    return resend;
}

void metrics_out_ack(struct metrics_out *m, uint64_t seq, int64_t now)
{
    if (seq > m->sent_ever) {
        log_warn("metrics-ack-ignored", "seq=%llu sent=%llu", (unsigned long long)seq,
                 (unsigned long long)m->sent_ever);
        return;
    }
    if (seq < m->rows.first)
        return;
    rows_ack(&m->rows, seq);
    if (m->sent < seq)
        m->sent = seq;
    m->progress_ms = now;
}

void metrics_out_again(struct metrics_out *m)
{
    m->sent = m->rows.first - 1;
    m->batch_ms = 0;
}
