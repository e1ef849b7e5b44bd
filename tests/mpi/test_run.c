/* A run above a scripted sink: orders, checkpoints, pictures and endings. */
#include <stdlib.h>
#include <string.h>

#include "mpi_main.h"
#include "quadratic_engine.h"
#include "train/run.h"

enum { CALLS_MAX = 128 };

/* What rank 0's sink was told, and what it orders. */
struct sink {
    enum sink_order order;
    uint64_t order_step; /* given to the step after this many rows */
    enum ebm_status start_status;
    struct buf start_blob; /* what to start from */
    uint64_t rows, last_row;
    uint64_t checkpoint[CALLS_MAX], picture[CALLS_MAX];
    size_t checkpoints, pictures, orders_done;
    double score;
    struct buf newest; /* of the checkpoints */
};

static enum ebm_status script_start(struct sink *s, uint32_t ranks, struct buf *blob,
                                    struct ebm_error *err)
{
    assert_int_equal(ranks, comm_size(comm));
    buf_put(blob, s->start_blob.data, s->start_blob.size);
    return s->start_status == EBM_OK ? EBM_OK : ebm_fail(err, s->start_status, "as scripted");
}

static void script_metrics(struct sink *s, const struct sink_row *row)
{
    assert_int_equal(row->step, s->last_row + 1);
    s->last_row = row->step;
    s->rows++;
}

static void script_checkpoint(struct sink *s, uint64_t step, double score,
                              const uint8_t math_digest[DIGEST_BYTES], struct buf *blob)
{
    (void)math_digest;
    assert_true(s->checkpoints < CALLS_MAX && blob->size > 0);
    s->checkpoint[s->checkpoints++] = step;
    s->score = score;
    buf_fini(&s->newest);
    s->newest = *blob;
    buf_init(blob);
}

static void script_picture(struct sink *s, uint64_t step, struct buf *png)
{
    assert_true(s->pictures < CALLS_MAX && png->size > 8 && memcmp(png->data + 1, "PNG", 3) == 0);
    s->picture[s->pictures++] = step;
    buf_clear(png);
}

static void script_progress(struct sink *s, uint64_t step, const char *phase)
{
    (void)s;
    (void)step;
    assert_non_null(phase);
}

static void script_verdict(struct sink *s, const struct standing *v)
{
    (void)s;
    assert_true(v->word[0] != '\0' && v->outlook[0] != '\0');
}

static enum sink_order script_order(struct sink *s)
{
    return s->rows >= s->order_step ? s->order : SINK_GO_ON;
}

static void script_order_done(struct sink *s, enum sink_order order)
{
    assert_int_equal(order, SINK_CHECKPOINT);
    s->order = SINK_GO_ON;
    s->orders_done++;
}

static const struct sink_ops script_ops = {
    .start = script_start,
    .metrics = script_metrics,
    .checkpoint = script_checkpoint,
    .picture = script_picture,
    .progress = script_progress,
    .verdict = script_verdict,
    .order = script_order,
    .order_done = script_order_done,
};

struct stage {
    struct spec spec;
    struct net net;
    struct train_hooks hooks;
    struct sink sink;
    struct run_ending ending;
};

static int set_up(void **state)
{
    static const char text[] = "name: t\n"
                               "data: { dataset: toy/rings, batch_size: 32 }\n"
                               "model: { layers: [ dense: {out: 1} ] }\n"
                               "sampler: { steps: 4, step_size: 0.2, noise_std: 0.1 }\n"
                               "replay: { size: 70 }\n"
                               "train: { steps: 25 }\n"
                               "checkpoint: { every_steps: 10 }\n";
    static struct spec_problems problems;
    struct stage *s = calloc(1, sizeof *s);

    quadratic_faults = (struct quadratic_faults){0};
    assert_int_equal(spec_parse(text, sizeof text - 1, NULL, 0, &s->spec, &problems, NULL), EBM_OK);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;

    buf_fini(&s->sink.newest);
    buf_fini(&s->sink.start_blob);
    free(s);
    return 0;
}

static bool root(void)
{
    return comm_rank(comm) == 0;
}

static void run(struct stage *s, const char *outcome, uint64_t step)
{
    struct sink_handle handle = {&script_ops, &s->sink};
    struct run_config config = {&s->spec, &s->net, &quadratic_engine, 1, &s->hooks, NULL};

    assert_int_equal(spec_settle_net(&s->spec, &s->net, NULL, NULL), EBM_OK);
    run_train(&config, comm, root() ? &handle : NULL, &s->ending);
    assert_string_equal(s->ending.outcome, outcome);
    assert_int_equal(s->ending.step, step);
}

static void checkpoints_are(const struct stage *s, const uint64_t *steps, size_t n)
{
    if (!root())
        return;
    assert_int_equal(s->sink.checkpoints, n);
    assert_memory_equal(s->sink.checkpoint, steps, n * sizeof *steps);
}

#define CHECKPOINTS_ARE(s, ...)                                                                    \
    checkpoints_are(s, (const uint64_t[]){__VA_ARGS__},                                            \
                    sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void a_whole_run(void **state)
{
    struct stage *s = *state;

    run(s, "succeeded", 25);
    CHECKPOINTS_ARE(s, 10, 20, 25);
    assert_true(!root() || (s->sink.rows == 25 && s->sink.score > 0));
    assert_true(!root() || (s->sink.pictures == 3 && s->sink.picture[2] == 25));
}

/* The last step is a multiple of every_steps: one checkpoint, not two. */
static void no_checkpoint_twice_for_one_step(void **state)
{
    struct stage *s = *state;

    s->spec.train.steps = 20;
    s->sink.order = SINK_CHECKPOINT;
    s->sink.order_step = 9; /* with step 10 */
    run(s, "succeeded", 20);
    CHECKPOINTS_ARE(s, 10, 20);
    assert_true(!root() || s->sink.orders_done == 1);
}

static void a_checkpoint_on_request(void **state)
{
    struct stage *s = *state;

    s->sink.order = SINK_CHECKPOINT;
    s->sink.order_step = 3;
    run(s, "succeeded", 25);
    CHECKPOINTS_ARE(s, 4, 10, 20, 25);
}

static void orders_that_end_a_run(void **state)
{
    static const struct {
        enum sink_order order;
        const char *outcome;
        size_t checkpoints;
    } cases[] = {
        {SINK_PAUSE, "paused", 1},
        {SINK_CANCEL, "cancelled", 1},
        {SINK_STOP, "stopped", 0},
        {SINK_FENCED, "fenced", 0},
    };
    struct stage *s = *state;

    for (size_t i = 0; i < 4; i++) {
        buf_fini(&s->sink.newest);
        s->sink = (struct sink){.order = cases[i].order, .order_step = 6};
        run(s, cases[i].outcome, 7);
        assert_true(!root() || s->sink.checkpoints == cases[i].checkpoints);
        assert_true(!root() || cases[i].checkpoints == 0 || s->sink.checkpoint[0] == 7);
    }
}

static void pictures_between_checkpoints(void **state)
{
    struct stage *s = *state;

    s->spec.pictures.every_steps = 4;
    run(s, "succeeded", 25);
    static const uint64_t want[] = {4, 8, 10, 12, 16, 20, 24, 25};
    if (root()) {
        assert_int_equal(s->sink.pictures, 8);
        assert_memory_equal(s->sink.picture, want, sizeof want);
    }
}

/* Stopped anywhere and started again, the last bytes are the same. */
static void interrupted_runs_end_alike(void **state)
{
    struct stage *s = *state;
    struct buf whole, half;

    run(s, "succeeded", 25);
    whole = s->sink.newest;
    s->sink = (struct sink){.order = SINK_PAUSE, .order_step = 12};
    run(s, "paused", 13);
    half = s->sink.newest;
    s->sink = (struct sink){.start_blob = half, .last_row = 13};
    run(s, "succeeded", 25);
    CHECKPOINTS_ARE(s, 20, 25);
    if (root()) {
        assert_int_equal(s->sink.newest.size, whole.size);
        assert_memory_equal(s->sink.newest.data, whole.data, whole.size);
    }
    buf_fini(&whole);
}

static void nothing_is_left_to_do(void **state)
{
    struct stage *s = *state;

    run(s, "succeeded", 25);
    s->sink = (struct sink){.start_blob = s->sink.newest, .last_row = 25};
    run(s, "succeeded", 25);
    assert_true(!root() || (s->sink.rows == 0 && s->sink.checkpoints == 0));
}

static void a_damaged_checkpoint_is_told_apart(void **state)
{
    struct stage *s = *state;

    if (root())
        buf_puts(&s->sink.start_blob, "EBMCKPT no more");
    run(s, "corrupt", 0);
    assert_non_null(strstr(s->ending.reason, "not a checkpoint"));
}

static void a_refused_start_is_fenced(void **state)
{
    struct stage *s = *state;

    s->sink.start_status = EBM_ESTALE;
    run(s, "fenced", 0);
    assert_string_equal(s->ending.reason, "as scripted");
}

static void bad_steps_end_as_diverged(void **state)
{
    struct stage *s = *state;

    s->hooks.nan_step = 15;
    run(s, "diverged", 14);
    assert_non_null(strstr(s->ending.reason, "step 15: the parameter gradient is not finite"));
    CHECKPOINTS_ARE(s, 10);
    /* Recovery raises the noise epoch, and the fault is gone. */
    buf_fini(&s->sink.newest);
    s->sink = (struct sink){0};
    s->spec.noise_epoch = 1;
    run(s, "succeeded", 25);
}

static void an_engine_that_fails_on_the_last_rank(void **state)
{
    struct stage *s = *state;

    quadratic_faults.chain_fails = comm_rank(comm) == comm_size(comm) - 1;
    run(s, "failed", 0);
    assert_non_null(strstr(s->ending.reason, "the chain broke"));
}

static void data_that_cannot_be_read_on_the_last_rank(void **state)
{
    struct stage *s = *state;
    struct sink_handle handle = {&script_ops, &s->sink};
    struct run_config config = {&s->spec, &s->net, &quadratic_engine, 1, NULL, NULL};

    assert_int_equal(spec_settle_net(&s->spec, &s->net, NULL, NULL), EBM_OK);
    if (comm_rank(comm) == comm_size(comm) - 1)
        strcpy(s->spec.data.dataset, "idx:/nowhere/at/all");
    run_train(&config, comm, root() ? &handle : NULL, &s->ending);
    assert_string_equal(s->ending.outcome, "failed");
    assert_non_null(strstr(s->ending.reason, "/nowhere/at/all"));
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    STAGED(a_whole_run),
    STAGED(no_checkpoint_twice_for_one_step),
    STAGED(a_checkpoint_on_request),
    STAGED(orders_that_end_a_run),
    STAGED(pictures_between_checkpoints),
    STAGED(interrupted_runs_end_alike),
    STAGED(nothing_is_left_to_do),
    STAGED(a_damaged_checkpoint_is_told_apart),
    STAGED(a_refused_start_is_fenced),
    STAGED(bad_steps_end_as_diverged),
    STAGED(an_engine_that_fails_on_the_last_rank),
    STAGED(data_that_cannot_be_read_on_the_last_rank),
};

MPI_TEST_MAIN(tests)
