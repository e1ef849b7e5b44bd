#include "digest/digest.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(struct digest_state),
              "digest_state must hold libsodium's state");
static_assert(DIGEST_BYTES == crypto_hash_sha256_BYTES, "SHA-256 is 32 bytes");

/* struct digest_state is opaque storage; this is what lives in it. */
static crypto_hash_sha256_state *inner(struct digest_state *s)
{
    return (crypto_hash_sha256_state *)(void *)s->opaque;
}

void digest_init(struct digest_state *s)
{
    crypto_hash_sha256_init(inner(s));
}

void digest_update(struct digest_state *s, const void *bytes, size_t n)
{
    crypto_hash_sha256_update(inner(s), bytes, n);
}

void digest_final(struct digest_state *s, uint8_t out[DIGEST_BYTES])
{
    crypto_hash_sha256_final(inner(s), out);
}

void digest_of(const void *bytes, size_t n, uint8_t out[DIGEST_BYTES])
{
    crypto_hash_sha256(out, bytes, n);
}

void digest_hex(const uint8_t digest[DIGEST_BYTES], char hex[DIGEST_HEX])
{
    sodium_bin2hex(hex, DIGEST_HEX, digest, DIGEST_BYTES);
}

void digest_random_hex(char *hex, size_t n)
{
    static const char digit[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        uint32_t byte = randombytes_random() & 0xff;
        hex[2 * i] = digit[byte >> 4];
        hex[2 * i + 1] = digit[byte & 15];
    }
    hex[2 * n] = '\0';
}

uint64_t digest_random_u64(void)
{
    uint64_t v;
    randombytes_buf(&v, sizeof v);
    return v;
}

int digest_equal_text(const char *a, const char *b)
{
    size_t n = strlen(a);
    return n == strlen(b) && sodium_memcmp(a, b, n) == 0;
}
