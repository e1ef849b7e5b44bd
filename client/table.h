/* Columns that align: cells are collected, then printed. A long table may be
 * printed in stretches: a column may be wider in a later one. */
#ifndef EBM_CLIENT_TABLE_H
#define EBM_CLIENT_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "term.h"

enum { TABLE_COLUMNS_MAX = 24 };

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct table;

/* columns <= TABLE_COLUMNS_MAX; NULL when memory is out. */
struct table *table_create(size_t columns);
void table_destroy(struct table *t); /* takes NULL */

void table_column(struct table *t, size_t column, const char *title, enum table_align align);
/* Where the terminal is too narrow: whole, it is never cut; spare > 0, it is
 * left out, those with the greatest number first, rather than that others
 * are cut to less than they need to be read. */
void table_narrow(struct table *t, size_t column, bool whole, unsigned spare);
/* The next cell, row by row; copies the text. */
void table_cell(struct table *t, const char *text, enum style style);

size_t table_rows(const struct table *t); /* that were not printed yet */

/* Prints the titles, the first time, and the rows that were not printed yet.
 * Two blanks between columns, none at the end of a line. Where the terminal
 * is too narrow, spare columns are left out and the widest left-aligned ones
 * cut. A table without rows prints its titles only. False when memory ran out. */
bool table_print(struct table *t, const struct term *term, struct buf *out);

#endif
