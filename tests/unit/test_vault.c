/* The vault: uploads, verification, quota, sweeps, room given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "store/vault.h"
#include "store/vault_blob.h"
#include "store/vault_private.h"
#include "temp_home.h"

enum { MIB = 1 << 20, DEADLINE_MS = 20000 };

struct fixture {
    struct home home;
    struct vault *vault;
    uint8_t *bytes; /* 8 MiB of a pattern */
};

static int open_vault(struct fixture *f, uint64_t max_bytes)
{
    struct ebm_error err = {.text = ""};
    if (vault_open(&f->home, max_bytes, &f->vault, &err) == EBM_OK)
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return -1;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (f == NULL || temp_home_make(&f->home) != 0)
        return -1;
    f->bytes = malloc(8 * MIB);
    for (size_t i = 0; i < 8 * MIB; i++)
        f->bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    return open_vault(f, 0);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    vault_close(f->vault);
    temp_home_remove(&f->home);
    free(f->bytes);
    free(f);
    return 0;
}

static void reopen(struct fixture *f, uint64_t max_bytes)
{
    vault_close(f->vault);
    assert_int_equal(open_vault(f, max_bytes), 0);
}

/* The next answer, waited for on the descriptor. */
static struct vault_answer next(struct vault *v)
{
    struct vault_answer a;
    struct pollfd p = {.fd = vault_fd(v), .events = POLLIN};
    assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
    assert_int_equal(vault_next(v, &a), EBM_OK);
    return a;
}

static enum ebm_status next_status(struct vault *v)
{
    struct vault_answer a = next(v);
    vault_answer_fini(&a);
    return a.status;
}

static enum ebm_status begin(struct vault *v, int64_t id, uint64_t bytes)
{
    struct ebm_error err;
    assert_int_equal(vault_begin(v, id, bytes, 0, &err), EBM_OK);
    return next_status(v);
}

static struct vault_answer chunk(struct vault *v, int64_t id, uint64_t at, const uint8_t *bytes,
                                 size_t n)
{
    struct ebm_error err;
    assert_int_equal(vault_chunk(v, id, at, bytes, n, 0, &err), EBM_OK);
    return next(v);
}

static enum ebm_status finish(struct vault *v, int64_t id, const uint8_t *bytes, size_t n)
{
    uint8_t digest[DIGEST_BYTES];
    struct ebm_error err;
    digest_of(bytes, n, digest);
    assert_int_equal(vault_finish(v, id, digest, 0, &err), EBM_OK);
    return next_status(v);
}

static void send_all(struct vault *v, int64_t id, const uint8_t *bytes, size_t n)
{
    assert_int_equal(begin(v, id, n), EBM_OK);
    for (size_t at = 0; at < n; at += MIB) {
        size_t size = n - at < MIB ? n - at : MIB;
        struct vault_answer a = chunk(v, id, at, bytes + at, size);
        assert_int_equal(a.status, EBM_OK);
        assert_int_equal(a.offset, at + size);
    }
}

static void upload(struct fixture *f, int64_t id, size_t n)
{
    send_all(f->vault, id, f->bytes, n);
    assert_int_equal(finish(f->vault, id, f->bytes, n), EBM_OK);
}

static struct vault_answer read_range(struct vault *v, int64_t id, uint64_t at, size_t n)
{
    struct ebm_error err;
    assert_int_equal(vault_read(v, id, at, n, 0, &err), EBM_OK);
    return next(v);
}

static void assert_stored(struct fixture *f, int64_t id, size_t n)
{
    for (size_t at = 0; at < n; at += MIB) {
        struct vault_answer a = read_range(f->vault, id, at, MIB);
        assert_int_equal(a.status, EBM_OK);
        assert_int_equal(a.size, n - at < MIB ? n - at : MIB);
        assert_memory_equal(a.data, f->bytes + at, a.size);
        vault_answer_fini(&a);
    }
}

static bool is_stored(struct fixture *f, int64_t id)
{
    struct vault_answer a = read_range(f->vault, id, 0, 1);
    vault_answer_fini(&a);
    return a.status == EBM_OK;
}

static void test_bad_requests_are_refused_at_once(void **state)
{
    struct fixture *f = *state;
    struct vault *v = f->vault;
    struct vault_answer a;
    struct ebm_error err;
    uint8_t digest[DIGEST_BYTES] = {0};

    assert_int_equal(vault_begin(v, 0, 10, 0, &err), EBM_EINVAL);
    assert_int_equal(vault_begin(v, 1, 0, 0, &err), EBM_EINVAL);
    assert_int_equal(vault_chunk(v, -1, 0, "x", 1, 0, &err), EBM_EINVAL);
    assert_int_equal(vault_chunk(v, 1, 0, "x", 0, 0, &err), EBM_EINVAL);
    assert_int_equal(vault_chunk(v, 1, 0, f->bytes, (16 << 20) + 1, 0, &err), EBM_EINVAL);
    assert_int_equal(vault_read(v, 1, 0, 0, 0, &err), EBM_EINVAL);
    assert_int_equal(vault_read(v, 1, 0, (16 << 20) + 1, 0, &err), EBM_EINVAL);
    assert_int_equal(vault_finish(v, 0, digest, 0, &err), EBM_EINVAL);
    assert_int_equal(vault_abort(v, 0, 0, &err), EBM_EINVAL);
    assert_int_equal(vault_delete(v, 0, 0, &err), EBM_EINVAL);
    assert_int_equal(vault_next(v, &a), EBM_ETIMEOUT);
    vault_close(NULL);
}

static void test_unknown_checkpoints_are_named(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;

    struct vault_answer a = chunk(f->vault, 7, 0, f->bytes, 10);
    assert_int_equal(a.status, EBM_ENOTFOUND);
    assert_non_null(strstr(a.error.text, "checkpoint 7"));
    assert_int_equal(finish(f->vault, 7, f->bytes, 10), EBM_ENOTFOUND);
    a = read_range(f->vault, 7, 0, 10);
    assert_int_equal(a.status, EBM_ENOTFOUND);
    assert_int_equal(vault_delete(f->vault, 7, 0, &err), EBM_OK);
    assert_int_equal(next_status(f->vault), EBM_OK); /* repeatable */
    assert_int_equal(vault_abort(f->vault, 7, 0, &err), EBM_OK);
    assert_int_equal(next_status(f->vault), EBM_OK);
}

static void test_bytes_come_back_as_they_went_in(void **state)
{
    struct fixture *f = *state;
    size_t n = 3 * MIB + 12345;

    upload(f, 5, n);
    assert_stored(f, 5, n);
    reopen(f, 0);
    assert_stored(f, 5, n);
    /* across chunks, at the end, and past it */
    struct vault_answer a = read_range(f->vault, 5, MIB - 10, 2 * MIB);
    assert_int_equal(a.size, 2 * MIB);
    assert_int_equal(a.offset, MIB - 10);
    assert_memory_equal(a.data, f->bytes + MIB - 10, a.size);
    vault_answer_fini(&a);
    a = read_range(f->vault, 5, n - 1, 100);
    assert_int_equal(a.size, 1);
    vault_answer_fini(&a);
    a = read_range(f->vault, 5, n, 100);
    assert_int_equal(a.status, EBM_OK);
    assert_int_equal(a.size, 0);
    vault_answer_fini(&a);
    a = read_range(f->vault, 5, n + 1, 100);
    assert_int_equal(a.status, EBM_EINVAL);
    vault_answer_fini(&a);
}

static void test_chunks_of_any_size_in_order(void **state)
{
    static const size_t sizes[] = {1, 4095, 100000, 7, 65536};
    struct fixture *f = *state;
    size_t at = 0;

    assert_int_equal(begin(f->vault, 1, 169639), EBM_OK);
    for (size_t i = 0; i < 5; i++) {
        struct vault_answer a = chunk(f->vault, 1, at, f->bytes + at, sizes[i]);
        assert_int_equal(a.status, EBM_OK);
        at += sizes[i];
        assert_int_equal(a.offset, at);
    }
    assert_int_equal(finish(f->vault, 1, f->bytes, at), EBM_OK);
    assert_stored(f, 1, at);
}

static void test_a_resent_chunk_is_answered_with_the_true_offset(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(begin(f->vault, 1, 3 * MIB), EBM_OK);
    chunk(f->vault, 1, 0, f->bytes, MIB);
    struct vault_answer a = chunk(f->vault, 1, 0, f->bytes, MIB); /* resent */
    assert_int_equal(a.status, EBM_OK);
    assert_int_equal(a.offset, MIB);
    a = chunk(f->vault, 1, 2 * MIB, f->bytes, MIB); /* one is missing before it */
    assert_int_equal(a.status, EBM_OK);
    assert_int_equal(a.offset, MIB);
    chunk(f->vault, 1, MIB, f->bytes + MIB, MIB);
    a = chunk(f->vault, 1, 2 * MIB, f->bytes + 2 * MIB, MIB + 1); /* more than announced */
    assert_int_equal(a.status, EBM_EINVAL);
    assert_int_equal(a.offset, 2 * MIB);
    a = chunk(f->vault, 1, 2 * MIB, f->bytes + 2 * MIB, MIB);
    assert_int_equal(a.offset, 3 * MIB);
    assert_int_equal(finish(f->vault, 1, f->bytes, 3 * MIB), EBM_OK);
    assert_int_equal(finish(f->vault, 1, f->bytes, 3 * MIB), EBM_OK); /* resent */
    assert_int_equal(finish(f->vault, 1, f->bytes, 2 * MIB), EBM_ECORRUPT);
    assert_stored(f, 1, 3 * MIB);
    assert_int_equal(begin(f->vault, 1, 10), EBM_EEXIST);
}

static void test_a_second_begin_starts_from_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(begin(f->vault, 1, 2 * MIB), EBM_OK);
    chunk(f->vault, 1, 0, f->bytes + MIB, MIB);
    send_all(f->vault, 1, f->bytes, MIB + 5);
    assert_int_equal(finish(f->vault, 1, f->bytes, MIB + 5), EBM_OK);
    assert_stored(f, 1, MIB + 5);
}

static void test_a_wrong_digest_drops_the_bytes(void **state)
{
    struct fixture *f = *state;

    send_all(f->vault, 1, f->bytes, 2 * MIB);
    assert_int_equal(finish(f->vault, 1, f->bytes + 1, 2 * MIB), EBM_ECORRUPT);
    assert_false(is_stored(f, 1));
    assert_int_equal(begin(f->vault, 2, 2 * MIB), EBM_OK);
    chunk(f->vault, 2, 0, f->bytes, MIB);
    assert_int_equal(finish(f->vault, 2, f->bytes, 2 * MIB), EBM_ECORRUPT); /* too few */
    assert_false(is_stored(f, 2));
    upload(f, 1, 2 * MIB); /* and the same id again, this time right */
    assert_stored(f, 1, 2 * MIB);
}

static void test_an_unfinished_upload_is_not_readable(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;

    send_all(f->vault, 1, f->bytes, MIB);
    assert_false(is_stored(f, 1));
    assert_int_equal(vault_abort(f->vault, 1, 0, &err), EBM_OK);
    assert_int_equal(next_status(f->vault), EBM_OK);
    assert_int_equal(finish(f->vault, 1, f->bytes, MIB), EBM_ENOTFOUND);
    upload(f, 2, MIB);
    assert_int_equal(vault_abort(f->vault, 2, 0, &err), EBM_OK);
    assert_int_equal(next_status(f->vault), EBM_ESTATE);
    assert_true(is_stored(f, 2));
}

static void test_uploads_and_reads_run_side_by_side(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    size_t n = 4 * MIB;
    uint8_t digest[DIGEST_BYTES];

    upload(f, 100, MIB);
    digest_of(f->bytes, n, digest);
    for (int64_t id = 1; id <= 4; id++)
        assert_int_equal(vault_begin(f->vault, id, n, 7, &err), EBM_OK);
    for (size_t at = 0; at < n; at += MIB)
        for (int64_t id = 1; id <= 4; id++) {
            assert_int_equal(vault_chunk(f->vault, id, at, f->bytes + at, MIB, 7, &err), EBM_OK);
            if (id == 2)
                assert_int_equal(vault_read(f->vault, 100, 0, MIB, 8, &err), EBM_OK);
        }
    for (int64_t id = 1; id <= 4; id++)
        assert_int_equal(vault_finish(f->vault, id, digest, 7, &err), EBM_OK);
    for (int i = 0; i < 4 + 16 + 4 + 4; i++) {
        struct vault_answer a = next(f->vault);
        assert_int_equal(a.status, EBM_OK);
        assert_int_equal(a.cookie, a.op == VAULT_READ ? 8 : 7);
        vault_answer_fini(&a);
    }
    for (int64_t id = 1; id <= 4; id++)
        assert_stored(f, id, n);
}

static void test_over_the_quota_older_ones_stay(void **state)
{
    struct fixture *f = *state;

    reopen(f, 10 * MIB);
    upload(f, 1, 4 * MIB);
    upload(f, 2, 4 * MIB);
    assert_int_equal(begin(f->vault, 3, 4 * MIB), EBM_ENOSPC);
    struct vault_answer a = chunk(f->vault, 3, 0, f->bytes, MIB); /* the same reason */
    assert_int_equal(a.status, EBM_ENOSPC);
    assert_non_null(strstr(a.error.text, "quota"));
    assert_int_equal(finish(f->vault, 3, f->bytes, 4 * MIB), EBM_ENOSPC);
    assert_int_equal(finish(f->vault, 3, f->bytes, 4 * MIB), EBM_ENOTFOUND); /* forgotten */
    assert_stored(f, 1, 4 * MIB);
    assert_stored(f, 2, 4 * MIB);
    struct ebm_error err;
    assert_int_equal(vault_delete(f->vault, 1, 0, &err), EBM_OK);
    assert_int_equal(next_status(f->vault), EBM_OK);
    upload(f, 3, 4 * MIB);
    assert_stored(f, 2, 4 * MIB);
}

static void test_announced_bytes_count_against_the_quota(void **state)
{
    struct fixture *f = *state;

    reopen(f, 10 * MIB);
    assert_int_equal(begin(f->vault, 1, 6 * MIB), EBM_OK);
    assert_int_equal(begin(f->vault, 2, 6 * MIB), EBM_ENOSPC);
}

static enum ebm_status work_begin(struct vault_work *w, int64_t id, uint64_t bytes)
{
    struct vault_item item = {.op = VAULT_BEGIN, .checkpoint = id, .bytes = bytes};
    vault_work_do(w, &item);
    return item.answer.status;
}

static void work_chunk(struct vault_work *w, int64_t id, uint64_t at, const uint8_t *bytes)
{
    struct vault_item item = {.op = VAULT_CHUNK, .checkpoint = id, .offset = at, .size = MIB};
    item.data = malloc(MIB);
    memcpy(item.data, bytes + at, MIB);
    vault_work_do(w, &item);
}

static enum ebm_status work_finish(struct vault_work *w, int64_t id)
{
    struct vault_item item = {.op = VAULT_FINISH, .checkpoint = id};
    vault_work_do(w, &item);
    return item.answer.status;
}

/* On the database itself, without the thread: a write that finds no room ends
 * all uploads of its group, gives their room back, and leaves the rest. */
static void test_a_full_database_ends_the_group_only(void **state)
{
    struct fixture *f = *state;
    struct vault_work w;
    struct ebm_error err = {.code = EBM_OK};
    struct buf ids;

    upload(f, 1, 2 * MIB);
    vault_close(f->vault);
    f->vault = NULL;
    assert_int_equal(vault_work_open(&w, &f->home, 0, &err), EBM_OK);
    assert_int_equal(db_exec_text(w.db, "PRAGMA max_page_count = 150", &err), EBM_OK);
    assert_int_equal(work_begin(&w, 2, 8 * MIB), EBM_OK);
    assert_int_equal(work_begin(&w, 3, 8 * MIB), EBM_OK);
    assert_int_equal(vault_work_settle(&w, &err), EBM_OK);
    enum ebm_status status = EBM_OK;
    for (uint64_t at = 0; at < 8 * MIB && status == EBM_OK; at += MIB) {
        work_chunk(&w, 3, at, f->bytes);
        work_chunk(&w, 2, at, f->bytes);
        status = vault_work_settle(&w, &err);
    }
    assert_int_equal(status, EBM_ENOSPC);
    buf_init(&ids);
    assert_int_equal(vault_blob_list(w.db, &ids, &err), EBM_OK);
    assert_int_equal(ids.size, sizeof(int64_t)); /* only checkpoint 1 */
    buf_fini(&ids);
    assert_int_equal(work_finish(&w, 2), EBM_ENOSPC);
    assert_int_equal(work_finish(&w, 3), EBM_ENOSPC);
    vault_work_fini(&w);
    assert_int_equal(open_vault(f, 0), 0);
    assert_stored(f, 1, 2 * MIB);
    upload(f, 2, 2 * MIB);
}

static void test_a_sweep_leaves_what_it_was_told(void **state)
{
    static const int64_t keep[] = {4, 2};
    struct fixture *f = *state;
    struct ebm_error err;

    for (int64_t id = 1; id <= 4; id++)
        upload(f, id, MIB);
    send_all(f->vault, 5, f->bytes, 2 * MIB); /* under way */
    assert_int_equal(vault_sweep(f->vault, keep, 2, 9, &err), EBM_OK);
    struct vault_answer a = next(f->vault);
    assert_int_equal(a.op, VAULT_SWEEP);
    assert_int_equal(a.status, EBM_OK);
    assert_int_equal(a.cookie, 9);
    assert_false(is_stored(f, 1));
    assert_true(is_stored(f, 2));
    assert_false(is_stored(f, 3));
    assert_true(is_stored(f, 4));
    assert_int_equal(finish(f->vault, 5, f->bytes, 2 * MIB), EBM_OK);
    assert_int_equal(vault_sweep(f->vault, NULL, 0, 9, &err), EBM_OK);
    assert_int_equal(next_status(f->vault), EBM_OK);
    assert_false(is_stored(f, 2));
}

static void wait_smaller_than(struct vault *v, uint64_t bytes)
{
    int64_t deadline = clock_mono_ms() + DEADLINE_MS;
    while (vault_bytes(v) >= bytes) {
        assert_true(clock_mono_ms() < deadline);
        poll(NULL, 0, 5);
    }
}

static void test_deleting_gives_the_room_back(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;

    for (int64_t id = 1; id <= 4; id++)
        upload(f, id, 8 * MIB);
    assert_true(vault_bytes(f->vault) > 32 * MIB);
    for (int64_t id = 1; id <= 3; id++) {
        assert_int_equal(vault_delete(f->vault, id, 0, &err), EBM_OK);
        assert_int_equal(next_status(f->vault), EBM_OK);
    }
    wait_smaller_than(f->vault, 12 * MIB);
    assert_stored(f, 4, 8 * MIB);
}

static void test_a_kill_leaves_only_orphans(void **state)
{
    static const int64_t keep[] = {1};
    struct fixture *f = *state;
    struct ebm_error err;
    int status;

    vault_close(f->vault);
    f->vault = NULL;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (open_vault(f, 0) != 0)
            _exit(1);
        upload(f, 1, 3 * MIB);
        send_all(f->vault, 2, f->bytes, 2 * MIB);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(open_vault(f, 0), 0);
    assert_stored(f, 1, 3 * MIB);
    assert_false(is_stored(f, 2));
    struct vault_answer a = chunk(f->vault, 2, 2 * MIB, f->bytes, 10);
    assert_int_equal(a.status, EBM_ENOTFOUND);
    assert_int_equal(vault_sweep(f->vault, keep, 1, 0, &err), EBM_OK);
    assert_int_equal(next_status(f->vault), EBM_OK);
    assert_stored(f, 1, 3 * MIB);
    upload(f, 2, MIB);
}

static void test_closing_finishes_what_is_queued(void **state)
{
    struct fixture *f = *state;
    struct ebm_error err;
    uint8_t digest[DIGEST_BYTES];

    digest_of(f->bytes, 4 * MIB, digest);
    assert_int_equal(vault_begin(f->vault, 1, 4 * MIB, 0, &err), EBM_OK);
    for (uint64_t at = 0; at < 4 * MIB; at += MIB)
        assert_int_equal(vault_chunk(f->vault, 1, at, f->bytes + at, MIB, 0, &err), EBM_OK);
    assert_int_equal(vault_finish(f->vault, 1, digest, 0, &err), EBM_OK);
    reopen(f, 0);
    assert_stored(f, 1, 4 * MIB);
}

/* Another connection holds the write lock, so that nothing leaves the queue. */
static void test_the_queue_is_bounded(void **state)
{
    enum { BIG = 16 << 20, FIT = 16 };
    struct fixture *f = *state;
    struct ebm_error err;
    struct db *lock;
    int accepted = 0;
    char path[HOME_PATH_MAX + 16];
    uint8_t *big = calloc(1, BIG);

    temp_home_path(&f->home, "checkpoints.db", path, sizeof path);
    assert_int_equal(db_open(path, &vault_options, &lock, &err), EBM_OK);
    assert_int_equal(db_begin(lock, &err), EBM_OK);
    assert_int_equal(vault_begin(f->vault, 1, BIG, 0, &err), EBM_OK);
    while (accepted <= 2 * FIT && vault_chunk(f->vault, 1, 0, big, BIG, 0, &err) == EBM_OK)
        accepted++;
    /* the thread may have taken one out before it came upon the lock */
    assert_in_range(accepted, FIT, FIT + 1);
    assert_int_equal(err.code, EBM_ENOMEM);
    db_close(lock);
    for (int i = 0; i < accepted + 1; i++)
        assert_int_equal(next_status(f->vault), EBM_OK);
    assert_int_equal(finish(f->vault, 1, big, BIG), EBM_OK);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_bad_requests_are_refused_at_once),
        T(test_unknown_checkpoints_are_named),
        T(test_bytes_come_back_as_they_went_in),
        T(test_chunks_of_any_size_in_order),
        T(test_a_resent_chunk_is_answered_with_the_true_offset),
        T(test_a_second_begin_starts_from_nothing),
        T(test_a_wrong_digest_drops_the_bytes),
        T(test_an_unfinished_upload_is_not_readable),
        T(test_uploads_and_reads_run_side_by_side),
        T(test_over_the_quota_older_ones_stay),
        T(test_announced_bytes_count_against_the_quota),
        T(test_a_full_database_ends_the_group_only),
        T(test_a_sweep_leaves_what_it_was_told),
        T(test_deleting_gives_the_room_back),
        T(test_a_kill_leaves_only_orphans),
        T(test_closing_finishes_what_is_queued),
        T(test_the_queue_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
