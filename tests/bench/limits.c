#include "limits.h"

#include <immintrin.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LIMIT_ACCUMULATORS = 16 };

#define FMA_LOOP(name, attribute, type, bytes)                                                     \
    attribute static void name(void)                                                               \
    {                                                                                              \
        typedef float type __attribute__((vector_size(bytes)));                                    \
        type acc[LIMIT_ACCUMULATORS], b = (type){0} + 1.0001f, c = (type){0} + 0.5f;               \
        for (int i = 0; i < LIMIT_ACCUMULATORS; i++)                                               \
            acc[i] = (type){0} + (float)i;                                                         \
        long rounds = limits_operations / (LIMIT_ACCUMULATORS * (bytes / 4) * 2);                  \
        for (long r = 0; r < rounds; r++) {                                                        \
            for (int i = 0; i < LIMIT_ACCUMULATORS; i++)                                           \
                acc[i] = acc[i] * b + c;                                                           \
        }                                                                                          \
        volatile float sink = 0;                                                                   \
        for (int i = 0; i < LIMIT_ACCUMULATORS; i++)                                               \
            sink += acc[i][0];                                                                     \
    }
FMA_LOOP(fma_512, __attribute__((target("avx512f"), optimize("O3"))), v512, 64)
FMA_LOOP(fma_256, __attribute__((target("avx2,fma"), optimize("O3"))), v256, 32)

__attribute__((target("avx512f,avx512bf16"))) static void dot_512(void)
{
    __m512 acc[LIMIT_ACCUMULATORS];
    __m512bh b = (__m512bh)_mm512_set1_epi32(0x3f803f80), c = b;

    for (int i = 0; i < LIMIT_ACCUMULATORS; i++)
        acc[i] = _mm512_set1_ps((float)i);
    for (long r = 0; r < limits_operations / (LIMIT_ACCUMULATORS * 16 * 4); r++) {
#pragma GCC unroll 16
        for (int i = 0; i < LIMIT_ACCUMULATORS; i++)
            acc[i] = _mm512_dpbf16_ps(acc[i], b, c);
    }
    volatile float sink = 0;
    for (int i = 0; i < LIMIT_ACCUMULATORS; i++)
        sink += _mm512_reduce_add_ps(acc[i]);
}

void limits_fma(void)
{
    if (__builtin_cpu_supports("avx512f"))
        fma_512();
    else
        fma_256();
}

bool limits_has_dot(void)
{
    return __builtin_cpu_supports("avx512bf16");
}

void limits_dot(void)
{
    if (limits_has_dot())
        dot_512();
}

/* ---- tiles ---- */

enum {
    XCOMP_REQUEST = 0x1023, /* ARCH_REQ_XCOMP_PERM of linux/arch_prctl.h */
    XCOMP_TILES = 18,
    TILES = 8,
    TILE_ROWS = 16,
    TILE_BYTES = 64, /* of a row */
    TILE_OPERATIONS = 2 * TILE_ROWS * TILE_ROWS * TILE_BYTES / 2
};

/* As the processor reads it. */
struct tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

bool limits_has_amx(void)
{
    uint32_t a, b, c, d;

    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    bool there = (d >> 22 & 1) != 0 && (d >> 24 & 1) != 0; /* amx-bf16, amx-tile */
    return there && syscall(SYS_arch_prctl, XCOMP_REQUEST, XCOMP_TILES) == 0;
}

__attribute__((target("amx-tile,amx-bf16"))) static void amx_tiles(void)
{
    static volatile struct tile_config config = {.palette = 1};

    for (int i = 0; i < TILES; i++) {
        config.row_bytes[i] = TILE_BYTES;
        config.rows[i] = TILE_ROWS;
    }
    _tile_loadconfig((const void *)&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (long i = 0; i < limits_operations / (4 * TILE_OPERATIONS); i++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
}

void limits_amx(void)
{
    if (limits_has_amx())
        amx_tiles();
}
