/* The ladder of recoveries: its rungs, and what they override. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stability/ladder.h"

static const char *set_of(const struct ladder_change *c, const char *key)
{
    size_t n = strlen(key);

    for (size_t i = 0; i < c->sets; i++)
        if (strncmp(c->set[i], key, n) == 0 && c->set[i][n] == '=')
            return c->set[i] + n + 1;
    return "";
}

static void rungs_are_read(void **state)
{
    char word[32];

    (void)state;
    assert_true(ladder_is_list("noise gentle, firm older", word, sizeof word));
    assert_false(ladder_is_list("noise gentel", word, sizeof word));
    assert_string_equal(word, "gentel");
    assert_false(ladder_is_list(" , ", word, sizeof word));
    assert_int_equal(ladder_at("noise gentle firm older", 0), LADDER_NOISE);
    assert_int_equal(ladder_at("noise gentle firm older", 2), LADDER_FIRM);
    assert_int_equal(ladder_at("noise gentle", 7), LADDER_GENTLE);
}

static void plan(const struct spec *s, enum ladder_rung rung, bool again, struct ladder_change *out)
{
    ladder_plan(s, rung,
                &(struct ladder_case){.again = again, .diverged = 500, .at_step = 400, .range = 1},
                out);
}

/* What diverges while its factors go back to 1, or soon after, needs them. */
static void a_relapse_keeps_its_factors(void **state)
{
    static const struct {
        uint64_t diverged;
        bool again;
        double lr;
        const char *lr_factor, *ramp_after;
    } rows[] = {
        {2500, false, 0.25, "0.25", "4000"}, {5399, false, 0.25, "0.25", "4000"},
        {5400, false, 0.25, "1", ""},        {2500, false, 1, "1", ""},
        {2500, true, 0.25, "0.25", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct spec s = {.intervention = {.at_step = 400,
                                                .lr_factor = rows[i].lr,
                                                .steps_factor = 1,
                                                .step_size_factor = 1,
                                                .ramp_after = 2000,
                                                .ramp_steps = 1000}};
        const struct ladder_case c = {rows[i].again, rows[i].diverged, 400, 1};
        struct ladder_change out;
        ladder_plan(&s, LADDER_NOISE, &c, &out);
        assert_string_equal(set_of(&out, "intervention.lr_factor"), rows[i].lr_factor);
        assert_string_equal(set_of(&out, "intervention.ramp_after"), rows[i].ramp_after);
    }
}

/* Which must come all the way in the steps that they have. */
static void chains_from_noise_keep_their_step(void **state)
{
    struct spec s = {.sampler = {.steps = 60, .step_size = 20, .init = CHAIN_NOISE},
                     .intervention = {.lr_factor = 1, .steps_factor = 1, .step_size_factor = 1}};
    struct ladder_change c;

    (void)state;
    plan(&s, LADDER_FIRM, true, &c);
    assert_string_equal(set_of(&c, "intervention.step_size_factor"), "1");
    assert_string_equal(set_of(&c, "intervention.steps_factor"), "2");
}

/* No rung asks for what a field does not take. */
static void rungs_stay_within_the_fields(void **state)
{
    struct spec s = {
        .sampler = {.steps = 60, .step_size = 1e-10},
        .optimizer = {.lr = 1e-4},
        .intervention = {
            .skip_batches = 4294967295, .lr_factor = 1, .steps_factor = 1, .step_size_factor = 1}};
    struct ladder_change c;

    (void)state;
    for (int rung = LADDER_NOISE; rung < LADDER_COUNT; rung++) {
        plan(&s, (enum ladder_rung)rung, true, &c);
        assert_string_equal(set_of(&c, "intervention.skip_batches"), "200");
        if (rung >= LADDER_FIRM)
            assert_string_equal(set_of(&c, "sampler.gradient_clip"), "1e+09");
    }
}

static void rungs_escalate(void **state)
{
    struct spec s = {.sampler = {.steps = 60, .step_size = 20, .gradient_clip = 0.03},
                     .optimizer = {.lr = 1e-4},
                     .intervention = {.lr_factor = 1, .steps_factor = 1, .step_size_factor = 1}};
    struct ladder_change c;

    (void)state;
    s.data.noise_std = 0.005;
    plan(&s, LADDER_NOISE, false, &c);
    assert_string_equal(set_of(&c, "intervention.at_step"), "400");
    assert_string_equal(set_of(&c, "intervention.skip_batches"), "200");
    assert_string_equal(set_of(&c, "intervention.purge"), "outliers");
    assert_string_equal(set_of(&c, "intervention.lr_factor"), "1");
    s.intervention.skip_batches = 200;
    plan(&s, LADDER_GENTLE, true, &c);
    assert_string_equal(set_of(&c, "intervention.skip_batches"), "400");
    assert_string_equal(set_of(&c, "intervention.lr_factor"), "0.5");
    assert_string_equal(set_of(&c, "intervention.steps_factor"), "1.5");
    assert_string_equal(set_of(&c, "intervention.step_size_factor"), "0.5");
    s.intervention.lr_factor = 0.5;
    plan(&s, LADDER_FIRM, true, &c);
    assert_string_equal(set_of(&c, "intervention.lr_factor"), "0.25");
    assert_string_equal(set_of(&c, "intervention.purge"), "all");
    assert_string_equal(set_of(&c, "data.noise_std"), "0.03");
    assert_string_equal(set_of(&c, "objective.energy_l2"), "0.1");
    assert_string_equal(set_of(&c, "sampler.gradient_clip"), "0.01");
    plan(&s, LADDER_OLDER, false, &c);
    assert_string_equal(set_of(&c, "intervention.lr_factor"), "0.25");
    assert_string_equal(set_of(&c, "intervention.step_size_factor"), "0.25");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rungs_are_read),
        cmocka_unit_test(rungs_escalate),
        cmocka_unit_test(rungs_stay_within_the_fields),
        cmocka_unit_test(chains_from_noise_keep_their_step),
        cmocka_unit_test(a_relapse_keeps_its_factors),
    };

    return cmocka_run_group_tests_name("ladder", tests, NULL, NULL);
}
