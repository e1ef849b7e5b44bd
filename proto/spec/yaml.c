/* The door to libyaml: its events become a bounded tree. */
#include "spec/tree.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "spec/problems.h"
#include "spec/text.h"

/* A parse under way. */
struct reading {
    struct tree *tree;
    struct spec_problems *problems;
    struct node *stack[TREE_DEPTH_MAX]; /* the open lists and maps */
    size_t depth;
    struct node *key; /* of the innermost map: read, its value to come */
    size_t documents;
    bool done, refused; /* refused: a problem after which reading makes no sense */
};

bool node_is_null(const struct node *n)
{
    return n->kind == NODE_SCALAR && !n->quoted &&
           (n->text[0] == '\0' || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0);
}

void node_describe(const struct node *n, char *out, size_t size)
{
    if (n->kind == NODE_LIST)
        snprintf(out, size, "a list");
    else if (n->kind == NODE_MAP)
        snprintf(out, size, "a group of keys");
    else if (node_is_null(n))
        snprintf(out, size, "nothing");
    else
        snprintf(out, size, "'%.40s'%s", n->text, n->quoted ? " in quotes" : "");
}

/* --- what libyaml should never see ------------------------------------- */

static void refuse_byte(struct reading *r, uint32_t line, uint32_t column, unsigned char byte)
{
    if (byte == 0)
        problem_at(r->problems, line, column, "a NUL byte: this is not a text file");
    else if (byte < 0x20 || byte == 0x7f)
        problem_at(r->problems, line, column, "a control character (0x%02x)", byte);
    else
        problem_at(r->problems, line, column, "byte 0x%02x is not UTF-8 text", byte);
    r->refused = true;
}

/* One look over the text: its characters, and tabs as indentation, for which
 * libyaml has no friendly words. */
static void check_text(struct reading *r, const char *text, size_t size)
{
    uint32_t line = 1, column = 1;
    bool indent = true, tab_told = false;

    for (size_t i = 0; i < size;) {
        unsigned char c = (unsigned char)text[i];
        size_t n = text_utf8_length((const unsigned char *)text + i, size - i);
        if (n == 0) {
            refuse_byte(r, line, column, c);
            return;
        }
        if (c == '\t' && indent && !tab_told) {
            problem_at(r->problems, line, column,
                       "a tab at the start of the line: indent with spaces");
            r->refused = tab_told = true;
        }
        indent = indent && (c == ' ' || c == '\t');
        column++;
        i += n;
        if (c == '\n') {
            line++;
            column = 1;
            indent = true;
            tab_told = false;
        }
    }
}

/* --- events ------------------------------------------------------------ */

static struct node *node_new(struct reading *r, enum node_kind kind, yaml_mark_t at)
{
    struct tree *t = r->tree;
    uint32_t line = (uint32_t)at.line + 1, column = (uint32_t)at.column + 1;

    if (t->nodes == t->nodes_max) {
        problem_at(r->problems, line, column, "too many values: a spec has at most %d",
                   TREE_NODES_MAX);
        r->refused = true;
        return NULL;
    }
    struct node *n = &t->node[t->nodes++];
    *n = (struct node){.kind = kind, .line = line, .column = column};
    return n;
}

/* Copies a scalar; the room was sized for the worst case of escapes. */
static const char *text_keep(struct tree *t, const char *bytes, size_t n)
{
    if (n + 1 > t->text_max - t->text_used)
        return NULL;
    char *copy = t->text + t->text_used;
    if (n != 0)
        memcpy(copy, bytes, n);
    copy[n] = '\0';
    t->text_used += n + 1;
    return copy;
}

static const struct node *key_find(const struct node *map, const char *text)
{
    for (const struct node *c = map->child; c != NULL; c = c->next)
        if (strcmp(c->key->text, text) == 0)
            return c->key;
    return NULL;
}

/* A scalar in the key's position. False when n is a value. */
static bool take_key(struct reading *r, struct node *n)
{
    struct node *parent = r->depth > 0 ? r->stack[r->depth - 1] : NULL;

    if (parent == NULL || parent->kind != NODE_MAP || r->key != NULL)
        return false;
    if (n->kind != NODE_SCALAR) {
        problem_at(r->problems, n->line, n->column, "a key must be a word, not %s",
                   n->kind == NODE_LIST ? "a list" : "a group of keys");
        r->refused = true;
        return true;
    }
    const struct node *first = key_find(parent, n->text);
    if (first != NULL)
        problem_at(r->problems, n->line, n->column, "duplicate key '%.60s' (first on line %u)",
                   n->text, first->line);
    r->key = n;
    return true;
}

/* Hangs n where the reading stands: as a key, a value, an item or the root. */
static void attach(struct reading *r, struct node *n)
{
    if (take_key(r, n))
        return;
    if (r->depth == 0) {
        r->tree->root = n;
        return;
    }
    struct node *parent = r->stack[r->depth - 1];
    n->key = r->key;
    r->key = NULL;
    if (parent->last != NULL)
        parent->last->next = n;
    else
        parent->child = n;
    parent->last = n;
    parent->children++;
}

static void on_scalar(struct reading *r, const yaml_event_t *e)
{
    struct node *n = node_new(r, NODE_SCALAR, e->start_mark);
    const char *bytes = (const char *)e->data.scalar.value;
    size_t length = e->data.scalar.length;

    if (n == NULL)
        return;
    n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    n->text = memchr(bytes, 0, length) == NULL ? text_keep(r->tree, bytes, length) : NULL;
    if (n->text == NULL) {
        problem_at(r->problems, n->line, n->column, "a NUL byte in a text");
        r->refused = true;
        return;
    }
    attach(r, n);
}

static void on_open(struct reading *r, const yaml_event_t *e, enum node_kind kind)
{
    struct node *n = node_new(r, kind, e->start_mark);

    if (n == NULL)
        return;
    if (r->depth == TREE_DEPTH_MAX) {
        problem_at(r->problems, n->line, n->column, "nested too deeply: at most %d levels",
                   TREE_DEPTH_MAX);
        r->refused = true;
        return;
    }
    attach(r, n);
    r->stack[r->depth++] = n;
}

static void refuse_property(struct reading *r, const yaml_event_t *e, const char *sentence)
{
    problem_at(r->problems, (uint32_t)e->start_mark.line + 1, (uint32_t)e->start_mark.column + 1,
               "%s", sentence);
    r->refused = true;
}

/* Anchors and tags, wherever an event can bear them. */
static void check_properties(struct reading *r, const yaml_event_t *e)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
    }
    if (anchor != NULL || e->type == YAML_ALIAS_EVENT)
        refuse_property(r, e, "aliases are not allowed in a spec: write the value out");
    else if (tag != NULL)
        refuse_property(r, e, "tags ('!...') are not allowed in a spec");
}

static void on_event(struct reading *r, const yaml_event_t *e)
{
    check_properties(r, e);
    if (r->refused)
        return;
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->documents++ > 0)
            refuse_property(r, e, "a second document ('---'): a spec is one document");
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(r, e);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_open(r, e, NODE_LIST);
        break;
    case YAML_MAPPING_START_EVENT:
        on_open(r, e, NODE_MAP);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        assert(r->depth > 0);
        r->depth--;
        break;
    case YAML_STREAM_END_EVENT:
        r->done = true;
        break;
    default:
        break;
    }
}

static enum ebm_status on_syntax_error(struct reading *r, const yaml_parser_t *p,
                                       struct ebm_error *err)
{
    const char *what = p->problem != NULL ? p->problem : "not YAML";
    yaml_mark_t at = p->problem_mark;

    if (p->error == YAML_MEMORY_ERROR)
        return ebm_fail(err, EBM_ENOMEM, "no memory to read a spec");
    r->refused = true;
    if (p->context != NULL)
        problem_at(r->problems, (uint32_t)at.line + 1, (uint32_t)at.column + 1,
                   "not valid YAML: %s %s (from line %u)", what, p->context,
                   (unsigned)p->context_mark.line + 1);
    else
        problem_at(r->problems, (uint32_t)at.line + 1, (uint32_t)at.column + 1,
                   "not valid YAML: %s", what);
    return EBM_EINVAL;
}

static enum ebm_status read_events(struct reading *r, const char *text, size_t size,
                                   struct ebm_error *err)
{
    yaml_parser_t parser;
    enum ebm_status st = EBM_OK;

    if (!yaml_parser_initialize(&parser))
        return ebm_fail(err, EBM_ENOMEM, "no memory to read a spec");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    while (!r->done && !r->refused) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            st = on_syntax_error(r, &parser, err);
            break;
        }
        on_event(r, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return st;
}

/* Room for the worst case: a node takes a byte of text at least, an escape
 * grows by half at most. */
static enum ebm_status tree_room(struct tree *t, size_t size, struct ebm_error *err)
{
    *t = (struct tree){0};
    t->nodes_max = size + 2 < TREE_NODES_MAX ? size + 2 : TREE_NODES_MAX;
    t->text_max = 2 * size + t->nodes_max + 1;
    t->node = calloc(t->nodes_max, sizeof *t->node);
    t->text = malloc(t->text_max);
    if (t->node == NULL || t->text == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory to read a spec of %zu bytes", size);
    return EBM_OK;
}

enum ebm_status tree_parse(const char *text, size_t size, struct tree *out,
                           struct spec_problems *problems, struct ebm_error *err)
{
    struct reading r = {.tree = out, .problems = problems};

    *out = (struct tree){0};
    if (size > SPEC_TEXT_MAX) {
        problem_at(problems, 0, 0, "the file has %zu bytes: a spec has at most %d", size,
                   SPEC_TEXT_MAX);
        return EBM_EINVAL;
    }
    check_text(&r, text, size);
    if (r.refused)
        return EBM_EINVAL;
    enum ebm_status st = tree_room(out, size, err);
    if (st == EBM_OK)
        st = read_events(&r, text, size, err);
    if (st == EBM_OK && r.refused)
        st = EBM_EINVAL;
    return st;
}

void tree_fini(struct tree *t)
{
    free(t->node);
    free(t->text);
    *t = (struct tree){0};
}
