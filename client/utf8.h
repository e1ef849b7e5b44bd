/* Text as columns of a terminal. Bytes that are no UTF-8, and control
 * characters, count and show as one '?': nothing that a daemon or a file says
 * reaches the terminal as an escape sequence. */
#ifndef EBM_CLIENT_UTF8_H
#define EBM_CLIENT_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The character at *p, which is moved behind it; 0 at the end, UINT32_MAX for
 * one byte that is not UTF-8. */
uint32_t utf8_next(const char **p);

/* Columns of a character: 0 combining, 2 wide, otherwise 1. */
int utf8_columns(uint32_t character);

size_t utf8_width(const char *text);

/* Appends the text, cleaned, cut to `width` columns; where something was cut
 * it ends in `ellipsis` ("…" or "~"). Returns the columns used. */
size_t utf8_put(struct buf *out, const char *text, size_t width, const char *ellipsis);

#endif
