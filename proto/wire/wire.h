/* The wire: typed messages in and out of socket parts. The door to
 * protobuf-c, and the only includer of its generated header; the rest of the
 * house uses the message structs through this file.
 *
 * Every decode is bounded and checked: version first, then sizes, counts and
 * text (UTF-8, no NUL). It is fuzzed. */
#ifndef EBM_WIRE_WIRE_H
#define EBM_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "ebm.pb-c.h"
#include "link/link.h"

enum {
    WIRE_VERSION = 1,
    WIRE_TEXT_MAX = 1 << 20,    /* any one string field */
    WIRE_CHUNK_BYTES = 1 << 20, /* checkpoint bytes in one message */
    WIRE_ROWS_MAX = 20000,      /* repeated items in one message */
    WIRE_PICTURE_MAX = 8 << 20
};

/* Metrics, in the order of Metric.value and of the store's columns. */
enum wire_metric {
    METRIC_LOSS,
    METRIC_ENERGY_DATA,
    METRIC_ENERGY_SAMPLE,
    METRIC_ENERGY_GAP,    /* mean E(data) - mean E(sample) */
    METRIC_LANGEVIN_GRAD, /* r_t */
    METRIC_PARAM_GRAD,    /* L2 norm before the clip */
    METRIC_SAMPLE_MEAN,
    METRIC_SAMPLE_STD,
    METRIC_SATURATION, /* share of sample elements at a clamp bound */
    METRIC_STEP_SECONDS,
    METRIC_CHAIN_STEPS_PER_SECOND, /* batch * K / seconds */
    METRIC_DATA_MEAN,              /* of the batch's elements, with the data noise */
    METRIC_DATA_STD,
    METRIC_ENERGY_RMS,    /* root mean square over data and samples */
    METRIC_FRESH_GAP,     /* mean E of the chains from noise - that of the others; NaN: none */
    METRIC_LANGEVIN_LOW,  /* the healthy band of r_t; NaN while there is none */
    METRIC_LANGEVIN_HIGH, /* */
    METRIC_REPLACED,      /* slots that began from noise since they were far out or too old */
    METRIC_SUSPICION,     /* largest share of its limit that a signal has reached */
    METRIC_COUNT
};
extern const char *const wire_metric_names[METRIC_COUNT];

/* Sends a message as header, body and (bulk_size > 0) bulk. identity: only
 * for a ROUTER. The message stays the caller's. */
enum ebm_status wire_send(struct link_socket *s, const void *identity, size_t identity_size,
                          const ProtobufCMessage *message, const void *bulk, size_t bulk_size,
                          struct ebm_error *err);

/* The two halves of wire_send, for what is sent later than it is said:
 * appends the message's bytes to body, and sends such bytes. */
enum ebm_status wire_pack(const ProtobufCMessage *message, struct buf *body, struct ebm_error *err);
enum ebm_status wire_send_packed(struct link_socket *s, const void *identity, size_t identity_size,
                                 const struct buf *body, const void *bulk, size_t bulk_size,
                                 struct ebm_error *err);

/* The same onto an event socket, with its topic part first. */
enum ebm_status wire_publish(struct link_socket *s, uint64_t job, const Ebm__Event *event,
                             struct ebm_error *err);

/* Decodes a received message of this type; *out is freed by wire_free. bulk
 * (may be NULL) borrows from m. EBM_EPROTO says what is wrong; another
 * version is EBM_ESTALE with both numbers. */
enum ebm_status wire_decode(const struct link_message *m, const ProtobufCMessageDescriptor *type,
                            ProtobufCMessage **out, struct link_part *bulk, struct ebm_error *err);
/* As wire_decode, for an Event behind its topic. */
enum ebm_status wire_decode_event(const struct link_message *m, Ebm__Event **out,
                                  struct ebm_error *err);
void wire_free(ProtobufCMessage *message); /* takes NULL */

/* Puts '?' for every byte that is not part of a UTF-8 character: texts of
 * people and files must not make a message that cannot be read. In place. */
void wire_mend_text(char *text);

/* The part that wire_decode decodes, for tests and fuzzing: body bytes only. */
enum ebm_status wire_unpack(const void *bytes, size_t n, const ProtobufCMessageDescriptor *type,
                            ProtobufCMessage **out, struct ebm_error *err);

#endif
