/* Numbers as decimal digits, without the cost of printf: lists have millions
 * of them. */
#ifndef EBM_CLIENT_DIGITS_H
#define EBM_CLIENT_DIGITS_H

#include <stddef.h>
#include <stdint.h>

enum { DIGITS_MAX = 32 };

/* Each ends its text and returns the length. */
size_t digits_u64(uint64_t v, char out[DIGITS_MAX]);
size_t digits_i64(int64_t v, char out[DIGITS_MAX]);
/* Milliseconds as seconds with three decimals. */
size_t digits_ms(int64_t ms, char out[DIGITS_MAX]);
/* The shortest of 15, 16 and 17 digits that reads back to v (finite), in the
 * form of printf's %g. */
size_t digits_real(double v, char out[DIGITS_MAX]);

#endif
