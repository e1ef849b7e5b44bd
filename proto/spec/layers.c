/* model.layers, from YAML and to YAML. */
#include <stdio.h>
#include <string.h>

#include "spec/text.h"
#include "spec/value.h"

enum { OUT_MAX = 1000000, WINDOW_MAX = 1024, PATH_MAX_LAYER = 80 };

/* What may be said of a layer of each kind. */
static const struct layer_form {
    const char *keys; /* "" when it has none */
    const char *example;
} form[NET_KIND_COUNT] = {
    [NET_CONV] = {"out|kernel|stride", "conv: {out: 16, kernel: 3, stride: 1}"},
    [NET_DENSE] = {"out", "dense: 64"},
    [NET_FLATTEN] = {"", "flatten"},
    [NET_SWISH] = {"", "swish"},
    [NET_RELU] = {"", "relu"},
    [NET_LEAKY_RELU] = {"slope", "leaky_relu: {slope: 0.2}"},
};

/* A layer under way. */
struct layer_reading {
    const struct value_context *context;
    size_t number; /* from 1 */
    struct net_layer_spec *layer;
};

static const char kind_words[] = "conv|dense|flatten|swish|relu|leaky_relu";

static int kind_find(const char *word)
{
    for (int k = 0; k < NET_KIND_COUNT; k++)
        if (strcmp(net_kind_name((enum net_kind)k), word) == 0)
            return k;
    return -1;
}

static bool unknown_kind(const struct layer_reading *r, const struct node *at)
{
    char near[SPEC_NAME_MAX];

    if (text_nearest(kind_words, at->text, near, sizeof near, NULL))
        value_problem(r->context, at, "layer %zu: unknown layer '%.40s' (did you mean '%s'?)",
                      r->number, at->text, near);
    else
        value_problem(r->context, at,
                      "layer %zu: unknown layer '%.40s': there are conv, dense, flatten, swish, "
                      "relu and leaky_relu",
                      r->number, at->text);
    return false;
}

static bool read_setting(const struct layer_reading *r, const char *key, const struct node *n)
{
    struct net_layer_spec *l = r->layer;
    char path[PATH_MAX_LAYER];
    int64_t whole = 0;
    double real = 0;

    snprintf(path, sizeof path, "layer %zu: %s.%s", r->number, net_kind_name(l->kind), key);
    if (strcmp(key, "slope") == 0) {
        if (!value_read_real(r->context, path, n, 0, 1, &real))
            return false;
        l->slope = (float)(real + 0.0);
        return true;
    }
    bool is_out = strcmp(key, "out") == 0;
    if (!value_read_whole(r->context, path, n, 1, is_out ? OUT_MAX : WINDOW_MAX, &whole))
        return false;
    if (is_out)
        l->out = (size_t)whole;
    else if (strcmp(key, "kernel") == 0)
        l->kernel = (size_t)whole;
    else
        l->stride = (size_t)whole;
    return true;
}

static bool read_settings(const struct layer_reading *r, const struct node *map)
{
    const char *kind = net_kind_name(r->layer->kind), *keys = form[r->layer->kind].keys;
    char near[SPEC_NAME_MAX];
    bool good = true;

    for (const struct node *n = map->child; n != NULL; n = n->next) {
        if (text_word_index(keys, n->key->text) >= 0) {
            good = read_setting(r, n->key->text, n) && good;
            continue;
        }
        good = false;
        if (text_nearest(keys, n->key->text, near, sizeof near, NULL))
            value_problem(r->context, n->key, "unknown key '%.40s' of %s (did you mean '%s'?)",
                          n->key->text, kind, near);
        else
            value_problem(r->context, n->key, "unknown key '%.40s' of %s (as in %s)", n->key->text,
                          kind, form[r->layer->kind].example);
    }
    return good;
}

/* "out" must have been said, "kernel" too for a convolution. */
static bool check_complete(const struct layer_reading *r, const struct node *at)
{
    const struct net_layer_spec *l = r->layer;
    const char *missing = NULL;

    if ((l->kind == NET_CONV || l->kind == NET_DENSE) && l->out == 0)
        missing = "out";
    else if (l->kind == NET_CONV && l->kernel == 0)
        missing = "kernel";
    if (missing == NULL)
        return true;
    value_problem(r->context, at, "layer %zu: %s needs '%s', as in %s", r->number,
                  net_kind_name(l->kind), missing, form[l->kind].example);
    return false;
}

/* A kind and what stands after its colon; value is NULL for a bare word. */
static bool read_layer(const struct layer_reading *r, const struct node *word,
                       const struct node *value)
{
    int kind = kind_find(word->text);

    if (kind < 0)
        return unknown_kind(r, word);
    *r->layer = (struct net_layer_spec){.kind = (enum net_kind)kind};
    if (r->context->set == NULL) {
        r->layer->line = word->line;
        r->layer->column = word->column;
    }
    r->layer->stride = kind == NET_CONV ? 1 : 0;
    r->layer->slope = kind == NET_LEAKY_RELU ? 0.2f : 0.0f;
    if (value == NULL || node_is_null(value))
        return check_complete(r, word);
    if (value->kind == NODE_MAP)
        return read_settings(r, value) && check_complete(r, word);
    if (kind == NET_DENSE)
        return read_setting(r, "out", value);
    value_problem(r->context, value, "layer %zu: %s is written %s", r->number, word->text,
                  form[kind].example);
    return false;
}

static bool read_item(const struct layer_reading *r, const struct node *n)
{
    if (n->kind == NODE_SCALAR)
        return read_layer(r, n, NULL);
    if (n->kind == NODE_MAP && n->children == 1)
        return read_layer(r, n->child->key, n->child);
    if (n->kind == NODE_MAP && n->children > 1)
        value_problem(r->context, n->child->next->key,
                      "layer %zu has a second key '%.40s': each layer begins with a dash",
                      r->number, n->child->next->key->text);
    else
        value_problem(r->context, n, "layer %zu must be a layer, as 'swish' or 'dense: 64'",
                      r->number);
    return false;
}

bool layers_read(const struct value_context *c, const struct node *n)
{
    bool good = true;
    size_t count = 0;

    if (n->kind != NODE_LIST || n->children == 0) {
        value_problem(c, n, "model.layers must be a list of layers, as '- dense: 64'");
        return false;
    }
    if (n->children > NET_LAYERS_MAX) {
        value_problem(c, n, "model.layers has %zu layers: at most %d", n->children, NET_LAYERS_MAX);
        return false;
    }
    for (const struct node *item = n->child; item != NULL; item = item->next, count++) {
        struct layer_reading r = {c, count + 1, &c->spec->layers[count]};
        good = read_item(&r, item) && good;
    }
    c->spec->layer_count = count;
    return good;
}

void layers_format_one(const struct net_layer_spec *l, struct buf *out)
{
    char slope[TEXT_REAL_MAX];

    buf_puts(out, net_kind_name(l->kind));
    if (l->kind == NET_CONV)
        buf_printf(out, ": {out: %zu, kernel: %zu, stride: %zu}", l->out, l->kernel, l->stride);
    if (l->kind == NET_DENSE)
        buf_printf(out, ": %zu", l->out);
    if (l->kind == NET_LEAKY_RELU) {
        text_from_real((double)l->slope, true, slope);
        buf_printf(out, ": {slope: %s}", slope);
    }
}
