#include "args.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suggest.h"

/* ---- the pattern of words ---- */

struct pattern {
    size_t min, max;
};

static struct pattern pattern_of(const char *words)
{
    struct pattern p = {0, 0};

    while (*words != '\0') {
        size_t n = strcspn(words, " ");
        bool many = n > 3 && memmem(words, n, "...", 3) != NULL;
        p.min += words[0] != '[';
        p.max = many ? SIZE_MAX : p.max + 1;
        words += n + strspn(words + n, " ");
    }
    return p;
}

static bool words_are_jobs(const char *words)
{
    return strncmp(words + (words[0] == '['), "JOB", 3) == 0;
}

bool args_number(const char *text, char prefix, uint64_t *out)
{
    const char *digits = text + (prefix != 0 && text[0] == prefix);

    if (digits[0] == '\0' || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    unsigned long long v = strtoull(digits, NULL, 10);
    if (errno != 0 || v == 0 || v > INT64_MAX)
        return false;
    *out = v;
    return true;
}

static enum ebm_status check_words(const struct args *a, struct ebm_error *err)
{
    struct pattern p = pattern_of(a->command->words);
    uint64_t job;

    if (a->words < p.min)
        return ebm_fail(err, EBM_EINVAL, "%s",
                        a->words == 0 && words_are_jobs(a->command->words)
                            ? "a job number is missing"
                            : "an argument is missing");
    if (a->words > p.max)
        return ebm_fail(err, EBM_EINVAL, "'%.60s' is one argument too many", a->word[p.max]);
    for (size_t i = 0; i < a->words && words_are_jobs(a->command->words); i++)
        if (!args_number(a->word[i], 0, &job))
            return ebm_fail(err, EBM_EINVAL, "'%.60s' is not a job number", a->word[i]);
    return EBM_OK;
}

/* ---- options ---- */

static const struct option *find_named(const struct command *c, const char *name, size_t n)
{
    for (const struct option *o = c->options; o->name != NULL; o++)
        if (strlen(o->name) == n && memcmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

static const struct option *find_letter(const struct command *c, char letter)
{
    for (const struct option *o = c->options; o->name != NULL; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

static enum ebm_status fail_unknown(const struct command *c, const char *typed,
                                    struct ebm_error *err)
{
    struct suggest s;

    suggest_init(&s, typed + strspn(typed, "-"));
    for (const struct option *o = c->options; o->name != NULL; o++)
        if (!o->hidden)
            suggest_try(&s, o->name);
    if (s.best == NULL)
        return ebm_fail(err, EBM_EINVAL, "unknown option '%.60s'", typed);
    return ebm_fail(err, EBM_EINVAL, "unknown option '%.60s' (did you mean '--%s'?)", typed,
                    s.best);
}

static enum ebm_status add(struct args *a, const struct option *o, const char *value,
                           struct ebm_error *err)
{
    if (!o->repeats && args_has(a, o->name))
        return ebm_fail(err, EBM_EINVAL, "option '--%s' is given twice", o->name);
    a->given[a->given_count++] = (struct given){o, value};
    return EBM_OK;
}

/* What is left of the command line. */
struct cursor {
    int argc;
    char *const *argv;
    int at;
};

static enum ebm_status take_option(struct args *a, struct cursor *c, const struct option *o,
                                   const char *attached, struct ebm_error *err)
{
    if (o->value == NULL && attached != NULL)
        return ebm_fail(err, EBM_EINVAL, "option '--%s' takes no value", o->name);
    if (o->value != NULL && attached == NULL) {
        if (c->at == c->argc)
            return ebm_fail(err, EBM_EINVAL, "option '--%s' needs a value: %s", o->name, o->value);
        attached = c->argv[c->at++];
    }
    return add(a, o, attached, err);
}

static enum ebm_status take_long(struct args *a, struct cursor *c, const char *text,
                                 struct ebm_error *err)
{
    size_t n = strcspn(text + 2, "=");
    const struct option *o = find_named(a->command, text + 2, n);

    if (o == NULL)
        return fail_unknown(a->command, text, err);
    return take_option(a, c, o, text[2 + n] == '=' ? text + 3 + n : NULL, err);
}

static enum ebm_status take_letters(struct args *a, struct cursor *c, const char *text,
                                    struct ebm_error *err)
{
    enum ebm_status rc = EBM_OK;

    for (const char *p = text + 1; rc == EBM_OK && *p != '\0'; p++) {
        const struct option *o = find_letter(a->command, *p);
        if (o == NULL)
            return fail_unknown(a->command, text, err);
        if (o->value != NULL)
            return take_option(a, c, o, p[1] != '\0' ? p + 1 + (p[1] == '=') : NULL, err);
        rc = take_option(a, c, o, NULL, err);
    }
    return rc;
}

static bool asks_help(int argc, char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

enum ebm_status args_parse(const struct command *command, int argc, char *const *argv,
                           struct args *out, struct ebm_error *err)
{
    struct cursor c = {argc, argv, 0};
    enum ebm_status rc = EBM_OK;
    bool options = true;

    *out = (struct args){.command = command, .help = asks_help(argc, argv)};
    /* Letters may be bundled: no more options than characters. */
    size_t most = 1;
    for (int i = 0; i < argc; i++)
        most += strlen(argv[i]) + 1;
    out->given = calloc(most, sizeof *out->given);
    out->word = calloc((size_t)argc + 1, sizeof *out->word);
    if (out->given == NULL || out->word == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory");
    if (out->help)
        return EBM_OK;
    while (rc == EBM_OK && c.at < argc) {
        const char *text = argv[c.at++];
        if (options && strcmp(text, "--") == 0)
            options = false;
        else if (options && strncmp(text, "--", 2) == 0)
            rc = take_long(out, &c, text, err);
        else if (options && text[0] == '-' && text[1] != '\0')
            rc = take_letters(out, &c, text, err);
        else
            out->word[out->words++] = text;
    }
    return rc == EBM_OK ? check_words(out, err) : rc;
}

void args_fini(struct args *a)
{
    free(a->given);
    free(a->word);
    *a = (struct args){.command = a->command};
}

/* ---- what was given ---- */

static const struct option *known(const struct args *a, const char *name)
{
    const struct option *o = find_named(a->command, name, strlen(name));
    assert(o != NULL);
    return o;
}

const char *args_value_at(const struct args *a, const char *name, size_t i)
{
    const struct option *o = known(a, name);

    for (size_t k = 0; k < a->given_count; k++)
        if (a->given[k].option == o && i-- == 0)
            return a->given[k].value;
    return NULL;
}

bool args_has(const struct args *a, const char *name)
{
    const struct option *o = known(a, name);

    for (size_t k = 0; k < a->given_count; k++)
        if (a->given[k].option == o)
            return true;
    return false;
}

const char *args_value(const struct args *a, const char *name)
{
    const char *last = NULL, *v;

    for (size_t i = 0; (v = args_value_at(a, name, i)) != NULL; i++)
        last = v;
    return last;
}

const char **args_values(const struct args *a, const char *name, size_t *n)
{
    const char **all = calloc(a->given_count + 1, sizeof *all);

    *n = 0;
    for (const char *v; all != NULL && (v = args_value_at(a, name, *n)) != NULL;)
        all[(*n)++] = v;
    return all;
}

enum ebm_status args_whole(const struct args *a, const char *name, int64_t min, int64_t max,
                           int64_t fallback, int64_t *out, struct ebm_error *err)
{
    const char *text = args_value(a, name);
    char *end;

    *out = fallback;
    if (text == NULL)
        return EBM_OK;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno != 0 || end == text || isspace((unsigned char)text[0]) || *end != '\0' || v < min ||
        v > max)
        return ebm_fail(err, EBM_EINVAL,
                        "option '--%s' needs a whole number from %lld to %lld, not '%.40s'", name,
                        (long long)min, (long long)max, text);
    *out = v;
    return EBM_OK;
}

uint64_t args_job(const struct args *a, size_t i)
{
    uint64_t job = 0;

    assert(i < a->words && words_are_jobs(a->command->words));
    args_number(a->word[i], 0, &job);
    return job;
}
