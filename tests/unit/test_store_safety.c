/* The store against kills, old and new schemas, damage and full disks, and
 * the plans of its hot queries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "store/metrics_private.h"
#include "store/store.h"
#include "store/store_private.h"
#include "store/vault_private.h"
#include "temp_home.h"

enum { KILL_ROUNDS = 20 };

static int setup(void **state)
{
    struct home *h = malloc(sizeof *h);
    *state = h;
    return h != NULL ? temp_home_make(h) : -1;
}

static int teardown(void **state)
{
    temp_home_remove(*state);
    free(*state);
    return 0;
}

static struct store *open_store(const struct home *h)
{
    struct ebm_error err = {.text = ""};
    struct store *s = NULL;
    if (store_open(h, &s, &err) != EBM_OK)
        fail_msg("%s", err.text);
    return s;
}

static void db_path(const struct home *h, char path[HOME_PATH_MAX + 16])
{
    temp_home_path(h, "ebmd.db", path, HOME_PATH_MAX + 16);
}

static int64_t add_job(struct store *s, const char *key)
{
    struct ebm_error err;
    struct store_job j = {.name = "x", .state = JOB_QUEUED};
    return store_job_insert(s, &j, key, "source", "spec", &err) == EBM_OK ? j.id : 0;
}

/* ---- kills ---- */

/* Commits a job a turn, and acknowledges its id only after the commit. */
static void child_commits(const struct home *h, int ack_fd)
{
    struct ebm_error err;
    struct store *s = NULL;

    if (store_open(h, &s, &err) != EBM_OK)
        _exit(1);
    for (;;) {
        if (store_begin(s, &err) != EBM_OK)
            _exit(1);
        int64_t id = add_job(s, "");
        if (id == 0 || store_commit(s, &err) != EBM_OK)
            _exit(1);
        if (write(ack_fd, &id, sizeof id) != sizeof id)
            _exit(1);
    }
}

/* The last acknowledged id, the child killed somewhere after `acks` ones. */
static int64_t kill_after(const struct home *h, int acks)
{
    int fds[2];
    int64_t id = 0;
    int status;

    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        child_commits(h, fds[1]);
    }
    close(fds[1]);
    for (int i = 0; i < acks; i++)
        assert_int_equal(read(fds[0], &id, sizeof id), sizeof id);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    while (read(fds[0], &id, sizeof id) == sizeof id) /* acknowledged before it died */
        ;
    close(fds[0]);
    return id;
}

static void test_what_was_acknowledged_survives_kills(void **state)
{
    const struct home *h = *state;
    struct ebm_error err;
    struct store_job j;
    int64_t last = 0;

    for (int round = 0; round < KILL_ROUNDS; round++) {
        last = kill_after(h, 1 + round % 5);
        struct store *s = open_store(h);
        for (int64_t id = 1; id <= last; id++)
            assert_int_equal(store_job_get(s, id, &j, &err), EBM_OK);
        store_close(s);
    }
    assert_true(last >= KILL_ROUNDS);
}

/* ---- schemas ---- */

/* Versions of the store: of this ebmd, and of a later one. */
#define NOW  "3"
#define NEXT "4"

/* The real schema with one more step, as a later ebmd will have. */
static struct db_options options_of_next_version(const char *step)
{
    static const char *steps[8];
    static struct sql_set set;
    struct db_options options = store_options;

    assert_true(sql_store.migration_count < 8);
    assert_int_equal(sql_store.migration_count, atoi(NOW));
    memcpy(steps, sql_store.migrations, sql_store.migration_count * sizeof steps[0]);
    steps[sql_store.migration_count] = step;
    set = sql_store;
    set.migrations = steps;
    set.migration_count++;
    options.sql = &set;
    return options;
}

static const char next_step[] = "ALTER TABLE event ADD COLUMN level INTEGER NOT NULL DEFAULT 1;"
                                "CREATE TABLE later (x INTEGER);"
                                "PRAGMA user_version = " NEXT ";";

static int64_t get_int(struct db *db, const char *text)
{
    struct ebm_error err = {.text = ""};
    int64_t value = -1;
    struct db_query q = db_query_text(db, text);
    if (db_run_int(&q, &value, &err) != EBM_OK)
        fail_msg("%s: %s", text, err.text);
    return value;
}

static void test_an_older_schema_is_migrated(void **state)
{
    const struct home *h = *state;
    char path[HOME_PATH_MAX + 16];
    struct ebm_error err;
    struct db *db;
    struct db_options next = options_of_next_version(next_step);
    struct store *s = open_store(h);
    struct store_event e = {.kind = "state", .text = "kept"};

    assert_int_equal(store_event_append(s, &e, &err), EBM_OK);
    store_close(s);
    db_path(h, path);
    assert_int_equal(db_open(path, &next, &db, &err), EBM_OK);
    assert_int_equal(get_int(db, "PRAGMA user_version"), atoi(NEXT));
    assert_int_equal(get_int(db, "SELECT level FROM event WHERE text = 'kept'"), 1);
    db_close(db);
    assert_int_equal(db_open(path, &next, &db, &err), EBM_OK); /* and is not migrated twice */
    db_close(db);
}

static void test_a_failing_migration_leaves_the_old_schema(void **state)
{
    static const char *const broken[] = {
        "CREATE TABLE later (x INTEGER); CREATE TABLE job (x INTEGER); PRAGMA user_version = " NEXT
        ";",
        "CREATE TABLE later (x INTEGER);", /* forgets its version */
    };
    const struct home *h = *state;
    char path[HOME_PATH_MAX + 16];
    struct ebm_error err;
    struct db *db;

    store_close(open_store(h));
    db_path(h, path);
    for (size_t i = 0; i < 2; i++) {
        struct db_options next = options_of_next_version(broken[i]);
        assert_int_not_equal(db_open(path, &next, &db, &err), EBM_OK);
        assert_non_null(strstr(err.text, "migration store " NEXT));
        assert_null(db);
        struct store *s = open_store(h);
        assert_int_equal(get_int(s->db, "PRAGMA user_version"), atoi(NOW));
        assert_int_equal(get_int(s->db, "SELECT count(*) FROM sqlite_schema WHERE name = 'later'"),
                         0);
        store_close(s);
    }
}

static void test_a_kill_during_migration_leaves_old_or_new(void **state)
{
    const struct home *h = *state;
    char path[HOME_PATH_MAX + 16];
    struct ebm_error err;
    int status;

    store_close(open_store(h));
    db_path(h, path);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct db *db;
        if (db_open(path, &store_options, &db, &err) != EBM_OK || db_begin(db, &err) != EBM_OK ||
            db_exec_text(db, next_step, &err) != EBM_OK)
            _exit(1);
        raise(SIGKILL); /* before the commit of the step */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    struct store *s = open_store(h);
    assert_int_equal(get_int(s->db, "PRAGMA user_version"), atoi(NOW));
    store_close(s);
}

static void test_a_newer_schema_is_refused(void **state)
{
    const struct home *h = *state;
    char path[HOME_PATH_MAX + 16];
    struct ebm_error err;
    struct db *db;
    struct store *s = NULL;
    struct db_options next = options_of_next_version(next_step);

    db_path(h, path);
    assert_int_equal(db_open(path, &next, &db, &err), EBM_OK);
    db_close(db);
    assert_int_equal(store_open(h, &s, &err), EBM_ESTALE);
    assert_null(s);
    assert_non_null(strstr(err.text, "version " NEXT));
    assert_non_null(strstr(err.text, "up to " NOW));
}

/* ---- damage ---- */

static void overwrite(const char *path, off_t at, int byte, size_t n)
{
    char bytes[8192];
    memset(bytes, byte, sizeof bytes);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    for (; n > 0; n -= n < sizeof bytes ? n : sizeof bytes, at += sizeof bytes)
        assert_true(pwrite(fd, bytes, n < sizeof bytes ? n : sizeof bytes, at) > 0);
    close(fd);
}

static void assert_damaged(const struct home *h)
{
    struct ebm_error err;
    struct store *s = NULL;
    assert_int_equal(store_open(h, &s, &err), EBM_ECORRUPT);
    assert_null(s);
    assert_non_null(strstr(err.text, "ebmd.db"));
}

static void test_a_damaged_file_is_refused(void **state)
{
    const struct home *h = *state;
    char path[HOME_PATH_MAX + 16];
    struct store *s = open_store(h);

    for (int i = 0; i < 200; i++)
        add_job(s, "");
    store_close(s); /* the last to close it moves the log into the file */
    db_path(h, path);
    overwrite(path, 4096, 0xa5, 16384);
    assert_damaged(h);
    overwrite(path, 0, 'x', 100);
    assert_damaged(h);
}

static void test_a_shortened_file_is_refused(void **state)
{
    const struct home *h = *state;
    char path[HOME_PATH_MAX + 16];
    struct store *s = open_store(h);

    for (int i = 0; i < 200; i++)
        add_job(s, "");
    store_close(s);
    db_path(h, path);
    assert_int_equal(truncate(path, 20480), 0);
    assert_damaged(h);
}

static void test_a_foreign_database_is_refused(void **state)
{
    const struct home *h = *state;
    char path[HOME_PATH_MAX + 16];
    struct ebm_error err;
    struct metrics *m;
    char metrics[HOME_PATH_MAX + 16];

    assert_int_equal(metrics_open(h, &m, &err), EBM_OK);
    metrics_close(m);
    db_path(h, path);
    temp_home_path(h, "metrics.db", metrics, sizeof metrics);
    assert_int_equal(rename(metrics, path), 0);
    assert_damaged(h);
}

static void test_a_missing_folder_is_named(void **state)
{
    struct home h = *(const struct home *)*state;
    struct ebm_error err;
    struct store *s = NULL;

    strcat(h.state, "/nowhere");
    assert_int_equal(store_open(&h, &s, &err), EBM_ENOTFOUND);
    assert_non_null(strstr(err.text, "/nowhere/ebmd.db"));
    /* a file where the folder should be: EIO, with the path */
    snprintf(h.state, sizeof h.state, "/proc");
    assert_int_not_equal(store_open(&h, &s, &err), EBM_OK);
    assert_non_null(strstr(err.text, "/proc/ebmd.db"));
}

static void test_files_are_private(void **state)
{
    static const char *const names[] = {"ebmd.db", "ebmd.db-wal", "ebmd.db-shm", "ballast"};
    const struct home *h = *state;
    struct stat st;
    char path[HOME_PATH_MAX + 16];
    mode_t old = umask(0);
    struct store *s = open_store(h);

    for (size_t i = 0; i < 4; i++) {
        temp_home_path(h, names[i], path, sizeof path);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    umask(old);
    store_close(s);
}

/* ---- full disks ---- */

static uint64_t file_size(const struct home *h, const char *name)
{
    struct stat st;
    char path[HOME_PATH_MAX + 16];
    temp_home_path(h, name, path, sizeof path);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void test_ballast_goes_and_comes_back(void **state)
{
    const struct home *h = *state;
    struct store *s = open_store(h);

    assert_int_equal(file_size(h, "ballast"), 16 << 20);
    store_ballast_release(s);
    assert_int_equal(file_size(h, "ballast"), 0);
    store_ballast_release(s);
    store_ballast_restore(s);
    assert_int_equal(file_size(h, "ballast"), 16 << 20);
    store_close(s);
}

/* Inserts turns until one fails; the number that were committed. */
static int fill(struct store *s, enum ebm_status *status)
{
    struct ebm_error err;
    int committed = 0;

    for (*status = EBM_OK; committed < 5000; committed++) {
        *status = store_begin(s, &err);
        for (int i = 0; i < 10 && *status == EBM_OK; i++) {
            struct store_job j = {.name = "x", .state = JOB_QUEUED};
            *status = store_job_insert(s, &j, "", "source", "spec", &err);
        }
        enum ebm_status end = store_commit(s, &err);
        if (*status == EBM_OK)
            *status = end;
        if (*status != EBM_OK)
            break;
    }
    return committed;
}

static bool count_job(void *arg, const struct store_job *j)
{
    (void)j;
    ++*(int *)arg;
    return true;
}

static int count_jobs(struct store *s)
{
    struct ebm_error err;
    int n = 0;
    assert_int_equal(store_job_each(s, 0, 0, count_job, &n, &err), EBM_OK);
    return n;
}

static void test_a_full_database_keeps_whole_turns(void **state)
{
    const struct home *h = *state;
    struct ebm_error err;
    enum ebm_status status;
    struct store *s = open_store(h);

    assert_int_equal(db_exec_text(s->db, "PRAGMA max_page_count = 60", &err), EBM_OK);
    int committed = fill(s, &status);
    assert_int_equal(status, EBM_ENOSPC);
    assert_true(committed > 0);
    store_close(s);
    s = open_store(h); /* the limit was the connection's: there is room again */
    /* A statement that fails takes only itself back, so the turn in which it
     * failed may have kept those before it; never half of one job. */
    int jobs = count_jobs(s);
    assert_true(jobs >= 10 * committed && jobs < 10 * (committed + 1));
    assert_int_equal(get_int(s->db, "SELECT count(*) FROM job_text"), jobs);
    assert_true(add_job(s, "") > 0);
    store_close(s);
}

/* Fills the store until it refuses; exits with 0 when every turn that was
 * committed is still there, and no half of the one that was not. */
static void child_fills(const struct home *h, enum ebm_status wanted)
{
    enum ebm_status status;
    struct store *s = NULL;

    if (store_open(h, &s, NULL) != EBM_OK)
        _exit(10);
    if (wanted == EBM_EIO) {
        struct rlimit limit = {.rlim_cur = 512 << 10, .rlim_max = 512 << 10};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    int committed = fill(s, &status);
    if (status != wanted)
        _exit(11);
    if (committed == 0 || count_jobs(s) != 10 * committed)
        _exit(12);
    if (wanted == EBM_ENOSPC && file_size(h, "ballast") != 0)
        _exit(13);
    /* with the ballast gone, states can be written again */
    if (wanted == EBM_ENOSPC && fill(s, &status) == 0)
        _exit(14);
    store_close(s);
    _exit(0);
}

static int wait_exit(pid_t pid)
{
    int status;
    assert_true(pid >= 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_a_failing_write_rolls_the_turn_back(void **state)
{
    pid_t pid = fork();
    if (pid == 0)
        child_fills(*state, EBM_EIO);
    assert_int_equal(wait_exit(pid), 0);
}

/* A small file system of its own, where the machine allows one. */
static void child_fills_a_disk(const struct home *h)
{
    enum { NO_MOUNT = 77 };
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        _exit(NO_MOUNT);
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", h->state, "tmpfs", 0, "size=72m,mode=0700") != 0)
        _exit(NO_MOUNT);
    struct store *s = NULL;
    if (store_open(h, &s, NULL) != EBM_OK || file_size(h, "ballast") == 0)
        _exit(20);
    store_close(s);
    char path[HOME_PATH_MAX + 16];
    temp_home_path(h, "other", path, sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, 54 << 20) != 0)
        _exit(21);
    close(fd);
    child_fills(h, EBM_ENOSPC);
}

static void test_a_full_disk_rolls_the_turn_back(void **state)
{
    pid_t pid = fork();
    if (pid == 0)
        child_fills_a_disk(*state);
    int code = wait_exit(pid);
    if (code == 77)
        skip();
    assert_int_equal(code, 0);
}

static void test_a_turn_given_up_is_never_half_written(void **state)
{
    const struct home *h = *state;
    struct ebm_error err;
    struct store_job j = {.name = "x", .state = JOB_QUEUED};
    struct store *s = open_store(h);

    assert_int_equal(store_begin(s, &err), EBM_OK);
    assert_true(add_job(s, "") > 0);
    /* what SQLite does by itself on some failures */
    assert_int_equal(db_exec_text(s->db, "ROLLBACK", &err), EBM_OK);
    assert_int_equal(store_job_insert(s, &j, "", "", "", &err), EBM_EIO);
    assert_int_equal(store_commit(s, &err), EBM_EIO);
    assert_int_equal(count_jobs(s), 0);
    assert_true(add_job(s, "") > 0); /* the next turn is fine */
    store_close(s);
}

/* ---- plans ---- */

static void explain(struct db *db, const char *text, struct buf *plan)
{
    struct ebm_error err;
    struct buf sql;

    buf_init(&sql);
    buf_puts(&sql, "EXPLAIN QUERY PLAN ");
    buf_puts(&sql, text);
    struct db_query q = db_query_text(db, buf_text(&sql));
    while (db_step(&q)) {
        q.next = 3; /* the sentence */
        buf_puts(plan, db_get_word(&q));
        buf_puts(plan, "\n");
    }
    assert_int_equal(db_end(&q, &err), EBM_OK);
    buf_fini(&sql);
}

/* Tables are searched, not scanned, and nothing is sorted that an index has
 * in order. */
static void assert_indexed(struct db *db, const struct sql_set *set, int id)
{
    struct buf plan;

    buf_init(&plan);
    explain(db, set->queries[id].text, &plan);
    bool walks_newest = strstr(set->queries[id].name, "newest") != NULL;
    for (char *line = strtok((char *)plan.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        /* sorting the few rows that were found newest first is meant */
        bool of_subquery = walks_newest && (strstr(line, "SCAN (subquery") != NULL ||
                                            strstr(line, "ORDER BY") != NULL);
        bool constant = strcmp(line, "SCAN CONSTANT ROW") == 0;
        bool by_partial = strstr(line, "SCAN checkpoint USING INDEX checkpoint_kept") != NULL;
        if (!of_subquery && !constant && !by_partial &&
            (strncmp(line, "SCAN", 4) == 0 || strstr(line, "TEMP B-TREE") != NULL))
            fail_msg("%s: %s", set->queries[id].name, line);
    }
    buf_fini(&plan);
}

static void test_hot_queries_use_their_indexes(void **state)
{
    static const int hot[] = {
        SQL_JOB_GET,
        SQL_JOB_BY_KEY,
        SQL_JOB_STATE,
        SQL_JOB_PAGE,
        SQL_JOB_PAGE_OPEN,
        SQL_JOB_QUEUE,
        SQL_JOB_UPDATE,
        SQL_JOB_SET_STEP,
        SQL_ATTEMPT_PAGE,
        SQL_ATTEMPT_GET,
        SQL_ATTEMPT_UPDATE,
        SQL_CHECKPOINT_PAGE,
        SQL_CHECKPOINT_PAGE_KEPT,
        SQL_CHECKPOINT_IDS,
        SQL_CHECKPOINT_REFERENCED,
        SQL_EVENT_PAGE,
        SQL_EVENT_PAGE_JOB,
        SQL_EVENT_NEWEST,
        SQL_EVENT_NEWEST_JOB,
        SQL_REPLY_GET,
        SQL_REPLY_PURGE,
        SQL_NOTICE_DUE,
        SQL_NOTICE_END,
    };
    static const int hot_metrics[] = {
        SQL_METRIC_HAVE,           SQL_METRIC_NEXT_ATTEMPT, SQL_METRIC_PAGE, SQL_METRIC_NEWEST,
        SQL_METRIC_NEWEST_ATTEMPT, SQL_PICTURE_NEWEST,      SQL_PICTURE_IDS,
    };
    static const int hot_vault[] = {SQL_BLOB_GET, SQL_CHUNK_READ, SQL_CHUNK_DELETE};
    const struct home *h = *state;
    struct ebm_error err;
    struct metrics *m;
    struct vault_work w;
    struct store *s = open_store(h);

    for (size_t i = 0; i < sizeof hot / sizeof hot[0]; i++)
        assert_indexed(s->db, &sql_store, hot[i]);
    assert_int_equal(metrics_open(h, &m, &err), EBM_OK);
    for (size_t i = 0; i < sizeof hot_metrics / sizeof hot_metrics[0]; i++)
        assert_indexed(m->db, &sql_metrics, hot_metrics[i]);
    assert_int_equal(vault_work_open(&w, h, 0, &err), EBM_OK);
    for (size_t i = 0; i < sizeof hot_vault / sizeof hot_vault[0]; i++)
        assert_indexed(w.db, &sql_vault, hot_vault[i]);
    vault_work_fini(&w);
    metrics_close(m);
    store_close(s);
}

/* Every query of every set is at least one that SQLite can prepare. */
static void test_every_query_prepares(void **state)
{
    const struct home *h = *state;
    struct ebm_error err;
    struct store *s = open_store(h);

    for (int id = SQL_COMMON_COUNT; id < SQL_STORE_COUNT; id++) {
        struct buf plan;
        buf_init(&plan);
        if (id != SQL_STORE_PRAGMAS)
            explain(s->db, sql_store.queries[id].text, &plan);
        buf_fini(&plan);
    }
    assert_int_equal(sql_store.query_count, SQL_STORE_COUNT);
    assert_int_equal(sql_metrics.query_count, SQL_METRICS_COUNT);
    assert_int_equal(sql_vault.query_count, SQL_VAULT_COUNT);
    struct db_query q = db_query_text(s->db, "SELECT nonsense FROM nowhere");
    assert_int_equal(db_run(&q, &err), EBM_EINTERNAL);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_a_missing_folder_is_named),
        T(test_what_was_acknowledged_survives_kills),
        T(test_an_older_schema_is_migrated),
        T(test_a_failing_migration_leaves_the_old_schema),
        T(test_a_kill_during_migration_leaves_old_or_new),
        T(test_a_newer_schema_is_refused),
        T(test_a_damaged_file_is_refused),
        T(test_a_shortened_file_is_refused),
        T(test_a_foreign_database_is_refused),
        T(test_files_are_private),
        T(test_ballast_goes_and_comes_back),
        T(test_a_full_database_keeps_whole_turns),
        T(test_a_failing_write_rolls_the_turn_back),
        T(test_a_full_disk_rolls_the_turn_back),
        T(test_a_turn_given_up_is_never_half_written),
        T(test_hot_queries_use_their_indexes),
        T(test_every_query_prepares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
