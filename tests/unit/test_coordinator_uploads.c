/* Checkpoints on their way in and out, in every order that a lost message or
 * a killed ebmd can bring about: the row is there once, and acknowledged. */
#include "coordinator_actor.h"

#include <stdlib.h>

static uint64_t expect_bytes(struct actor *a, uint64_t upload)
{
    const Ebm__ChunkAck *ack = actor_expect(a, EBM__TO_WORKER__BODY_CHUNK_ACK)->chunk_ack;

    assert_int_equal(ack->upload, upload);
    return ack->received;
}

static int64_t expect_stored(struct actor *a, uint64_t upload)
{
    const Ebm__CheckpointAck *ack =
        actor_expect(a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK)->checkpoint_ack;

    if (ack->status != EBM_OK)
        fail_msg("refused: %s", ack->error);
    assert_int_equal(ack->upload, upload);
    assert_true(ack->checkpoint > 0);
    return (int64_t)ack->checkpoint;
}

static void expect_refused(struct actor *a, uint64_t upload, enum ebm_status status)
{
    const Ebm__CheckpointAck *ack =
        actor_expect(a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK)->checkpoint_ack;

    assert_int_equal(ack->upload, upload);
    assert_int_equal(ack->status, status);
    assert_int_equal(ack->checkpoint, 0);
    assert_true(ack->error[0] != '\0');
}

static bool count_row(void *arg, const struct store_checkpoint *c)
{
    (void)c;
    ++*(unsigned *)arg;
    return true;
}

static unsigned count_rows(struct stage *s, int64_t job)
{
    unsigned n = 0;

    store_checkpoint_each(s->daemon.store, job, true, count_row, &n, NULL);
    return n;
}

static void begin_and_send(struct actor *a, uint64_t upload, uint64_t step, size_t n)
{
    actor_begin(a, upload, step);
    assert_int_equal(expect_bytes(a, upload), 0);
    if (n == 0)
        return;
    actor_chunk(a, upload, step, 0, n);
    assert_int_equal(expect_bytes(a, upload), n);
}

/* A checkpoint that comes while one is on its way takes the place of one that
 * waits: that is told. */
static void what_was_left_out_is_on_record(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 50);
    actor_checkpoint(&a, 50);
    assert_string_equal(stage_event_text(s, job, "checkpoint"), "c1 at step 50");
    a.left_out = 3;
    actor_checkpoint(&a, 90);
    assert_string_equal(stage_event_text(s, job, "checkpoint"),
                        "c2 at step 90; 3 before it came faster than they could be stored, and "
                        "were left out");
    actor_close(&a);
}

/* ---- refused ---- */

static void bytes_without_a_begin_are_ignored(void **state)
{
    struct stage *s = *state;
    struct actor a;

    actor_start(&a, s, SUBMIT(s), 50);
    actor_chunk(&a, 1, 50, 0, 100);
    actor_end(&a, 1);
    actor_end(&a, 0);
    assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_CHUNK_ACK), 0);
    assert_int_equal(actor_checkpoint(&a, 50), 1);
    actor_close(&a);
}

static void wrong_bytes_are_not_stored(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 50);
    begin_and_send(&a, 1, 50, 0);
    actor_chunk(&a, 1, 51, 0, ACTOR_BLOB); /* those of another step */
    assert_int_equal(expect_bytes(&a, 1), ACTOR_BLOB);
    actor_end(&a, 1);
    expect_refused(&a, 1, EBM_ECORRUPT);
    assert_int_equal(count_rows(s, job), 0);
    actor_end(&a, 1); /* there is nothing to end any more */
    assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK), 0);
    begin_and_send(&a, 1, 50, ACTOR_BLOB); /* again, right this time */
    actor_end(&a, 1);
    int64_t id = expect_stored(&a, 1);
    assert_int_equal(stage_checkpoint(s, id).step, 50);
    STAGE_UNTIL(s, stage_count_blobs(s) == 1);
    actor_close(&a);
}

static void too_many_bytes_end_the_upload(void **state)
{
    struct stage *s = *state;
    struct actor a;
    uint8_t more[100] = {0};
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 50);
    begin_and_send(&a, 1, 50, ACTOR_BLOB);
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__CheckpointChunk body = EBM__CHECKPOINT_CHUNK__INIT;
    body.upload = 1;
    body.offset = ACTOR_BLOB;
    m.body_case = EBM__FROM_WORKER__BODY_CHUNK;
    m.chunk = &body;
    actor_send(&a, &m, more, sizeof more);
    expect_refused(&a, 1, EBM_EINVAL);
    STAGE_UNTIL(s, stage_count_blobs(s) == 0); /* nobody would ever end it */
    assert_int_equal(actor_checkpoint(&a, 50), 2);
    assert_int_equal(count_rows(s, job), 1);
    actor_close(&a);
}

static void chunks_that_are_none_are_ignored(void **state)
{
    struct stage *s = *state;
    struct actor a;
    uint8_t *large = calloc(1, WIRE_CHUNK_BYTES + 1);
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__CheckpointChunk body = EBM__CHECKPOINT_CHUNK__INIT;

    assert_non_null(large);
    actor_start(&a, s, SUBMIT(s), 50);
    begin_and_send(&a, 1, 50, 0);
    body.upload = 1;
    m.body_case = EBM__FROM_WORKER__BODY_CHUNK;
    m.chunk = &body;
    actor_send(&a, &m, NULL, 0);
    actor_send(&a, &m, large, WIRE_CHUNK_BYTES + 1);
    free(large);
    assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_CHUNK_ACK), 0);
    actor_chunk(&a, 1, 50, 0, ACTOR_BLOB);
    assert_int_equal(expect_bytes(&a, 1), ACTOR_BLOB);
    actor_close(&a);
}

/* ---- resent, lost, out of order ---- */

static void a_checkpoint_is_recorded(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    int64_t id = actor_checkpoint(&a, 50);
    struct store_checkpoint c = stage_checkpoint(s, id);
    assert_int_equal(c.job, job);
    assert_int_equal(c.attempt, 1);
    assert_int_equal(c.step, 50);
    assert_int_equal(c.bytes, ACTOR_BLOB);
    assert_string_equal(c.health, "probation");
    assert_true(c.created_ms > 0 && c.score > 0);
    assert_int_equal(c.math_digest[0], 1);
    assert_int_equal(stage_events(s, job, "checkpoint"), 1);
    assert_int_equal(stage_job(s, job).step, 50);
    assert_int_equal(stage_count_blobs(s), 1);
    actor_close(&a);
}

static void a_begin_sent_again_goes_on(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 50);
    begin_and_send(&a, 1, 50, 1000);
    actor_begin(&a, 1, 50);
    assert_int_equal(expect_bytes(&a, 1), 1000);
    actor_chunk(&a, 1, 50, 1000, ACTOR_BLOB - 1000);
    assert_int_equal(expect_bytes(&a, 1), ACTOR_BLOB);
    actor_begin(&a, 1, 50);
    assert_int_equal(expect_bytes(&a, 1), ACTOR_BLOB);
    actor_end(&a, 1);
    int64_t id = expect_stored(&a, 1);
    actor_begin(&a, 1, 50); /* its acknowledgement was lost */
    assert_int_equal(expect_stored(&a, 1), id);
    actor_begin(&a, 2, 50); /* the same content once more */
    assert_int_equal(expect_stored(&a, 2), id);
    assert_int_equal(count_rows(s, job), 1);
    actor_close(&a);
}

/* Two begins at once: the vault is asked once. */
static void a_begin_in_a_hurry_is_one(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 50);
    actor_begin(&a, 1, 50);
    actor_begin(&a, 1, 50);
    assert_int_equal(expect_bytes(&a, 1), 0);
    actor_chunk(&a, 1, 50, 0, ACTOR_BLOB);
    while (expect_bytes(&a, 1) != ACTOR_BLOB)
        ;
    actor_end(&a, 1);
    assert_int_equal(expect_stored(&a, 1), 1); /* one id was reserved */
    assert_int_equal(stage_count_blobs(s), 1);
    actor_close(&a);
}

static void chunks_out_of_order_say_where_to_go_on(void **state)
{
    struct stage *s = *state;
    struct actor a;

    actor_start(&a, s, SUBMIT(s), 50);
    begin_and_send(&a, 1, 50, 1000);
    actor_chunk(&a, 1, 50, 0, 1000); /* again */
    assert_int_equal(expect_bytes(&a, 1), 1000);
    actor_chunk(&a, 1, 50, 3000, 500); /* one in between was lost */
    assert_int_equal(expect_bytes(&a, 1), 1000);
    actor_chunk(&a, 1, 50, 500, 1000); /* across what is there */
    assert_int_equal(expect_bytes(&a, 1), 1000);
    actor_chunk(&a, 2, 50, 1000, 1000); /* of another upload */
    actor_chunk(&a, 1, 50, 1000, ACTOR_BLOB - 1000);
    assert_int_equal(expect_bytes(&a, 1), ACTOR_BLOB);
    actor_end(&a, 1);
    expect_stored(&a, 1);
    actor_close(&a);
}

static void an_early_end_is_told_what_is_missing(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 50);
    begin_and_send(&a, 1, 50, 0);
    actor_end(&a, 1);
    assert_int_equal(expect_bytes(&a, 1), 0);
    actor_chunk(&a, 1, 50, 0, 2000);
    assert_int_equal(expect_bytes(&a, 1), 2000);
    actor_end(&a, 1);
    assert_int_equal(expect_bytes(&a, 1), 2000);
    assert_int_equal(count_rows(s, job), 0);
    actor_chunk(&a, 1, 50, 2000, ACTOR_BLOB - 2000);
    assert_int_equal(expect_bytes(&a, 1), ACTOR_BLOB);
    actor_end(&a, 1);
    actor_end(&a, 1);
    actor_end(&a, 1);
    int64_t id = expect_stored(&a, 1);
    assert_int_equal(expect_stored(&a, 1), id);
    assert_int_equal(expect_stored(&a, 1), id);
    assert_int_equal(count_rows(s, job), 1);
    assert_int_equal(stage_events(s, job, "checkpoint"), 1);
    actor_close(&a);
}

static void another_upload_drops_the_one_before(void **state)
{
    struct stage *s = *state;
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 50);
    begin_and_send(&a, 1, 50, 3000);
    begin_and_send(&a, 2, 100, 3000);
    actor_chunk(&a, 1, 50, 3000, ACTOR_BLOB - 3000);
    actor_end(&a, 1);
    assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_CHUNK_ACK), 0);
    actor_chunk(&a, 2, 100, 3000, ACTOR_BLOB - 3000);
    assert_int_equal(expect_bytes(&a, 2), ACTOR_BLOB);
    actor_end(&a, 2);
    int64_t id = expect_stored(&a, 2);
    assert_int_equal(stage_checkpoint(s, id).step, 100);
    assert_int_equal(count_rows(s, job), 1);
    STAGE_UNTIL(s, stage_count_blobs(s) == 1);
    actor_close(&a);
}

/* The same number for other content: a worker that counts anew. */
static void a_number_used_again_is_another_upload(void **state)
{
    struct stage *s = *state;
    struct actor a;

    actor_start(&a, s, SUBMIT(s), 50);
    begin_and_send(&a, 1, 50, 3000);
    begin_and_send(&a, 1, 100, ACTOR_BLOB);
    actor_end(&a, 1);
    assert_int_equal(stage_checkpoint(s, expect_stored(&a, 1)).step, 100);
    begin_and_send(&a, 1, 150, ACTOR_BLOB);
    actor_end(&a, 1);
    assert_int_equal(stage_checkpoint(s, expect_stored(&a, 1)).step, 150);
    actor_close(&a);
}

static void two_jobs_upload_at_once(void **state)
{
    struct stage *s = *state;
    struct actor a, b;

    actor_start(&a, s, SUBMIT(s), 50);
    actor_start(&b, s, SUBMIT(s), 50);
    begin_and_send(&a, 1, 50, 1000);
    begin_and_send(&b, 1, 50, 2000);
    actor_chunk(&a, 1, 50, 1000, ACTOR_BLOB - 1000);
    actor_chunk(&b, 1, 50, 2000, ACTOR_BLOB - 2000);
    assert_int_equal(expect_bytes(&b, 1), ACTOR_BLOB);
    assert_int_equal(expect_bytes(&a, 1), ACTOR_BLOB);
    actor_end(&b, 1);
    actor_end(&a, 1);
    int64_t first = expect_stored(&a, 1), second = expect_stored(&b, 1);
    assert_int_equal(stage_checkpoint(s, first).job, a.job);
    assert_int_equal(stage_checkpoint(s, second).job, b.job);
    assert_int_equal(stage_count_blobs(s), 2);
    actor_close(&a);
    actor_close(&b);
}

static void what_an_ended_attempt_was_uploading_goes(void **state)
{
    struct stage *s = *state;
    struct actor a, b;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 50);
    begin_and_send(&a, 1, 50, 3000);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    STAGE_UNTIL(s, stage_count_blobs(s) == 0);
    actor_start(&b, s, job, 50);
    begin_and_send(&b, 1, 50, ACTOR_BLOB);
    actor_end(&b, 1);
    assert_int_equal(stage_checkpoint(s, expect_stored(&b, 1)).attempt, 2);
    actor_close(&a);
    actor_close(&b);
}

/* ---- the store fails once the vault has it ---- */

static bool is_finishing(struct stage *s, int64_t job)
{
    return live_find(&s->daemon.live, job)->upload.state == UPLOAD_FINISHING;
}

/* The row could not be written, so nothing is acknowledged; the worker begins
 * again or ends again, as its patience has it, and is heard either way. */
static void try_again_after_a_full_store(struct stage *s, bool by_begin)
{
    struct actor a;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 50);
    begin_and_send(&a, 1, 50, ACTOR_BLOB);
    stage_fill_store(s);
    actor_end(&a, 1);
    STAGE_UNTIL(s, is_finishing(s, job));
    for (int i = 0; i < 5; i++)
        assert_int_equal(actor_count_until_beat(&a, EBM__TO_WORKER__BODY_CHECKPOINT_ACK), 0);
    assert_int_equal(count_rows(s, job), 0);
    stage_empty_store(s);
    if (by_begin) {
        actor_begin(&a, 1, 50);
        assert_int_equal(expect_bytes(&a, 1), ACTOR_BLOB);
    }
    actor_end(&a, 1);
    int64_t id = expect_stored(&a, 1);
    assert_int_equal(stage_checkpoint(s, id).step, 50);
    assert_int_equal(count_rows(s, job), 1);
    assert_int_equal(stage_count_blobs(s), 1);
    actor_close(&a);
}

static void an_end_after_a_failed_commit_is_heard(void **state)
{
    try_again_after_a_full_store(*state, false);
}

static void a_begin_after_a_failed_commit_is_heard(void **state)
{
    try_again_after_a_full_store(*state, true);
}

/* ---- ebmd goes and comes back in the middle ---- */

enum { CUTS = 7 };

/* As far as the cut; true when it was acknowledged. */
static bool upload_until(struct actor *a, int cut)
{
    if (cut == 0)
        return false;
    actor_begin(a, 1, 50);
    if (cut == 1)
        return false;
    expect_bytes(a, 1);
    if (cut == 2)
        return false;
    actor_chunk(a, 1, 50, 0, 2000);
    expect_bytes(a, 1);
    if (cut == 3)
        return false;
    actor_chunk(a, 1, 50, 2000, ACTOR_BLOB - 2000);
    expect_bytes(a, 1);
    if (cut == 4)
        return false;
    actor_end(a, 1);
    if (cut == 5)
        stage_turn(a->stage);
    if (cut < 6)
        return false;
    expect_stored(a, 1);
    return true;
}

/* As the agent does: begins again, unless it is told that all is stored. */
static void upload_again(struct actor *a)
{
    actor_begin(a, 1, 50);
    STAGE_UNTIL(a->stage, actor_count_until_beat(a, EBM__TO_WORKER__BODY_CHUNK_ACK) +
                                  stage_events(a->stage, a->job, "checkpoint") >
                              0);
    if (stage_events(a->stage, a->job, "checkpoint") > 0)
        return;
    actor_chunk(a, 1, 50, 0, ACTOR_BLOB);
    assert_int_equal(expect_bytes(a, 1), ACTOR_BLOB);
    actor_end(a, 1);
    expect_stored(a, 1);
}

static void fetch(struct actor *a, int64_t checkpoint, uint64_t offset, uint32_t bytes)
{
    Ebm__FromWorker m = EBM__FROM_WORKER__INIT;
    Ebm__Fetch body = EBM__FETCH__INIT;

    body.checkpoint = (uint64_t)checkpoint;
    body.offset = offset;
    body.bytes = bytes;
    m.body_case = EBM__FROM_WORKER__BODY_FETCH;
    m.fetch = &body;
    actor_send(a, &m, NULL, 0);
    const Ebm__FetchData *data = actor_expect(a, EBM__TO_WORKER__BODY_FETCH_DATA)->fetch_data;
    assert_true(data->checkpoint == (uint64_t)checkpoint);
    assert_true(data->offset == offset);
}

/* The next attempt is given just these bytes to start from. */
static void assert_start(struct stage *s, int64_t job, const struct actor *writer)
{
    struct actor b;
    uint8_t blob[ACTOR_BLOB], digest[DIGEST_BYTES];

    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    actor_open(&b, s, job);
    const Ebm__Welcome *w = actor_hello(&b);
    int64_t id = (int64_t)w->checkpoint;
    actor_blob(writer, 50, blob);
    digest_of(blob, sizeof blob, digest);
    assert_int_equal(w->checkpoint_bytes, ACTOR_BLOB);
    assert_memory_equal(w->checkpoint_digest.data, digest, DIGEST_BYTES);
    fetch(&b, id, 0, WIRE_CHUNK_BYTES);
    assert_int_equal(b.heard->fetch_data->status, EBM_OK);
    assert_int_equal(b.bulk.size, ACTOR_BLOB);
    assert_memory_equal(b.bulk.data, blob, ACTOR_BLOB);
    actor_close(&b);
}

static void an_upload_survives_ebmd_at_each_step(void **state)
{
    struct stage *s = *state;

    for (int cut = 0; cut < CUTS; cut++) {
        struct actor a;
        int64_t job = SUBMIT(s);
        actor_start(&a, s, job, 50);
        bool stored = upload_until(&a, cut);
        struct actor writer = a;
        stage_wait_mpirun(s, job);
        actor_close(&a);
        stage_reopen(s);
        assert_true(!stored || count_rows(s, job) == 1);
        actor_start(&a, s, job, 50);
        upload_again(&a);
        assert_int_equal(count_rows(s, job), 1);
        assert_int_equal(stage_events(s, job, "checkpoint"), 1);
        actor_close(&a);
        assert_start(s, job, &writer);
        stage_change(s, job, "kill");
        STAGE_UNTIL(s, stage_state(s, job) == JOB_CANCELLED);
    }
    STAGE_UNTIL(s, stage_count_blobs(s) == CUTS);
}

/* ---- the start ---- */

static void a_start_is_fetched_in_pieces(void **state)
{
    struct stage *s = *state;
    struct actor a, b;
    uint8_t blob[ACTOR_BLOB];
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    int64_t id = actor_checkpoint(&a, 50);
    fetch(&a, id, 0, 10); /* this attempt started from scratch */
    assert_int_equal(a.heard->fetch_data->status, EBM_ENOTFOUND);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    actor_start(&b, s, job, 50);
    actor_blob(&a, 50, blob);
    fetch(&b, id, 4000, 500);
    assert_int_equal(b.bulk.size, 500);
    assert_memory_equal(b.bulk.data, blob + 4000, 500);
    fetch(&b, id, 4900, UINT32_MAX); /* what is left */
    assert_int_equal(b.bulk.size, 100);
    assert_memory_equal(b.bulk.data, blob + 4900, 100);
    fetch(&b, id, ACTOR_BLOB, 100);
    assert_int_equal(b.heard->fetch_data->status, EBM_OK);
    assert_int_equal(b.bulk.size, 0);
    actor_close(&a);
    actor_close(&b);
}

static void only_the_start_is_given(void **state)
{
    struct stage *s = *state;
    struct actor a, b;
    int64_t job = SUBMIT(s);

    actor_start(&a, s, job, 0);
    int64_t id = actor_checkpoint(&a, 50);
    stage_end_mpirun(s, job, 1);
    STAGE_UNTIL(s, stage_job(s, job).attempt == 2);
    actor_start(&b, s, job, 50);
    int64_t own = actor_checkpoint(&b, 100);
    fetch(&b, own, 0, 100);
    assert_int_equal(b.heard->fetch_data->status, EBM_EPROTO);
    fetch(&b, 0, 0, 100);
    assert_int_equal(b.heard->fetch_data->status, EBM_EPROTO);
    fetch(&b, -1, 0, 100);
    assert_int_equal(b.heard->fetch_data->status, EBM_EPROTO);
    fetch(&b, id, ACTOR_BLOB + 1, 100);
    assert_int_equal(b.heard->fetch_data->status, EBM_EINVAL);
    fetch(&b, id, UINT64_MAX, 100);
    assert_int_equal(b.heard->fetch_data->status, EBM_EINVAL);
    fetch(&b, id, 0, 0);
    assert_int_equal(b.heard->fetch_data->status, EBM_EINVAL);
    assert_int_equal(b.bulk.size, 0);
    actor_close(&a);
    actor_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        T(what_was_left_out_is_on_record),
        T(bytes_without_a_begin_are_ignored),
        T(wrong_bytes_are_not_stored),
        T(too_many_bytes_end_the_upload),
        T(chunks_that_are_none_are_ignored),
        T(a_checkpoint_is_recorded),
        T(a_begin_sent_again_goes_on),
        T(a_begin_in_a_hurry_is_one),
        T(chunks_out_of_order_say_where_to_go_on),
        T(an_early_end_is_told_what_is_missing),
        T(another_upload_drops_the_one_before),
        T(a_number_used_again_is_another_upload),
        T(two_jobs_upload_at_once),
        T(what_an_ended_attempt_was_uploading_goes),
        T(an_end_after_a_failed_commit_is_heard),
        T(a_begin_after_a_failed_commit_is_heard),
        T(an_upload_survives_ebmd_at_each_step),
        T(a_start_is_fetched_in_pieces),
        T(only_the_start_is_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
