/* The nets that have a name. */
#include <string.h>

#include "net/net.h"

/* clang-format off */
#define CONV(filters, k, s) {.kind = NET_CONV, .out = (filters), .kernel = (k), .stride = (s)}
#define DENSE(units)        {.kind = NET_DENSE, .out = (units)}
#define SWISH               {.kind = NET_SWISH}
#define RELU                {.kind = NET_RELU}
/* clang-format on */

static const struct net_layer_spec mlp[] = {DENSE(1000), RELU, DENSE(1000), RELU, DENSE(1)};

static const struct net_layer_spec conv_seed[] = {
    CONV(16, 3, 1),  SWISH, CONV(32, 3, 2),  SWISH, CONV(64, 3, 2), SWISH,
    CONV(128, 3, 2), SWISH, CONV(256, 3, 2), SWISH, DENSE(1),
};

static const struct net_layer_spec conv_small[] = {
    CONV(16, 5, 2), SWISH, CONV(32, 3, 2), SWISH, CONV(64, 3, 2), SWISH,
    CONV(64, 3, 2), SWISH, DENSE(64),      SWISH, DENSE(1),
};

static const struct {
    const char *name, *help;
    const struct net_layer_spec *layer;
    size_t layers;
} presets[] = {
    {"mlp", "two hidden layers of 1000, ReLU; for toys (1,005,001 parameters on 2-D points)", mlp,
     sizeof mlp / sizeof mlp[0]},
    {"conv-seed",
     "3x3 convolutions of 16, 32, 64, 128, 256, swish, dense 1 on the flattened 256x2x2: 393,345 "
     "parameters for 1x28x28 (392,577 where one dense layer serves each of the 4 positions)",
     conv_seed, sizeof conv_seed / sizeof conv_seed[0]},
    {"conv-small",
     "5x5 and three 3x3 convolutions of stride 2 (16, 32, 64, 64), dense 64, dense 1, swish: "
     "76,993 parameters for 1x28x28",
     conv_small, sizeof conv_small / sizeof conv_small[0]},
};

enum { PRESET_COUNT = sizeof presets / sizeof presets[0] };

bool net_preset(const char *name, struct net_layer_spec *spec, size_t *layers)
{
    for (size_t i = 0; i < PRESET_COUNT; i++)
        if (strcmp(presets[i].name, name) == 0) {
            memcpy(spec, presets[i].layer, presets[i].layers * sizeof *spec);
            *layers = presets[i].layers;
            return true;
        }
    return false;
}

const char *net_preset_name(size_t i, const char **help)
{
    if (i >= PRESET_COUNT)
        return NULL;
    if (help != NULL)
        *help = presets[i].help;
    return presets[i].name;
}
