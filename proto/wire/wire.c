#include "wire/wire.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/scan.h"

enum { HEADER_BYTES = 4, TOPIC_MAX = 32 };

static const uint8_t header[HEADER_BYTES] = {'E', 'B', 'M', WIRE_VERSION};

const char *const wire_metric_names[METRIC_COUNT] = {
    [METRIC_LOSS] = "loss",
    [METRIC_ENERGY_DATA] = "energy_data",
    [METRIC_ENERGY_SAMPLE] = "energy_sample",
    [METRIC_ENERGY_GAP] = "energy_gap",
    [METRIC_LANGEVIN_GRAD] = "langevin_grad",
    [METRIC_PARAM_GRAD] = "param_grad",
    [METRIC_SAMPLE_MEAN] = "sample_mean",
    [METRIC_SAMPLE_STD] = "sample_std",
    [METRIC_SATURATION] = "saturation",
    [METRIC_STEP_SECONDS] = "step_seconds",
    [METRIC_CHAIN_STEPS_PER_SECOND] = "chain_steps_per_second",
    [METRIC_DATA_MEAN] = "data_mean",
    [METRIC_DATA_STD] = "data_std",
    [METRIC_ENERGY_RMS] = "energy_rms",
    [METRIC_FRESH_GAP] = "fresh_gap",
    [METRIC_LANGEVIN_LOW] = "langevin_low",
    [METRIC_LANGEVIN_HIGH] = "langevin_high",
    [METRIC_REPLACED] = "replaced",
    [METRIC_SUSPICION] = "suspicion",
};

/* Refuses what the other side would have to refuse. */
enum ebm_status wire_pack(const ProtobufCMessage *message, struct buf *body, struct ebm_error *err)
{
    size_t n = protobuf_c_message_get_packed_size(message);

    if (n > LINK_MESSAGE_MAX)
        return ebm_fail(err, EBM_EPROTO, "a %s of %zu bytes is over the limit of %d",
                        message->descriptor->short_name, n, LINK_MESSAGE_MAX);
    if (!buf_reserve(body, n))
        return ebm_fail(err, EBM_ENOMEM, "out of memory for a message of %zu bytes", n);
    body->size += protobuf_c_message_pack(message, body->data + body->size);
    return EBM_OK;
}

enum ebm_status wire_send_packed(struct link_socket *s, const void *identity, size_t identity_size,
                                 const struct buf *body, const void *bulk, size_t bulk_size,
                                 struct ebm_error *err)
{
    struct link_part part[3] = {
        {header, sizeof header}, {buf_text(body), body->size}, {bulk, bulk_size}};

    return link_send(s, identity, identity_size, part, bulk_size > 0 ? 3 : 2, err);
}

enum ebm_status wire_send(struct link_socket *s, const void *identity, size_t identity_size,
                          const ProtobufCMessage *message, const void *bulk, size_t bulk_size,
                          struct ebm_error *err)
{
    struct buf body;

    buf_init(&body);
    enum ebm_status rc = wire_pack(message, &body, err);
    if (rc == EBM_OK)
        rc = wire_send_packed(s, identity, identity_size, &body, bulk, bulk_size, err);
    buf_fini(&body);
    return rc;
}

enum ebm_status wire_publish(struct link_socket *s, uint64_t job, const Ebm__Event *event,
                             struct ebm_error *err)
{
    char topic[TOPIC_MAX];
    struct buf body;

    int n = snprintf(topic, sizeof topic, "job.%llu", (unsigned long long)job);
    buf_init(&body);
    enum ebm_status rc = wire_pack(&event->base, &body, err);
    if (rc == EBM_OK) {
        struct link_part part[3] = {{topic, (size_t)n + 1}, /* NUL: job.1 is no prefix of job.12 */
                                    {header, sizeof header},
                                    {buf_text(&body), body.size}};
        rc = link_send(s, NULL, 0, part, 3, err);
    }
    buf_fini(&body);
    return rc;
}

/* What follows a lead byte, and the range of its second byte: shorter forms
 * of the same character, surrogates and what lies past U+10FFFF are out. */
static const struct {
    uint8_t first, last; /* lead bytes */
    uint8_t more;
    uint8_t low, high; /* second byte */
} utf8_rows[] = {
    {0x00, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
    {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

/* Bytes of the character at p, 0 when there is none. */
static size_t character_size(const unsigned char *p)
{
    size_t row = 0, rows = sizeof utf8_rows / sizeof utf8_rows[0];

    while (row < rows && (p[0] < utf8_rows[row].first || p[0] > utf8_rows[row].last))
        row++;
    if (row == rows)
        return 0;
    if (utf8_rows[row].more > 0 && (p[1] < utf8_rows[row].low || p[1] > utf8_rows[row].high))
        return 0;
    for (size_t i = 2; i <= utf8_rows[row].more; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return 1u + utf8_rows[row].more;
}

static bool text_is_sound(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;

    while (*p != 0) {
        size_t n = character_size(p);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

void wire_mend_text(char *text)
{
    unsigned char *p = (unsigned char *)text;

    while (*p != 0) {
        size_t n = character_size(p);
        if (n == 0)
            *p = '?';
        p += n == 0 ? 1 : n;
    }
}

static enum ebm_status check_text(const char *s, const ProtobufCFieldDescriptor *f,
                                  struct ebm_error *err)
{
    if (s == NULL)
        return EBM_OK;
    if (strlen(s) > WIRE_TEXT_MAX)
        return ebm_fail(err, EBM_EPROTO, "field '%s' is longer than %d bytes", f->name,
                        WIRE_TEXT_MAX);
    if (!text_is_sound(s))
        return ebm_fail(err, EBM_EPROTO, "field '%s' is not UTF-8", f->name);
    return EBM_OK;
}

static enum ebm_status check_message(const ProtobufCMessage *m, struct ebm_error *err);

/* One value of a string or message field. */
static enum ebm_status check_value(const ProtobufCFieldDescriptor *f, const void *value,
                                   struct ebm_error *err)
{
    const void *pointed = *(const void *const *)value;

    if (f->type == PROTOBUF_C_TYPE_STRING)
        return check_text(pointed, f, err);
    return pointed != NULL ? check_message(pointed, err) : EBM_OK;
}

static bool field_is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *base = (const char *)m;

    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
        return true;
    uint32_t which;
    memcpy(&which, base + f->quantifier_offset, sizeof which);
    return which == f->id;
}

static enum ebm_status check_field(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                                   struct ebm_error *err)
{
    const char *base = (const char *)m;
    bool deep = f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE;

    if (f->label != PROTOBUF_C_LABEL_REPEATED)
        return deep && field_is_set(m, f) ? check_value(f, base + f->offset, err) : EBM_OK;
    size_t n;
    memcpy(&n, base + f->quantifier_offset, sizeof n);
    if (n > WIRE_ROWS_MAX)
        return ebm_fail(err, EBM_EPROTO, "field '%s' has %zu items, over %d", f->name, n,
                        WIRE_ROWS_MAX);
    void *const *items;
    memcpy(&items, base + f->offset, sizeof items);
    enum ebm_status rc = EBM_OK;
    for (size_t i = 0; deep && rc == EBM_OK && i < n; i++)
        rc = check_value(f, &items[i], err);
    return rc;
}

static enum ebm_status check_message(const ProtobufCMessage *m, struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    for (unsigned i = 0; rc == EBM_OK && i < m->descriptor->n_fields; i++)
        rc = check_field(m, &m->descriptor->fields[i], err);
    return rc;
}

enum ebm_status wire_unpack(const void *bytes, size_t n, const ProtobufCMessageDescriptor *type,
                            ProtobufCMessage **out, struct ebm_error *err)
{
    if (n > LINK_MESSAGE_MAX)
        return ebm_fail(err, EBM_EPROTO, "a %s of %zu bytes is over the limit of %d",
                        type->short_name, n, LINK_MESSAGE_MAX);
    ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, n, bytes);
    if (m == NULL)
        return ebm_fail(err, EBM_EPROTO, "%zu bytes that are no %s", n, type->short_name);
    if (wire_scan_finds_nul(bytes, n, type)) {
        wire_free(m);
        return ebm_fail(err, EBM_EPROTO, "a %s with a NUL in its text", type->short_name);
    }
    enum ebm_status rc = check_message(m, err);
    if (rc != EBM_OK) {
        wire_free(m);
        return rc;
    }
    *out = m;
    return EBM_OK;
}

static enum ebm_status check_header(const struct link_part *part, struct ebm_error *err)
{
    const uint8_t *p = part->data;

    if (part->size != HEADER_BYTES || memcmp(p, header, HEADER_BYTES - 1) != 0)
        return ebm_fail(err, EBM_EPROTO, "a message without ebmd's header");
    if (p[HEADER_BYTES - 1] != WIRE_VERSION)
        return ebm_fail(err, EBM_ESTALE,
                        "the other side speaks protocol version %d, this one %d: install the "
                        "same release on both",
                        p[HEADER_BYTES - 1], WIRE_VERSION);
    return EBM_OK;
}

static enum ebm_status decode_at(const struct link_message *m, size_t first,
                                 const ProtobufCMessageDescriptor *type, ProtobufCMessage **out,
                                 struct link_part *bulk, struct ebm_error *err)
{
    if (m->parts < first + 2 || m->parts > first + 3)
        return ebm_fail(err, EBM_EPROTO, "a message of %zu parts", m->parts);
    enum ebm_status rc = check_header(&m->part[first], err);
    if (rc != EBM_OK)
        return rc;
    if (bulk != NULL)
        *bulk = m->parts == first + 3 ? m->part[first + 2] : (struct link_part){NULL, 0};
    return wire_unpack(m->part[first + 1].data, m->part[first + 1].size, type, out, err);
}

enum ebm_status wire_decode(const struct link_message *m, const ProtobufCMessageDescriptor *type,
                            ProtobufCMessage **out, struct link_part *bulk, struct ebm_error *err)
{
    return decode_at(m, 0, type, out, bulk, err);
}

enum ebm_status wire_decode_event(const struct link_message *m, Ebm__Event **out,
                                  struct ebm_error *err)
{
    ProtobufCMessage *message = NULL;
    enum ebm_status rc = decode_at(m, 1, &ebm__event__descriptor, &message, NULL, err);

    if (rc == EBM_OK)
        *out = (Ebm__Event *)message;
    return rc;
}

void wire_free(ProtobufCMessage *message)
{
    if (message != NULL)
        protobuf_c_message_free_unpacked(message, NULL);
}
