/* The ranks: agreement, parts, exchange, and the sum over the tree. */
#include <stdlib.h>
#include <string.h>

#include "mpi_main.h"

static size_t me(void)
{
    return comm_rank(comm);
}

static void all_well_is_agreed(void **state)
{
    struct ebm_error err = {0};

    (void)state;
    assert_int_equal(comm_agree(comm, EBM_OK, &err), EBM_OK);
}

static void the_lowest_failing_rank_speaks_for_all(void **state)
{
    size_t size = comm_size(comm);

    (void)state;
    for (size_t bad = 0; bad < size; bad++) {
        struct ebm_error err = {0};
        enum ebm_status st = EBM_OK;
        char want[64];
        if (me() >= bad)
            st = ebm_fail(&err, EBM_ECORRUPT, "file of rank %zu", me());
        assert_int_equal(comm_agree(comm, st, &err), EBM_ECORRUPT);
        snprintf(want, sizeof want, bad == 0 ? "file of rank 0" : "rank %zu: file of rank %zu", bad,
                 bad);
        assert_string_equal(err.text, want);
    }
}

static void meeting_and_broadcast(void **state)
{
    char text[16] = "";

    (void)state;
    assert_int_equal(comm_meet(comm, NULL), EBM_OK);
    if (me() == 0)
        strcpy(text, "from rank 0");
    assert_int_equal(comm_broadcast(comm, text, sizeof text, NULL), EBM_OK);
    assert_string_equal(text, "from rank 0");
    assert_false(comm_is_broken(comm));
}

/* Rank r holds r bytes of value r; rank 0 none. */
static void parts_are_gathered_and_scattered(void **state)
{
    size_t size = comm_size(comm), part[16], total = 0;
    uint8_t mine[16], whole[256] = {0};

    (void)state;
    for (size_t r = 0; r < size; r++)
        total += part[r] = r;
    memset(mine, (int)me(), sizeof mine);
    assert_int_equal(comm_gather(comm, mine, part, me() == 0 ? whole : NULL, NULL), EBM_OK);
    for (size_t r = 0, at = 0; me() == 0 && r < size; r++)
        for (size_t i = 0; i < part[r]; i++)
            assert_int_equal(whole[at++], r);
    memset(mine, 99, sizeof mine);
    assert_int_equal(comm_scatter(comm, mine, part, me() == 0 ? whole : NULL, NULL), EBM_OK);
    for (size_t i = 0; i < sizeof mine; i++)
        assert_int_equal(mine[i], i < me() ? me() : 99);
    assert_true(total < sizeof whole);
}

/* Rank r sends r + q records to rank q. */
static void records_are_exchanged(void **state)
{
    size_t size = comm_size(comm), out_count[16], in_count[16], n = 0, at = 0;
    struct record {
        uint32_t from, to, number;
    } out[256], in[256];

    (void)state;
    for (size_t q = 0; q < size; q++) {
        out_count[q] = in_count[q] = me() + q;
        for (uint32_t i = 0; i < out_count[q]; i++)
            out[n++] = (struct record){(uint32_t)me(), (uint32_t)q, i};
    }
    assert_int_equal(comm_exchange(comm, sizeof *out, out, out_count, in, in_count, NULL), EBM_OK);
    for (size_t q = 0; q < size; q++)
        for (uint32_t i = 0; i < in_count[q]; i++, at++)
            assert_true(in[at].from == q && in[at].to == me() && in[at].number == i);
}

static void fill(struct tree_vector v, void *at, size_t shard)
{
    for (size_t i = 0; i < v.floats; i++)
        tree_vector_floats(at)[i] = (float)((shard * 7919 + i * 104729) % 10007) / 313.0f;
    for (size_t i = 0; i < v.sums; i++)
        tree_vector_sums(v, at)[i] = (double)(shard + 1) / 3;
    tree_vector_maxima(v, at)[0] = (double)shard;
}

/* The sum as a single rank makes it. */
static void sum_alone(struct tree_vector v, size_t shards, unsigned char *slots)
{
    size_t bytes = tree_vector_bytes(v);
    struct tree_plan plan;

    for (size_t s = 0; s < shards; s++)
        fill(v, slots + s * bytes, s);
    assert_int_equal(tree_plan_init(&plan, shards, 1, 0, NULL), EBM_OK);
    for (size_t i = 0; i < plan.steps; i++)
        tree_vector_add(v, slots + plan.step[i].into * bytes, slots + plan.step[i].from * bytes);
    tree_plan_fini(&plan);
}

/* Also with fewer shards than ranks. */
static void the_sum_has_the_bits_of_one_rank(void **state)
{
    struct tree_vector v = {1001, 5, 1};
    size_t bytes = tree_vector_bytes(v);

    (void)state;
    for (size_t shards = 1; shards <= 17; shards++) {
        struct tree_range mine = tree_share(shards, comm_size(comm), me());
        unsigned char *alone = calloc(shards, bytes), *slots = calloc(shards, bytes);
        unsigned char *result = calloc(1, bytes);
        struct tree_plan plan;
        sum_alone(v, shards, alone);
        for (size_t s = mine.first; s < mine.end; s++)
            fill(v, slots + (s - mine.first) * bytes, s);
        assert_int_equal(tree_plan_init(&plan, shards, comm_size(comm), me(), NULL), EBM_OK);
        assert_int_equal(comm_reduce(comm, &plan, v, slots, mine.first, result, NULL), EBM_OK);
        assert_memory_equal(result, alone, bytes);
        tree_plan_fini(&plan);
        free(alone);
        free(slots);
        free(result);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(all_well_is_agreed),
    cmocka_unit_test(the_lowest_failing_rank_speaks_for_all),
    cmocka_unit_test(meeting_and_broadcast),
    cmocka_unit_test(parts_are_gathered_and_scattered),
    cmocka_unit_test(records_are_exchanged),
    cmocka_unit_test(the_sum_has_the_bits_of_one_rank),
};

MPI_TEST_MAIN(tests)
