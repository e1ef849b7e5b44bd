/* Spec files: each broken one is refused at the place that its first lines
 * name ("# expect: LINE[:COL] fragment"), each good one goes round
 * text -> struct -> text -> struct without a bit changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fsio.h"
#include "spec/spec.h"

#define BROKEN EBM_SOURCE_ROOT "/tests/e2e/broken-specs"

enum { FILES_MAX = 256, BROKEN_AT_LEAST = 45, EXPECT_MAX = 16 };

struct expect {
    unsigned line, column; /* column 0: any */
    char fragment[200];
};

static int is_yaml(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 5 && strcmp(e->d_name + n - 5, ".yaml") == 0;
}

/* Calls `each` for every spec of the folder, in order; returns their number. */
static int for_each_spec(const char *folder, void (*each)(const char *path))
{
    struct dirent **entry;
    int n = scandir(folder, &entry, is_yaml, alphasort);

    for (int i = 0; i < n; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, entry[i]->d_name);
        each(path);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
    return n;
}

static void read_file(const char *path, struct buf *out)
{
    struct ebm_error err = {0};

    buf_init(out);
    if (fsio_read(path, SPEC_TEXT_MAX, out, &err) != EBM_OK)
        fail_msg("%s", err.text);
}

/* "# expect: 12:3 text" lines at the top of the file. */
static size_t read_expects(const struct buf *text, struct expect out[EXPECT_MAX])
{
    static const char mark[] = "# expect: ";
    const char *at = buf_text(text);
    size_t n = 0;

    for (; strncmp(at, mark, sizeof mark - 1) == 0 && n < EXPECT_MAX; n++) {
        char *end;
        at += sizeof mark - 1;
        out[n].line = (unsigned)strtoul(at, &end, 10);
        out[n].column = *end == ':' ? (unsigned)strtoul(end + 1, &end, 10) : 0;
        at = end + strspn(end, " ");
        size_t length = strcspn(at, "\n");
        snprintf(out[n].fragment, sizeof out[n].fragment, "%.*s", (int)length, at);
        at += length + (at[length] != '\0');
    }
    return n;
}

static int matches(const struct spec_problem *p, const struct expect *e)
{
    return p->line == e->line && (e->column == 0 || p->column == e->column) &&
           strstr(p->text, e->fragment) != NULL;
}

static void check_expect(const char *path, const struct buf *text, const struct spec_problems *p,
                         const struct expect *e)
{
    struct buf shown;

    for (size_t i = 0; i < p->count; i++)
        if (matches(&p->item[i], e))
            return;
    buf_init(&shown);
    spec_problems_print(p, path, buf_text(text), text->size, &shown);
    print_error("%s", buf_text(&shown));
    buf_fini(&shown);
    fail_msg("%s: expected %u:%u %s", path, e->line, e->column, e->fragment);
}

static void check_broken(const char *path)
{
    static struct spec s;
    static struct spec_problems p;
    struct expect expect[EXPECT_MAX];
    struct ebm_error err = {0};
    struct buf text;

    read_file(path, &text);
    size_t n = read_expects(&text, expect);
    if (n == 0)
        fail_msg("%s has no '# expect:' line", path);
    enum ebm_status st = spec_parse(buf_text(&text), text.size, NULL, 0, &s, &p, &err);
    assert_int_equal(st, EBM_EINVAL);
    assert_true(p.total > 0 && p.count > 0);
    assert_true(strlen(err.text) > 0);
    for (size_t i = 0; i < n; i++)
        check_expect(path, &text, &p, &expect[i]);
    for (size_t i = 1; i < p.count; i++)
        assert_true(p.item[i - 1].line <= p.item[i].line);
    buf_fini(&text);
}

static void broken_specs_are_refused_at_their_place(void **state)
{
    (void)state;
    assert_true(for_each_spec(BROKEN, check_broken) >= BROKEN_AT_LEAST);
}

static void forget_places(struct spec *s)
{
    memset(s->place, 0, sizeof s->place);
    for (size_t i = 0; i < NET_LAYERS_MAX; i++)
        s->layers[i].line = s->layers[i].column = 0;
}

static void check_good(const char *path)
{
    static struct spec first, second;
    static struct spec_problems p;
    struct ebm_error err = {0};
    struct buf text, printed, again;

    read_file(path, &text);
    buf_init(&printed);
    buf_init(&again);
    if (spec_parse(buf_text(&text), text.size, NULL, 0, &first, &p, &err) != EBM_OK)
        fail_msg("%s: %s", path, err.text);
    spec_print(&first, &printed);
    if (spec_parse(buf_text(&printed), printed.size, NULL, 0, &second, &p, &err) != EBM_OK)
        fail_msg("%s, printed: %s", path, err.text);
    spec_print(&second, &again);
    assert_string_equal(buf_text(&printed), buf_text(&again));
    forget_places(&first);
    forget_places(&second);
    assert_memory_equal(&first, &second, sizeof first);
    buf_fini(&text);
    buf_fini(&printed);
    buf_fini(&again);
}

static void good_specs_go_round(void **state)
{
    (void)state;
    assert_true(for_each_spec(EBM_SOURCE_ROOT "/tests/e2e/good-specs", check_good) >= 3);
}

static void example_specs_go_round(void **state)
{
    (void)state;
    assert_true(for_each_spec(EBM_SOURCE_ROOT "/deploy/specs", check_good) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_specs_are_refused_at_their_place),
        cmocka_unit_test(good_specs_go_round),
        cmocka_unit_test(example_specs_go_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
