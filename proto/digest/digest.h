/* SHA-256, streaming, and random tokens. The door to libsodium. */
#ifndef EBM_DIGEST_DIGEST_H
#define EBM_DIGEST_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX = 65 /* with the NUL */ };

struct digest_state {
    _Alignas(16) unsigned char opaque[128];
};

void digest_init(struct digest_state *s);
void digest_update(struct digest_state *s, const void *bytes, size_t n);
void digest_final(struct digest_state *s, uint8_t out[DIGEST_BYTES]);
void digest_of(const void *bytes, size_t n, uint8_t out[DIGEST_BYTES]);
void digest_hex(const uint8_t digest[DIGEST_BYTES], char hex[DIGEST_HEX]);

/* n random bytes from the kernel as 2n hex digits and a NUL; hex holds 2n+1. */
void digest_random_hex(char *hex, size_t n);
uint64_t digest_random_u64(void);
/* Constant-time string comparison, for tokens. */
int digest_equal_text(const char *a, const char *b);

#endif
