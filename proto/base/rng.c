#include "base/rng.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/rng_isa.h"

/* A chunk is computed as columns, one array for each word of the blocks, in
 * plain loops that the compiler turns into vector code of any width. All
 * arithmetic is single IEEE operations in a fixed order (the file is compiled
 * with -ffp-contract=off, and sqrt is exact), so every width gives the same
 * bits. */
enum { CHUNK_BLOCKS = 16, CHUNK = 4 * CHUNK_BLOCKS, ROUNDS = 10, XOR3 = 0x96 };

static const uint32_t MULTIPLY_0 = 0xD2511F53u, MULTIPLY_1 = 0xCD9E8D57u;
static const uint32_t WEYL_0 = 0x9E3779B9u, WEYL_1 = 0xBB67AE85u;

struct columns {
    uint32_t w[4][CHUNK_BLOCKS];
};

#define INLINE static inline __attribute__((always_inline))

INLINE void philox(struct rng_key key, uint32_t x[4])
{
    uint32_t k0 = key.k[0], k1 = key.k[1];

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)MULTIPLY_0 * x[0], p1 = (uint64_t)MULTIPLY_1 * x[2];
        uint32_t y0 = (uint32_t)(p1 >> 32) ^ x[1] ^ k0, y2 = (uint32_t)(p0 >> 32) ^ x[3] ^ k1;
        x[0] = y0;
        x[1] = (uint32_t)p1;
        x[2] = y2;
        x[3] = (uint32_t)p0;
        k0 += WEYL_0;
        k1 += WEYL_1;
    }
}

/* The blocks of a chunk by columns: word `rising` of the counter goes up. */
INLINE void fill_columns(struct rng_key key, const uint32_t counter[4], int rising,
                         struct columns *out)
{
    for (uint32_t i = 0; i < CHUNK_BLOCKS; i++) {
        uint32_t x[4] = {counter[0], counter[1], counter[2], counter[3]};
        x[rising] += i;
        philox(key, x);
        out->w[0][i] = x[0];
        out->w[1][i] = x[1];
        out->w[2][i] = x[2];
        out->w[3][i] = x[3];
    }
}

#if defined(__x86_64__)
#define AVX512 __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl")))

/* The same. The compiler takes whole 64-bit products for those of the rounds;
 * here a word is the lower half of an element, the upper half is anything, and
 * even and odd blocks are apart. */
AVX512 INLINE void fill_columns_avx512(struct rng_key key, const uint32_t counter[4], int rising,
                                       struct columns *out)
{
    const __m512i m0 = _mm512_set1_epi64(MULTIPLY_0), m1 = _mm512_set1_epi64(MULTIPLY_1);
    __m512i x[2][4];

    for (int odd = 0; odd < 2; odd++) {
        for (int j = 0; j < 4; j++)
            x[odd][j] = _mm512_set1_epi64(counter[j]);
        x[odd][rising] = _mm512_add_epi64(
            x[odd][rising],
            _mm512_add_epi64(_mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0), _mm512_set1_epi64(odd)));
    }
    for (int round = 0; round < ROUNDS; round++) {
        const __m512i k0 = _mm512_set1_epi64(key.k[0]), k1 = _mm512_set1_epi64(key.k[1]);
        for (int odd = 0; odd < 2; odd++) {
            __m512i *w = x[odd];
            __m512i p0 = _mm512_mul_epu32(m0, w[0]), p1 = _mm512_mul_epu32(m1, w[2]);
            w[0] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p1, 32), w[1], k0, XOR3);
            w[2] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p0, 32), w[3], k1, XOR3);
            w[1] = p1;
            w[3] = p0;
        }
        key.k[0] += WEYL_0;
        key.k[1] += WEYL_1;
    }
    for (int j = 0; j < 4; j++)
        _mm512_storeu_si512(
            out->w[j], _mm512_mask_blend_epi32(0xaaaa, x[0][j], _mm512_slli_epi64(x[1][j], 32)));
}
#endif

/* 23 bits, so that the half is exact and the interval open at both ends. */
INLINE float to_uniform(uint32_t w)
{
    return ((float)(int32_t)(w >> 9) + 0.5f) * 0x1p-23f;
}

INLINE float as_float(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

INLINE uint32_t as_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* sqrt(-2 ln u) of u = (w>>1 + 0.5) * 2^-31. All 31 bits count: they reach
 * 6.6 standard deviations. u = m * 2^e with m in [sqrt(1/2), sqrt(2)), and
 * ln(1+f) = f + f^2 Q(f), Q a near-minimax polynomial, error 3e-8. */
INLINE float radius(uint32_t w)
{
    float u = ((float)(int32_t)(w >> 1) + 0.5f) * 0x1p-31f;
    uint32_t shifted = as_bits(u) - 0x3F3504F3u; /* sqrt(1/2) */
    float e = (float)((int32_t)shifted >> 23);
    float f = as_float((shifted & 0x007FFFFFu) + 0x3F3504F3u) - 1.0f;
    float q = 0.0878726549f;

    q = q * f - 0.141596470f;
    q = q * f + 0.148347868f;
    q = q * f - 0.165884885f;
    q = q * f + 0.199720497f;
    q = q * f - 0.250011477f;
    q = q * f + 0.333336706f;
    q = q * f - 0.499999971f;
    float ln = e * 0.693147181f + (f * f * q + f);
    float squared = -2.0f * ln;
    return sqrtf(squared > 0.0f ? squared : 0.0f);
}

/* cos and sin of a whole turn * w * 2^-32: a quadrant, and polynomials on
 * [-pi/4, pi/4], error 2e-8. */
INLINE void turn(uint32_t w, float *cosine, float *sine)
{
    uint32_t quadrant = (w + 0x20000000u) >> 30;
    float x = (float)(int32_t)(w - (quadrant << 30)) * 1.46291807927e-9f; /* 2 pi 2^-32 */
    float z = x * x;
    float s = ((-0.000195878909f * z + 0.00833274827f) * z - 0.166666647f) * z;
    float c = ((2.45479421e-5f * z - 0.00138883030f) * z + 0.0416666647f) * z - 0.5f;

    s = s * x + x;
    c = c * z + 1.0f;
    uint32_t swap = -(quadrant & 1u), bits_s = as_bits(s), bits_c = as_bits(c);
    uint32_t other = (bits_s ^ bits_c) & swap;
    *cosine = as_float((bits_c ^ other) ^ (((quadrant + 1u) & 2u) << 30));
    *sine = as_float((bits_s ^ other) ^ ((quadrant & 2u) << 30));
}

INLINE void uniform_chunk(const struct columns *in, float *out)
{
    for (int i = 0; i < CHUNK_BLOCKS; i++)
        for (int j = 0; j < 4; j++)
            out[4 * i + j] = to_uniform(in->w[j][i]);
}

INLINE void normal_columns(const struct columns *in, float n[4][CHUNK_BLOCKS])
{
    for (int j = 0; j < 4; j += 2)
        for (int i = 0; i < CHUNK_BLOCKS; i++) {
            float r = radius(in->w[j][i]), c, s;
            turn(in->w[j + 1][i], &c, &s);
            n[j][i] = r * c;
            n[j + 1][i] = r * s;
        }
}

INLINE void normal_chunk(const struct columns *in, float *out)
{
    float n[4][CHUNK_BLOCKS];

    normal_columns(in, n);
    for (int i = 0; i < CHUNK_BLOCKS; i++)
        for (int j = 0; j < 4; j++)
            out[4 * i + j] = n[j][i];
}

typedef void chunk_fn(struct rng_key key, const uint32_t counter[4], float *out);
typedef void side_fn(struct rng_key key, const uint32_t counter[4], float out[4][CHUNK_BLOCKS]);

/* The functions of an instruction set. */
#define CHUNKS(name, attribute, fill)                                                              \
    attribute static void uniform_##name(struct rng_key key, const uint32_t counter[4],            \
                                         float *out)                                               \
    {                                                                                              \
        struct columns words;                                                                      \
        fill(key, counter, 3, &words);                                                             \
        uniform_chunk(&words, out);                                                                \
    }                                                                                              \
    attribute static void normal_##name(struct rng_key key, const uint32_t counter[4], float *out) \
    {                                                                                              \
        struct columns words;                                                                      \
        fill(key, counter, 3, &words);                                                             \
        normal_chunk(&words, out);                                                                 \
    }                                                                                              \
    attribute static void side_##name(struct rng_key key, const uint32_t counter[4],               \
                                      float out[4][CHUNK_BLOCKS])                                  \
    {                                                                                              \
        struct columns words;                                                                      \
        fill(key, counter, 1, &words);                                                             \
        normal_columns(&words, out);                                                               \
    }

CHUNKS(portable, , fill_columns)
#if defined(__x86_64__)
CHUNKS(avx2, __attribute__((target("avx2"))), fill_columns)
CHUNKS(avx512, AVX512, fill_columns_avx512)
#endif

static const struct {
    const char *name;
    chunk_fn *uniform, *normal;
    side_fn *side;
} isas[RNG_ISA_COUNT] = {
    [RNG_ISA_PORTABLE] = {"portable", uniform_portable, normal_portable, side_portable},
#if defined(__x86_64__)
    [RNG_ISA_AVX2] = {"avx2", uniform_avx2, normal_avx2, side_avx2},
    [RNG_ISA_AVX512] = {"avx512", uniform_avx512, normal_avx512, side_avx512},
#endif
};

static bool isa_here(enum rng_isa isa)
{
#if defined(__x86_64__)
    if (isa == RNG_ISA_AVX2)
        return __builtin_cpu_supports("avx2");
    if (isa == RNG_ISA_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
    return isa == RNG_ISA_PORTABLE;
}

static int selected = -1; /* an rng_isa; racing first users write the same value */

enum rng_isa rng_isa_current(void)
{
    int isa = __atomic_load_n(&selected, __ATOMIC_RELAXED);

    if (isa >= 0)
        return (enum rng_isa)isa;
    isa = RNG_ISA_COUNT - 1;
    while (isa > RNG_ISA_PORTABLE && !isa_here((enum rng_isa)isa))
        isa--;
    __atomic_store_n(&selected, isa, __ATOMIC_RELAXED);
    return (enum rng_isa)isa;
}

bool rng_isa_select(enum rng_isa isa)
{
    if (!isa_here(isa))
        return false;
    __atomic_store_n(&selected, (int)isa, __ATOMIC_RELAXED);
    return true;
}

const char *rng_isa_name(enum rng_isa isa)
{
    return (unsigned)isa < RNG_ISA_COUNT && isas[isa].name != NULL ? isas[isa].name : "none";
}

static void fill(chunk_fn *chunk, struct rng_key key, uint32_t counter[4], size_t n, float *out)
{
    float rest[CHUNK];

    for (; n >= CHUNK; n -= CHUNK, out += CHUNK, counter[3] += CHUNK_BLOCKS)
        chunk(key, counter, out);
    if (n == 0)
        return;
    chunk(key, counter, rest);
    memcpy(out, rest, n * sizeof *out);
}

void rng_uniform(struct rng_key key, uint32_t a, uint32_t b, uint32_t c, size_t first, size_t n,
                 float *out)
{
    uint32_t counter[4] = {a, b, c, (uint32_t)(first / 4)};

    fill(isas[rng_isa_current()].uniform, key, counter, n, out);
}

void rng_normal(struct rng_key key, uint32_t a, uint32_t b, uint32_t c, size_t first, size_t n,
                float *out)
{
    uint32_t counter[4] = {a, b, c, (uint32_t)(first / 4)};

    fill(isas[rng_isa_current()].normal, key, counter, n, out);
}

static_assert((int)RNG_SIDE == (int)CHUNK_BLOCKS, "a side is a chunk of columns");

void rng_normal_side(struct rng_key key, uint32_t a, uint32_t b, uint32_t c, uint32_t block,
                     float out[4][RNG_SIDE])
{
    const uint32_t counter[4] = {a, b, c, block};

    isas[rng_isa_current()].side(key, counter, out);
}

void rng_block(struct rng_key key, const uint32_t counter[4], uint32_t out[4])
{
    uint32_t x[4] = {counter[0], counter[1], counter[2], counter[3]};

    philox(key, x);
    memcpy(out, x, sizeof x);
}

/* The seed keys a block whose counter is the stream's name. */
struct rng_key rng_key_make(uint64_t seed, enum rng_domain domain, uint32_t epoch)
{
    const struct rng_key seeded = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    const uint32_t counter[4] = {(uint32_t)domain, epoch, 0x65626D64u /* "ebmd" */, 0};
    uint32_t out[4];

    rng_block(seeded, counter, out);
    return (struct rng_key){{out[0], out[1]}};
}

/* Lemire 2019, "Fast random integer generation in an interval": the high
 * half of word * bound, words that would favour some values drawn again. */
uint32_t rng_below(struct rng_key key, uint32_t a, uint32_t b, uint32_t c, uint32_t bound)
{
    uint32_t reject_below = -bound % bound;

    for (uint32_t retry = 0;; retry++) {
        const uint32_t counter[4] = {a, b, c, retry};
        uint32_t word[4];
        rng_block(key, counter, word);
        for (int j = 0; j < 4; j++) {
            uint64_t product = (uint64_t)word[j] * bound;
            if ((uint32_t)product >= reject_below)
                return (uint32_t)(product >> 32);
        }
    }
}
