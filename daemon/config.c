#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fsio.h"
#include "spec/tree.h"

enum { SLOTS_MAX = 65536, LEASE_MIN_MS = 100, DAY_MS = 24 * 3600 * 1000 };

enum kind { KIND_WHOLE, KIND_BYTES, KIND_LEVEL };

static const struct setting {
    const char *key, *variable;
    enum kind kind;
    size_t offset;
    uint64_t min, max;
    const char *help;
} settings[] = {
    {"slots", "EBM_SLOTS", KIND_WHOLE, offsetof(struct config, slots), 1, SLOTS_MAX,
     "ranks x threads that may run at once; default: the processors"},
    {"vault_max_bytes", "EBM_VAULT_MAX_BYTES", KIND_BYTES, offsetof(struct config, vault_max_bytes),
     0, INT64_MAX, "quota of all checkpoints, as 20GB; default 0: none"},
    {"lease_ms", "EBM_LEASE_MS", KIND_WHOLE, offsetof(struct config, lease_ms), LEASE_MIN_MS,
     DAY_MS, "a job whose workers are silent for so long is 'unknown'; default 30000"},
    {"stop_grace_ms", "EBM_STOP_GRACE_MS", KIND_WHOLE, offsetof(struct config, stop_grace_ms), 0,
     DAY_MS, "workers have so long to pause or cancel by themselves; default 600000"},
    {"log_level", "EBM_LOG_LEVEL", KIND_LEVEL, offsetof(struct config, log_level), 0, 0,
     "debug, info (the default), warn or error"},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

/* ---- values ---- */

static const char *const levels[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

static bool read_level(const char *text, enum log_level *out)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(levels[i], text) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

static const struct {
    const char *suffix;
    uint64_t factor;
} units[] = {{"", 1}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {"TB", 1000000000000}};

static bool read_whole(const struct setting *s, const char *text, uint64_t *out)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    uint64_t v = strtoull(text, &end, 10);
    end += strspn(end, " ");
    for (size_t i = 0; i < sizeof units / sizeof units[0] && errno == 0; i++) {
        if (strcmp(units[i].suffix, end) != 0 || (i > 0 && s->kind != KIND_BYTES))
            continue;
        *out = v * units[i].factor;
        return v <= s->max / units[i].factor && *out >= s->min;
    }
    return false;
}

static enum ebm_status take_value(const struct setting *s, const char *text, struct config *out,
                                  struct ebm_error *err)
{
    void *member = (char *)out + s->offset;

    if (s->kind == KIND_LEVEL)
        return read_level(text, member) ? EBM_OK
                                        : ebm_fail(err, EBM_EINVAL,
                                                   "%s: '%.40s' is none of debug, info, warn, "
                                                   "error",
                                                   s->key, text);
    if (read_whole(s, text, member))
        return EBM_OK;
    return ebm_fail(err, EBM_EINVAL,
                    "%s: '%.40s' is not a whole number from %" PRIu64 " to %" PRIu64 "%s", s->key,
                    text, s->min, s->max,
                    s->kind == KIND_BYTES ? " (bytes, or with kB, MB, GB or TB)" : "");
}

/* ---- the file ---- */

static enum ebm_status take_node(const struct node *n, struct config *out, struct ebm_error *err)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        if (strcmp(settings[i].key, n->key->text) != 0)
            continue;
        if (n->kind != NODE_SCALAR || node_is_null(n))
            return ebm_fail(err, EBM_EINVAL, "%s: a single value is wanted", n->key->text);
        return take_value(&settings[i], n->text, out, err);
    }
    return ebm_fail(err, EBM_EINVAL, "unknown key '%.40s' (ebmd --help lists them)", n->key->text);
}

/* Which of the two is meant nobody can tell. */
static enum ebm_status check_once(const struct node *first, const struct node *n,
                                  struct ebm_error *err)
{
    for (; first != n; first = first->next)
        if (strcmp(first->key->text, n->key->text) == 0)
            return ebm_fail(err, EBM_EINVAL, "'%.40s' is there twice (first in line %u)",
                            n->key->text, first->key->line);
    return EBM_OK;
}

static enum ebm_status take_tree(const struct tree *t, const char *path, struct config *out,
                                 struct ebm_error *err)
{
    if (t->root == NULL || node_is_null(t->root))
        return EBM_OK;
    if (t->root->kind != NODE_MAP)
        return ebm_fail(err, EBM_EINVAL, "%s: not a list of 'key: value' lines", path);
    for (const struct node *n = t->root->child; n != NULL; n = n->next) {
        enum ebm_status rc = check_once(t->root->child, n, err);
        if (rc == EBM_OK)
            rc = take_node(n, out, err);
        if (rc != EBM_OK) {
            ebm_prefix(err, "%s:%u:%u", path, n->key->line, n->key->column);
            return rc;
        }
    }
    return EBM_OK;
}

static enum ebm_status read_file(const char *path, struct config *out, struct ebm_error *err)
{
    struct spec_problems problems = {.count = 0};
    struct tree tree = {.root = NULL};
    struct buf text;

    buf_init(&text);
    enum ebm_status rc = fsio_read(path, SPEC_TEXT_MAX, &text, err);
    if (rc == EBM_ENOTFOUND) {
        buf_fini(&text);
        return EBM_OK;
    }
    if (rc == EBM_OK) {
        rc = tree_parse(buf_text(&text), text.size, &tree, &problems, err);
        if (rc == EBM_EINVAL && problems.count > 0)
            ebm_fail(err, rc, "%s:%u:%u: %s", path, problems.item[0].line, problems.item[0].column,
                     problems.item[0].text);
    }
    if (rc == EBM_OK)
        rc = take_tree(&tree, path, out, err);
    tree_fini(&tree);
    buf_fini(&text);
    return rc;
}

/* ---- all of it ---- */

static uint64_t count_processors(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (uint64_t)CPU_COUNT(&set);
}

enum ebm_status config_read(const struct home *home, struct config *out, struct ebm_error *err)
{
    *out = (struct config){.slots = count_processors(),
                           .lease_ms = 30000,
                           .stop_grace_ms = 600000,
                           .log_level = LOG_INFO};
    enum ebm_status rc = read_file(home->config, out, err);
    for (size_t i = 0; rc == EBM_OK && i < SETTINGS; i++) {
        const char *value = getenv(settings[i].variable);
        if (value == NULL || value[0] == '\0')
            continue;
        rc = take_value(&settings[i], value, out, err);
        if (rc != EBM_OK)
            ebm_prefix(err, "environment variable %s", settings[i].variable);
    }
    return rc;
}

void config_help(struct buf *out)
{
    for (size_t i = 0; i < SETTINGS; i++)
        buf_printf(out, "  %-16s %-20s %s\n", settings[i].key, settings[i].variable,
                   settings[i].help);
}
