#include "agent/rows.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

enum { FIRST_CAPACITY = 1024 };

void rows_init(struct rows *r, const char *dir, size_t memory_max)
{
    memset(r, 0, sizeof *r);
    snprintf(r->path, sizeof r->path, "%s%smetrics.spool", dir, dir[0] != '\0' ? "/" : "");
    r->fd = -1;
    r->spool_base = r->first = r->memory_first = r->next = 1;
    r->memory_max = memory_max > 1 ? memory_max : 2;
}

void rows_fini(struct rows *r)
{
    if (r->fd >= 0) {
        close(r->fd);
        unlink(r->path);
    }
    free(r->ring);
    memset(r, 0, sizeof *r);
    r->fd = -1;
}

static size_t in_memory(const struct rows *r)
{
    return (size_t)(r->next - r->memory_first);
}

static enum ebm_status grow(struct rows *r, struct ebm_error *err)
{
    size_t capacity = r->capacity != 0 ? r->capacity * 2 : FIRST_CAPACITY;
    struct sink_row *ring = calloc(capacity, sizeof *ring);

    if (ring == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory for %zu metric rows", capacity);
    for (uint64_t seq = r->memory_first; seq < r->next; seq++)
        ring[seq % capacity] = r->ring[seq % r->capacity];
    free(r->ring);
    r->ring = ring;
    r->capacity = capacity;
    return EBM_OK;
}

static off_t spool_offset(const struct rows *r, uint64_t seq)
{
    return (off_t)((seq - r->spool_base) * sizeof(struct sink_row));
}

static enum ebm_status spool_open(struct rows *r, struct ebm_error *err)
{
    if (r->fd >= 0)
        return EBM_OK;
    r->fd = open(r->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (r->fd < 0)
        return ebm_fail_errno(err, errno, "%s: cannot create the spool", r->path);
    r->spool_base = r->memory_first;
    return EBM_OK;
}

/* Rows [from, to) lie in one piece of the ring. */
static enum ebm_status spool_write(struct rows *r, uint64_t from, uint64_t to,
                                   struct ebm_error *err)
{
    const char *bytes = (const char *)&r->ring[from % r->capacity];
    size_t left = (size_t)(to - from) * sizeof(struct sink_row);
    off_t at = spool_offset(r, from);

    while (left > 0) {
        ssize_t n = pwrite(r->fd, bytes, left, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ebm_fail_errno(err, n < 0 ? errno : ENOSPC, "%s: cannot write", r->path);
        bytes += n;
        at += n;
        left -= (size_t)n;
    }
    return EBM_OK;
}

/* Moves the older half to the spool. */
static enum ebm_status spill(struct rows *r, struct ebm_error *err)
{
    enum ebm_status rc = spool_open(r, err);
    uint64_t end = r->memory_first + in_memory(r) / 2;

    while (rc == EBM_OK && r->memory_first < end) {
        uint64_t to = r->memory_first + r->capacity - r->memory_first % r->capacity;
        if (to > end)
            to = end;
        rc = spool_write(r, r->memory_first, to, err);
        if (rc == EBM_OK)
            r->memory_first = to;
    }
    return rc;
}

static void spill_if_full(struct rows *r)
{
    struct ebm_error err;

    if (in_memory(r) < r->memory_max || r->next < r->spool_again)
        return;
    if (spill(r, &err) == EBM_OK) {
        log_info("metrics-spooled", "rows=%llu file=%s",
                 (unsigned long long)(r->memory_first - r->first), r->path);
        return;
    }
    log_warn("metrics-spool-failed", "rows_in_memory=%zu error=\"%s\"", in_memory(r), err.text);
    r->spool_again = r->next + r->memory_max / 2;
}

enum ebm_status rows_put(struct rows *r, const struct sink_row *row, struct ebm_error *err)
{
    spill_if_full(r);
    if (in_memory(r) == r->capacity) {
        enum ebm_status rc = grow(r, err);
        if (rc != EBM_OK)
            return rc;
    }
    r->ring[r->next % r->capacity] = *row;
    r->next++;
    return EBM_OK;
}

static enum ebm_status spool_read(const struct rows *r, uint64_t seq, struct sink_row *out,
                                  size_t n, struct ebm_error *err)
{
    char *bytes = (char *)out;
    size_t left = n * sizeof *out;
    off_t at = spool_offset(r, seq);

    while (left > 0) {
        ssize_t got = pread(r->fd, bytes, left, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ebm_fail_errno(err, got < 0 ? errno : EIO, "%s: cannot read back", r->path);
        bytes += got;
        at += got;
        left -= (size_t)got;
    }
    return EBM_OK;
}

enum ebm_status rows_get(const struct rows *r, uint64_t seq, struct sink_row *out, size_t max,
                         size_t *n, struct ebm_error *err)
{
    assert(seq >= r->first && seq <= r->next);
    *n = 0;
    if (seq < r->memory_first) {
        uint64_t spooled = r->memory_first - seq;
        *n = spooled < max ? (size_t)spooled : max;
        return spool_read(r, seq, out, *n, err);
    }
    for (; *n < max && seq < r->next; seq++)
        out[(*n)++] = r->ring[seq % r->capacity];
    return EBM_OK;
}

void rows_ack(struct rows *r, uint64_t seq)
{
    if (seq < r->first)
        return;
    assert(seq < r->next);
    r->first = seq + 1;
    if (r->first < r->memory_first)
        return;
    r->memory_first = r->first;
    if (r->fd < 0)
        return;
    close(r->fd); /* all of the spool is acknowledged: the next one starts anew */
    unlink(r->path);
    r->fd = -1;
}

bool rows_empty(const struct rows *r)
{
    return r->first == r->next;
}
