/* What keeps the buffer clean between divergences, and what a purge leaves:
 * above a quadratic engine, on any number of ranks. */
#include "mpi_main.h"
#include "train/intervention.h"
#include "trainer_stage.h"

enum { SLOTS = 70 };

/* No chain begins anew by chance. */
static int set_up(void **state)
{
    struct stage *s = calloc(1, sizeof *s);

    quadratic_faults = (struct quadratic_faults){0};
    spec_make(&s->spec);
    s->spec.replay.reinit_prob = 0;
    stage_open(s, &quadratic_engine);
    *state = s;
    return 0;
}

/* Takes n steps; how many slots began anew, as the metrics tell. */
static double replaced_in(struct stage *s, int n)
{
    struct step_result result;
    struct ebm_error err = {0};
    double sum = 0;

    while (n-- > 0) {
        if (trainer_step(&s->trainer, SINK_GO_ON, &result, &err) != EBM_OK)
            fail_msg("%s", err.text);
        sum += result.value[METRIC_REPLACED];
    }
    return sum;
}

static void within_its_age_a_slot_is_left_alone(void **state)
{
    struct stage *s = *state;

    assert_true(s->trainer.replay.max_age == 44); /* 20 x 70 / 32, rounded up */
    assert_true(replaced_in(s, 40) == 0);
}

static void a_slot_of_age_begins_anew(void **state)
{
    struct stage *s = *state;

    s->trainer.replay.max_age = 3;
    assert_true(replaced_in(s, 40) > 0);
    s->trainer.replay.max_age = 0;
    replaced_in(s, 1); /* what rank 0 had counted */
    assert_true(replaced_in(s, 40) == 0);
}

static void what_no_chain_can_have_left_begins_anew(void **state)
{
    struct stage *s = *state;

    s->hooks.poison_step = 3;
    assert_true(replaced_in(s, 3) == 0);
    assert_true(replaced_in(s, 20) == SLOTS / 5); /* each once */
}

static void without_quarantine_it_goes_on(void **state)
{
    struct stage *s = *state;

    s->spec.replay.quarantine = 0;
    s->hooks.poison_step = 3;
    assert_true(replaced_in(s, 23) == 0);
}

/* Chains that were warmed up must not be given up for their slots' old age. */
static void a_new_buffer_is_young(void **state)
{
    struct stage *s = *state;
    struct trainer *t = &s->trainer;
    struct ebm_error err;
    uint64_t purged;

    replaced_in(s, 10);
    for (size_t i = 0; i < SLOTS; i++)
        t->replay.drawn[i] = 1;
    t->replay.max_age = 3;
    s->spec.intervention.at_step = 10;
    s->spec.intervention.purge = PURGE_ALL;
    s->spec.intervention.burn_in = 2;
    assert_int_equal(intervention_begin(t, &purged, &err), EBM_OK);
    assert_true(purged == t->replay.stripe.end - t->replay.stripe.first);
    assert_true(replaced_in(s, 3) == 0);
}

/* As a checkpoint taken right after it has them, which knows `written` alone. */
static void a_purge_leaves_the_ages_that_a_load_finds(void **state)
{
    struct stage *s = *state;
    struct trainer *t = &s->trainer;
    const struct replay *r = &t->replay;
    struct ebm_error err;
    uint64_t purged;

    replaced_in(s, 10);
    s->spec.intervention.at_step = 10;
    s->spec.intervention.purge = PURGE_OUTLIERS;
    for (size_t d = 0; d < t->dim; d++)
        r->sample[d] = 1e3f; /* the first slot of each rank */
    assert_int_equal(intervention_begin(t, &purged, &err), EBM_OK);
    assert_true(purged > 0);
    assert_true(r->written[0] == 10);
    for (size_t i = r->stripe.first; i < r->stripe.end; i++)
        assert_true(r->drawn[i] == r->written[i - r->stripe.first]);
}

/* Without a buffer nothing is purged, but what was healthy is forgotten. */
static void without_a_buffer_the_history_begins_anew(void **state)
{
    struct stage *s = *state;
    struct ebm_error err;
    uint64_t purged;

    replaced_in(s, 10);
    assert_true(s->trainer.detector.healthy == 10);
    s->spec.sampler.init = CHAIN_NOISE;
    s->spec.intervention.at_step = 10;
    s->spec.intervention.purge = PURGE_OUTLIERS;
    assert_int_equal(intervention_begin(&s->trainer, &purged, &err), EBM_OK);
    assert_true(purged == 0 && s->trainer.detector.healthy == 10);
    s->spec.intervention.purge = PURGE_ALL;
    assert_int_equal(intervention_begin(&s->trainer, &purged, &err), EBM_OK);
    assert_true(purged == 0 && s->trainer.detector.healthy == 0);
}

/* The factors hold from at_step on, and go back to 1. */
static void the_sampler_is_the_specs_but_for_an_intervention(void **state)
{
    struct stage *s = *state;
    struct spec *spec = &s->spec;

    spec->intervention.at_step = 10;
    spec->intervention.steps_factor = 1.5;
    spec->intervention.step_size_factor = 0.25;
    spec->intervention.ramp_after = 20;
    spec->intervention.ramp_steps = 10;
    assert_true(intervention_sampler(spec, 9).steps == 4);
    assert_true(intervention_sampler(spec, 9).step_size == 0.2);
    assert_true(intervention_sampler(spec, 10).steps == 6);
    assert_true(intervention_sampler(spec, 29).step_size == 0.05);
    assert_true(intervention_sampler(spec, 29).noise_std == spec->sampler.noise_std / 2);
    assert_true(intervention_sampler(spec, 40).noise_std == spec->sampler.noise_std);
    assert_true(intervention_sampler(spec, 35).step_size == 0.1); /* the root of a quarter */
    assert_true(intervention_sampler(spec, 40).step_size == 0.2);
    assert_true(intervention_sampler(spec, 40).steps == 4);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    STAGED(within_its_age_a_slot_is_left_alone),
    STAGED(a_slot_of_age_begins_anew),
    STAGED(what_no_chain_can_have_left_begins_anew),
    STAGED(without_quarantine_it_goes_on),
    STAGED(a_new_buffer_is_young),
    STAGED(a_purge_leaves_the_ages_that_a_load_finds),
    STAGED(without_a_buffer_the_history_begins_anew),
    STAGED(the_sampler_is_the_specs_but_for_an_intervention),
};

MPI_TEST_MAIN(tests)
