/* Small text work for the spec: characters, numbers, likeness of words.
 * Private to spec/. Numbers are read and written in the C locale, whatever
 * the program's locale is. */
#ifndef EBM_SPEC_TEXT_H
#define EBM_SPEC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the UTF-8 character at p (1 to 4), or 0 where there is none or
 * it is one that YAML does not allow. left >= 1. */
size_t text_utf8_length(const unsigned char *p, size_t left);

/* Decimal digits with an optional sign, nothing else, no leading zeros. */
bool text_to_i64(const char *text, int64_t *out);
bool text_to_u64(const char *text, uint64_t *out);
/* Decimal, with a point or an exponent if need be; finite. No hex, no names. */
bool text_to_real(const char *text, double *out);

enum { TEXT_REAL_MAX = 40 };
/* The shortest text that reads back to the same number, always with a point:
 * "20.0", "1.0e-4". `single`: the same float is enough. */
void text_from_real(double v, bool single, char out[TEXT_REAL_MAX]);
/* The same for a sentence: "20", "1e6". */
void text_from_limit(double v, char out[TEXT_REAL_MAX]);

/* Edits (insert, delete, replace, swap) that lead from a to b, without regard
 * to case and with '-' as '_'; more than `most` is most + 1. */
size_t text_distance(const char *a, const char *b, size_t most);
/* How far a word may be from what was meant, to be suggested. */
size_t text_distance_allowed(const char *word);

/* A list as "a|b|c": its i-th word and whether there is one. */
bool text_word(const char *list, size_t i, char *out, size_t size);
/* Index of `word` in the list, or -1. */
int text_word_index(const char *list, const char *word);
/* The word of the list that `word` seems to mean; false when none is near. */
bool text_nearest(const char *list, const char *word, char *out, size_t size, size_t *distance);

#endif
