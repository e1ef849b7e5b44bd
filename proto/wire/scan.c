#include "wire/scan.h"

#include <stdint.h>
#include <string.h>

/* Wire types of protobuf. */
enum { VARINT = 0, FIXED64 = 1, COUNTED = 2, FIXED32 = 5 };

struct scan {
    const uint8_t *at, *end;
    bool failed;
};

static uint64_t varint(struct scan *s)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && s->at < s->end; shift += 7) {
        uint8_t b = *s->at++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
    s->failed = true;
    return 0;
}

/* The n bytes of a field, passed over. */
static const uint8_t *skip(struct scan *s, uint64_t n)
{
    const uint8_t *from = s->at;

    if (n > (uint64_t)(s->end - s->at)) {
        s->failed = true;
        return NULL;
    }
    s->at += n;
    return from;
}

static bool counted_has_nul(struct scan *s, const ProtobufCFieldDescriptor *f)
{
    uint64_t n = varint(s);
    const uint8_t *from = skip(s, n);

    if (s->failed || f == NULL)
        return false;
    if (f->type == PROTOBUF_C_TYPE_STRING)
        return memchr(from, 0, (size_t)n) != NULL;
    return f->type == PROTOBUF_C_TYPE_MESSAGE &&
           wire_scan_finds_nul(from, (size_t)n, f->descriptor);
}

bool wire_scan_finds_nul(const void *bytes, size_t n, const ProtobufCMessageDescriptor *type)
{
    struct scan s = {.at = bytes, .end = (const uint8_t *)bytes + n};

    while (!s.failed && s.at < s.end) {
        uint64_t tag = varint(&s);
        unsigned kind = (unsigned)(tag & 7);
        if (kind == COUNTED) {
            if (counted_has_nul(
                    &s, protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3))))
                return true;
        } else if (kind == VARINT) {
            varint(&s);
        } else if (kind == FIXED64 || kind == FIXED32) {
            skip(&s, kind == FIXED64 ? 8 : 4);
        } else {
            s.failed = true;
        }
    }
    return false;
}
