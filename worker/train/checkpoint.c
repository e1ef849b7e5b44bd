#include "train/checkpoint.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "stability/detector.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the reals of a checkpoint are copied as they lie: this needs a little-endian machine"
#endif

enum {
    MAGIC_BYTES = 8,
    HEAD_BYTES = 16,
    META_BYTES = 8 + 8 + 4 + 4 + 8 + 8 + 8 + 8 + 4 + 4 + 4 + DIGEST_BYTES,
    LAYER_BYTES = 5 * 4,
    FLAG_SKIPPABLE = 1,
    COUNT_MAX = 1 << 30 /* of parameters or slots: keeps every product below 2^63 */
};

static const char magic[MAGIC_BYTES] = "EBMCKPT\1";

static const char *const section_names[SECTION_COUNT] = {
    "end",     "meta",           "net",          "params",          "moment1",
    "moment2", "replay samples", "replay steps", "replay energies", "detector",
};

static size_t sample_size(const struct checkpoint_meta *m)
{
    return (size_t)m->c * m->h * m->w;
}

/* SIZE_MAX: any size, the section checks itself. */
size_t checkpoint_section_bytes(const struct checkpoint_meta *m, enum checkpoint_section type)
{
    switch (type) {
    case SECTION_META:
        return META_BYTES;
    case SECTION_PARAMS:
    case SECTION_MOMENT1:
    case SECTION_MOMENT2:
        return m->params * sizeof(float);
    case SECTION_SAMPLES:
        return m->replay_slots * sample_size(m) * sizeof(float);
    case SECTION_WRITTEN:
        return m->replay_slots * sizeof(uint64_t);
    case SECTION_ENERGY:
        return m->replay_slots * sizeof(float);
    case SECTION_NET:
    case SECTION_DETECTOR:
        return SIZE_MAX;
    case SECTION_END:
    case SECTION_COUNT:
        break;
    }
    return 0;
}

/* ---- writing ---- */

static void put_head(struct buf *b, uint32_t type, size_t bytes)
{
    buf_put_u32(b, type);
    buf_put_u32(b, 0);
    buf_put_u64(b, bytes);
}

static void put_meta(struct buf *b, const struct checkpoint_meta *m)
{
    put_head(b, SECTION_META, META_BYTES);
    buf_put_u64(b, m->step);
    buf_put_u64(b, m->seed);
    buf_put_u32(b, m->noise_epoch);
    buf_put_u32(b, m->optimizer);
    buf_put_u64(b, m->optimizer_t);
    buf_put_u64(b, m->batch);
    buf_put_u64(b, m->params);
    buf_put_u64(b, m->replay_slots);
    buf_put_u32(b, m->c);
    buf_put_u32(b, m->h);
    buf_put_u32(b, m->w);
    buf_put(b, m->math_digest, DIGEST_BYTES);
}

static void put_net(struct buf *b, const struct net *net)
{
    put_head(b, SECTION_NET, net->layers * LAYER_BYTES);
    for (size_t i = 0; i < net->layers; i++) {
        const struct net_layer_spec *l = &net->layer[i].spec;
        uint32_t slope;
        memcpy(&slope, &l->slope, sizeof slope);
        buf_put_u32(b, (uint32_t)l->kind);
        buf_put_u32(b, (uint32_t)l->out);
        buf_put_u32(b, (uint32_t)l->kernel);
        buf_put_u32(b, (uint32_t)l->stride);
        buf_put_u32(b, slope);
    }
}

enum ebm_status checkpoint_begin(struct buf *blob, const struct checkpoint_meta *meta,
                                 const struct net *net, struct ebm_error *err)
{
    size_t bytes = MAGIC_BYTES + SECTION_COUNT * HEAD_BYTES + net->layers * LAYER_BYTES +
                   sizeof(struct detector);

    for (int s = 0; s < SECTION_COUNT; s++)
        if (s != SECTION_NET && s != SECTION_DETECTOR)
            bytes += checkpoint_section_bytes(meta, (enum checkpoint_section)s);
    if (!buf_reserve(blob, bytes))
        return ebm_fail(err, EBM_ENOMEM, "no memory for a checkpoint of %zu bytes", bytes);
    buf_put(blob, magic, MAGIC_BYTES);
    put_meta(blob, meta);
    put_net(blob, net);
    return EBM_OK;
}

void *checkpoint_add(struct buf *blob, enum checkpoint_section type, size_t bytes)
{
    put_head(blob, type, bytes);
    assert(buf_ok(blob) && blob->size + bytes <= blob->capacity);
    void *payload = blob->data + blob->size;
    blob->size += bytes;
    return payload;
}

void checkpoint_end(struct buf *blob)
{
    put_head(blob, SECTION_END, 0);
}

/* ---- reading ---- */

static enum ebm_status corrupt(struct ebm_error *err, const char *what)
{
    return ebm_fail(err, EBM_ECORRUPT, "the checkpoint is damaged: %s", what);
}

static enum ebm_status read_meta(struct checkpoint *c, struct ebm_error *err)
{
    struct checkpoint_meta *m = &c->meta;
    struct reader r;

    reader_init(&r, c->section[SECTION_META], c->bytes[SECTION_META]);
    m->step = reader_u64(&r);
    m->seed = reader_u64(&r);
    m->noise_epoch = reader_u32(&r);
    m->optimizer = reader_u32(&r);
    m->optimizer_t = reader_u64(&r);
    m->batch = reader_u64(&r);
    m->params = reader_u64(&r);
    m->replay_slots = reader_u64(&r);
    m->c = reader_u32(&r);
    m->h = reader_u32(&r);
    m->w = reader_u32(&r);
    const void *digest = reader_bytes(&r, DIGEST_BYTES);
    if (digest == NULL || r.at != r.size)
        return corrupt(err, "its meta section has the wrong size");
    memcpy(m->math_digest, digest, DIGEST_BYTES);
    if (m->params == 0 || m->params > COUNT_MAX || m->replay_slots > COUNT_MAX ||
        m->optimizer > OPTIMIZER_SGD || m->optimizer_t > m->step)
        return corrupt(err, "its meta section has values that cannot be");
    if (m->c == 0 || m->h == 0 || m->w == 0 || (uint64_t)m->c * m->h > COUNT_MAX ||
        (uint64_t)m->c * m->h * m->w > COUNT_MAX)
        return corrupt(err, "its sample has a shape that cannot be");
    return EBM_OK;
}

static enum ebm_status read_net(struct checkpoint *c, struct ebm_error *err)
{
    struct reader r;

    if (c->bytes[SECTION_NET] % LAYER_BYTES != 0 || c->bytes[SECTION_NET] == 0 ||
        c->bytes[SECTION_NET] / LAYER_BYTES > NET_LAYERS_MAX)
        return corrupt(err, "its net section has the wrong size");
    c->layers = c->bytes[SECTION_NET] / LAYER_BYTES;
    reader_init(&r, c->section[SECTION_NET], c->bytes[SECTION_NET]);
    for (size_t i = 0; i < c->layers; i++) {
        struct net_layer_spec *l = &c->layer[i];
        uint32_t kind = reader_u32(&r);
        if (kind >= NET_KIND_COUNT)
            return corrupt(err, "its net has a layer of a kind that there is not");
        l->kind = (enum net_kind)kind;
        l->out = reader_u32(&r);
        l->kernel = reader_u32(&r);
        l->stride = reader_u32(&r);
        uint32_t slope = reader_u32(&r);
        memcpy(&l->slope, &slope, sizeof slope);
    }
    return EBM_OK;
}

/* One section's head and payload; *type is SECTION_COUNT for one skipped. */
static enum ebm_status read_section(struct reader *r, struct checkpoint *c, uint32_t *type,
                                    struct ebm_error *err)
{
    *type = reader_u32(r);
    uint32_t flags = reader_u32(r);
    uint64_t bytes = reader_u64(r);
    const void *payload = bytes > r->size ? NULL : reader_bytes(r, bytes);

    if (r->failed || payload == NULL)
        return corrupt(err, "it ends within a section");
    if (*type >= SECTION_COUNT) {
        if (flags != FLAG_SKIPPABLE)
            return ebm_fail(err, EBM_ECORRUPT,
                            "the checkpoint has a section (type %" PRIu32
                            ") that this version does not know",
                            *type);
        *type = SECTION_COUNT;
        return EBM_OK;
    }
    if (flags != 0 || c->section[*type] != NULL)
        return ebm_fail(err, EBM_ECORRUPT, "the checkpoint is damaged: its %s section %s",
                        section_names[*type],
                        flags != 0 ? "has flags that it cannot have" : "comes twice");
    c->section[*type] = payload;
    c->bytes[*type] = bytes;
    return EBM_OK;
}

static enum ebm_status check_sections(const struct checkpoint *c, struct ebm_error *err)
{
    for (int s = 0; s < SECTION_COUNT; s++) {
        size_t must = checkpoint_section_bytes(&c->meta, (enum checkpoint_section)s);
        if (c->section[s] == NULL)
            return ebm_fail(err, EBM_ECORRUPT, "the checkpoint is damaged: no %s section",
                            section_names[s]);
        if (must != SIZE_MAX && c->bytes[s] != must)
            return ebm_fail(err, EBM_ECORRUPT,
                            "the checkpoint is damaged: its %s section has %zu bytes, not %zu",
                            section_names[s], c->bytes[s], must);
    }
    return EBM_OK;
}

enum ebm_status checkpoint_read(const void *blob, size_t size, struct checkpoint *out,
                                struct ebm_error *err)
{
    struct reader r;
    uint32_t type = SECTION_COUNT;

    *out = (struct checkpoint){0};
    reader_init(&r, blob, size);
    const void *head = reader_bytes(&r, MAGIC_BYTES);
    if (head == NULL || memcmp(head, magic, MAGIC_BYTES) != 0)
        return ebm_fail(err, EBM_ECORRUPT,
                        "not a checkpoint of this version: it does not begin "
                        "with EBMCKPT and a 1");
    enum ebm_status st = EBM_OK;
    while (st == EBM_OK && type != SECTION_END)
        st = read_section(&r, out, &type, err);
    if (st == EBM_OK && r.at != r.size)
        st = corrupt(err, "bytes follow its end");
    if (st == EBM_OK && (out->section[SECTION_META] == NULL || out->section[SECTION_NET] == NULL))
        st = corrupt(err, "no meta or no net section");
    if (st == EBM_OK)
        st = read_meta(out, err);
    if (st == EBM_OK)
        st = read_net(out, err);
    return st == EBM_OK ? check_sections(out, err) : st;
}

/* ---- matching ---- */

static enum ebm_status match_net(const struct checkpoint *c, const struct net *net,
                                 struct ebm_error *err)
{
    if (c->layers != net->layers)
        return ebm_fail(err, EBM_EINVAL,
                        "model.layers: the checkpoint's net has %zu layers, the spec's %zu",
                        c->layers, net->layers);
    for (size_t i = 0; i < net->layers; i++) {
        const struct net_layer_spec *a = &c->layer[i], *b = &net->layer[i].spec;
        if (a->kind != b->kind)
            return ebm_fail(err, EBM_EINVAL,
                            "model.layers: layer %zu is %s in the checkpoint, %s in the spec",
                            i + 1, net_kind_name(a->kind), net_kind_name(b->kind));
        if (a->out != b->out || a->kernel != b->kernel || a->stride != b->stride)
            return ebm_fail(err, EBM_EINVAL,
                            "model.layers: layer %zu (%s) has out, kernel, stride %zu, %zu, %zu in "
                            "the checkpoint, %zu, %zu, %zu in the spec",
                            i + 1, net_kind_name(a->kind), a->out, a->kernel, a->stride, b->out,
                            b->kernel, b->stride);
    }
    if (c->meta.params != net->params)
        return ebm_fail(err, EBM_EINVAL,
                        "model.layers: the checkpoint has %" PRIu64
                        " parameters, the spec's net %zu",
                        c->meta.params, net->params);
    return EBM_OK;
}

enum ebm_status checkpoint_match(const struct checkpoint *c, const struct spec *spec,
                                 const struct net *net, struct ebm_error *err)
{
    const struct checkpoint_meta *m = &c->meta;

    if (m->c != net->in.c || m->h != net->in.h || m->w != net->in.w)
        return ebm_fail(err, EBM_EINVAL,
                        "data.dataset: the checkpoint's samples are %" PRIu32 " x %" PRIu32
                        " x %" PRIu32 ", the spec's %zu x %zu x %zu",
                        m->c, m->h, m->w, net->in.c, net->in.h, net->in.w);
    enum ebm_status st = match_net(c, net, err);
    if (st != EBM_OK || spec->sampler.init != CHAIN_REPLAY)
        return st;
    if (m->replay_slots == 0)
        return ebm_fail(err, EBM_EINVAL,
                        "sampler.init: the checkpoint has no replay buffer to go on from");
    if (m->replay_slots != (uint64_t)spec->replay.size)
        return ebm_fail(err, EBM_EINVAL,
                        "replay.size: the checkpoint has %" PRIu64 " slots, the spec %" PRId64,
                        m->replay_slots, spec->replay.size);
    return EBM_OK;
}
