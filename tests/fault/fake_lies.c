#include "fake_lies.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "agent/post.h"

enum { HEARD_MS = 300 }; /* time for the lies to leave before the socket closes */

static void garbage(struct post *p)
{
    static const uint8_t header[4] = {'E', 'B', 'M', WIRE_VERSION};
    static const uint8_t other[4] = {'E', 'B', 'M', WIRE_VERSION + 1};
    static const struct {
        struct link_part part[LINK_PARTS_MAX];
        size_t parts;
    } all[] = {
        {{{"x", 1}}, 1},
        {{{header, 4}}, 1},
        {{{header, 4}, {"\xff\xff\xff", 3}}, 2},
        {{{header, 4}, {"", 0}}, 2},
        {{{other, 4}, {"", 0}}, 2},
        {{{header, 4}, {"", 0}, {"", 0}, {"", 0}}, 4},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        link_send(p->socket, NULL, 0, all[i].part, all[i].parts, NULL);
}

static void send(struct post *p, Ebm__FromWorker__BodyCase body_case, ProtobufCMessage *body,
                 size_t bulk_size)
{
    static const uint8_t bulk[WIRE_CHUNK_BYTES + 1];
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;

    m.body_case = body_case;
    m.hello = (Ebm__Hello *)body; /* all bodies are pointers in one union */
    post_send(p, &m, bulk, bulk_size);
}

static void lie_about_metrics(struct post *p)
{
    static const struct {
        uint64_t first, step;
        size_t values;
    } lies[] = {{1000000, 1, METRIC_COUNT},
                {0, 1, METRIC_COUNT},
                {UINT64_MAX, 1, METRIC_COUNT},
                {500000, 1, 0},
                {500000, 1, 64}};
    double value[64];
    Ebm__MetricRows none = EBM__METRIC_ROWS__INIT;

    for (size_t i = 0; i < 64; i++)
        value[i] = i % 2 != 0 ? NAN : INFINITY;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        Ebm__MetricRows rows = EBM__METRIC_ROWS__INIT;
        Ebm__Metric row = EBM__METRIC__INIT;
        Ebm__Metric *list[] = {&row, &row};
        row.attempt = 99;
        row.step = lies[i].step;
        row.n_value = lies[i].values;
        row.value = value;
        rows.first_seq = lies[i].first;
        rows.n_row = 2;
        rows.row = list;
        send(p, EBM__FROM_WORKER__BODY_METRICS, &rows.base, 0);
    }
    send(p, EBM__FROM_WORKER__BODY_METRICS, &none.base, 0);
}

static void begin(struct post *p, uint64_t upload, uint64_t bytes, size_t digest_size)
{
    static uint8_t digest[64];
    Ebm__CheckpointBegin b = EBM__CHECKPOINT_BEGIN__INIT;

    b.upload = upload;
    b.step = 13;
    b.bytes = bytes;
    b.digest = (ProtobufCBinaryData){digest_size, digest};
    b.math_digest = b.digest;
    b.score = NAN;
    send(p, EBM__FROM_WORKER__BODY_BEGIN, &b.base, 0);
}

static void chunk(struct post *p, uint64_t upload, uint64_t offset, size_t bytes)
{
    Ebm__CheckpointChunk c = EBM__CHECKPOINT_CHUNK__INIT;

    c.upload = upload;
    c.offset = offset;
    send(p, EBM__FROM_WORKER__BODY_CHUNK, &c.base, bytes);
}

static void end(struct post *p, uint64_t upload)
{
    Ebm__CheckpointEnd e = EBM__CHECKPOINT_END__INIT;

    e.upload = upload;
    send(p, EBM__FROM_WORKER__BODY_END, &e.base, 0);
}

static void lie_about_uploads(struct post *p)
{
    chunk(p, 7001, 0, 100); /* never begun */
    end(p, 7001);
    begin(p, 7002, UINT64_MAX, DIGEST_BYTES);
    begin(p, 7003, 0, DIGEST_BYTES);
    begin(p, 7004, 100, 3); /* half a digest */
    begin(p, 7005, 100, DIGEST_BYTES);
    chunk(p, 7005, UINT64_MAX, 100);
    chunk(p, 7005, 50, 100); /* a gap, and past the end */
    chunk(p, 7005, 0, 101);
    chunk(p, 7005, 0, WIRE_CHUNK_BYTES + 1);
    chunk(p, 7005, 0, 0);
    end(p, 7005); /* with bytes missing */
    begin(p, 7006, 100, DIGEST_BYTES);
    chunk(p, 7006, 0, 100);
    end(p, 7006); /* whole, and not what the digest says */
}

static void lie_about_the_rest(struct post *p)
{
    Ebm__Fetch f = EBM__FETCH__INIT;
    Ebm__PictureUp picture = EBM__PICTURE_UP__INIT;
    Ebm__FromWorker empty = EBM__FROM_WORKER__INIT;

    f.checkpoint = 999999;
    send(p, EBM__FROM_WORKER__BODY_FETCH, &f.base, 0);
    f.checkpoint = 1;
    f.offset = UINT64_MAX;
    f.bytes = UINT32_MAX;
    send(p, EBM__FROM_WORKER__BODY_FETCH, &f.base, 0);
    picture.seq = 900;
    send(p, EBM__FROM_WORKER__BODY_PICTURE, &picture.base, 0);
    send(p, EBM__FROM_WORKER__BODY_PICTURE, &picture.base, 100); /* no PNG */
    post_send(p, &empty, NULL, 0);
}

/* What nobody but the attempt itself may say. */
static void pose_as_another(const struct agent_config *config)
{
    struct agent_config other = *config;
    struct post p;
    Ebm__Finished finished = EBM__FINISHED__INIT;

    strcpy(other.token, "0123");
    if (post_open(&p, &other, NULL) != EBM_OK)
        return;
    finished.outcome = "failed";
    finished.reason = "by an impostor";
    send(&p, EBM__FROM_WORKER__BODY_FINISHED, &finished.base, 0);
    other.fence++;
    send(&p, EBM__FROM_WORKER__BODY_FINISHED, &finished.base, 0);
    other.job += 1000;
    send(&p, EBM__FROM_WORKER__BODY_FINISHED, &finished.base, 0);
    usleep(HEARD_MS * 1000);
    post_close(&p);
}

void fake_tell_lies(const struct agent_config *config)
{
    struct post p;

    if (post_open(&p, config, NULL) != EBM_OK)
        return;
    garbage(&p);
    lie_about_metrics(&p);
    lie_about_uploads(&p);
    lie_about_the_rest(&p);
    usleep(HEARD_MS * 1000);
    post_close(&p);
    pose_as_another(config);
}
