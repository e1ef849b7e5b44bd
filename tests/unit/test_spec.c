/* The spec: bad arguments, --set, defaults, messages, diff, digest, explain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/fields.h"
#include "spec/spec.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GOOD                                                                                       \
    "data: { dataset: fashion-mnist }\n"                                                           \
    "model: { preset: conv-small }\n"                                                              \
    "train: { epochs: 5 }\n"

static struct spec spec, other;
static struct spec_problems problems;
static struct ebm_error error;

static enum ebm_status parse(const char *text, const char *const *sets, size_t n)
{
    return spec_parse(text, strlen(text), sets, n, &spec, &problems, &error);
}

static enum ebm_status parse_with(const char *set)
{
    return parse(GOOD, &set, 1);
}

static void assert_problem(const char *fragment)
{
    for (size_t i = 0; i < problems.count; i++)
        if (strstr(problems.item[i].text, fragment) != NULL)
            return;
    fail_msg("no problem with '%s'; the error was: %s", fragment, error.text);
}

static void bad_sets_are_refused(void **state)
{
    static const struct {
        const char *set, *fragment;
    } row[] = {
        {"", "write it as KEY=VALUE"},
        {"=3", "write it as KEY=VALUE"},
        {"optimizer.lr", "write it as KEY=VALUE"},
        {"optimizer.lr=", "optimizer.lr has no value"},
        {"optimizer.lr=fast", "--set optimizer.lr=fast: optimizer.lr must be a number above 0"},
        {"optimizer.lr=[", "not valid YAML"},
        {"optimizer.lr=&a 1", "aliases are not allowed"},
        {"optimizer.learning_rate=1", "did you mean 'optimizer.lr'?"},
        {"optimiser.lr=1", "did you mean 'optimizer.lr'?"},
        {"lr=1", "did you mean 'optimizer.lr'?"},
        {"optimizer=1", "'optimizer' is a group"},
        {"sampler.clamp=[1, 0]", "lower end must be below"},
        {"model.layers=[swish]", "layer 1 (swish): the net must end in one number"},
        {"resources.ranks=5000", "from 1 to 4096"},
        {"a.b.c.d=1", "unknown field 'a.b.c.d'"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        assert_int_equal(parse_with(row[i].set), EBM_EINVAL);
        assert_problem(row[i].fragment);
        assert_int_equal(problems.item[0].line, 0);
    }
}

static void too_large_a_text_is_refused(void **state)
{
    char *text = malloc(SPEC_TEXT_MAX + 1);

    (void)state;
    assert_non_null(text);
    memset(text, ' ', SPEC_TEXT_MAX + 1);
    memcpy(text, GOOD, strlen(GOOD));
    assert_int_equal(spec_parse(text, SPEC_TEXT_MAX, NULL, 0, &spec, &problems, &error), EBM_OK);
    assert_int_equal(spec_parse(text, SPEC_TEXT_MAX + 1, NULL, 0, &spec, &problems, &error),
                     EBM_EINVAL);
    assert_problem("a spec has at most");
    free(text);
}

static void problems_past_the_limit_are_counted(void **state)
{
    struct buf text, shown;

    (void)state;
    buf_init(&text);
    buf_init(&shown);
    for (int i = 0; i < SPEC_ERRORS_MAX + 9; i++)
        buf_printf(&text, "zebra%d: 1\n", i);
    buf_puts(&text, GOOD);
    assert_int_equal(parse(buf_text(&text), NULL, 0), EBM_EINVAL);
    assert_int_equal(problems.count, SPEC_ERRORS_MAX);
    assert_int_equal(problems.total, SPEC_ERRORS_MAX + 9);
    spec_problems_print(&problems, "x.yaml", NULL, 0, &shown);
    assert_non_null(strstr(buf_text(&shown), "x.yaml: 9 more errors\n"));
    buf_fini(&text);
    buf_fini(&shown);
}

static void nesting_is_bounded(void **state)
{
    char text[64];

    (void)state;
    snprintf(text, sizeof text, "name: %.*s%.*s\n", 15, "[[[[[[[[[[[[[[[[", 15, "]]]]]]]]]]]]]]]]");
    parse(text, NULL, 0);
    assert_problem("name must be a text");
    snprintf(text, sizeof text, "name: %.*s%.*s\n", 16, "[[[[[[[[[[[[[[[[", 16, "]]]]]]]]]]]]]]]]");
    parse(text, NULL, 0);
    assert_problem("nested too deeply");
}

static void defaults_fill_what_is_absent(void **state)
{
    (void)state;
    assert_int_equal(parse(GOOD, NULL, 0), EBM_OK);
    assert_string_equal(spec.name, "job");
    assert_int_equal(spec.resources.ranks, 1);
    assert_int_equal(spec.resources.threads, 1);
    assert_int_equal(spec.resources.max_restarts, 5);
    assert_int_equal(spec.data.batch_size, 128);
    assert_true(spec.data.noise_std == 0.03);
    assert_int_equal(spec.sampler.steps, 60);
    assert_true(spec.sampler.step_size == 20 && spec.sampler.noise_std == 0.005);
    assert_true(spec.sampler.gradient_clip == 0.03);
    assert_true(spec.sampler.clamp_on && spec.sampler.clamp[0] == 0 && spec.sampler.clamp[1] == 1);
    assert_int_equal(spec.sampler.init, CHAIN_REPLAY);
    assert_int_equal(spec.replay.size, 8192);
    assert_true(spec.optimizer.lr == 1e-4 && spec.optimizer.betas[0] == 0.0);
    assert_true(spec.optimizer.betas[1] == 0.999 && spec.optimizer.eps == 1e-8);
    assert_int_equal(spec.train.epochs, 5);
    assert_int_equal(spec.train.steps, 0);
    assert_int_equal(spec.pictures.count, 64);
    assert_int_equal(spec.stability.on_divergence, DIVERGENCE_ROLLBACK);
    assert_true(spec.stability.max_energy == 1e5);
    assert_int_equal(spec.layer_count, 11);
}

/* The defaults of the table are values that the table itself allows. */
static void every_default_is_allowed(void **state)
{
    char set[128];
    const char *const sets[] = {set};

    (void)state;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (field_table[i].standard == NULL)
            continue;
        snprintf(set, sizeof set, "%s=%s", field_table[i].path, field_table[i].standard);
        assert_int_equal(parse(GOOD, NULL, 0), EBM_OK);
        other = spec;
        memset(other.place, 0, sizeof other.place);
        assert_int_equal(parse(GOOD, sets, 1), EBM_OK);
        memset(spec.place, 0, sizeof spec.place);
        assert_memory_equal(&spec, &other, sizeof spec);
    }
}

static void clamp_follows_the_data_set(void **state)
{
    static const char *const toy[] = {"data.dataset=toy/rings", "model.preset=mlp",
                                      "train.steps=5"};
    static const char *const toy_clamped[] = {"data.dataset=toy/rings", "model.preset=mlp",
                                              "train.steps=5", "sampler.clamp=[-1, 2.5]"};

    (void)state;
    assert_int_equal(parse(GOOD, toy, COUNT(toy)), EBM_OK);
    assert_false(spec.sampler.clamp_on);
    assert_int_equal(parse(GOOD, toy_clamped, COUNT(toy_clamped)), EBM_OK);
    assert_true(spec.sampler.clamp_on && spec.sampler.clamp[0] == -1 &&
                spec.sampler.clamp[1] == 2.5);
}

static void a_set_takes_its_rivals_place(void **state)
{
    static const char *const both[] = {"train.steps=7", "train.epochs=2"};

    (void)state;
    assert_int_equal(parse_with("train.steps=7"), EBM_OK);
    assert_int_equal(spec.train.steps, 7);
    assert_int_equal(spec.train.epochs, 0);
    assert_int_equal(parse_with("model.layers=[conv: {out: 2, kernel: 3}, swish, dense: 1]"),
                     EBM_OK);
    assert_string_equal(spec.model.preset, "");
    assert_int_equal(spec.layer_count, 3);
    assert_int_equal(parse(GOOD, both, 2), EBM_EINVAL);
    assert_problem("give one of them");
}

static void the_last_set_of_a_field_wins(void **state)
{
    static const char *const sets[] = {"seed=3", "seed=4"};

    (void)state;
    assert_int_equal(parse(GOOD, sets, 2), EBM_OK);
    assert_int_equal(spec.seed, 4);
}

static void toys_have_other_names(void **state)
{
    static const struct {
        const char *said, *meant;
    } row[] = {{"toy/swiss-roll", "toy/swissroll"},
               {"toy/cosine", "toy/cos"},
               {"toy/two-moons", "toy/moons"},
               {"toy/2-spirals", "toy/2spirals"},
               {"toy/line", "toy/line"}};
    char set[64];
    const char *const sets[] = {set, "model.preset=mlp", "train.steps=1"};

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        snprintf(set, sizeof set, "data.dataset=%s", row[i].said);
        assert_int_equal(parse(GOOD, sets, COUNT(sets)), EBM_OK);
        assert_string_equal(spec.data.dataset, row[i].meant);
    }
}

static void every_toy_has_a_shape(void **state)
{
    struct net_shape shape;
    uint64_t samples = 1;
    char name[64];
    size_t n = 0;

    (void)state;
    for (; spec_toy_name(n) != NULL; n++) {
        snprintf(name, sizeof name, "toy/%s", spec_toy_name(n));
        assert_int_equal(spec_dataset_shape(name, &shape, &samples, &error), EBM_OK);
        assert_true(shape.c == 2 && shape.h == 1 && shape.w == 1 && samples == 0);
        assert_null(spec_dataset_folder(name));
    }
    assert_int_equal(n, 10);
    assert_int_equal(spec_dataset_shape("nothing", &shape, &samples, &error), EBM_ENOTFOUND);
}

/* The sentence of the design, to the letter. */
static void messages_look_like_a_compilers(void **state)
{
    const char *text = "name: x\n" GOOD "optimizer:\n  kind: adam\n  lerning_rate: 1.0e-4\n";
    struct buf out;

    (void)state;
    buf_init(&out);
    assert_int_equal(parse(text, NULL, 0), EBM_EINVAL);
    spec_problems_print(&problems, "file.yaml", text, strlen(text), &out);
    assert_string_equal(buf_text(&out),
                        "file.yaml:7:3: error: unknown key 'lerning_rate' (did you mean 'lr'?)\n"
                        "     7|   lerning_rate: 1.0e-4\n"
                        "          ^~~~~~~~~~~~\n");
    assert_string_equal(error.text,
                        "1 error in the spec: line 7: unknown key 'lerning_rate' (did you mean "
                        "'lr'?)");
    buf_fini(&out);
}

static void later_checks_point_at_the_field(void **state)
{
    (void)state;
    assert_int_equal(parse("resources:\n  ranks: 3\n" GOOD, NULL, 0), EBM_OK);
    spec_problem_add(&problems, &spec, "resources.ranks", "only %d slots", 2);
    spec_problem_add(&problems, &spec, "seed", "a default has no place");
    assert_int_equal(problems.count, 2);
    assert_int_equal(problems.item[0].line, 0);
    assert_int_equal(problems.item[1].line, 2);
    assert_int_equal(problems.item[1].column, 10);
    assert_string_equal(problems.item[1].text, "only 2 slots");
}

static void steps_are_counted(void **state)
{
    (void)state;
    assert_int_equal(parse(GOOD, NULL, 0), EBM_OK);
    assert_int_equal(spec_total_steps(&spec, 60000), 5 * (60000 / 128));
    assert_int_equal(spec_total_steps(&spec, 10), 0);
    assert_true(spec_total_steps(&spec, UINT64_MAX) > 0);
    assert_int_equal(parse_with("train.steps=9"), EBM_OK);
    assert_int_equal(spec_total_steps(&spec, 0), 9);
}

static void paths_are_resolved(void **state)
{
    char deep[SPEC_PATH_MAX];

    (void)state;
    assert_int_equal(parse_with("data.dataset=idx:my/data"), EBM_OK);
    assert_true(spec_resolve_paths(&spec, "/home/me/"));
    assert_string_equal(spec.data.dataset, "idx:/home/me/my/data");
    assert_true(spec_resolve_paths(&spec, "/elsewhere"));
    assert_string_equal(spec.data.dataset, "idx:/home/me/my/data");
    assert_string_equal(spec_dataset_folder(spec.data.dataset), "/home/me/my/data");
    assert_int_equal(parse_with("data.dataset=idx:d"), EBM_OK);
    memset(deep, 'x', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_false(spec_resolve_paths(&spec, deep));
    assert_string_equal(spec.data.dataset, "idx:d");
}

static void a_missing_folder_is_a_problem_of_the_data_set(void **state)
{
    static struct net net;

    (void)state;
    assert_int_equal(parse("data: { dataset: \"idx:/nonexistent/x\" }\nmodel: { preset: mlp }\n"
                           "train: { steps: 1 }\n",
                           NULL, 0),
                     EBM_OK);
    assert_int_equal(spec_settle_net(&spec, &net, &problems, &error), EBM_ENOTFOUND);
    assert_problem("there is no folder /nonexistent/x");
    assert_int_equal(problems.item[0].line, 1);
    assert_int_equal(problems.item[0].column, 18);
}

static void diff_names_what_differs(void **state)
{
    static const char *const sets[] = {"optimizer.lr=5e-5", "sampler.clamp=none", "train.steps=9",
                                       "model.preset=mlp"};
    struct buf out;

    (void)state;
    buf_init(&out);
    assert_int_equal(parse(GOOD, NULL, 0), EBM_OK);
    other = spec;
    assert_int_equal(spec_diff(&other, &spec, &out), 0);
    assert_int_equal(parse(GOOD, sets, COUNT(sets)), EBM_OK);
    assert_int_equal(spec_diff(&other, &spec, &out), 5);
    assert_string_equal(buf_text(&out), "model.preset: conv-small -> mlp\n"
                                        "sampler.clamp: [0.0, 1.0] -> none\n"
                                        "optimizer.lr: 1.0e-4 -> 5.0e-5\n"
                                        "train.epochs: 5 -> none\n"
                                        "train.steps: none -> 9\n");
    buf_fini(&out);
}

static int digest_changes_with(const char *set)
{
    uint8_t before[DIGEST_BYTES], after[DIGEST_BYTES];

    assert_int_equal(parse(GOOD, NULL, 0), EBM_OK);
    spec_math_digest(&spec, before);
    assert_int_equal(parse_with(set), EBM_OK);
    spec_math_digest(&spec, after);
    return memcmp(before, after, sizeof before) != 0;
}

static void digest_covers_what_decides_the_bits(void **state)
{
    static const char *const changes[] = {
        "seed=2",           "noise_epoch=1",         "data.batch_size=64",
        "model.preset=mlp", "objective.energy_l2=0", "sampler.steps=61",
        "replay.size=8193", "optimizer.lr=2e-4",     "sampler.clamp=none"};
    static const char *const keeps[] = {
        "name=other",
        "resources.ranks=4",
        "checkpoint.every_steps=7",
        "train.steps=9",
        "pictures.every_steps=7",
        "stability.on_divergence=fail",
        "model.layers=[conv: {out: 16, kernel: 5, stride: 2}, swish, conv: {out: 32, kernel: 3, "
        "stride: 2}, swish, conv: {out: 64, kernel: 3, stride: 2}, swish, conv: {out: 64, kernel: "
        "3, stride: 2}, swish, dense: 64, swish, dense: 1]"};

    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++)
        assert_true(digest_changes_with(changes[i]));
    for (size_t i = 0; i < COUNT(keeps); i++)
        assert_false(digest_changes_with(keeps[i]));
}

static void explain_refuses_with_a_suggestion(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out);
    assert_int_equal(spec_explain("optimizer.learning_rate", &out, &error), EBM_ENOTFOUND);
    assert_string_equal(error.text,
                        "no field 'optimizer.learning_rate' (did you mean 'optimizer.lr'?)");
    assert_int_equal(spec_explain("qqqqqqqq", &out, &error), EBM_ENOTFOUND);
    assert_int_equal(out.size, 0);
    buf_fini(&out);
}

static void explain_tells_of_every_field(void **state)
{
    struct buf all, one;

    (void)state;
    buf_init(&all);
    buf_init(&one);
    assert_int_equal(spec_explain("", &all, &error), EBM_OK);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        assert_non_null(strstr(buf_text(&all), field_table[i].path));
        buf_clear(&one);
        assert_int_equal(spec_explain(field_table[i].path, &one, &error), EBM_OK);
        assert_non_null(strstr(buf_text(&one), "default"));
    }
    buf_clear(&one);
    assert_int_equal(spec_explain("sampler", &one, &error), EBM_OK);
    assert_non_null(strstr(buf_text(&one), "sampler.step_size"));
    assert_null(strstr(buf_text(&one), "optimizer.lr"));
    buf_fini(&all);
    buf_fini(&one);
}

static void events_are_told_that_were_chosen(void **state)
{
    static const char *const chosen[] = {"on_event.command=true",
                                         "on_event.events='paused,failed '"};
    static const char *const none[] = {"on_event.url=http://h/", "on_event.events=none"};

    (void)state;
    assert_int_equal(parse(GOOD, NULL, 0), EBM_OK);
    assert_false(spec_tells(&spec, "failed")); /* to whom? */
    assert_int_equal(parse_with("on_event.url=https://host/x"), EBM_OK);
    assert_true(spec_tells(&spec, "failed") && spec_tells(&spec, "rolled-back"));
    assert_false(spec_tells(&spec, "paused") || spec_tells(&spec, "rolled"));
    assert_int_equal(parse(GOOD, chosen, COUNT(chosen)), EBM_OK);
    assert_true(spec_tells(&spec, "failed") && spec_tells(&spec, "paused"));
    assert_false(spec_tells(&spec, "finished"));
    assert_int_equal(parse(GOOD, none, COUNT(none)), EBM_OK);
    assert_false(spec_tells(&spec, "failed") || spec_tells(&spec, "none "));
    assert_int_equal(parse_with("on_event.events=failed nonsense-of-it"), EBM_EINVAL);
    assert_problem("no event 'nonsense-of-it': there are diverged, rolled-back, finished");
    assert_int_equal(parse_with("on_event.events=none diverged"), EBM_EINVAL);
    assert_problem("none goes with no other event");
    assert_int_equal(parse_with("on_event.url=http://a b"), EBM_EINVAL);
    assert_problem("must begin with http:// or https:// and a host");
}

/* Whom a job tells does not change what it learns. */
static void telling_is_no_mathematics(void **state)
{
    uint8_t quiet[DIGEST_BYTES], loud[DIGEST_BYTES];
    static const char *const sets[] = {"on_event.command=true", "on_event.url=http://h",
                                       "on_event.events=failed", "on_event.timeout_seconds=1",
                                       "on_event.retries=0"};

    (void)state;
    assert_int_equal(parse(GOOD, NULL, 0), EBM_OK);
    spec_math_digest(&spec, quiet);
    assert_int_equal(parse(GOOD, sets, COUNT(sets)), EBM_OK);
    spec_math_digest(&spec, loud);
    assert_memory_equal(quiet, loud, DIGEST_BYTES);
}

/* Every row belongs to a known group, once, with help and source. */
static void the_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const struct field *f = &field_table[i];
        char group[SPEC_NAME_MAX];
        assert_int_equal(field_find(f->path), i);
        assert_true(f->help[0] != '\0' && f->source[0] != '\0');
        assert_true(f->offset + f->size <= sizeof(struct spec));
        snprintf(group, sizeof group, "%.*s", (int)strcspn(f->path, "."), f->path);
        if (strchr(f->path, '.') != NULL)
            assert_non_null(field_group_find(group));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_sets_are_refused),
        cmocka_unit_test(too_large_a_text_is_refused),
        cmocka_unit_test(problems_past_the_limit_are_counted),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(defaults_fill_what_is_absent),
        cmocka_unit_test(every_default_is_allowed),
        cmocka_unit_test(clamp_follows_the_data_set),
        cmocka_unit_test(a_set_takes_its_rivals_place),
        cmocka_unit_test(the_last_set_of_a_field_wins),
        cmocka_unit_test(toys_have_other_names),
        cmocka_unit_test(every_toy_has_a_shape),
        cmocka_unit_test(messages_look_like_a_compilers),
        cmocka_unit_test(later_checks_point_at_the_field),
        cmocka_unit_test(steps_are_counted),
        cmocka_unit_test(paths_are_resolved),
        cmocka_unit_test(a_missing_folder_is_a_problem_of_the_data_set),
        cmocka_unit_test(diff_names_what_differs),
        cmocka_unit_test(digest_covers_what_decides_the_bits),
        cmocka_unit_test(events_are_told_that_were_chosen),
        cmocka_unit_test(telling_is_no_mathematics),
        cmocka_unit_test(explain_refuses_with_a_suggestion),
        cmocka_unit_test(explain_tells_of_every_field),
        cmocka_unit_test(the_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
