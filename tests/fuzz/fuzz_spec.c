/* Any bytes as a spec: no crash, and what is accepted goes round. The first
 * line, where it begins with '!', is a --set. */
#include <stdlib.h>
#include <string.h>

#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

static void forget_places(struct spec *s)
{
    memset(s->place, 0, sizeof s->place);
    for (size_t i = 0; i < NET_LAYERS_MAX; i++)
        s->layers[i].line = s->layers[i].column = 0;
}

static void check_round(struct spec *first)
{
    static struct spec second;
    static struct spec_problems problems;
    struct buf text;
    struct buf diff;

    buf_init(&text);
    buf_init(&diff);
    spec_print(first, &text);
    require(spec_parse(buf_text(&text), text.size, NULL, 0, &second, &problems, NULL) == EBM_OK);
    forget_places(first);
    forget_places(&second);
    require(memcmp(first, &second, sizeof second) == 0);
    require(spec_diff(first, &second, &diff) == 0);
    buf_fini(&text);
    buf_fini(&diff);
}

static void check_problems(const struct spec_problems *p, const char *text, size_t size)
{
    struct buf shown;

    require(p->count > 0 && p->count <= p->total);
    buf_init(&shown);
    spec_problems_print(p, "fuzz.yaml", text, size, &shown);
    require(memchr(buf_text(&shown), 0x1b, shown.size) == NULL);
    buf_fini(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct spec spec;
    static struct spec_problems problems;
    const char *text = (const char *)data;
    char set[128];
    const char *const sets[] = {set};
    size_t n_sets = 0;

    const uint8_t *end = size > 0 && data[0] == '!' ? memchr(data, '\n', size) : NULL;
    if (end != NULL) {
        size_t length = (size_t)(end - data) - 1;
        length = length < sizeof set - 1 ? length : sizeof set - 1;
        memcpy(set, data + 1, length);
        set[length] = '\0';
        n_sets = 1;
        text = (const char *)end + 1;
        size -= (size_t)(end - data) + 1;
    }
    if (spec_parse(text, size, sets, n_sets, &spec, &problems, NULL) == EBM_OK)
        check_round(&spec);
    else
        check_problems(&problems, text, size);
    return 0;
}
