#include "digits.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEWEST = 15, MOST = 17, POWERS = 22 };

static size_t put_whole(uint64_t v, char *out)
{
    char text[DIGITS_MAX];
    size_t n = 0;

    do
        text[n++] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    for (size_t i = 0; i < n; i++)
        out[i] = text[n - 1 - i];
    out[n] = '\0';
    return n;
}

size_t digits_u64(uint64_t v, char out[DIGITS_MAX])
{
    return put_whole(v, out);
}

size_t digits_i64(int64_t v, char out[DIGITS_MAX])
{
    if (v >= 0)
        return put_whole((uint64_t)v, out);
    out[0] = '-';
    return 1 + put_whole(-(uint64_t)v, out + 1);
}

size_t digits_ms(int64_t ms, char out[DIGITS_MAX])
{
    uint64_t v = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    unsigned rest = (unsigned)(v % 1000);
    size_t n = ms < 0;

    out[0] = '-';
    n += put_whole(v / 1000, out + n);
    out[n++] = '.';
    out[n++] = (char)('0' + rest / 100);
    out[n++] = (char)('0' + rest / 10 % 10);
    out[n++] = (char)('0' + rest % 10);
    out[n] = '\0';
    return n;
}

/* ---- reals ---- */

/* Exact in a long double of 64 bits and more. */
static const long double power[POWERS] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,
                                          1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L,
                                          1e16L, 1e17L, 1e18L, 1e19L, 1e20L, 1e21L};

/* Of what is from 1e-4 to below 1e15, where %g has no exponent. */
static int exponent_of(double v)
{
    int e = 0;

    if (v >= 1)
        while (v >= power[e + 1])
            e++;
    else
        for (e = -1; v * power[-e] < 1; e--)
            ;
    return e;
}

/* How far digits / 10^places is from v, in steps from one double to the next:
 * below a half it reads back to v. Our own rounding is less than 1/1000. */
static double distance(uint64_t digits, int places, double v)
{
    long double step = (long double)v - nextafter(v, 0);

    return (double)(fabsl((long double)digits / power[places] - v) / step);
}

/* Here the steps below and above are not the same. */
static bool is_power_of_two(double v)
{
    int e;

    return frexp(v, &e) == 0.5;
}

/* Digits with a point so many places from the end, without zeros behind it. */
static size_t put_fixed(uint64_t digits, int places, char *out)
{
    char text[DIGITS_MAX];

    for (; places > 0 && digits % 10 == 0; places--)
        digits /= 10;
    size_t n = put_whole(digits, text), whole = n > (size_t)places ? n - (size_t)places : 0;
    size_t at = 0;
    memcpy(out, text, whole);
    at = whole;
    if (whole == 0)
        out[at++] = '0';
    if (places > 0) {
        out[at++] = '.';
        for (size_t zeros = (size_t)places; zeros > n; zeros--)
            out[at++] = '0';
        memcpy(out + at, text + whole, n - whole);
        at += n - whole;
    }
    out[at] = '\0';
    return at;
}

/* 0: not sure; the slow way is. */
static size_t put_quickly(double v, char *out)
{
    if (!(v >= 1e-4 && v < 1e15))
        return 0;
    int e = exponent_of(v);
    for (int n = FEWEST; n <= MOST; n++) {
        int places = n - 1 - e;
        uint64_t digits = (uint64_t)(v * power[places] + 0.5L);
        double far = distance(digits, places, v);
        if (far < 0.499)
            return put_fixed(digits, places, out);
        if (far < 0.501 || is_power_of_two(v))
            return 0;
    }
    return 0;
}

static size_t put_surely(double v, char *out)
{
    int n = 0;

    for (int digits = FEWEST; digits <= MOST; digits++) {
        n = snprintf(out, DIGITS_MAX, "%.*g", digits, v);
        if (strtod(out, NULL) == v)
            break;
    }
    return (size_t)n;
}

size_t digits_real(double v, char out[DIGITS_MAX])
{
    size_t sign = v < 0;
    size_t n = put_quickly(fabs(v), out + sign);

    if (n == 0)
        return put_surely(v, out);
    if (sign > 0)
        out[0] = '-';
    return n + sign;
}
