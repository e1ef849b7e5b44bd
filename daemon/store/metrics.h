/* Metric rows and pictures: state/metrics.db, its own connection, WAL,
 * synchronous=NORMAL, written in batches. Acknowledged rows survive the death
 * of ebmd; a power cut may cost the newest. */
#ifndef EBM_DAEMON_METRICS_H
#define EBM_DAEMON_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "home/home.h"
#include "wire/wire.h"

struct metrics;

struct metrics_row {
    uint64_t seq; /* number in its attempt, from 1 */
    uint32_t attempt;
    uint64_t step;
    int64_t time_ms;
    double value[METRIC_COUNT]; /* NaN and infinities are kept as such */
};

enum ebm_status metrics_open(const struct home *home, struct metrics **out, struct ebm_error *err);
void metrics_close(struct metrics *m);

/* Idempotent: a row whose seq is stored is skipped. All of a call in one
 * transaction. */
enum ebm_status metrics_append(struct metrics *m, int64_t job, uint32_t attempt,
                               const struct metrics_row *rows, size_t n, struct ebm_error *err);
/* Highest seq stored for the attempt, 0 = none. */
enum ebm_status metrics_have(struct metrics *m, int64_t job, uint32_t attempt, uint64_t *seq,
                             struct ebm_error *err);

struct metrics_query {
    int64_t job;
    uint32_t attempt; /* 0 = all */
    uint64_t since_step;
    uint64_t after_row; /* continuation: position of the last row seen, (attempt << 32 | seq) */
    uint32_t limit;     /* 0 = none */
    bool newest;        /* the last `limit`, in rising order */
};
/* Order: attempt, seq; within an attempt steps rise with seq. */
enum ebm_status metrics_each(struct metrics *m, const struct metrics_query *q,
                             bool (*visit)(void *arg, const struct metrics_row *row), void *arg,
                             struct ebm_error *err);

/* Pictures (PNG). seq makes a resend idempotent. The newest `keep` of a job
 * stay, besides those whose (attempt, step) a kept checkpoint has. */
enum ebm_status metrics_picture_put(struct metrics *m, int64_t job, uint32_t attempt, uint64_t step,
                                    const void *png, size_t n, struct ebm_error *err);
/* attempt 0 and step 0: the newest; else the one of that attempt and step. */
enum ebm_status metrics_picture_get(struct metrics *m, int64_t job, uint32_t attempt, uint64_t step,
                                    struct buf *png, uint64_t *at_step, struct ebm_error *err);
enum ebm_status metrics_picture_trim(struct metrics *m, int64_t job, const uint64_t *keep_steps,
                                     size_t n, uint32_t keep, struct ebm_error *err);
uint64_t metrics_bytes(const struct metrics *m);

#endif
