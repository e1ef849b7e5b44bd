/* A look at the bytes of a message before they become C strings. Private to
 * wire. */
#ifndef EBM_WIRE_SCAN_H
#define EBM_WIRE_SCAN_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether a text field of the message, or of one inside it, holds a NUL:
 * what follows it would be lost to every reader. Bytes that are no message
 * of this type are left to the decoder. */
bool wire_scan_finds_nul(const void *bytes, size_t n, const ProtobufCMessageDescriptor *type);

#endif
