#include "train/snapshot.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "train/checkpoint.h"

/* What is spread over the ranks: n items in contiguous ranges. */
struct spread {
    struct tree_range (*share)(const struct trainer *t, size_t rank);
    size_t limit; /* items from here on are left out */
};

static struct tree_range stripe_of(const struct trainer *t, size_t rank)
{
    return tree_share(t->replay.slots, comm_size(t->comm), rank);
}

/* Bytes of each rank's part; NULL without memory. The caller frees. */
static size_t *parts_of(const struct trainer *t, struct spread s, size_t item)
{
    size_t ranks = comm_size(t->comm), *part = calloc(ranks, sizeof *part);

    for (size_t r = 0; part != NULL && r < ranks; r++) {
        struct tree_range held = s.share(t, r);
        size_t end = held.end < s.limit ? held.end : s.limit;
        part[r] = end > held.first ? (end - held.first) * item : 0;
    }
    return part;
}

static enum ebm_status gather(struct trainer *t, struct spread s, size_t item, const void *mine,
                              void *whole, struct ebm_error *err)
{
    size_t *part = parts_of(t, s, item);
    enum ebm_status st =
        part != NULL ? EBM_OK : ebm_fail(err, EBM_ENOMEM, "no memory to gather a checkpoint");

    st = comm_agree(t->comm, st, err);
    if (st == EBM_OK)
        st = comm_gather(t->comm, mine, part, whole, err);
    free(part);
    return st;
}

static enum ebm_status scatter(struct trainer *t, struct spread s, size_t item, void *mine,
                               const void *whole, struct ebm_error *err)
{
    size_t *part = parts_of(t, s, item);
    enum ebm_status st =
        part != NULL ? EBM_OK : ebm_fail(err, EBM_ENOMEM, "no memory to spread a checkpoint");

    st = comm_agree(t->comm, st, err);
    if (st == EBM_OK)
        st = comm_scatter(t->comm, mine, part, whole, err);
    free(part);
    return st;
}

static struct checkpoint_meta meta_of(const struct trainer *t)
{
    struct checkpoint_meta m = {
        .step = t->step,
        .seed = t->spec->seed,
        .noise_epoch = t->spec->noise_epoch,
        .optimizer = (uint32_t)t->spec->optimizer.kind,
        .optimizer_t = t->opt.t,
        .batch = t->batch,
        .params = t->net->params,
        .replay_slots = t->replay.slots,
        .c = (uint32_t)t->net->in.c,
        .h = (uint32_t)t->net->in.h,
        .w = (uint32_t)t->net->in.w,
    };

    spec_math_digest(t->spec, m.math_digest);
    return m;
}

/* The three parts of the buffer, in the order of their sections. */
struct replay_part {
    enum checkpoint_section section;
    void *mine;
    size_t item;
};

enum { REPLAY_PARTS = 3 };

static void replay_parts(struct trainer *t, struct replay_part part[REPLAY_PARTS])
{
    struct replay *r = &t->replay;

    part[0] = (struct replay_part){SECTION_SAMPLES, r->sample, t->dim * sizeof *r->sample};
    part[1] = (struct replay_part){SECTION_WRITTEN, r->written, sizeof *r->written};
    part[2] = (struct replay_part){SECTION_ENERGY, r->energy, sizeof *r->energy};
}

enum ebm_status snapshot_take(struct trainer *t, struct buf *blob, struct ebm_error *err)
{
    struct checkpoint_meta meta = meta_of(t);
    struct spread slots = {stripe_of, SIZE_MAX};
    struct replay_part part[REPLAY_PARTS];
    bool root = comm_rank(t->comm) == 0;
    size_t bytes = t->net->params * sizeof(float);

    enum ebm_status st = root ? checkpoint_begin(blob, &meta, t->net, err) : EBM_OK;
    st = comm_agree(t->comm, st, err);
    if (st == EBM_OK && root) {
        memcpy(checkpoint_add(blob, SECTION_PARAMS, bytes), t->params, bytes);
        memcpy(checkpoint_add(blob, SECTION_MOMENT1, bytes), t->opt.m, bytes);
        memcpy(checkpoint_add(blob, SECTION_MOMENT2, bytes), t->opt.v, bytes);
    }
    replay_parts(t, part);
    for (size_t i = 0; st == EBM_OK && i < REPLAY_PARTS; i++) {
        size_t all = checkpoint_section_bytes(&meta, part[i].section);
        void *to = root ? checkpoint_add(blob, part[i].section, all) : NULL;
        if (all > 0)
            st = gather(t, slots, part[i].item, part[i].mine, to, err);
    }
    if (st == EBM_OK && root) {
        memcpy(checkpoint_add(blob, SECTION_DETECTOR, sizeof t->detector), &t->detector,
               sizeof t->detector);
        checkpoint_end(blob);
        assert(buf_ok(blob));
    }
    return st;
}

/* Moments belong to the optimizer that made them. */
static void load_moments(struct trainer *t, const struct checkpoint *c)
{
    size_t bytes = t->net->params * sizeof(float);

    if (c->meta.optimizer != (uint32_t)t->spec->optimizer.kind) {
        log_info("moments", "msg=\"the checkpoint is of another optimizer.kind: moments start "
                            "from zero\"");
        return;
    }
    memcpy(t->opt.m, c->section[SECTION_MOMENT1], bytes);
    memcpy(t->opt.v, c->section[SECTION_MOMENT2], bytes);
    t->opt.t = c->meta.optimizer_t;
}

/* None in a checkpoint of before there was one, or of another version. */
static void load_detector(struct trainer *t, const struct checkpoint *c)
{
    struct detector d;

    detector_init(&t->detector);
    if (c->bytes[SECTION_DETECTOR] != sizeof d)
        return;
    memcpy(&d, c->section[SECTION_DETECTOR], sizeof d);
    if (d.version == t->detector.version)
        t->detector = d;
}

/* Rank 0: everything but the buffer, into its own trainer. */
static enum ebm_status load_root(struct trainer *t, const struct buf *blob, struct checkpoint *c,
                                 struct ebm_error *err)
{
    enum ebm_status st = checkpoint_read(blob->data, blob->size, c, err);

    if (st == EBM_OK)
        st = checkpoint_match(c, t->spec, t->net, err);
    if (st != EBM_OK)
        return st;
    t->step = c->meta.step;
    memcpy(t->params, c->section[SECTION_PARAMS], t->net->params * sizeof(float));
    load_moments(t, c);
    load_detector(t, c);
    return EBM_OK;
}

static enum ebm_status share_root(struct trainer *t, struct ebm_error *err)
{
    size_t bytes = t->net->params * sizeof(float);
    uint64_t count[2] = {t->step, t->opt.t};
    enum ebm_status st = comm_broadcast(t->comm, count, sizeof count, err);

    if (st == EBM_OK)
        st = comm_broadcast(t->comm, t->params, bytes, err);
    if (st == EBM_OK)
        st = comm_broadcast(t->comm, t->opt.m, bytes, err);
    if (st == EBM_OK)
        st = comm_broadcast(t->comm, t->opt.v, bytes, err);
    if (st == EBM_OK)
        st = comm_broadcast(t->comm, &t->detector, sizeof t->detector, err);
    t->step = count[0];
    t->opt.t = count[1];
    return st;
}

/* When each slot was written, to all ranks. */
enum ebm_status snapshot_share_ages(struct trainer *t, struct ebm_error *err)
{
    struct spread slots = {stripe_of, SIZE_MAX};
    struct replay *r = &t->replay;
    enum ebm_status st = gather(t, slots, sizeof *r->drawn, r->written, r->drawn, err);

    return st == EBM_OK ? comm_broadcast(t->comm, r->drawn, r->slots * sizeof *r->drawn, err) : st;
}

enum ebm_status snapshot_load(struct trainer *t, const struct buf *blob, struct ebm_error *err)
{
    struct spread slots = {stripe_of, SIZE_MAX};
    struct replay_part part[REPLAY_PARTS];
    bool root = comm_rank(t->comm) == 0;
    struct checkpoint c = {0};

    enum ebm_status st = root ? load_root(t, blob, &c, err) : EBM_OK;
    st = comm_agree(t->comm, st, err);
    if (st == EBM_OK)
        st = share_root(t, err);
    replay_parts(t, part);
    for (size_t i = 0; st == EBM_OK && t->replay.slots > 0 && i < REPLAY_PARTS; i++)
        st = scatter(t, slots, part[i].item, part[i].mine, c.section[part[i].section], err);
    if (st == EBM_OK && t->replay.slots > 0)
        st = snapshot_share_ages(t, err);
    if (st != EBM_OK)
        return st;
    st = trainer_params_changed(t, err);
    return comm_agree(t->comm, st, err);
}

enum ebm_status snapshot_samples(struct trainer *t, size_t n, float *x, struct ebm_error *err)
{
    bool buffer = t->replay.slots > 0;
    struct spread s = {buffer ? stripe_of : trainer_chains, n};

    return gather(t, s, t->dim * sizeof *x, buffer ? t->replay.sample : t->x, x, err);
}

enum ebm_status snapshot_chains(struct trainer *t, float *x, float *energy, struct ebm_error *err)
{
    struct spread s = {trainer_chains, SIZE_MAX};
    enum ebm_status st = gather(t, s, t->dim * sizeof *x, t->x, x, err);

    return st == EBM_OK ? gather(t, s, sizeof *energy, t->energy, energy, err) : st;
}
