#include "engine/engine.h"

#include <string.h>

#include "engine/onednn/engine_onednn.h"
#include "engine/wide/wide.h"

/* The best first: "auto" takes it. */
static const struct engine_ops *const engines[] = {&engine_wide, &engine_onednn};
enum { ENGINES = sizeof engines / sizeof engines[0] };

const struct engine_ops *engine_find(const char *name)
{
    if (strcmp(name, "auto") == 0)
        return engines[0];
    for (size_t i = 0; i < ENGINES; i++)
        if (strcmp(name, engines[i]->name) == 0)
            return engines[i];
    return NULL;
}

const struct engine_ops *engine_at(size_t i)
{
    return i < ENGINES ? engines[i] : NULL;
}
