# Turns the SQL texts of this folder into sql.h and sql.c.
#
#   cmake -DSQL_DIR=... -DOUT=... -P embed.cmake
#
# queries.sql holds blocks "-- name: job_get" followed by the text; block
# job_get becomes SQL_JOB_GET, an index into the set of its database. Those of
# common.sql come first in every set, so that they have one number. The files
# 0001-*.sql, 0002-*.sql ... are the migrations, in that order.
# SQL here has no square brackets: they would confuse CMake's lists.
cmake_policy(VERSION 3.20)

function(to_c_string text out)
  string(REGEX REPLACE "(^|\n)--[^\n]*" "" text "${text}")
  string(STRIP "${text}" text)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n        \"" text "${text}")
  set(${out} "\"${text}\"" PARENT_SCOPE)
endfunction()

# Sets OUT_IDS and OUT_ROWS for the named blocks of a file.
function(read_queries file)
  file(READ ${file} text)
  string(REPLACE ";" "<semicolon>" text "${text}")
  string(REGEX REPLACE "(^|\n)-- name: " ";" blocks "\n${text}")
  list(POP_FRONT blocks)
  set(ids "")
  set(rows "")
  foreach(block IN LISTS blocks)
    string(REGEX MATCH "^[a-z_0-9]+" name "${block}")
    string(REGEX REPLACE "^[a-z_0-9]+" "" body "${block}")
    to_c_string("${body}" body)
    string(TOUPPER "${name}" upper)
    string(APPEND ids "    SQL_${upper},\n")
    string(APPEND rows "    {\"${name}\",\n        ${body}},\n")
  endforeach()
  string(REPLACE "<semicolon>" ";" rows "${rows}")
  set(OUT_IDS "${ids}" PARENT_SCOPE)
  set(OUT_ROWS "${rows}" PARENT_SCOPE)
endfunction()

function(read_migrations dir)
  file(GLOB files ${dir}/[0-9][0-9][0-9][0-9]-*.sql)
  list(SORT files)
  set(rows "")
  foreach(file IN LISTS files)
    file(READ ${file} text)
    to_c_string("${text}" text)
    string(APPEND rows "    ${text},\n")
  endforeach()
  set(OUT_MIGRATIONS "${rows}" PARENT_SCOPE)
endfunction()

read_queries(${SQL_DIR}/common.sql)
set(COMMON_ROWS "${OUT_ROWS}")
set(HEADER "/* Written by sql/embed.cmake from the texts in sql/: do not edit. */
#ifndef EBM_SQL_SQL_H
#define EBM_SQL_SQL_H

#include <stddef.h>

struct sql_query {
    const char *name;
    const char *text;
};

/* The queries and migrations of one database. Migration i takes the schema
 * from version i to i + 1. */
struct sql_set {
    const char *name;
    const struct sql_query *queries;
    size_t query_count;
    const char *const *migrations;
    size_t migration_count;
};

/* In every set, at these places. */
enum sql_common {
${OUT_IDS}    SQL_COMMON_COUNT
};
")
set(SOURCE "/* Written by sql/embed.cmake from the texts in sql/: do not edit. */
#include \"sql/sql.h\"
")
foreach(set IN ITEMS store metrics vault)
  read_queries(${SQL_DIR}/${set}/queries.sql)
  read_migrations(${SQL_DIR}/${set})
  string(TOUPPER ${set} upper)
  string(APPEND HEADER "
enum sql_${set} {
    SQL_${upper}_BEFORE = SQL_COMMON_COUNT - 1,
${OUT_IDS}    SQL_${upper}_COUNT
};
extern const struct sql_set sql_${set};
")
  string(APPEND SOURCE "
static const struct sql_query ${set}_queries[] = {
${COMMON_ROWS}${OUT_ROWS}};
static const char *const ${set}_migrations[] = {
${OUT_MIGRATIONS}};
const struct sql_set sql_${set} = {
    \"${set}\",
    ${set}_queries, sizeof ${set}_queries / sizeof ${set}_queries[0],
    ${set}_migrations, sizeof ${set}_migrations / sizeof ${set}_migrations[0],
};
")
endforeach()
string(APPEND HEADER "\n#endif\n")
file(WRITE ${OUT}/sql/sql.h "${HEADER}")
file(WRITE ${OUT}/sql/sql.c "${SOURCE}")
