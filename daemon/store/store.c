#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "sql/sql.h"
#include "store/db.h"
#include "store/store_private.h"

const struct db_options store_options = {
    .sql = &sql_store,
    .pragmas = SQL_STORE_PRAGMAS,
    .application_id = 0x45424d53,
    .check = true,
};

enum ebm_status store_open(const struct home *home, struct store **out, struct ebm_error *err)
{
    *out = NULL;
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ebm_fail(err, EBM_ENOMEM, "store: out of memory");
    snprintf(s->path, sizeof s->path, "%s/ebmd.db", home->state);
    snprintf(s->ballast, sizeof s->ballast, "%s/ballast", home->state);
    enum ebm_status status = db_open(s->path, &store_options, &s->db, err);
    if (status != EBM_OK) {
        store_close(s);
        return status;
    }
    store_ballast_restore(s);
    *out = s;
    return EBM_OK;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    db_close(s->db);
    buf_fini(&s->changed_jobs);
    free(s);
}

uint64_t store_bytes(const struct store *s)
{
    return db_bytes(s->path);
}

/* ---- turns ---- */

enum ebm_status store_begin(struct store *s, struct ebm_error *err)
{
    return db_in_transaction(s->db) ? EBM_OK : db_begin(s->db, err);
}

enum ebm_status store_commit(struct store *s, struct ebm_error *err)
{
    if (!db_in_transaction(s->db))
        return EBM_OK;
    enum ebm_status status = db_commit(s->db, err);
    if (status == EBM_ENOSPC)
        store_ballast_release(s);
    return status;
}

enum ebm_status store_savepoint(struct store *s, struct ebm_error *err)
{
    enum ebm_status status = store_begin(s, err);
    if (status != EBM_OK)
        return status;
    struct db_query q = db_query(s->db, SQL_SAVEPOINT_HANDLER);
    return db_run(&q, err);
}

/* Neither of these can fail by itself; when the whole turn is lost, the
 * commit says so. */
static void end_savepoint(struct store *s, int id)
{
    struct db_query q = db_query(s->db, id);
    db_run(&q, NULL);
}

void store_release(struct store *s)
{
    end_savepoint(s, SQL_SAVEPOINT_HANDLER_RELEASE);
}

void store_undo(struct store *s)
{
    end_savepoint(s, SQL_SAVEPOINT_HANDLER_UNDO);
    end_savepoint(s, SQL_SAVEPOINT_HANDLER_RELEASE);
}

enum ebm_status store_counter_next(struct store *s, const char *name, int64_t *highest,
                                   struct ebm_error *err)
{
    struct db_query q = db_query(s->db, SQL_COUNTER_NEXT);
    db_put_text(&q, name);
    db_put_int(&q, *highest);
    enum ebm_status status = db_run_int(&q, highest, err);
    if (status == EBM_ENOTFOUND)
        return ebm_fail(err, EBM_ECORRUPT, "%s: counter %s is missing", s->path, name);
    return status;
}
