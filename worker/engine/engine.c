#include "engine/engine.h"

#include <string.h>

#include "engine/cpu/cpu.h"

/* The best first: "auto" takes it. */
static const struct engine_ops *const engines[] = {&engine_cpu};

const struct engine_ops *engine_find(const char *name)
{
    if (strcmp(name, "auto") == 0)
        return engines[0];
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
        if (strcmp(name, engines[i]->name) == 0)
            return engines[i];
    return NULL;
}
