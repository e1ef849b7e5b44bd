/* on_event.events: which events are told. */
#include <stdio.h>
#include <string.h>

#include "spec/check.h"
#include "spec/text.h"

static const char blanks[] = " ,\t";

/* The next word of the list into `word`, cut at size; false at the end. */
static bool next_word(const char **list, char *word, size_t size)
{
    const char *begin = *list + strspn(*list, blanks);
    size_t n = strcspn(begin, blanks);

    snprintf(word, size, "%.*s", (int)n, begin);
    *list = begin + n;
    return n > 0;
}

bool events_are_known(const char *list, char *word, size_t size)
{
    const char *known = field_table[field_find("on_event.events")].words;

    while (next_word(&list, word, size))
        if (text_word_index(known, word) < 0)
            return false;
    return true;
}

bool events_contradict(const char *list)
{
    char word[SPEC_NAME_MAX];
    bool none = false, other = false;

    while (next_word(&list, word, sizeof word)) {
        bool is_none = strcmp(word, "none") == 0;
        none |= is_none;
        other |= !is_none;
    }
    return none && other;
}

bool spec_tells(const struct spec *s, const char *event)
{
    const char *list = s->on_event.events;
    char word[SPEC_NAME_MAX];

    if (s->on_event.command[0] == '\0' && s->on_event.url[0] == '\0')
        return false;
    while (next_word(&list, word, sizeof word))
        if (strcmp(word, event) == 0)
            return true;
    return false;
}
