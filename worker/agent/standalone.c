/* The sink without a daemon: a folder. For tests, benches and a first look.
 * It writes as it is told, in the training thread. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sink.h"
#include "base/fsio.h"
#include "base/log.h"

enum { PATH_BYTES = 1024 };
static const size_t blob_max = (size_t)1 << 40;

struct sink {
    char dir[PATH_BYTES - 64];
    char from[PATH_BYTES]; /* "" = from scratch */
    FILE *metrics;
    struct ebm_error failure; /* the first; code OK: none */
};

static enum ebm_status standalone_start(struct sink *s, uint32_t ranks, struct buf *blob,
                                        struct ebm_error *err)
{
    (void)ranks;
    return s->from[0] != '\0' ? fsio_read(s->from, blob_max, blob, err) : EBM_OK;
}

static void standalone_metrics(struct sink *s, const struct sink_row *row)
{
    fprintf(s->metrics, "1,%" PRIu64 ",%" PRId64, row->step, row->time_ms);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        fprintf(s->metrics, ",%.17g", row->value[i]);
    fputc('\n', s->metrics);
    if (fflush(s->metrics) != 0 && s->failure.code == EBM_OK)
        ebm_fail_errno(&s->failure, errno, "cannot write %s/metrics.csv", s->dir);
}

static void keep_first(struct sink *s, const struct ebm_error *err)
{
    if (s->failure.code == EBM_OK)
        s->failure = *err;
}

static void standalone_checkpoint(struct sink *s, uint64_t step, double score,
                                  const uint8_t math_digest[DIGEST_BYTES], struct buf *blob)
{
    char path[PATH_BYTES], hex[DIGEST_HEX];
    uint8_t digest[DIGEST_BYTES];
    struct ebm_error err;

    (void)score;
    (void)math_digest;
    snprintf(path, sizeof path, "%s/checkpoint-%" PRIu64 ".ebm", s->dir, step);
    digest_of(blob->data, blob->size, digest);
    digest_hex(digest, hex);
    if (fsio_write_atomic(path, blob->data, blob->size, 0644, &err) != EBM_OK) {
        keep_first(s, &err);
    } else {
        printf("checkpoint step=%" PRIu64 " sha256=%s file=%s\n", step, hex, path);
        fflush(stdout);
    }
    buf_fini(blob);
}

static void standalone_picture(struct sink *s, uint64_t step, struct buf *png)
{
    char path[PATH_BYTES];
    struct ebm_error err;

    snprintf(path, sizeof path, "%s/samples-%" PRIu64 ".png", s->dir, step);
    if (fsio_write_atomic(path, png->data, png->size, 0644, &err) != EBM_OK)
        keep_first(s, &err);
    buf_fini(png);
}

static void standalone_progress(struct sink *s, uint64_t step, const char *phase)
{
    (void)s;
    (void)step;
    (void)phase;
}

static void standalone_verdict(struct sink *s, const struct standing *v)
{
    (void)s;
    (void)v;
}

static enum sink_order standalone_order(struct sink *s)
{
    (void)s;
    return SINK_GO_ON;
}

static void standalone_order_done(struct sink *s, enum sink_order order)
{
    (void)s;
    (void)order;
}

static enum ebm_status standalone_finish(struct sink *s, const struct sink_ending *e,
                                         struct ebm_error *err)
{
    printf("finished outcome=%s step=%" PRIu64 " onset=%" PRIu64 " reason=\"%s\"\n", e->outcome,
           e->step, e->onset, e->reason);
    fflush(stdout);
    if (s->failure.code != EBM_OK && err != NULL)
        *err = s->failure;
    return s->failure.code;
}

static void standalone_destroy(struct sink *s)
{
    if (s == NULL)
        return;
    if (s->metrics != NULL)
        fclose(s->metrics);
    free(s);
}

static const struct sink_ops standalone_ops = {
    .start = standalone_start,
    .metrics = standalone_metrics,
    .checkpoint = standalone_checkpoint,
    .picture = standalone_picture,
    .progress = standalone_progress,
    .verdict = standalone_verdict,
    .order = standalone_order,
    .order_done = standalone_order_done,
    .finish = standalone_finish,
    .destroy = standalone_destroy,
};

static enum ebm_status open_metrics(struct sink *s, struct ebm_error *err)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/metrics.csv", s->dir);
    s->metrics = fopen(path, "w");
    if (s->metrics == NULL)
        return ebm_fail_errno(err, errno, "cannot write %s", path);
    fputs("attempt,step,time", s->metrics);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        fprintf(s->metrics, ",%s", wire_metric_names[i]);
    fputc('\n', s->metrics);
    return EBM_OK;
}

enum ebm_status standalone_open(const char *dir, const char *from, struct sink_handle *out,
                                struct ebm_error *err)
{
    struct sink *s = calloc(1, sizeof *s);

    if (s == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for the output folder");
    enum ebm_status st = EBM_OK;
    if (strlen(dir) >= sizeof s->dir || (from != NULL && strlen(from) >= sizeof s->from))
        st = ebm_fail(err, EBM_EINVAL, "the path is too long: %.200s", dir);
    if (st == EBM_OK) {
        snprintf(s->dir, sizeof s->dir, "%s", dir);
        snprintf(s->from, sizeof s->from, "%s", from != NULL ? from : "");
        st = fsio_mkdirs(dir, 0755, err);
    }
    if (st == EBM_OK)
        st = open_metrics(s, err);
    if (st != EBM_OK) {
        standalone_destroy(s);
        return st;
    }
    *out = (struct sink_handle){.ops = &standalone_ops, .sink = s};
    return EBM_OK;
}
