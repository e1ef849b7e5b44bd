/* Settings: the file, the environment over it, and every wrong value with its
 * place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>

#include "base/fsio.h"
#include "config.h"
#include "temp_home.h"

static const char *const variables[] = {"EBM_SLOTS", "EBM_VAULT_MAX_BYTES", "EBM_LEASE_MS",
                                        "EBM_STOP_GRACE_MS", "EBM_LOG_LEVEL"};

static void clear_environment(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
}

static int setup(void **state)
{
    struct home *h = malloc(sizeof *h);

    *state = h;
    clear_environment();
    if (h == NULL || temp_home_make(h) != 0)
        return -1;
    int room = (int)sizeof h->config - 16;
    snprintf(h->config, sizeof h->config, "%.*s/ebmd.yaml", room, h->state);
    return 0;
}

static int teardown(void **state)
{
    clear_environment();
    temp_home_remove(*state);
    free(*state);
    return 0;
}

static void write_file(const struct home *h, const char *text)
{
    assert_int_equal(fsio_write_atomic(h->config, text, strlen(text), 0600, NULL), EBM_OK);
}

static struct config read_ok(const struct home *h)
{
    struct ebm_error err = {.text = ""};
    struct config c;

    if (config_read(h, &c, &err) != EBM_OK)
        fail_msg("%s", err.text);
    return c;
}

/* place: "LINE:COLUMN". */
static void assert_refused(const struct home *h, const char *text, const char *place,
                           const char *why)
{
    struct ebm_error err = {.text = ""};
    struct config c;
    char expected[HOME_PATH_MAX + 400];

    write_file(h, text);
    assert_int_equal(config_read(h, &c, &err), EBM_EINVAL);
    snprintf(expected, sizeof expected, "%s%s%s: %s", h->config, place[0] != '\0' ? ":" : "", place,
             why);
    if (strncmp(err.text, expected, strlen(expected)) != 0)
        fail_msg("'%s': %s\nand not: %s", text, err.text, expected);
}

/* ---- the file ---- */

static void wrong_values_are_named_with_their_place(void **state)
{
    static const struct {
        const char *text, *place, *why;
    } rows[] = {
        {"slots: 0\n", "1:1", "slots: '0' is not a whole number from 1 to 65536"},
        {"slots: 65537\n", "1:1", "slots: '65537' is not"},
        {"\n\n  slots: 4.5\n", "3:3", "slots: '4.5' is not"},
        {"slots: -1\n", "1:1", "slots: '-1' is not"},
        {"slots: four\n", "1:1", "slots: 'four' is not"},
        {"slots: 1MB\n", "1:1", "slots: '1MB' is not"},
        {"slots: 99999999999999999999\n", "1:1", "slots: '99999999999999999999' is not"},
        {"slots: \"\"\n", "1:1", "slots: '' is not"},
        {"slots:\n", "1:1", "slots: a single value is wanted"},
        {"slots: [4]\n", "1:1", "slots: a single value is wanted"},
        {"slots: {a: 4}\n", "1:1", "slots: a single value is wanted"},
        {"slots: 4\nlease_ms: 99\n", "2:1", "lease_ms: '99' is not a whole number from 100 to"},
        {"lease_ms: 86400001\n", "1:1", "lease_ms: '86400001' is not"},
        {"stop_grace_ms: 86400001\n", "1:1", "stop_grace_ms: '86400001' is not"},
        {"stop_grace_ms: never\n", "1:1", "stop_grace_ms: 'never' is not"},
        {"vault_max_bytes: 20gb\n", "1:1", "vault_max_bytes: '20gb' is not"},
        {"vault_max_bytes: 20 G\n", "1:1", "vault_max_bytes: '20 G' is not"},
        {"vault_max_bytes: 9223372036854775808\n", "1:1", "vault_max_bytes: '92233"},
        {"vault_max_bytes: 9223372036854775807kB\n", "1:1", "vault_max_bytes: '92233"},
        {"vault_max_bytes: 18446744073709552TB\n", "1:1", "vault_max_bytes: '18446"},
        {"log_level: loud\n", "1:1", "log_level: 'loud' is none of debug, info, warn, error"},
        {"log_level: INFO\n", "1:1", "log_level: 'INFO' is none of"},
        {"slots: 4\n\nslotz: 5\n", "3:1", "unknown key 'slotz' (ebmd --help lists them)"},
        {"slots: 4\nslots: 4\n", "2:1", "'slots' is there twice (first in line 1)"},
        {"- slots\n", "", "not a list of 'key: value' lines"},
        {"slots\n", "", "not a list of 'key: value' lines"},
    };
    const struct home *h = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(h, rows[i].text, rows[i].place, rows[i].why);
}

static void a_text_that_is_no_yaml_is_named_with_its_place(void **state)
{
    const struct home *h = *state;
    struct ebm_error err;
    struct config c;

    write_file(h, "slots: 4\nlease_ms: [1\n");
    assert_int_equal(config_read(h, &c, &err), EBM_EINVAL);
    assert_int_equal(strncmp(err.text, h->config, strlen(h->config)), 0);
    assert_int_equal(err.text[strlen(h->config)], ':');
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    struct home h = *(const struct home *)*state;
    struct ebm_error err;
    struct config c;

    strcpy(h.config, h.state); /* a folder */
    assert_int_not_equal(config_read(&h, &c, &err), EBM_OK);
    assert_non_null(strstr(err.text, h.state));
}

static void no_file_is_the_defaults(void **state)
{
    static const char *const empty[] = {"", "# nothing\n", "---\n", "~\n"};
    const struct home *h = *state;
    struct config c = read_ok(h);
    cpu_set_t set;

    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    for (size_t i = 0; i <= sizeof empty / sizeof empty[0]; i++) {
        assert_int_equal(c.slots, CPU_COUNT(&set));
        assert_int_equal(c.vault_max_bytes, 0);
        assert_int_equal(c.lease_ms, 30000);
        assert_int_equal(c.stop_grace_ms, 600000);
        assert_int_equal(c.log_level, LOG_INFO);
        if (i < sizeof empty / sizeof empty[0]) {
            write_file(h, empty[i]);
            c = read_ok(h);
        }
    }
}

static void the_file_sets_all(void **state)
{
    const struct home *h = *state;

    write_file(h, "slots: 65536\nvault_max_bytes: 20GB\nlease_ms: 100\nstop_grace_ms: 0\n"
                  "log_level: warn\n");
    struct config c = read_ok(h);
    assert_int_equal(c.slots, 65536);
    assert_true(c.vault_max_bytes == 20000000000);
    assert_int_equal(c.lease_ms, 100);
    assert_int_equal(c.stop_grace_ms, 0);
    assert_int_equal(c.log_level, LOG_WARN);
}

static void bytes_come_with_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } rows[] = {
        {"0", 0},
        {"1", 1},
        {"1kB", 1000},
        {"7 MB", 7000000},
        {"\"2GB\"", 2000000000},
        {"9223372TB", 9223372000000000000},
        {"9223372036854775807", INT64_MAX},
    };
    const struct home *h = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[80];
        snprintf(text, sizeof text, "vault_max_bytes: %s\n", rows[i].text);
        write_file(h, text);
        assert_true(read_ok(h).vault_max_bytes == rows[i].bytes);
    }
}

/* ---- the environment ---- */

static void the_environment_comes_over_the_file(void **state)
{
    const struct home *h = *state;

    write_file(h, "slots: 3\nlease_ms: 500\nlog_level: debug\n");
    setenv("EBM_SLOTS", "7", 1);
    setenv("EBM_LOG_LEVEL", "error", 1);
    setenv("EBM_LEASE_MS", "", 1); /* empty is not set */
    setenv("EBM_VAULT_MAX_BYTES", "3MB", 1);
    setenv("EBM_STOP_GRACE_MS", "86400000", 1);
    struct config c = read_ok(h);
    assert_int_equal(c.slots, 7);
    assert_int_equal(c.lease_ms, 500);
    assert_int_equal(c.log_level, LOG_ERROR);
    assert_int_equal(c.vault_max_bytes, 3000000);
    assert_int_equal(c.stop_grace_ms, 86400000);
}

static void a_wrong_variable_is_named(void **state)
{
    static const char *const wrong[] = {"0x10", "1e3", "-5", "many", "1PB", " 4"};
    const struct home *h = *state;
    struct ebm_error err;
    struct config c;

    for (size_t v = 0; v < sizeof variables / sizeof variables[0]; v++)
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            clear_environment();
            setenv(variables[v], wrong[i], 1);
            assert_int_equal(config_read(h, &c, &err), EBM_EINVAL);
            assert_non_null(strstr(err.text, variables[v]));
            assert_non_null(strstr(err.text, wrong[i]));
        }
}

static void help_has_a_line_for_each(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text);
    config_help(&text);
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        assert_non_null(strstr(buf_text(&text), variables[i]));
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(wrong_values_are_named_with_their_place),
        T(a_text_that_is_no_yaml_is_named_with_its_place),
        T(a_file_that_cannot_be_read_is_named),
        T(no_file_is_the_defaults),
        T(the_file_sets_all),
        T(bytes_come_with_units),
        T(the_environment_comes_over_the_file),
        T(a_wrong_variable_is_named),
        T(help_has_a_line_for_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
