/* One list of columns for a kind of row, and table, JSON and CSV from it. */
#ifndef EBM_CLIENT_RECORD_H
#define EBM_CLIENT_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "human.h"
#include "json.h"
#include "table.h"
#include "term.h"

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

/* False when the word is none of table, json, csv. */
bool format_from_name(const char *name, enum format *out);

enum value_kind {
    VALUE_NULL,
    VALUE_TEXT,
    VALUE_U64,
    VALUE_I64,
    VALUE_REAL,
    VALUE_TIME,
    VALUE_BOOL
};

struct value {
    enum value_kind kind;
    union {
        const char *text;
        uint64_t u64;
        int64_t i64; /* VALUE_TIME: wall clock in ms, 0 = never */
        double real;
        bool truth;
    };
};

/* What stands at an offset in the row; MEMBER_NONE: `get` makes the value. */
enum member {
    MEMBER_NONE,
    MEMBER_TEXT,
    MEMBER_U64,
    MEMBER_U32,
    MEMBER_I32,
    MEMBER_REAL,
    MEMBER_TIME,
    MEMBER_BOOL
};

struct column {
    const char *key;   /* in JSON and CSV; NULL: not there */
    const char *title; /* in a table; NULL: not there */
    bool right;        /* aligned to the right in a table */
    bool whole;        /* on a narrow terminal: see table_narrow */
    unsigned spare;
    enum member member;
    size_t offset;
    struct value (*get)(const void *row, const struct column *c);
    /* The text in a table, where it is not the plain value; may use scratch. */
    const char *(*show)(const void *row, const struct column *c, char scratch[HUMAN_MAX]);
    enum style (*style)(const void *row);
    size_t index; /* for `get` */
};

struct value value_text(const char *text);
struct value value_u64(uint64_t v);
struct value value_i64(int64_t v);
struct value value_real(double v);
struct value value_time(int64_t ms); /* Unix seconds, three decimals; null when 0 */
struct value value_null(void);

struct value column_value(const struct column *c, const void *row);

/* Rows one by one: JSON and CSV leave at once, a table in long stretches. */
struct record_writer {
    const struct column *columns; /* borrowed, with term and out */
    size_t count;
    enum format format;
    const struct term *term;
    FILE *out;
    struct buf text;
    struct json json;
    struct table *table;
    bool failed;
};

void record_begin(struct record_writer *w, const struct column *columns, size_t count,
                  enum format format, const struct term *term, FILE *out);
void record_row(struct record_writer *w, const void *row);
/* False when memory ran out. */
bool record_end(struct record_writer *w);
/* Instead of record_end, when there will be no more rows than these: what
 * left already is cut off, so that nobody takes it for the whole. */
void record_abandon(struct record_writer *w);

/* All of them. rows: pointers to the rows. */
bool record_list(const struct column *columns, size_t count, const void *const *rows, size_t n,
                 enum format format, const struct term *term, FILE *out);
/* A single one: an object, a header and a line, or "title  value" lines of
 * the columns that have a title and a value. */
bool record_one(const struct column *columns, size_t count, const void *row, enum format format,
                const struct term *term, FILE *out);

#endif
