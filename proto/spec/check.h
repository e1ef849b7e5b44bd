/* Whether the fields make sense together. Private to spec/. */
#ifndef EBM_SPEC_CHECK_H
#define EBM_SPEC_CHECK_H

#include "spec/fields.h"

/* A spec whose fields were read one by one. */
struct spec_draft {
    struct spec *spec;
    struct spec_problems *problems;
    bool given[FIELD_COUNT]; /* by the text or a --set, not by default */
    bool bad[FIELD_COUNT];   /* already has a problem: not judged again */
    struct {
        uint32_t line, column;
    } group[FIELD_GROUP_COUNT]; /* of the group's key, 0 where it is absent */
};

/* Adds the problems, expands the preset, settles names of data sets. */
void check_draft(struct spec_draft *d);

/* The canonical name of a data set into s->data.dataset; false with a
 * sentence in `why` when there is none of that name here. */
bool dataset_settle_name(struct spec *s, char *why, size_t size);
bool dataset_is_toy(const char *dataset);

/* Whether each word of on_event.events is one; else the first that is not. */
bool events_are_known(const char *list, char *word, size_t size);
/* Whether "none" stands beside others. */
bool events_contradict(const char *list);

#endif
