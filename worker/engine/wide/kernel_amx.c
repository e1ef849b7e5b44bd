/* Sums of pairs by tiles (AMX): a tile of weights, sixteen outputs by sixteen
 * pairs, times a tile of the source, sixteen pairs by sixteen samples, which
 * is how source pairs lie in memory anyway. Two tiles of either make four
 * products out of four loads. */
#include <immintrin.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/wide/kernel.h"
#include "engine/wide/kernel_amx.h"

enum {
    TILE_BYTES = 64, /* of a row */
    TILES = 8,
    LINE = 64,                           /* bytes, of a cache */
    TILE_NUMBERS = WIDE_TILE * WIDE_TILE /* of 32 bits */
};

#define AMX __attribute__((target("amx-tile,amx-bf16")))

/* Which tile register holds what; sums by position and half. Macros, as the
 * compiler pastes their names into instructions. */
#define SUM_00   0
#define SUM_10   1
#define SUM_01   2
#define SUM_11   3
#define WEIGHT_0 4
#define WEIGHT_1 5
#define SOURCE_0 6
#define SOURCE_1 7

static bool has_tiles(void)
{
    uint32_t a, b, c, d;

    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    return (d >> 22 & 1) != 0 && (d >> 24 & 1) != 0; /* amx-bf16, amx-tile */
}

bool wide_amx_here(void)
{
    enum { REQUEST = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM of asm/prctl.h */

    return has_tiles() && syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

/* As the processor reads it. */
struct tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

AMX void wide_amx_ready(bool ready)
{
    static const struct tile_config config = {
        .palette = 1,
        .row_bytes = {TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES, TILE_BYTES,
                      TILE_BYTES, TILE_BYTES},
        .rows = {WIDE_TILE, WIDE_TILE, WIDE_TILE, WIDE_TILE, WIDE_TILE, WIDE_TILE, WIDE_TILE,
                 WIDE_TILE},
    };

    if (ready)
        _tile_loadconfig(&config);
    else
        _tile_release();
}

/* One or two positions by sixteen or thirty-two outputs. */
struct corner {
    const uint32_t *source[2];
    float *sum[2];
    const char *ahead;
};

/* A sum's tile begins with its bias; NULL: 0. */
#define BEGIN(tile, bias)                                                                          \
    do {                                                                                           \
        if ((bias) != NULL)                                                                        \
            _tile_loadd(tile, bias, TILE_BYTES);                                                   \
        else                                                                                       \
            _tile_zero(tile);                                                                      \
    } while (0)

/* A sum's tile to memory, n of its rows. */
#define PUT(tile, to, n)                                                                           \
    do {                                                                                           \
        if ((n) == WIDE_TILE) {                                                                    \
            _tile_stored(tile, to, TILE_BYTES);                                                    \
        } else {                                                                                   \
            float whole[TILE_NUMBERS] __attribute__((aligned(TILE_BYTES)));                        \
            _tile_stored(tile, whole, TILE_BYTES);                                                 \
            memcpy(to, whole, (n)*WIDE * sizeof(float));                                           \
        }                                                                                          \
    } while (0)

/* Source pairs of a chunk, put together where they do not lie so. */
static inline __attribute__((always_inline)) const uint32_t *
source_of(const struct wide_tiles *j, const uint32_t *base, size_t k, uint32_t *room)
{
    size_t first = k * WIDE_TILE;

    if (j->row == NULL)
        return base + (size_t)j->chunk[k].source * WIDE;
    room += (k & 1) * TILE_NUMBERS;
    for (size_t r = 0; r < WIDE_TILE; r++) {
        __m512i pair = _mm512_setzero_si512();
        if (first + r < j->rows)
            pair = _mm512_load_si512(base + (size_t)j->row[first + r] * WIDE);
        _mm512_store_si512(room + r * WIDE, pair);
    }
    return room;
}

AMX static inline __attribute__((always_inline)) void
run_corner(const struct wide_tiles *j, struct corner *c, const float *bias, const int positions,
           const int halves)
{
    uint32_t room[2][2 * TILE_NUMBERS] __attribute__((aligned(TILE_BYTES)));
    /* Rows of the last half that are put. */
    size_t upper = j->loose ? WIDE_TILE : j->outputs - (size_t)(halves - 1) * WIDE_TILE;
    const float *upper_bias = bias != NULL ? bias + TILE_NUMBERS : NULL;

    BEGIN(SUM_00, bias);
    if (positions > 1)
        BEGIN(SUM_10, bias);
    if (halves > 1)
        BEGIN(SUM_01, upper_bias);
    if (positions > 1 && halves > 1)
        BEGIN(SUM_11, upper_bias);
    for (size_t k = 0; k < j->chunks; k++) {
        const uint32_t *weight =
            j->weight + (size_t)j->chunk[k].tile * (size_t)halves * TILE_NUMBERS;
        for (size_t i = 0; i < j->ahead_lines; i++, c->ahead += LINE)
            _mm_prefetch(c->ahead, _MM_HINT_T1);
        /* All loads, then all products: where another guest works on the same
         * core, each turn from one to the other costs more than a product. */
        _tile_loadd(WEIGHT_0, weight, TILE_BYTES);
        if (halves > 1)
            _tile_loadd(WEIGHT_1, weight + TILE_NUMBERS, TILE_BYTES);
        _tile_loadd(SOURCE_0, source_of(j, c->source[0], k, room[0]), TILE_BYTES);
        if (positions > 1)
            _tile_loadd(SOURCE_1, source_of(j, c->source[1], k, room[1]), TILE_BYTES);
        _tile_dpbf16ps(SUM_00, WEIGHT_0, SOURCE_0);
        if (halves > 1)
            _tile_dpbf16ps(SUM_01, WEIGHT_1, SOURCE_0);
        if (positions > 1)
            _tile_dpbf16ps(SUM_10, WEIGHT_0, SOURCE_1);
        if (positions > 1 && halves > 1)
            _tile_dpbf16ps(SUM_11, WEIGHT_1, SOURCE_1);
    }
    if (halves > 1) {
        _tile_stored(SUM_00, c->sum[0], TILE_BYTES);
        PUT(SUM_01, c->sum[0] + TILE_NUMBERS, upper);
    } else {
        PUT(SUM_00, c->sum[0], upper);
    }
    if (positions > 1 && halves > 1) {
        _tile_stored(SUM_10, c->sum[1], TILE_BYTES);
        PUT(SUM_11, c->sum[1] + TILE_NUMBERS, upper);
    } else if (positions > 1) {
        PUT(SUM_10, c->sum[1], upper);
    }
}

/* Sixteen samples of each output's bias. */
static void spread_bias(const struct wide_tiles *j, float *out)
{
    for (size_t o = 0; o < WIDE_TILE_OUTPUTS; o++) {
        float b = o < j->outputs ? j->bias[o] : 0.0f;
        _mm512_store_ps(out + o * WIDE, _mm512_set1_ps(b));
    }
}

AMX static inline __attribute__((always_inline)) void run_places(const struct wide_tiles *j,
                                                                 const int halves)
{
    float room[WIDE_TILE_OUTPUTS * WIDE] __attribute__((aligned(TILE_BYTES)));
    const float *bias = j->bias != NULL ? room : NULL;
    struct corner c = {.ahead = j->ahead};

    if (bias != NULL)
        spread_bias(j, room);
    for (size_t at = 0; at < j->count; at += 2) {
        size_t n = j->count - at > 1 ? 2 : 1;
        for (size_t p = 0; p < n; p++) {
            c.source[p] = j->source + (size_t)j->place[at + p].source * WIDE;
            c.sum[p] = j->sum + (at + p) * j->sum_stride;
        }
        if (n > 1)
            run_corner(j, &c, bias, 2, halves);
        else
            run_corner(j, &c, bias, 1, halves);
    }
}

AMX void wide_amx_tiles(const struct wide_tiles *j)
{
    if (j->outputs > WIDE_TILE)
        run_places(j, 2);
    else
        run_places(j, 1);
}

/* The nearest bf16, in the upper half. */
static inline __m512i round_up(__m512i bits)
{
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    __mmask16 nan = _mm512_cmp_epu32_mask(_mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff)),
                                          _mm512_set1_epi32(0x7f800000), _MM_CMPINT_NLE);

    return _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
}

static inline __m512i pick(const uint32_t *params, __m512i at, __mmask16 there)
{
    return round_up(_mm512_mask_i32gather_epi32(_mm512_setzero_si512(), there, at, params, 4));
}

void wide_amx_pack(const uint32_t *params, const struct wide_tile_rows *rows,
                   const uint32_t *output_at, size_t outputs, uint32_t *out)
{
    const __m512i none = _mm512_set1_epi32(-1);
    __m512i low = _mm512_loadu_si512(rows->low), high = _mm512_loadu_si512(rows->high);
    __mmask16 has_low = _mm512_cmpneq_epi32_mask(low, none);
    __mmask16 has_high = _mm512_cmpneq_epi32_mask(high, none);

    for (size_t o = 0; o < outputs; o++) {
        const uint32_t *from = params + output_at[o];
        __m512i l = pick(from, low, has_low), h = pick(from, high, has_high);
        __m512i pair = _mm512_or_si512(_mm512_srli_epi32(l, 16),
                                       _mm512_and_si512(h, _mm512_set1_epi32(-65536)));
        _mm512_store_si512(out + o * WIDE_TILE, pair);
    }
}
