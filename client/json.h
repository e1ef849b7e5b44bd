/* A JSON writer. Commas and line breaks are its own business; a list of
 * objects has one a line. */
#ifndef EBM_CLIENT_JSON_H
#define EBM_CLIENT_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct json {
    struct buf *out; /* borrowed */
    unsigned depth;
    bool after_key, first;
};

void json_init(struct json *j, struct buf *out);
/* bracket: '{' or '['; the same for the end. */
void json_begin(struct json *j, char bracket);
void json_end(struct json *j, char bracket);
/* A key of ours: short, plain ASCII. */
void json_key(struct json *j, const char *key);
/* Bytes that are not UTF-8 become U+FFFD. */
void json_text(struct json *j, const char *text);
void json_u64(struct json *j, uint64_t v);
void json_i64(struct json *j, int64_t v);
/* The shortest that reads back; NaN and infinities are null. */
void json_real(struct json *j, double v);
/* Milliseconds as seconds with three decimals. */
void json_ms(struct json *j, int64_t ms);
void json_bool(struct json *j, bool v);
void json_null(struct json *j);

#endif
