/* Finding fields: by path, and by what a wrong word seems to mean. */
#include <stdio.h>
#include <string.h>

#include "spec/fields.h"
#include "spec/text.h"

enum { ELSEWHERE_DISTANCE = 2 /* of a suggestion from another group */ };

size_t field_find(const char *path)
{
    size_t i = 0;
    while (i < FIELD_COUNT && strcmp(field_table[i].path, path) != 0)
        i++;
    return i;
}

const char *field_leaf(const struct field *f)
{
    const char *dot = strchr(f->path, '.');
    return dot != NULL ? dot + 1 : f->path;
}

bool field_in_group(const struct field *f, const char *group)
{
    size_t n = strlen(group);

    if (n == 0)
        return strchr(f->path, '.') == NULL;
    return strncmp(f->path, group, n) == 0 && f->path[n] == '.';
}

const struct field_group *field_group_find(const char *name)
{
    for (size_t i = 0; i < FIELD_GROUP_COUNT; i++)
        if (strcmp(field_group_table[i].name, name) == 0)
            return &field_group_table[i];
    return NULL;
}

/* How far `key` is from a name or its other names; the real name wins a tie.
 * Even values: the name itself; odd: another name of it. */
static size_t name_distance(const char *key, const char *name, const char *also)
{
    size_t allowed = text_distance_allowed(key);
    size_t best = 2 * text_distance(key, name, allowed);
    char near[SPEC_NAME_MAX];
    size_t d;

    if (also != NULL && text_nearest(also, key, near, sizeof near, &d) && 2 * d + 1 < best)
        best = 2 * d + 1;
    return best;
}

/* The nearest row inside the group, or outside it. */
static const struct field *nearest_field(const char *group, const char *key, bool inside,
                                         size_t most)
{
    const struct field *found = NULL;
    size_t best = 2 * most + 2;

    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const struct field *f = &field_table[i];
        if (field_in_group(f, group) != inside)
            continue;
        size_t d = name_distance(key, field_leaf(f), f->also);
        if (d < best) {
            best = d;
            found = f;
        }
    }
    return found;
}

static const struct field_group *nearest_group(const char *key)
{
    const struct field_group *found = NULL;
    size_t best = 2 * text_distance_allowed(key) + 2;

    for (size_t i = 0; i < FIELD_GROUP_COUNT; i++) {
        const struct field_group *g = &field_group_table[i];
        size_t d = name_distance(key, g->name, g->also);
        if (d < best) {
            best = d;
            found = g;
        }
    }
    return found;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

bool field_suggest(const char *group, const char *key, char *out, size_t size)
{
    size_t allowed = text_distance_allowed(key);
    const struct field *f = nearest_field(group, key, true, allowed);

    if (f == NULL && group[0] == '\0') {
        const struct field_group *g = nearest_group(key);
        if (g != NULL) {
            snprintf(out, size, "%s", g->name);
            return true;
        }
    }
    if (f != NULL) {
        snprintf(out, size, "%s", field_leaf(f));
        return true;
    }
    f = nearest_field(group, key, false, smaller(allowed, ELSEWHERE_DISTANCE));
    if (f != NULL)
        snprintf(out, size, "%s", f->path);
    return f != NULL;
}

bool field_suggest_path(const char *path, char *out, size_t size)
{
    const char *dot = strchr(path, '.');
    char group[SPEC_NAME_MAX], leaf[SPEC_NAME_MAX];

    if (dot == NULL)
        return field_suggest("", path, out, size);
    snprintf(group, sizeof group, "%.*s", (int)(dot - path), path);
    const struct field_group *g = nearest_group(group);
    if (g == NULL)
        return field_suggest("", dot + 1, out, size);
    snprintf(group, sizeof group, "%s.%.40s", g->name, dot + 1);
    if (field_find(group) < FIELD_COUNT) {
        snprintf(out, size, "%s", group);
        return true;
    }
    if (!field_suggest(g->name, dot + 1, leaf, sizeof leaf))
        return false;
    if (strchr(leaf, '.') != NULL)
        snprintf(out, size, "%s", leaf);
    else
        snprintf(out, size, "%s.%s", g->name, leaf);
    return true;
}
