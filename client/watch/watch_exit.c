#include "watch/watch_exit.h"

#include <stdlib.h>
#include <string.h>

#include "suggest.h"

enum { RULE_MAX = 63 };

static const char final_word[] = "final";

static enum ebm_status fail_rule(const char *text, const char *what, struct ebm_error *err)
{
    return ebm_fail(err, EBM_EINVAL,
                    "option '--exit': '%.63s' %s (a rule reads any=STATE:CODE or all=STATE:CODE)",
                    text, what);
}

static enum ebm_status take_state(const char *rule, const char *word, enum job_state *out,
                                  struct ebm_error *err)
{
    struct suggest near;

    *out = strcmp(word, final_word) == 0 ? (enum job_state)EXIT_STATE_FINAL
                                         : job_state_from_name(word);
    if (*out != JOB_STATE_COUNT || strcmp(word, final_word) == 0)
        return EBM_OK;
    suggest_init(&near, word);
    suggest_try(&near, final_word);
    for (unsigned i = 0; i < JOB_STATE_COUNT; i++)
        suggest_try(&near, job_state_name((enum job_state)i));
    return ebm_fail(err, EBM_EINVAL, "option '--exit': '%.63s' names no state%s%s%s", rule,
                    near.best != NULL ? " (did you mean '" : "", near.best != NULL ? near.best : "",
                    near.best != NULL ? "'?)" : "");
}

/* One to three digits, nothing else. */
static bool take_code(const char *word, int *out)
{
    size_t n = strspn(word, "0123456789");

    if (n == 0 || n > 3 || word[n] != '\0')
        return false;
    *out = (int)strtol(word, NULL, 10);
    return *out <= EXIT_CODE_MAX;
}

static enum ebm_status take_rule(const char *text, struct exit_rule *out, struct ebm_error *err)
{
    char copy[RULE_MAX + 1];

    strcpy(copy, text);
    char *equals = strchr(copy, '=');
    char *colon = equals != NULL ? strchr(equals, ':') : NULL;
    if (equals == NULL || colon == NULL)
        return fail_rule(text, "is no rule", err);
    *equals = *colon = '\0';
    out->all = strcmp(copy, "all") == 0;
    if (!out->all && strcmp(copy, "any") != 0)
        return fail_rule(text, "begins with neither any= nor all=", err);
    if (!take_code(colon + 1, &out->code))
        return fail_rule(text, "needs a code from 0 to 125", err);
    return take_state(text, equals + 1, &out->state, err);
}

enum ebm_status watch_exit_parse(const char *text, struct exit_rules *out, struct ebm_error *err)
{
    char rule[RULE_MAX + 1];
    enum ebm_status rc;

    *out = (struct exit_rules){.count = 0};
    for (bool more = true; more; text++) {
        size_t n = strcspn(text, ",");
        if (out->count == EXIT_RULES_MAX)
            return ebm_fail(err, EBM_EINVAL, "option '--exit': more than %d rules", EXIT_RULES_MAX);
        if (n > RULE_MAX)
            return fail_rule(text, "is no rule", err);
        memcpy(rule, text, n);
        rule[n] = '\0';
        rc = take_rule(rule, &out->rule[out->count++], err);
        if (rc != EBM_OK)
            return rc;
        text += n;
        more = *text == ',';
    }
    return EBM_OK;
}

static bool is_in(enum job_state now, enum job_state wanted)
{
    return (int)wanted == EXIT_STATE_FINAL ? job_state_is_final(now) : now == wanted;
}

static bool holds(const struct exit_rule *r, const enum job_state *state, size_t n)
{
    size_t in = 0;

    for (size_t i = 0; i < n; i++)
        in += is_in(state[i], r->state);
    return r->all ? n > 0 && in == n : in > 0;
}

const struct exit_rule *watch_exit_find(const struct exit_rules *rules, const enum job_state *state,
                                        size_t n)
{
    for (size_t i = 0; i < rules->count; i++)
        if (holds(&rules->rule[i], state, n))
            return &rules->rule[i];
    return NULL;
}
