#include "store/db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/ballast.h"
#include "store/migrate.h"

enum { BUSY_MS = 5000 };

struct db {
    sqlite3 *handle;
    const struct sql_set *sql;
    sqlite3_stmt **prepared; /* by query id; NULL until first used */
    bool *in_use;
    bool begun;
    struct ebm_error lost; /* code != EBM_OK: SQLite gave the transaction up */
    char path[PATH_MAX];
};

/* ---- SQLite's codes as ours ---- */

/* SQLite says SQLITE_FULL when a write finds no room, but has only general
 * codes when that comes out later, at a sync or in the index of the log. */
static bool is_disk_full(const struct db *db, int rc)
{
    struct statvfs fs;
    int primary = rc & 0xff;
    if (primary == SQLITE_FULL)
        return true;
    if (primary != SQLITE_IOERR && primary != SQLITE_CANTOPEN)
        return false;
    int os = sqlite3_system_errno(db->handle);
    if (os == ENOSPC || os == EDQUOT)
        return true;
    return statvfs(db->path, &fs) == 0 && fs.f_bavail == 0;
}

static enum ebm_status fail_constraint(const struct db *db, int rc, struct ebm_error *err)
{
    static const struct {
        int rc;
        enum ebm_status status;
    } table[] = {
        {SQLITE_CONSTRAINT_UNIQUE, EBM_EEXIST},        {SQLITE_CONSTRAINT_PRIMARYKEY, EBM_EEXIST},
        {SQLITE_CONSTRAINT_ROWID, EBM_EEXIST},         {SQLITE_CONSTRAINT_TRIGGER, EBM_ESTATE},
        {SQLITE_CONSTRAINT_FOREIGNKEY, EBM_ENOTFOUND},
    };
    enum ebm_status status = EBM_EINVAL;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].rc == rc)
            status = table[i].status;
    return ebm_fail(err, status, "%s", sqlite3_errmsg(db->handle));
}

static enum ebm_status fail_code(const struct db *db, int rc, struct ebm_error *err)
{
    const char *why = sqlite3_errmsg(db->handle);

    if (is_disk_full(db, rc))
        return ebm_fail(err, EBM_ENOSPC, "%s: no space left (%s)", db->path, why);
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        return fail_constraint(db, rc, err);
    case SQLITE_NOMEM:
        return ebm_fail(err, EBM_ENOMEM, "%s: out of memory", db->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ebm_fail(err, EBM_ECORRUPT,
                        "%s: the database is damaged (%s); stop ebmd, keep the file, and put a "
                        "copy back or salvage it with: sqlite3 FILE .recover",
                        db->path, why);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return ebm_fail(err, EBM_EIO,
                        "%s: cannot be written (%s); give this user write access to the file and "
                        "its folder, or choose another EBM_HOME",
                        db->path, why);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ebm_fail(err, EBM_ESTATE, "%s: another program holds it locked; end that program",
                        db->path);
    case SQLITE_IOERR:
        if (sqlite3_system_errno(db->handle) == 0)
            return ebm_fail(err, EBM_EIO, "%s: %s", db->path, why);
        return ebm_fail(err, EBM_EIO, "%s: %s: %s", db->path, why,
                        strerror(sqlite3_system_errno(db->handle)));
    default:
        return ebm_fail(err, EBM_EINTERNAL, "%s: %s", db->path, why);
    }
}

/* As fail_code, and notices when the failure took the transaction with it. */
static enum ebm_status fail(struct db *db, int rc, struct ebm_error *err)
{
    struct ebm_error here;

    if (db->begun && db->lost.code != EBM_OK)
        here = db->lost;
    else
        fail_code(db, rc, &here);
    if (db->begun && db->lost.code == EBM_OK && sqlite3_get_autocommit(db->handle))
        db->lost = here;
    if (err != NULL)
        *err = here;
    return here.code;
}

/* ---- queries ---- */

static sqlite3_stmt *prepare(struct db *db, const char *text, unsigned flags, int *rc)
{
    sqlite3_stmt *stmt = NULL;
    *rc = sqlite3_prepare_v3(db->handle, text, -1, flags, &stmt, NULL);
    return stmt;
}

static bool is_lost(struct db *db)
{
    if (!db->begun || !sqlite3_get_autocommit(db->handle))
        return false;
    if (db->lost.code == EBM_OK)
        ebm_fail(&db->lost, EBM_EIO, "%s: the transaction was given up", db->path);
    return true;
}

struct db_query db_query_text(struct db *db, const char *text)
{
    struct db_query q = {.db = db, .id = -1};

    if (is_lost(db))
        q.rc = SQLITE_ABORT;
    else
        q.stmt = prepare(db, text, 0, &q.rc);
    return q;
}

struct db_query db_query(struct db *db, int id)
{
    assert(id >= 0 && (size_t)id < db->sql->query_count);
    /* A visitor may run the query that it is called from. */
    if (db->in_use[id])
        return db_query_text(db, db->sql->queries[id].text);
    struct db_query q = {.db = db, .id = id};
    if (is_lost(db)) {
        q.rc = SQLITE_ABORT;
        return q;
    }
    if (db->prepared[id] == NULL)
        db->prepared[id] = prepare(db, db->sql->queries[id].text, SQLITE_PREPARE_PERSISTENT, &q.rc);
    q.stmt = db->prepared[id];
    db->in_use[id] = q.stmt != NULL;
    return q;
}

static bool ready(const struct db_query *q)
{
    return q->rc == SQLITE_OK && q->stmt != NULL;
}

static void keep(struct db_query *q, int rc)
{
    if (q->rc == SQLITE_OK)
        q->rc = rc;
}

void db_put_int(struct db_query *q, int64_t v)
{
    if (ready(q))
        keep(q, sqlite3_bind_int64(q->stmt, ++q->put, v));
}

void db_put_real(struct db_query *q, double v)
{
    if (ready(q))
        keep(q, sqlite3_bind_double(q->stmt, ++q->put, v));
}

void db_put_text(struct db_query *q, const char *v)
{
    if (ready(q))
        keep(q, sqlite3_bind_text(q->stmt, ++q->put, v, -1, SQLITE_STATIC));
}

void db_put_blob(struct db_query *q, const void *v, size_t n)
{
    /* SQLite takes a null pointer for NULL, not for no bytes. */
    if (ready(q))
        keep(q, sqlite3_bind_blob64(q->stmt, ++q->put, n != 0 ? v : "", n, SQLITE_STATIC));
}

bool db_step(struct db_query *q)
{
    if (!ready(q))
        return false;
    q->next = 0;
    int rc = sqlite3_step(q->stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        keep(q, rc);
    return rc == SQLITE_ROW;
}

int64_t db_get_int(struct db_query *q)
{
    return sqlite3_column_int64(q->stmt, q->next++);
}

double db_get_real(struct db_query *q)
{
    int column = q->next++;
    return sqlite3_column_type(q->stmt, column) == SQLITE_NULL
               ? NAN
               : sqlite3_column_double(q->stmt, column);
}

const char *db_get_word(struct db_query *q)
{
    const char *text = (const char *)sqlite3_column_text(q->stmt, q->next++);
    return text != NULL ? text : "";
}

void db_get_text(struct db_query *q, char *out, size_t size)
{
    int column = q->next++;
    const void *text = sqlite3_column_text(q->stmt, column);
    size_t n = (size_t)sqlite3_column_bytes(q->stmt, column);
    if (n >= size)
        n = size - 1;
    if (n != 0)
        memcpy(out, text, n);
    out[n] = '\0';
}

const void *db_get_blob(struct db_query *q, size_t *n)
{
    int column = q->next++;
    const void *bytes = sqlite3_column_blob(q->stmt, column);
    *n = (size_t)sqlite3_column_bytes(q->stmt, column);
    return bytes;
}

void db_get_buf(struct db_query *q, struct buf *out)
{
    size_t n;
    const void *bytes = db_get_blob(q, &n);
    if (out == NULL)
        return;
    buf_put(out, bytes, n);
    if (!buf_ok(out))
        keep(q, SQLITE_NOMEM);
}

enum ebm_status db_end(struct db_query *q, struct ebm_error *err)
{
    /* Before the reset, which would replace the message. */
    enum ebm_status status = q->rc == SQLITE_OK ? EBM_OK : fail(q->db, q->rc, err);

    if (q->id < 0) {
        sqlite3_finalize(q->stmt);
    } else if (q->stmt != NULL) {
        sqlite3_reset(q->stmt);
        sqlite3_clear_bindings(q->stmt);
        q->db->in_use[q->id] = false;
    }
    q->stmt = NULL;
    return status;
}

enum ebm_status db_run(struct db_query *q, struct ebm_error *err)
{
    while (db_step(q))
        ;
    return db_end(q, err);
}

enum ebm_status db_run_int(struct db_query *q, int64_t *out, struct ebm_error *err)
{
    bool found = db_step(q);
    if (found)
        *out = db_get_int(q);
    enum ebm_status status = db_run(q, err);
    return status == EBM_OK && !found ? EBM_ENOTFOUND : status;
}

int64_t db_changes(const struct db *db)
{
    return sqlite3_changes64(db->handle);
}

uint64_t db_work(const struct db *db)
{
    uint64_t steps = 0;

    for (size_t i = 0; i < db->sql->query_count; i++)
        if (db->prepared[i] != NULL)
            steps += (uint64_t)sqlite3_stmt_status(db->prepared[i], SQLITE_STMTSTATUS_VM_STEP, 0);
    return steps;
}

enum ebm_status db_exec_text(struct db *db, const char *text, struct ebm_error *err)
{
    int rc = sqlite3_exec(db->handle, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? EBM_OK : fail(db, rc, err);
}

enum ebm_status db_exec(struct db *db, int id, struct ebm_error *err)
{
    return db_exec_text(db, db->sql->queries[id].text, err);
}

static enum ebm_status run(struct db *db, int id, struct ebm_error *err)
{
    struct db_query q = db_query(db, id);
    return db_run(&q, err);
}

/* ---- transactions ---- */

bool db_in_transaction(const struct db *db)
{
    return db->begun;
}

enum ebm_status db_begin(struct db *db, struct ebm_error *err)
{
    assert(!db->begun);
    enum ebm_status status = run(db, SQL_BEGIN, err);
    db->begun = status == EBM_OK;
    db->lost.code = EBM_OK;
    return status;
}

void db_rollback(struct db *db)
{
    if (!db->begun)
        return;
    db->begun = false;
    if (!sqlite3_get_autocommit(db->handle))
        run(db, SQL_ROLLBACK, NULL);
}

enum ebm_status db_commit(struct db *db, struct ebm_error *err)
{
    assert(db->begun);
    enum ebm_status status = run(db, SQL_COMMIT, err);
    if (status != EBM_OK)
        db_rollback(db);
    db->begun = false;
    return status;
}

enum ebm_status db_op_begin(struct db *db, struct ebm_error *err)
{
    return run(db, SQL_SAVEPOINT_OP, err);
}

enum ebm_status db_op_end(struct db *db, enum ebm_status status, struct ebm_error *err)
{
    if (status != EBM_OK)
        run(db, SQL_SAVEPOINT_OP_UNDO, NULL);
    enum ebm_status released = run(db, SQL_SAVEPOINT_OP_RELEASE, status == EBM_OK ? err : NULL);
    if (released != EBM_OK && !db->begun && !sqlite3_get_autocommit(db->handle))
        run(db, SQL_ROLLBACK, NULL);
    return status != EBM_OK ? status : released;
}

/* ---- opening ---- */

/* SQLite would create it readable for all; its log and index files take
 * their modes from it. */
static enum ebm_status create_private(const char *path, struct ebm_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        enum ebm_status status = ebm_fail_errno(err, errno, "%s: cannot open or create", path);
        if (status == EBM_EIO)
            return ebm_fail(err, status,
                            "%s: cannot be opened for writing (%s); give this user write access "
                            "to it and its folder, or choose another EBM_HOME",
                            path, strerror(errno));
        return status;
    }
    close(fd);
    return EBM_OK;
}

static struct db *create(const char *path, const struct sql_set *sql)
{
    struct db *db = calloc(1, sizeof *db);
    if (db == NULL)
        return NULL;
    snprintf(db->path, sizeof db->path, "%s", path);
    db->sql = sql;
    db->prepared = calloc(sql->query_count, sizeof *db->prepared);
    db->in_use = calloc(sql->query_count, sizeof *db->in_use);
    if (db->prepared != NULL && db->in_use != NULL)
        return db;
    db_close(db);
    return NULL;
}

static enum ebm_status connect(struct db *db, struct ebm_error *err)
{
    enum ebm_status status = create_private(db->path, err);
    if (status != EBM_OK)
        return status;
    int rc =
        sqlite3_open_v2(db->path, &db->handle,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK)
        return fail(db, rc, err);
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    return EBM_OK;
}

static bool is_empty(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_size == 0;
}

static enum ebm_status open_once(const char *path, const struct db_options *options, bool alone,
                                 struct db **out, struct ebm_error *err)
{
    *out = NULL;
    struct db *db = create(path, options->sql);
    if (db == NULL)
        return ebm_fail(err, EBM_ENOMEM, "%s: out of memory", path);
    enum ebm_status status = connect(db, err);
    if (status == EBM_OK && alone)
        status = db_exec(db, SQL_ALONE, err);
    if (status == EBM_OK && options->has_form && is_empty(path))
        status = db_exec(db, options->form, err);
    if (status == EBM_OK)
        status = db_exec(db, options->pragmas, err);
    if (status == EBM_OK)
        status = db_migrate(db, path, options, err);
    if (status != EBM_OK) {
        db_close(db);
        return status;
    }
    *out = db;
    return EBM_OK;
}

enum ebm_status db_open(const char *path, const struct db_options *options, struct db **out,
                        struct ebm_error *err)
{
    enum ebm_status status = open_once(path, options, false, out, err);

    if (status == EBM_ENOSPC && ballast_release_beside(path))
        status = open_once(path, options, false, out, err);
    if (status == EBM_ENOSPC)
        status = open_once(path, options, true, out, err);
    return status;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    if (db->prepared != NULL)
        for (size_t i = 0; i < db->sql->query_count; i++)
            sqlite3_finalize(db->prepared[i]);
    sqlite3_close(db->handle);
    free(db->prepared);
    free(db->in_use);
    free(db);
}

uint64_t db_bytes(const char *path)
{
    char log[PATH_MAX];
    struct stat st;
    uint64_t bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    int n = snprintf(log, sizeof log, "%s-wal", path);
    if (n > 0 && (size_t)n < sizeof log && stat(log, &st) == 0)
        bytes += (uint64_t)st.st_size;
    return bytes;
}
