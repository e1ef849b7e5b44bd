/* Draws from the replay buffer, and the noise that chains begin from. How
 * samples travel is tested with MPI. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ebm/draw.h"
#include "ebm/replay.h"

static void impossible_draws_are_refused(void **state)
{
    struct draw d;

    (void)state;
    assert_int_equal(draw_init(&d, 10, 9, 0, 1, 0, NULL), EBM_EINVAL);
    assert_int_equal(draw_init(&d, 10, (size_t)UINT32_MAX, 0, 1, 0, NULL), EBM_EINVAL);
}

static void slots_are_distinct_and_in_range(void **state)
{
    static const size_t batch[] = {1, 7, 50, 100};
    bool seen[100];

    (void)state;
    for (size_t k = 0; k < 4; k++) {
        struct draw d;
        assert_int_equal(draw_init(&d, batch[k], 100, 0.5, 1, 0, NULL), EBM_OK);
        for (uint64_t iteration = 0; iteration < 200; iteration++) {
            memset(seen, 0, sizeof seen);
            draw_make(&d, iteration);
            for (size_t i = 0; i < batch[k]; i++) {
                assert_true(d.slot[i] < 100 && !seen[d.slot[i]]);
                seen[d.slot[i]] = true;
            }
        }
        draw_fini(&d);
    }
}

static void every_slot_is_as_likely(void **state)
{
    enum { SLOTS = 40, ROUNDS = 4000, BATCH = 10 };
    size_t hits[SLOTS] = {0}, fresh = 0;
    struct draw d;

    (void)state;
    assert_int_equal(draw_init(&d, BATCH, SLOTS, 0.2, 3, 0, NULL), EBM_OK);
    for (uint64_t iteration = 0; iteration < ROUNDS; iteration++) {
        draw_make(&d, iteration);
        for (size_t i = 0; i < BATCH; i++) {
            hits[d.slot[i]]++;
            fresh += d.fresh[i];
        }
    }
    /* mean 1000, deviation 27 */
    for (size_t i = 0; i < SLOTS; i++)
        assert_true(hits[i] > 870 && hits[i] < 1130);
    assert_true(fabs((double)fresh / (ROUNDS * BATCH) - 0.2) < 0.01);
    draw_fini(&d);
}

static void reinit_never_and_always(void **state)
{
    (void)state;
    for (int always = 0; always <= 1; always++) {
        struct draw d;
        assert_int_equal(draw_init(&d, 20, 50, always, 3, 0, NULL), EBM_OK);
        for (uint64_t iteration = 0; iteration < 100; iteration++) {
            draw_make(&d, iteration);
            for (size_t i = 0; i < 20; i++)
                assert_int_equal(d.fresh[i], always);
        }
        draw_fini(&d);
    }
}

static void draws_depend_on_iteration_and_noise_epoch_alone(void **state)
{
    struct draw a, b;
    uint32_t first[20];

    (void)state;
    assert_int_equal(draw_init(&a, 20, 1000, 0.1, 3, 0, NULL), EBM_OK);
    assert_int_equal(draw_init(&b, 20, 1000, 0.1, 3, 1, NULL), EBM_OK);
    draw_make(&a, 5);
    memcpy(first, a.slot, sizeof first);
    draw_make(&a, 6);
    assert_memory_not_equal(first, a.slot, sizeof first);
    draw_make(&a, 5);
    assert_memory_equal(first, a.slot, sizeof first);
    draw_make(&b, 5);
    assert_memory_not_equal(first, b.slot, sizeof first);
    draw_fini(&a);
    draw_fini(&b);
}

static void noise_fills_its_range(void **state)
{
    struct rng_key key = rng_key_make(1, RNG_CHAIN_INIT, 0);
    float x[1000], lowest = 9, highest = -9;

    (void)state;
    replay_noise(key, 3, 4, -4, 4, x, 1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(x[i] >= -4 && x[i] <= 4);
        lowest = fminf(lowest, x[i]);
        highest = fmaxf(highest, x[i]);
    }
    assert_true(lowest < -3.9f && highest > 3.9f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_draws_are_refused),
        cmocka_unit_test(slots_are_distinct_and_in_range),
        cmocka_unit_test(every_slot_is_as_likely),
        cmocka_unit_test(reinit_never_and_always),
        cmocka_unit_test(draws_depend_on_iteration_and_noise_epoch_alone),
        cmocka_unit_test(noise_fills_its_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
