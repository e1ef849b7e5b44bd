/* A text and its --sets become a draft, and the draft a spec. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/check.h"
#include "spec/problems.h"
#include "spec/value.h"

enum { SETS_MAX = 256 };

/* Fields of which one takes the other's place when it comes by --set. */
static const char *const rivals[][2] = {
    {"train.epochs", "train.steps"},
    {"model.preset", "model.layers"},
};

/* A parse under way: the node that gives each row. */
struct parse {
    struct spec_draft draft;
    const struct node *node[FIELD_COUNT];
    const char *set[FIELD_COUNT]; /* the --set that a node comes from */
    struct tree text;
    struct tree *sets; /* owned: one for each --set */
};

/* --- from the text ----------------------------------------------------- */

static void unknown_key(struct parse *p, const char *group, const struct node *key)
{
    char near[SPEC_NAME_MAX];
    struct spec_problems *problems = p->draft.problems;
    const char *dot = strchr(key->text, '.');

    if (dot != NULL && field_find(key->text) < FIELD_COUNT)
        problem_at(problems, key->line, key->column,
                   "unknown key '%s': write it as '%s' inside '%.*s:'", key->text, dot + 1,
                   (int)(dot - key->text), key->text);
    else if (field_suggest(group, key->text, near, sizeof near))
        problem_at(problems, key->line, key->column, "unknown key '%.60s' (did you mean '%s'?)",
                   key->text, near);
    else if (group[0] != '\0')
        problem_at(problems, key->line, key->column,
                   "unknown key '%.60s' (see `ebmctl explain %s`)", key->text, group);
    else
        problem_at(problems, key->line, key->column, "unknown key '%.60s' (see `ebmctl explain`)",
                   key->text);
}

static void gather_fields(struct parse *p, const char *group, const struct node *map)
{
    char path[SPEC_NAME_MAX];

    for (const struct node *n = map->child; n != NULL; n = n->next) {
        int length = snprintf(path, sizeof path, "%s.%s", group, n->key->text);
        size_t row = length < (int)sizeof path ? field_find(path) : FIELD_COUNT;
        if (row == FIELD_COUNT)
            unknown_key(p, group, n->key);
        else
            p->node[row] = n;
    }
}

static void gather_group(struct parse *p, const struct field_group *g, const struct node *n)
{
    size_t i = (size_t)(g - field_group_table);
    char got[100];

    p->draft.group[i].line = n->key->line;
    p->draft.group[i].column = n->key->column;
    if (n->kind == NODE_MAP) {
        gather_fields(p, g->name, n);
    } else if (!node_is_null(n)) {
        node_describe(n, got, sizeof got);
        problem_at(p->draft.problems, n->line, n->column,
                   "'%s' is a group: its keys go under it, indented, not %s", g->name, got);
    }
}

static void gather_text(struct parse *p)
{
    const struct node *root = p->text.root;

    if (root == NULL || node_is_null(root)) {
        problem_at(p->draft.problems, 0, 0,
                   "the file is empty: a spec has at least 'data', 'model' and 'train' "
                   "(see `ebmctl explain`)");
        return;
    }
    if (root->kind != NODE_MAP) {
        problem_at(p->draft.problems, root->line, root->column,
                   "a spec is lines of 'key: value', not %s",
                   root->kind == NODE_LIST ? "a list" : "a text");
        return;
    }
    for (const struct node *n = root->child; n != NULL; n = n->next) {
        const struct field_group *g = field_group_find(n->key->text);
        size_t row = strchr(n->key->text, '.') == NULL ? field_find(n->key->text) : FIELD_COUNT;
        if (g != NULL)
            gather_group(p, g, n);
        else if (row < FIELD_COUNT)
            p->node[row] = n;
        else
            unknown_key(p, "", n->key);
    }
}

/* --- from --set -------------------------------------------------------- */

/* Row of a --set's key, FIELD_COUNT with a problem. */
static size_t set_row(struct parse *p, const char *set, const char *equals)
{
    char path[SPEC_NAME_MAX], near[SPEC_NAME_MAX];

    snprintf(path, sizeof path, "%.*s", (int)(equals - set), set);
    size_t row = field_find(path);
    if (row < FIELD_COUNT)
        return row;
    if (field_group_find(path) != NULL)
        problem_at(p->draft.problems, 0, 0,
                   "--set %.80s: '%s' is a group: set one of its fields (see `ebmctl explain %s`)",
                   set, path, path);
    else if (field_suggest_path(path, near, sizeof near))
        problem_at(p->draft.problems, 0, 0, "--set %.80s: unknown field '%s' (did you mean '%s'?)",
                   set, path, near);
    else
        problem_at(p->draft.problems, 0, 0,
                   "--set %.80s: unknown field '%s' (see `ebmctl explain`)", set, path);
    return row;
}

static void drop_rival(struct parse *p, size_t row)
{
    for (size_t i = 0; i < sizeof rivals / sizeof rivals[0]; i++)
        for (size_t side = 0; side < 2; side++) {
            size_t other = field_find(rivals[i][1 - side]);
            if (row == field_find(rivals[i][side]) && p->set[other] == NULL)
                p->node[other] = NULL;
        }
}

static enum ebm_status gather_set(struct parse *p, const char *set, struct tree *tree,
                                  struct ebm_error *err)
{
    struct spec_problems inner = {0};
    const char *equals = strchr(set, '=');

    if (equals == NULL || equals == set) {
        problem_at(p->draft.problems, 0, 0, "--set %.80s: write it as KEY=VALUE", set);
        return EBM_OK;
    }
    size_t row = set_row(p, set, equals);
    if (row == FIELD_COUNT)
        return EBM_OK;
    enum ebm_status st = tree_parse(equals + 1, strlen(equals + 1), tree, &inner, err);
    if (inner.count > 0) {
        problem_at(p->draft.problems, 0, 0, "--set %.80s: %s", set, inner.item[0].text);
        p->draft.bad[row] = true;
        return EBM_OK;
    }
    if (st != EBM_OK)
        return st;
    if (tree->root == NULL) {
        problem_at(p->draft.problems, 0, 0, "--set %.80s: %s has no value", set,
                   field_table[row].path);
        p->draft.bad[row] = true;
        return EBM_OK;
    }
    p->node[row] = tree->root;
    p->set[row] = set;
    drop_rival(p, row);
    return EBM_OK;
}

static enum ebm_status gather_sets(struct parse *p, const char *const *sets, size_t n,
                                   struct ebm_error *err)
{
    enum ebm_status st = EBM_OK;

    if (n == 0)
        return EBM_OK;
    if (n > SETS_MAX) {
        problem_at(p->draft.problems, 0, 0, "%zu times --set: at most %d", n, SETS_MAX);
        return EBM_OK;
    }
    p->sets = calloc(n, sizeof *p->sets);
    if (p->sets == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for %zu times --set", n);
    for (size_t i = 0; i < n && st == EBM_OK; i++)
        st = gather_set(p, sets[i], &p->sets[i], err);
    return st;
}

/* --- the draft --------------------------------------------------------- */

static void read_row(struct parse *p, size_t row)
{
    const struct field *f = &field_table[row];
    const struct node *n = p->node[row];
    struct spec *s = p->draft.spec;
    struct value_context c = {s, p->draft.problems, p->set[row]};

    if (n == NULL) {
        field_set_standard(f, s);
        return;
    }
    p->draft.given[row] = true;
    if (p->set[row] == NULL) {
        s->place[row].line = n->line;
        s->place[row].column = n->column;
    }
    if (!value_read(&c, f, n))
        p->draft.bad[row] = true;
}

static void parse_fini(struct parse *p, size_t n_sets)
{
    tree_fini(&p->text);
    for (size_t i = 0; p->sets != NULL && i < n_sets; i++)
        tree_fini(&p->sets[i]);
    free(p->sets);
}

static enum ebm_status summarize(const struct spec_problems *problems, struct ebm_error *err)
{
    const struct spec_problem *first = &problems->item[0];
    const char *many = problems->total == 1 ? "" : "s";

    if (problems->total == 0)
        return EBM_OK;
    if (first->line == 0)
        return ebm_fail(err, EBM_EINVAL, "%zu error%s in the spec: %s", problems->total, many,
                        first->text);
    return ebm_fail(err, EBM_EINVAL, "%zu error%s in the spec: line %u: %s", problems->total, many,
                    first->line, first->text);
}

enum ebm_status spec_parse(const char *text, size_t size, const char *const *sets, size_t n_sets,
                           struct spec *out, struct spec_problems *problems, struct ebm_error *err)
{
    static const char bom[] = "\xef\xbb\xbf";
    struct parse p = {.draft = {.spec = out, .problems = problems}};
    size_t skip = size >= 3 && memcmp(text, bom, 3) == 0 ? 3 : 0;

    memset(out, 0, sizeof *out);
    memset(problems, 0, sizeof *problems);
    enum ebm_status st = tree_parse(text + skip, size - skip, &p.text, problems, err);
    if (st != EBM_OK)
        goto out;
    gather_text(&p);
    st = gather_sets(&p, sets, n_sets, err);
    if (st != EBM_OK)
        goto out;
    for (size_t row = 0; row < FIELD_COUNT; row++)
        read_row(&p, row);
    if (p.text.root != NULL && p.text.root->kind == NODE_MAP)
        check_draft(&p.draft);
out:
    parse_fini(&p, n_sets);
    if (st != EBM_OK && st != EBM_EINVAL)
        return st;
    return summarize(problems, err);
}
