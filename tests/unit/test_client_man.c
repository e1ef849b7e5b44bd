/* ebmctl(1) against the table of commands: whatever the program understands
 * is in the page, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fsio.h"
#include "commands.h"

enum { LINE = 256, PAGE_MAX = 1 << 20 };

static struct buf page; /* the lines, without roff's fonts and escapes */

static void put_plain(const char *p)
{
    for (; *p != '\0'; p++) {
        if (strncmp(p, "\\f", 2) == 0 && p[2] != '\0')
            p += 2;
        else if (*p == '\\' && strchr("-&", p[1]) != NULL && p[1] != '\0')
            buf_put_u8(&page, p[1] == '-' ? '-' : ' '), p++;
        else
            buf_put_u8(&page, (uint8_t)*p);
    }
}

static int read_page(void **state)
{
    struct buf raw;

    (void)state;
    buf_init(&raw);
    buf_init(&page);
    assert_int_equal(fsio_read(EBM_SOURCE_ROOT "/client/man/ebmctl.1", PAGE_MAX, &raw, NULL),
                     EBM_OK);
    put_plain(buf_text(&raw));
    buf_fini(&raw);
    return 0;
}

static int free_page(void **state)
{
    (void)state;
    buf_fini(&page);
    return 0;
}

/* Copies the line at *p and moves behind it; false at the end. */
static bool next_line(const char **p, char line[LINE])
{
    size_t n = strcspn(*p, "\n");

    if (**p == '\0')
        return false;
    snprintf(line, LINE, "%.*s", (int)n, *p);
    *p += n + ((*p)[n] == '\n');
    return true;
}

static void heading_of(const struct command *c, char out[LINE])
{
    snprintf(out, LINE, ".SS %s%s%s", c->name, c->words[0] != '\0' ? " " : "", c->words);
}

/* Behind the heading; NULL when the page has none. */
static const char *section_of(const struct command *c)
{
    char wanted[LINE], line[LINE];
    const char *p = buf_text(&page);

    heading_of(c, wanted);
    while (next_line(&p, line))
        if (strcmp(line, wanted) == 0)
            return p;
    return NULL;
}

/* "-o, --output FORMAT" */
static void describe(const struct option *o, char out[LINE])
{
    char letter[8] = "";

    if (o->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(out, LINE, "%s--%s%s%s", letter, o->name, o->value != NULL ? " " : "",
             o->value != NULL ? o->value : "");
}

static bool section_has(const char *section, const char *tag)
{
    char line[LINE];

    while (next_line(&section, line) && strncmp(line, ".SS", 3) != 0 &&
           strncmp(line, ".SH", 3) != 0)
        if (strcmp(line, tag) == 0)
            return true;
    return false;
}

static bool command_has(const struct command *c, const char *tag)
{
    char text[LINE];

    for (const struct option *o = c->options; o->name != NULL; o++) {
        describe(o, text);
        if (!o->hidden && strcmp(text, tag) == 0)
            return true;
    }
    return false;
}

static void test_all_is_told(void **state)
{
    char tag[LINE];

    (void)state;
    for (const struct command *c = command_table; c->name != NULL; c++) {
        const char *section = section_of(c);
        if (section == NULL)
            fail_msg("the page has no '%s %s'", c->name, c->words);
        for (const struct option *o = c->options; o->name != NULL; o++) {
            describe(o, tag);
            if (!o->hidden && !section_has(section, tag))
                fail_msg("the page has no '%s' of %s", tag, c->name);
            if (o->hidden && section_has(section, tag))
                fail_msg("the page tells of '%s' of %s, which is hidden", tag, c->name);
        }
    }
}

/* Every option of the page is in the table, in the words of its command. */
static void check_section(const struct command *c)
{
    const char *p = section_of(c);
    char line[LINE];

    while (next_line(&p, line) && strncmp(line, ".SS", 3) != 0 && strncmp(line, ".SH", 3) != 0) {
        if (strcmp(line, ".TP") != 0)
            continue;
        assert_true(next_line(&p, line));
        if (!command_has(c, line))
            fail_msg("%s has no option '%s'", c->name, line);
    }
}

static void test_nothing_else_is_told(void **state)
{
    const char *p = strstr(buf_text(&page), ".SH COMMANDS\n"), *end;
    char line[LINE], wanted[LINE];
    size_t headings = 0, commands = 0;

    (void)state;
    assert_non_null(p);
    end = strstr(p, ".SH OUTPUT\n");
    assert_non_null(end);
    while (p < end && next_line(&p, line))
        headings += strncmp(line, ".SS ", 4) == 0;
    for (const struct command *c = command_table; c->name != NULL; c++) {
        heading_of(c, wanted);
        commands++;
        check_section(c);
    }
    assert_int_equal(headings, commands);
}

/* The names that the contract has beside the commands. */
static void test_the_rest(void **state)
{
    static const char *const words[] = {"EBM_HOME",    "EBM_NO_AUTOSTART",
                                        "NO_COLOR",    ".B 0\n",
                                        ".B 1\n",      ".B 2\n",
                                        ".B 3\n",      ".B 4\n",
                                        ".B 5\n",      ".B 6\n",
                                        ".B 124\n",    ".SH EXAMPLES\n",
                                        ".SH FILES\n", "\"ebmd " EBM_VERSION "\""};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(buf_text(&page), words[i]) == NULL)
            fail_msg("the page lacks '%s'", words[i]);
    for (unsigned s = 0; s < JOB_STATE_COUNT; s++)
        assert_non_null(strstr(buf_text(&page), job_state_name((enum job_state)s)));
    for (unsigned m = 0; m < METRIC_COUNT; m++)
        assert_non_null(strstr(buf_text(&page), wire_metric_names[m]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_told),
        cmocka_unit_test(test_nothing_else_is_told),
        cmocka_unit_test(test_the_rest),
    };
    return cmocka_run_group_tests(tests, read_page, free_page);
}
