/* The tree over shards: shares, plans, and the same bits for every rank
 * count. Ranks are played one after another, messages through a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "comm/tree.h"

enum { RANKS_MAX = 9, SHARDS_MAX = 70, FLOATS = 5, SUMS = 3, MAXIMA = 1 };

static const struct tree_vector shape = {FLOATS, SUMS, MAXIMA};

static void shares_cover_all_once(void **state)
{
    (void)state;
    for (size_t n = 0; n <= SHARDS_MAX; n++)
        for (size_t ranks = 1; ranks <= RANKS_MAX; ranks++) {
            size_t next = 0;
            for (size_t r = 0; r < ranks; r++) {
                struct tree_range s = tree_share(n, ranks, r);
                assert_int_equal(s.first, next);
                assert_true(s.end >= s.first && s.end - s.first <= n / ranks + 1);
                for (size_t i = s.first; i < s.end; i++)
                    assert_int_equal(tree_owner(n, ranks, i), r);
                next = s.end;
            }
            assert_int_equal(next, n);
            assert_true(n == 0 || tree_share(n, ranks, 0).end > 0);
        }
}

static void fill(unsigned char *slots, size_t shards)
{
    srand(42);
    for (size_t s = 0; s < shards; s++) {
        void *at = slots + s * tree_vector_bytes(shape);
        for (size_t i = 0; i < FLOATS; i++)
            tree_vector_floats(at)[i] = (float)rand() / 1e5f - 1e4f;
        for (size_t i = 0; i < SUMS; i++)
            tree_vector_sums(shape, at)[i] = rand() * 1e-7;
        tree_vector_maxima(shape, at)[0] = (double)(s * 7 % 13);
    }
}

/* A message under way from one rank to another. */
struct wire {
    bool full;
    unsigned char *bytes;
};

/* One step of a rank's plan; false when it has to wait. */
static bool play(const struct tree_step *s, unsigned char *slots, struct wire *from_peer,
                 struct wire *to_peer)
{
    size_t bytes = tree_vector_bytes(shape);

    if (s->action == TREE_ADD) {
        tree_vector_add(shape, slots + s->into * bytes, slots + s->from * bytes);
        return true;
    }
    struct wire *w = s->action == TREE_SEND ? to_peer : from_peer;
    if (w->full == (s->action == TREE_SEND))
        return false;
    if (s->action == TREE_SEND)
        memcpy(w->bytes, slots + s->from * bytes, bytes);
    else
        tree_vector_add(shape, slots + s->into * bytes, w->bytes);
    w->full = !w->full;
    return true;
}

/* Plays all ranks round and round; all must come to their end. */
static void sum_with(size_t shards, size_t ranks, unsigned char *slots)
{
    struct tree_plan plan[RANKS_MAX];
    size_t at[RANKS_MAX] = {0}, moved = 1, bytes = tree_vector_bytes(shape);
    struct wire wire[RANKS_MAX][RANKS_MAX];

    for (size_t r = 0; r < ranks; r++) {
        assert_int_equal(tree_plan_init(&plan[r], shards, ranks, r, NULL), EBM_OK);
        for (size_t q = 0; q < ranks; q++)
            wire[r][q] = (struct wire){false, malloc(bytes)};
    }
    while (moved > 0) {
        moved = 0;
        for (size_t r = 0; r < ranks; r++)
            if (at[r] < plan[r].steps) {
                const struct tree_step *s = &plan[r].step[at[r]];
                bool done = play(s, slots, &wire[s->peer][r], &wire[r][s->peer]);
                at[r] += done;
                moved += done;
            }
    }
    for (size_t r = 0; r < ranks; r++) {
        assert_int_equal(at[r], plan[r].steps);
        tree_plan_fini(&plan[r]);
        for (size_t q = 0; q < ranks; q++)
            free(wire[r][q].bytes);
    }
}

static void every_rank_count_gives_the_same_bits(void **state)
{
    size_t bytes = tree_vector_bytes(shape);
    unsigned char *one = calloc(SHARDS_MAX, bytes), *many = calloc(SHARDS_MAX, bytes);

    (void)state;
    for (size_t shards = 1; shards <= SHARDS_MAX; shards++) {
        fill(one, shards);
        sum_with(shards, 1, one);
        for (size_t ranks = 2; ranks <= RANKS_MAX; ranks++) {
            fill(many, shards);
            sum_with(shards, ranks, many);
            assert_memory_equal(one, many, bytes);
        }
    }
    free(one);
    free(many);
}

static void the_tree_sums(void **state)
{
    size_t bytes = tree_vector_bytes(shape), shards = 13;
    unsigned char *slots = calloc(shards, bytes);
    double sum = 0;

    (void)state;
    for (size_t s = 0; s < shards; s++) {
        tree_vector_floats(slots + s * bytes)[2] = (float)(1u << s);
        tree_vector_sums(shape, slots + s * bytes)[1] = (double)s;
        tree_vector_maxima(shape, slots + s * bytes)[0] = s == 5 ? 99 : 1;
        sum += (double)s;
    }
    sum_with(shards, 3, slots);
    assert_true(tree_vector_floats(slots)[2] == (float)((1u << shards) - 1));
    assert_true(tree_vector_sums(shape, slots)[1] == sum);
    assert_true(tree_vector_maxima(shape, slots)[0] == 99);
    free(slots);
}

/* Two ranks with one shard each must not sum from left to right over four
 * shards: (a+b)+(c+d), not ((a+b)+c)+d. */
static void the_shape_is_a_tree(void **state)
{
    size_t bytes = tree_vector_bytes(shape);
    unsigned char *slots = calloc(4, bytes);
    const float v[4] = {1e8f, 1.0f, -1e8f, 1.0f};

    (void)state;
    for (size_t s = 0; s < 4; s++)
        tree_vector_floats(slots + s * bytes)[0] = v[s];
    sum_with(4, 2, slots);
    float left = v[0] + v[1], right = v[2] + v[3];
    assert_true(tree_vector_floats(slots)[0] == left + right);
    free(slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_cover_all_once),
        cmocka_unit_test(every_rank_count_gives_the_same_bits),
        cmocka_unit_test(the_tree_sums),
        cmocka_unit_test(the_shape_is_a_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
