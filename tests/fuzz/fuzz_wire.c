/* libFuzzer over the decoder of messages: the first byte chooses the type,
 * the rest is the body. What is accepted must be sound enough to be packed
 * into the size it names, and decoded again. (Not to be accepted again: fields
 * that protobuf-c does not know need not come through it unchanged.) */
#include <stdint.h>
#include <stdlib.h>

#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = malloc(n + 1);
    ProtobufCMessage *again = NULL;

    if (bytes == NULL)
        return;
    if (protobuf_c_message_pack(m, bytes) != n)
        abort();
    wire_unpack(bytes, n, m->descriptor, &again, NULL);
    wire_free(again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ProtobufCMessageDescriptor *const types[] = {
        &ebm__request__descriptor, &ebm__reply__descriptor, &ebm__from_worker__descriptor,
        &ebm__to_worker__descriptor, &ebm__event__descriptor};
    ProtobufCMessage *m = NULL;
    struct ebm_error err;

    if (size == 0)
        return 0;
    if (wire_unpack(data + 1, size - 1, types[data[0] % 5], &m, &err) != EBM_OK) {
        if (m != NULL || err.text[0] == '\0')
            abort();
        return 0;
    }
    check_again(m);
    wire_free(m);
    return 0;
}
