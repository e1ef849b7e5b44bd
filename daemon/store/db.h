/* The door to SQLite, private to this folder: connections, named queries,
 * migrations, and SQLite's codes as statuses.
 *
 * A query is opened, bound value by value, stepped, read column by column and
 * ended. It carries its first failure along: nothing between db_query and
 * db_end needs a check.
 *
 *     struct db_query q = db_query(db, SQL_JOB_GET);
 *     db_put_int(&q, id);
 *     if (db_step(&q)) ... db_get_int(&q) ...
 *     return db_end(&q, err); */
#ifndef EBM_DAEMON_STORE_DB_H
#define EBM_DAEMON_STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "sql/sql.h"

struct db;
struct sqlite3_stmt;

struct db_options {
    const struct sql_set *sql;
    bool has_form;
    int form;                /* query of the set: run before that while the file is empty */
    int pragmas;             /* query of the set: run first at each open */
    uint32_t application_id; /* as the first migration sets it */
    bool check;              /* quick_check before anything else */
};

/* Creates the file (mode 0600) when it is missing, and migrates it forward,
 * one transaction a step. A newer schema is EBM_ESTALE with both versions; a
 * damaged or foreign file is EBM_ECORRUPT. On a full disk the ballast beside
 * it goes, and where that is not enough the index of the log is kept in
 * memory, which takes no room and shuts other programs out: what is there can
 * be read, and writing is EBM_ENOSPC. */
enum ebm_status db_open(const char *path, const struct db_options *options, struct db **out,
                        struct ebm_error *err);
void db_close(struct db *db); /* takes NULL; an open transaction is rolled back */
/* Size of the file and its log. */
uint64_t db_bytes(const char *path);

/* All statements of a named text or a text; rows are ignored. The text form
 * is for migrations and tests. */
enum ebm_status db_exec(struct db *db, int id, struct ebm_error *err);
enum ebm_status db_exec_text(struct db *db, const char *text, struct ebm_error *err);

/* Transactions. When SQLite gives one up by itself (a full disk can do that),
 * every query fails with that reason until db_commit or db_rollback, so that
 * half of a transaction is never written. */
enum ebm_status db_begin(struct db *db, struct ebm_error *err);
enum ebm_status db_commit(struct db *db, struct ebm_error *err); /* rolled back on failure */
void db_rollback(struct db *db);                                 /* no-op outside one */
bool db_in_transaction(const struct db *db);                     /* between begin and end */

/* Several changes of one function as one, in a transaction or outside. Ends
 * with db_op_end, which takes them back unless status is EBM_OK. */
enum ebm_status db_op_begin(struct db *db, struct ebm_error *err);
enum ebm_status db_op_end(struct db *db, enum ebm_status status, struct ebm_error *err);

struct db_query {
    struct db *db;
    struct sqlite3_stmt *stmt;
    int id;   /* of the prepared statement in use, -1: one-off */
    int rc;   /* first failure */
    int put;  /* parameters bound so far */
    int next; /* column read next */
};

struct db_query db_query(struct db *db, int id);
struct db_query db_query_text(struct db *db, const char *text); /* tests */
void db_put_int(struct db_query *q, int64_t v);
void db_put_real(struct db_query *q, double v);                /* NaN becomes NULL */
void db_put_text(struct db_query *q, const char *v);           /* borrows until db_end */
void db_put_blob(struct db_query *q, const void *v, size_t n); /* borrows until db_end */
bool db_step(struct db_query *q);                              /* true: a row is there */
int64_t db_get_int(struct db_query *q);
double db_get_real(struct db_query *q); /* NULL is NaN */
/* Copies, cut at size. */
void db_get_text(struct db_query *q, char *out, size_t size);
const char *db_get_word(struct db_query *q);            /* borrowed until the next step */
const void *db_get_blob(struct db_query *q, size_t *n); /* borrowed until the next step */
void db_get_buf(struct db_query *q, struct buf *out);   /* appends; out NULL: skips */
enum ebm_status db_end(struct db_query *q, struct ebm_error *err);

/* Steps to the end and ends. */
enum ebm_status db_run(struct db_query *q, struct ebm_error *err);
/* The same, with the first column of the first row; EBM_ENOTFOUND (without a
 * text) when there is none. */
enum ebm_status db_run_int(struct db_query *q, int64_t *out, struct ebm_error *err);
/* Rows changed by the last query. */
int64_t db_changes(const struct db *db);
/* Steps of SQLite's machine in all named queries so far: what tests count
 * instead of time. */
uint64_t db_work(const struct db *db);

#endif
