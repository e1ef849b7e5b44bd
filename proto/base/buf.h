/* A growing byte buffer with a sticky failure, and a bounded reader.
 *
 * Writers never check each put: after the last one, buf_ok() tells whether
 * all of them fitted in memory. Integers are little-endian. */
#ifndef EBM_BASE_BUF_H
#define EBM_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data; /* owned; NUL follows the last byte once anything was put */
    size_t size;
    size_t capacity;
    bool failed; /* out of memory: puts after it do nothing */
};

void buf_init(struct buf *b);
void buf_fini(struct buf *b); /* frees, and leaves it as after buf_init */
void buf_clear(struct buf *b);
bool buf_ok(const struct buf *b);
bool buf_reserve(struct buf *b, size_t more);
void buf_put(struct buf *b, const void *bytes, size_t n);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_puts(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The text so far, "" when empty; borrowed until the next put. */
const char *buf_text(const struct buf *b);
/* Takes the bytes out (caller frees); the buffer is empty after. */
void *buf_take(struct buf *b, size_t *size);

struct reader {
    const uint8_t *data; /* borrowed */
    size_t size;
    size_t at;
    bool failed; /* read past the end: later reads give 0 */
};

void reader_init(struct reader *r, const void *data, size_t size);
uint8_t reader_u8(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* n bytes in place, or NULL past the end. */
const void *reader_bytes(struct reader *r, size_t n);

#endif
