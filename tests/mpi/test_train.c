/* The training step above a quadratic engine: what is allowed to change the
 * state, who knows what, and that nothing is allocated. */
#include <stdlib.h>
#include <string.h>

#include "mpi_main.h"
#include "train/snapshot.h"
#include "trainer_stage.h"

/* ---- counting: the linker sends our own code's allocations here ---- */

static bool counting;
static size_t allocations;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

void *__wrap_malloc(size_t n)
{
    allocations += counting;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    allocations += counting;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    allocations += counting;
    return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    allocations += counting;
    return __real_aligned_alloc(align, n);
}

/* ---- a run ---- */

static int set_up(void **state)
{
    struct stage *s = calloc(1, sizeof *s);

    quadratic_faults = (struct quadratic_faults){0};
    spec_make(&s->spec);
    stage_open(s, &quadratic_engine);
    *state = s;
    return 0;
}

static void steps(struct trainer *t, int n)
{
    struct step_result result;
    struct ebm_error err = {0};

    while (n-- > 0) {
        if (trainer_step(t, SINK_GO_ON, &result, &err) != EBM_OK)
            fail_msg("%s", err.text);
        assert_false(result.bad);
    }
}

static struct buf snapshot(struct trainer *t)
{
    struct ebm_error err;
    struct buf b;

    buf_init(&b);
    assert_int_equal(snapshot_take(t, &b, &err), EBM_OK);
    return b;
}

/* Rank 0 alone holds the bytes. */
static void same(struct buf *a, struct buf *b, bool wanted)
{
    if (comm_rank(comm) == 0)
        assert_int_equal(a->size == b->size && memcmp(a->data, b->data, a->size) == 0, wanted);
    buf_fini(a);
    buf_fini(b);
}

/* ---- tests ---- */

static void all_ranks_hold_the_same_parameters(void **state)
{
    struct stage *s = *state;
    float first[8];

    steps(&s->trainer, 10);
    memcpy(first, s->trainer.params, s->net.params * sizeof *first);
    assert_int_equal(comm_broadcast(comm, first, sizeof first, NULL), EBM_OK);
    assert_memory_equal(first, s->trainer.params, s->net.params * sizeof *first);
}

static void every_step_changes_the_state(void **state)
{
    struct stage *s = *state;

    steps(&s->trainer, 1);
    struct buf one = snapshot(&s->trainer);
    steps(&s->trainer, 1);
    struct buf two = snapshot(&s->trainer);
    same(&one, &two, false);
}

static void restored_equals_uninterrupted(void **state)
{
    struct stage *s = *state, other = {0};
    struct ebm_error err;

    steps(&s->trainer, 7);
    struct buf half = snapshot(&s->trainer);
    steps(&s->trainer, 6);
    struct buf whole = snapshot(&s->trainer);
    spec_make(&other.spec);
    stage_open(&other, &quadratic_engine);
    assert_int_equal(snapshot_load(&other.trainer, &half, &err), EBM_OK);
    assert_int_equal(other.trainer.step, 7);
    steps(&other.trainer, 6);
    struct buf again = snapshot(&other.trainer);
    same(&whole, &again, true);
    buf_fini(&half);
    trainer_fini(&other.trainer);
}

static void a_checkpoint_that_does_not_fit_is_refused_by_all(void **state)
{
    struct stage *s = *state, other = {0};
    struct ebm_error err = {0};
    struct buf blob = snapshot(&s->trainer);

    spec_make(&other.spec);
    other.spec.replay.size = 71;
    stage_open(&other, &quadratic_engine);
    assert_int_equal(snapshot_load(&other.trainer, &blob, &err), EBM_EINVAL);
    assert_non_null(strstr(err.text, "replay.size"));
    trainer_fini(&other.trainer);
    buf_fini(&blob);
}

static void moments_of_another_optimizer_are_dropped(void **state)
{
    struct stage *s = *state, other = {0};
    struct ebm_error err = {0};

    steps(&s->trainer, 3);
    struct buf blob = snapshot(&s->trainer);
    spec_make(&other.spec);
    other.spec.optimizer.kind = OPTIMIZER_SGD;
    stage_open(&other, &quadratic_engine);
    assert_int_equal(snapshot_load(&other.trainer, &blob, &err), EBM_OK);
    assert_int_equal(other.trainer.opt.t, 0);
    assert_true(other.trainer.opt.v[0] == 0);
    assert_memory_equal(other.trainer.params, s->trainer.params, 2 * sizeof(float));
    trainer_fini(&other.trainer);
    buf_fini(&blob);
}

/* Whatever made the step bad, nothing of it stays. */
static void bad_step(struct stage *s, const char *word)
{
    struct step_result result;
    struct ebm_error err = {0};
    struct buf before = snapshot(&s->trainer);

    assert_int_equal(trainer_step(&s->trainer, SINK_GO_ON, &result, &err), EBM_OK);
    assert_true(result.bad);
    if (strstr(result.reason, word) == NULL)
        fail_msg("'%s' is not in '%s'", word, result.reason);
    struct buf after = snapshot(&s->trainer);
    same(&before, &after, true);
}

static void runaway_energies_stop_the_step(void **state)
{
    struct stage *s = *state;

    steps(&s->trainer, 3);
    quadratic_faults.energy_offset = 1e9f;
    bad_step(s, "step 4: the mean energy of the");
}

static void a_nan_of_any_rank_stops_all(void **state)
{
    struct stage *s = *state;

    steps(&s->trainer, 3);
    s->hooks.nan_step = 4;
    s->hooks.nan_rank = comm_size(comm) - 1;
    bad_step(s, "step 4: the parameter gradient");
}

static void an_error_of_the_last_rank_is_everybodys(void **state)
{
    struct stage *s = *state;
    struct step_result result;
    struct ebm_error err = {0};

    steps(&s->trainer, 2);
    quadratic_faults.chain_fails = comm_rank(comm) == comm_size(comm) - 1;
    assert_int_equal(trainer_step(&s->trainer, SINK_GO_ON, &result, &err), EBM_EINTERNAL);
    assert_non_null(strstr(err.text, "the chain broke"));
    assert_int_equal(comm_agree(comm, EBM_OK, &err), EBM_OK); /* nobody is left behind */
}

/* With one shard all but the first rank put nothing into the sum. */
static void an_error_of_a_rank_without_shards_is_everybodys(void **state)
{
    struct stage other = {0};
    struct step_result result;
    struct ebm_error err = {0};

    (void)state;
    spec_make(&other.spec);
    other.spec.data.batch_size = QUADRATIC_TILE;
    stage_open(&other, &quadratic_engine);
    steps(&other.trainer, 2);
    quadratic_faults.params_fail = comm_rank(comm) == comm_size(comm) - 1;
    assert_int_equal(trainer_step(&other.trainer, SINK_GO_ON, &result, &err), EBM_OK);
    assert_int_equal(trainer_step(&other.trainer, SINK_GO_ON, &result, &err), EBM_EINTERNAL);
    assert_non_null(strstr(err.text, "the parameters broke"));
    quadratic_faults.params_fail = false;
    trainer_fini(&other.trainer);
}

static void all_ranks_learn_the_order(void **state)
{
    struct stage *s = *state;
    struct ebm_error err;

    for (int order = SINK_GO_ON; order <= SINK_FENCED; order++) {
        struct step_result result;
        enum sink_order given = comm_rank(comm) == 0 ? (enum sink_order)order : SINK_STOP;
        assert_int_equal(trainer_step(&s->trainer, given, &result, &err), EBM_OK);
        assert_int_equal(result.order, order);
    }
}

/* Time beyond chains and gradient passes is a part of the step's. */
static void time_outside_the_engine_is_told(void **state)
{
    struct stage *s = *state;
    struct step_result result;
    struct ebm_error err;

    for (int i = 0; i < 5; i++) {
        assert_int_equal(trainer_step(&s->trainer, SINK_GO_ON, &result, &err), EBM_OK);
        assert_true(result.outside_s > 0);
        assert_true(result.outside_s <= result.value[METRIC_STEP_SECONDS]);
    }
}

/* The mean of the data is what a quadratic model learns. */
static void the_model_learns_the_mean(void **state)
{
    struct stage *s = *state, other = {0};

    (void)s;
    spec_make(&other.spec);
    strcpy(other.spec.data.dataset, "toy/moons"); /* mean (0, 0.3) */
    other.spec.optimizer.lr = 0.02;
    other.spec.objective.energy_l2 = 0;
    stage_open(&other, &quadratic_engine);
    steps(&other.trainer, 600);
    assert_true(other.trainer.params[0] > -0.3f && other.trainer.params[0] < 0.3f);
    assert_true(other.trainer.params[1] > 0.0f && other.trainer.params[1] < 0.6f);
    trainer_fini(&other.trainer);
}

static void other_starts_of_chains_run(void **state)
{
    static const enum spec_chain_init init[] = {CHAIN_NOISE, CHAIN_DATA};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct stage other = {0};
        float x[32 * 2];
        spec_make(&other.spec);
        other.spec.sampler.init = init[i];
        stage_open(&other, &quadratic_engine);
        steps(&other.trainer, 3);
        memset(x, 0, sizeof x);
        assert_int_equal(
            snapshot_samples(&other.trainer, 32, comm_rank(comm) == 0 ? x : NULL, NULL), EBM_OK);
        assert_true(comm_rank(comm) != 0 || (x[0] != 0 && x[63] != 0));
        trainer_fini(&other.trainer);
    }
}

static void a_step_allocates_nothing(void **state)
{
    const struct engine_ops *engines[] = {&quadratic_engine, engine_find("auto")};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct stage other = {0};
        spec_make(&other.spec);
        stage_open(&other, engines[i]);
        steps(&other.trainer, 1);
        allocations = 0;
        counting = true;
        steps(&other.trainer, 5);
        counting = false;
        assert_int_equal(allocations, 0);
        trainer_fini(&other.trainer);
    }
}

/* A count that stays zero whatever happens would prove nothing. */
static void the_count_counts(void **state)
{
    struct stage *s = *state;

    allocations = 0;
    counting = true;
    struct buf b = snapshot(&s->trainer);
    counting = false;
    assert_true(allocations > 0);
    buf_fini(&b);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    STAGED(all_ranks_hold_the_same_parameters),
    STAGED(every_step_changes_the_state),
    STAGED(restored_equals_uninterrupted),
    STAGED(a_checkpoint_that_does_not_fit_is_refused_by_all),
    STAGED(moments_of_another_optimizer_are_dropped),
    STAGED(runaway_energies_stop_the_step),
    STAGED(a_nan_of_any_rank_stops_all),
    STAGED(an_error_of_the_last_rank_is_everybodys),
    STAGED(an_error_of_a_rank_without_shards_is_everybodys),
    STAGED(all_ranks_learn_the_order),
    STAGED(time_outside_the_engine_is_told),
    STAGED(the_model_learns_the_mean),
    STAGED(other_starts_of_chains_run),
    STAGED(a_step_allocates_nothing),
    STAGED(the_count_counts),
};

MPI_TEST_MAIN(tests)
