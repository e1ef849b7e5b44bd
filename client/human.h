/* Numbers as people read them. Each writes into a buffer of HUMAN_MAX. */
#ifndef EBM_CLIENT_HUMAN_H
#define EBM_CLIENT_HUMAN_H

#include <stdint.h>

enum { HUMAN_MAX = 40 };

const char *human_bytes(uint64_t n, char out[HUMAN_MAX]); /* "1.2 MB", powers of 1000 */
/* As human_number; from 10000 on "12.3 k", "4.56 M". */
const char *human_count(double v, char out[HUMAN_MAX]);
const char *human_duration(int64_t ms, char out[HUMAN_MAX]); /* "12 s", "5 min", "1 h 12 min" */
/* The same for a reckoned time; "" for what is no number, ">1000 d" beyond. */
const char *human_seconds(double s, char out[HUMAN_MAX]);
const char *human_ago(int64_t then_ms, int64_t now_ms, char out[HUMAN_MAX]); /* "3 min ago" */
const char *human_clock(int64_t ms, char out[HUMAN_MAX]);                    /* local "14:03:59" */
const char *human_date(int64_t ms, char out[HUMAN_MAX]); /* local "2026-01-31 14:03:59" */
const char *human_number(double v, char out[HUMAN_MAX]); /* 4 digits: "0.01234", "1.2e+06" */

#endif
