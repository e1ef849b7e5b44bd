/* The checkpoint blob: everything that decides the future of a run, as bytes
 * that do not depend on rank count, host or time.
 *
 *   magic "EBMCKPT\1" | section META | ... | section END
 *   section: u32 type, u32 flags (bit 0: a reader may skip it), u64 bytes, payload
 *
 * Integers are little-endian, reals are IEEE 754 in the same order. Every
 * known section appears exactly once. An unknown section is an error unless
 * its flags allow to skip it. This file knows bytes; snapshot.h moves them
 * between ranks. P parameters, N replay slots, D elements of a sample. */
#ifndef EBM_TRAIN_CHECKPOINT_H
#define EBM_TRAIN_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "digest/digest.h"
#include "net/net.h"
#include "spec/spec.h"

/* Values are part of the format: never renumber. */
enum checkpoint_section {
    SECTION_END = 0,
    SECTION_META = 1,
    SECTION_NET = 2,      /* the layers, to tell what differs */
    SECTION_PARAMS = 3,   /* float (P) */
    SECTION_MOMENT1 = 4,  /* float (P) */
    SECTION_MOMENT2 = 5,  /* float (P) */
    SECTION_SAMPLES = 6,  /* float (N, D) */
    SECTION_WRITTEN = 7,  /* u64 (N) */
    SECTION_ENERGY = 8,   /* float (N) */
    SECTION_DETECTOR = 9, /* struct detector; empty or of another version: it starts afresh */
    SECTION_COUNT
};

struct checkpoint_meta {
    uint64_t step; /* steps taken: also the data cursor and every RNG counter */
    uint64_t seed;
    uint32_t noise_epoch;
    uint32_t optimizer; /* enum spec_optimizer */
    uint64_t optimizer_t;
    uint64_t batch;
    uint64_t params;       /* P */
    uint64_t replay_slots; /* N; 0: the run keeps no buffer */
    uint32_t c, h, w;      /* of a sample */
    uint8_t math_digest[DIGEST_BYTES];
};

/* A read blob; section pointers are into it and not aligned. */
struct checkpoint {
    struct checkpoint_meta meta;
    struct net_layer_spec layer[NET_LAYERS_MAX];
    size_t layers;
    const uint8_t *section[SECTION_COUNT]; /* payloads; NULL only while reading */
    size_t bytes[SECTION_COUNT];
};

/* Writing: begin reserves room for all that this meta implies, so that the
 * sections that follow, in the order of their numbers, cannot fail. */
enum ebm_status checkpoint_begin(struct buf *blob, const struct checkpoint_meta *meta,
                                 const struct net *net, struct ebm_error *err);
/* Adds a section; returns its payload, uninitialised, borrowed until the next
 * call. */
void *checkpoint_add(struct buf *blob, enum checkpoint_section type, size_t bytes);
void checkpoint_end(struct buf *blob);

/* Payload size that a section must have. */
size_t checkpoint_section_bytes(const struct checkpoint_meta *m, enum checkpoint_section type);

/* Reading. EBM_ECORRUPT says what is wrong; nothing past size is touched. */
enum ebm_status checkpoint_read(const void *blob, size_t size, struct checkpoint *out,
                                struct ebm_error *err);

/* Whether a run of this spec can go on from it: EBM_EINVAL names the field
 * that differs and both values. What may differ: seed, noise, rates, batch,
 * sampler, even the kind of optimizer (whose moments then start afresh). */
enum ebm_status checkpoint_match(const struct checkpoint *c, const struct spec *spec,
                                 const struct net *net, struct ebm_error *err);

#endif
