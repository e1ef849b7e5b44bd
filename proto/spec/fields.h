/* The table of the spec's fields. Private to spec/, and to what is made from
 * the table. */
#ifndef EBM_SPEC_FIELDS_H
#define EBM_SPEC_FIELDS_H

#include "spec/spec.h"

enum field_type {
    FIELD_TEXT,
    FIELD_WHOLE, /* int64_t */
    FIELD_SEED,  /* uint64_t */
    FIELD_EPOCH, /* uint32_t */
    FIELD_REAL,
    FIELD_PAIR,  /* double[2] */
    FIELD_ENUM,  /* an enum whose values are the positions in `words` */
    FIELD_CLAMP, /* none, or [lo, hi]: sampler.clamp_on and sampler.clamp */
    FIELD_LAYERS
};

enum field_flag {
    FIELD_ABOVE_MIN = 1, /* the range is open at min */
    FIELD_BELOW_MAX = 2, /* the range is open at max */
    FIELD_MATH = 4,      /* decides the future bits of a run */
    FIELD_BLANK = 8      /* has no default: 0 or "" means that it was not given */
};

struct field {
    const char *path; /* "optimizer.lr" */
    enum field_type type;
    size_t offset, size; /* of the member in struct spec */
    double min, max;
    const char *words; /* FIELD_ENUM: "adam|sgd"; FIELD_TEXT: what is understood, or NULL */
    const char *later; /* FIELD_ENUM: values of later versions */
    unsigned flags;
    const char *standard; /* the default, as in a spec; NULL: none, or by the data set */
    const char *also;     /* names that people try, for suggestions: "learning_rate|eta" */
    const char *help;     /* one line */
    const char *source;   /* where the field and its default come from */
};

struct field_group {
    const char *name; /* "optimizer" */
    const char *also;
    const char *help;
};

enum { FIELD_COUNT = 62, FIELD_GROUP_COUNT = 13 };

extern const struct field field_table[FIELD_COUNT];
extern const struct field_group field_group_table[FIELD_GROUP_COUNT];

/* Row of a path, FIELD_COUNT when there is none. */
size_t field_find(const char *path);
/* "lr" of "optimizer.lr"; the path itself at the top level. */
const char *field_leaf(const struct field *f);
/* Whether f belongs to this group; "" is the top level. */
bool field_in_group(const struct field *f, const char *group);
const struct field_group *field_group_find(const char *name);

/* What a wrong key in `group` seems to mean: a leaf of the group, else a path
 * elsewhere. False when nothing is near. */
bool field_suggest(const char *group, const char *key, char *out, size_t size);
/* The same for a whole path, as in --set and explain. */
bool field_suggest_path(const char *path, char *out, size_t size);

/* Puts the default into the spec; nothing for a row without one. */
void field_set_standard(const struct field *f, struct spec *s);
/* "none" or "[lo, hi]" for the data set that s names: the default of
 * sampler.clamp. */
void field_set_clamp(struct spec *s);

/* The value as it stands in a spec, in one line; "none" for a blank one. */
void field_format(const struct field *f, const struct spec *s, struct buf *out);
bool field_is_blank(const struct field *f, const struct spec *s);
/* "a whole number from 1 to 4096". */
void field_describe_type(const struct field *f, char *out, size_t size);

#endif
