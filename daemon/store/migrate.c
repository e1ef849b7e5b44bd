#include "store/migrate.h"

#include <string.h>

static enum ebm_status query_int(struct db *db, int id, int64_t *out, struct ebm_error *err)
{
    struct db_query q = db_query(db, id);
    return db_run_int(&q, out, err);
}

static enum ebm_status check_damage(struct db *db, const char *path, struct ebm_error *err)
{
    char found[200] = "";
    struct db_query q = db_query(db, SQL_QUICK_CHECK);
    if (db_step(&q))
        db_get_text(&q, found, sizeof found);
    enum ebm_status status = db_end(&q, err);
    if (status != EBM_OK || strcmp(found, "ok") == 0)
        return status;
    for (char *p = found; *p != '\0'; p++)
        if (*p == '\n')
            *p = ' ';
    return ebm_fail(err, EBM_ECORRUPT,
                    "%s: the database is damaged (%s); keep the file, and put a copy back or "
                    "salvage it with: sqlite3 FILE .recover",
                    path, found);
}

static enum ebm_status check_owner(struct db *db, const char *path, int64_t version,
                                   uint32_t application_id, struct ebm_error *err)
{
    int64_t id = 0;
    int64_t objects = 0;
    enum ebm_status status = query_int(db, SQL_APPLICATION_ID, &id, err);
    if (status == EBM_OK)
        status = query_int(db, SQL_SCHEMA_OBJECTS, &objects, err);
    if (status != EBM_OK)
        return status;
    bool empty = version == 0 && id == 0 && objects == 0;
    if (!empty && id != (int64_t)application_id)
        return ebm_fail(err, EBM_ECORRUPT, "%s: this is another program's database; move it away",
                        path);
    return EBM_OK;
}

static enum ebm_status migrate_step(struct db *db, const struct sql_set *sql, int64_t from,
                                    struct ebm_error *err)
{
    int64_t version = 0;
    enum ebm_status status = db_begin(db, err);
    if (status != EBM_OK)
        return status;
    status = db_exec_text(db, sql->migrations[from], err);
    if (status == EBM_OK)
        status = query_int(db, SQL_USER_VERSION, &version, err);
    if (status == EBM_OK && version != from + 1)
        status = ebm_fail(err, EBM_EINTERNAL, "the step sets version %lld", (long long)version);
    if (status == EBM_OK)
        status = db_commit(db, err);
    if (status != EBM_OK) {
        db_rollback(db);
        ebm_prefix(err, "migration %s %lld", sql->name, (long long)from + 1);
    }
    return status;
}

static enum ebm_status migrate_all(struct db *db, const char *path,
                                   const struct db_options *options, struct ebm_error *err)
{
    int64_t version = 0;
    int64_t newest = (int64_t)options->sql->migration_count;
    enum ebm_status status = query_int(db, SQL_USER_VERSION, &version, err);
    if (status == EBM_OK)
        status = check_owner(db, path, version, options->application_id, err);
    if (status != EBM_OK)
        return status;
    if (version > newest)
        return ebm_fail(err, EBM_ESTALE,
                        "%s: its schema is version %lld, this ebmd knows up to %lld; use the newer "
                        "ebmd that wrote it",
                        path, (long long)version, (long long)newest);
    for (; status == EBM_OK && version < newest; version++)
        status = migrate_step(db, options->sql, version, err);
    return status;
}

enum ebm_status db_migrate(struct db *db, const char *path, const struct db_options *options,
                           struct ebm_error *err)
{
    enum ebm_status status = options->check ? check_damage(db, path, err) : EBM_OK;
    return status == EBM_OK ? migrate_all(db, path, options, err) : status;
}
