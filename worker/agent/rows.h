/* Metric rows that ebmd has not acknowledged yet, numbered from 1.
 *
 *   first ..... (in the spool file) ..... memory_first ..... next
 *
 * Rows live in memory up to a bound; past it the older half moves to the end
 * of the spool file, and is read from there when its turn comes. When the
 * file cannot be written, rows stay in memory: none is lost. */
#ifndef EBM_WORKER_ROWS_H
#define EBM_WORKER_ROWS_H

#include <stdbool.h>

#include "agent/sink.h"

struct rows {
    char path[1100];
    int fd;                /* of the spool, -1 until it is needed */
    uint64_t spool_base;   /* number of the row at offset 0 of the spool */
    uint64_t first;        /* oldest not acknowledged */
    uint64_t memory_first; /* oldest in memory; older ones are in the spool */
    uint64_t next;         /* number of the next row put */
    struct sink_row *ring; /* rows memory_first .. next-1, row n at n % capacity */
    size_t capacity;
    size_t memory_max;
    uint64_t spool_again; /* after a failed write: try when next reaches this */
};

void rows_init(struct rows *r, const char *dir, size_t memory_max);
void rows_fini(struct rows *r); /* removes the spool */

/* EBM_ENOMEM: the row is not in. */
enum ebm_status rows_put(struct rows *r, const struct sink_row *row, struct ebm_error *err);

/* Copies up to max rows from number seq on; *n is how many. */
enum ebm_status rows_get(const struct rows *r, uint64_t seq, struct sink_row *out, size_t max,
                         size_t *n, struct ebm_error *err);

/* Forgets the rows up to seq. */
void rows_ack(struct rows *r, uint64_t seq);

bool rows_empty(const struct rows *r);

#endif
