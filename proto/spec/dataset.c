/* Data sets by name: which there are, where they lie, what shape they have. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "idx/idx.h"
#include "spec/check.h"
#include "spec/problems.h"
#include "spec/text.h"

#define FASHION_FOLDER "/usr/share/datasets/fashion-mnist"

static const char toy_words[] =
    "swissroll|circles|rings|moons|8gaussians|pinwheel|2spirals|checkerboard|line|cos";

/* Other names of the toys, as other programs call them. */
static const struct {
    const char *also, *name;
} toy_also[] = {
    {"swiss-roll", "swissroll"},   {"swiss_roll", "swissroll"}, {"8-gaussians", "8gaussians"},
    {"8_gaussians", "8gaussians"}, {"gaussians", "8gaussians"}, {"2-spirals", "2spirals"},
    {"2_spirals", "2spirals"},     {"spirals", "2spirals"},     {"cosine", "cos"},
    {"two-moons", "moons"},        {"two_moons", "moons"},
};

/* Sets that people ask for and that this version does not read by name. */
static const struct {
    const char *name, *why;
} absent[] = {
    {"mnist", "'mnist' is in no Debian package: put its IDX files into a folder and say idx:DIR"},
    {"kmnist", "'kmnist' is in no Debian package: put its IDX files into a folder and say idx:DIR"},
    {"cifar10", "'cifar10' comes in a format that this version does not read: convert it to IDX "
                "files (N x 3 x 32 x 32) in a folder and say idx:DIR"},
};

static const char toys[] = "swissroll circles rings moons 8gaussians pinwheel 2spirals "
                           "checkerboard line cos";

bool dataset_is_toy(const char *dataset)
{
    return strncmp(dataset, "toy/", 4) == 0;
}

const char *spec_toy_name(size_t i)
{
    static const char *const names[] = {"swissroll",  "circles",  "rings",    "moons",
                                        "8gaussians", "pinwheel", "2spirals", "checkerboard",
                                        "line",       "cos"};

    return i < sizeof names / sizeof names[0] ? names[i] : NULL;
}

static bool settle_toy(struct spec *s, char *why, size_t size)
{
    char near[SPEC_NAME_MAX];
    const char *toy = s->data.dataset + 4;

    if (text_word_index(toy_words, toy) >= 0)
        return true;
    for (size_t i = 0; i < sizeof toy_also / sizeof toy_also[0]; i++)
        if (strcmp(toy, toy_also[i].also) == 0) {
            memset(s->data.dataset, 0, sizeof s->data.dataset);
            snprintf(s->data.dataset, sizeof s->data.dataset, "toy/%s", toy_also[i].name);
            return true;
        }
    if (text_nearest(toy_words, toy, near, sizeof near, NULL))
        snprintf(why, size, "no toy '%.40s' (did you mean 'toy/%s'?)", toy, near);
    else
        snprintf(why, size, "no toy '%.40s': there are %s", toy, toys);
    return false;
}

bool dataset_settle_name(struct spec *s, char *why, size_t size)
{
    const char *name = s->data.dataset;
    char near[SPEC_NAME_MAX];

    if (dataset_is_toy(name))
        return settle_toy(s, why, size);
    if (strcmp(name, "fashion-mnist") == 0 || (strncmp(name, "idx:", 4) == 0 && name[4] != '\0'))
        return true;
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        if (strcmp(name, absent[i].name) == 0) {
            snprintf(why, size, "%s", absent[i].why);
            return false;
        }
    if (text_nearest("fashion-mnist|fashion|fashionmnist", name, near, sizeof near, NULL))
        snprintf(why, size, "no data set '%.40s' (did you mean 'fashion-mnist'?)", name);
    else if (text_nearest(toy_words, name, near, sizeof near, NULL))
        snprintf(why, size, "no data set '%.40s' (did you mean 'toy/%s'?)", name, near);
    else if (strchr(name, '/') != NULL)
        snprintf(why, size, "no data set '%.60s' (for a folder of IDX files say idx:%.60s)", name,
                 name);
    else
        snprintf(why, size, "no data set '%.40s': there are fashion-mnist, idx:DIR and toy/NAME",
                 name);
    return false;
}

bool spec_resolve_paths(struct spec *s, const char *base_dir)
{
    char path[SPEC_PATH_MAX];
    const char *dir = s->data.dataset + 4;

    if (strncmp(s->data.dataset, "idx:", 4) != 0 || dir[0] == '/')
        return true;
    const char *slash = base_dir[0] != '\0' && base_dir[strlen(base_dir) - 1] == '/' ? "" : "/";
    int n = snprintf(path, sizeof path, "idx:%s%s%s", base_dir, slash, dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return false;
    memset(s->data.dataset, 0, sizeof s->data.dataset);
    memcpy(s->data.dataset, path, (size_t)n);
    return true;
}

const char *spec_dataset_folder(const char *dataset)
{
    if (strcmp(dataset, "fashion-mnist") == 0)
        return FASHION_FOLDER;
    return strncmp(dataset, "idx:", 4) == 0 ? dataset + 4 : NULL;
}

static enum ebm_status folder_shape(const char *folder, struct net_shape *shape, uint64_t *samples,
                                    struct ebm_error *err)
{
    char path[SPEC_PATH_MAX + 64];
    struct idx x;
    enum ebm_status st = idx_find(folder, "images", path, sizeof path, err);

    if (st == EBM_OK)
        st = idx_read_header(path, IDX_IMAGES, &x, err);
    if (st != EBM_OK)
        return st;
    bool planes = x.dims == 4;
    *shape = (struct net_shape){planes ? x.dim[1] : 1, x.dim[x.dims - 2], x.dim[x.dims - 1]};
    if (samples != NULL)
        *samples = x.dim[0];
    return EBM_OK;
}

enum ebm_status spec_dataset_shape(const char *dataset, struct net_shape *shape, uint64_t *samples,
                                   struct ebm_error *err)
{
    bool fashion = strcmp(dataset, "fashion-mnist") == 0;

    if (strncmp(dataset, "idx:", 4) == 0)
        return folder_shape(dataset + 4, shape, samples, err);
    if (!fashion && !dataset_is_toy(dataset))
        return ebm_fail(err, EBM_ENOTFOUND, "no data set '%.60s'", dataset);
    *shape = fashion ? (struct net_shape){1, 28, 28} : (struct net_shape){2, 1, 1};
    if (samples != NULL)
        *samples = fashion ? 60000 : 0;
    return EBM_OK;
}

static enum ebm_status dataset_on_disk(const struct spec *s, struct net_shape *shape,
                                       uint64_t *samples, struct ebm_error *err)
{
    const char *name = s->data.dataset;

    if (strcmp(name, "fashion-mnist") != 0)
        return spec_dataset_shape(name, shape, samples, err);
    enum ebm_status st = folder_shape(FASHION_FOLDER, shape, samples, err);
    if (st == EBM_ENOTFOUND)
        return ebm_fail(err, st,
                        "fashion-mnist is not at " FASHION_FOLDER
                        ": apt install dataset-fashion-mnist");
    return st;
}

static void add(struct spec_problems *p, const struct spec *s, const char *path, const char *text)
{
    if (p != NULL)
        spec_problem_add(p, s, path, "%s", text);
}

static void add_at_layer(struct spec_problems *p, const struct spec *s, size_t layer,
                         const char *text)
{
    if (p != NULL && layer < s->layer_count && s->layers[layer].line != 0)
        problem_at(p, s->layers[layer].line, s->layers[layer].column, "%s", text);
    else
        add(p, s, s->model.preset[0] != '\0' ? "model.preset" : "model.layers", text);
}

enum ebm_status spec_settle_net(const struct spec *s, struct net *net,
                                struct spec_problems *problems, struct ebm_error *err)
{
    struct ebm_error own;
    struct ebm_error *e = err != NULL ? err : &own;
    struct net_shape shape;
    uint64_t samples = 0;
    size_t bad = 0;

    if (dataset_on_disk(s, &shape, &samples, e) != EBM_OK) {
        ebm_prefix(e, "data.dataset");
        add(problems, s, "data.dataset", e->text);
        return e->code;
    }
    if (samples != 0 && samples < (uint64_t)s->data.batch_size) {
        ebm_fail(e, EBM_EINVAL,
                 "data.batch_size (%" PRId64 ") is more than the %" PRIu64
                 " samples of the data set",
                 s->data.batch_size, samples);
        add(problems, s, "data.batch_size", e->text);
        return e->code;
    }
    if (net_settle(net, shape, s->layers, s->layer_count, &bad, e) != EBM_OK) {
        add_at_layer(problems, s, bad, e->text);
        return e->code;
    }
    return EBM_OK;
}

static bool is_told(const struct spec_problems *p, const char *about)
{
    for (size_t i = 0; i < p->count; i++)
        if (strstr(p->item[i].text, about) != NULL)
            return true;
    return false;
}

void spec_check_rest(const struct spec *s, struct spec_problems *problems)
{
    struct net_shape shape;
    struct ebm_error err;
    struct net net;
    uint64_t samples;
    size_t bad = 0;

    if (s->data.dataset[0] == '\0' || is_told(problems, "dataset"))
        return;
    if (dataset_on_disk(s, &shape, &samples, &err) != EBM_OK) {
        ebm_prefix(&err, "data.dataset");
        add(problems, s, "data.dataset", err.text);
        return;
    }
    /* Of other data sets the shape is known without a disk, and was looked at. */
    if (strncmp(s->data.dataset, "idx:", 4) != 0 || s->layer_count == 0 ||
        is_told(problems, "layer") || is_told(problems, "model"))
        return;
    if (net_settle(&net, shape, s->layers, s->layer_count, &bad, &err) != EBM_OK)
        add_at_layer(problems, s, bad, err.text);
}

uint64_t spec_total_steps(const struct spec *s, uint64_t samples)
{
    if (s->train.steps > 0)
        return (uint64_t)s->train.steps;
    if (s->train.epochs <= 0 || s->data.batch_size <= 0)
        return 0;
    uint64_t epochs = (uint64_t)s->train.epochs;
    uint64_t per_epoch = samples / (uint64_t)s->data.batch_size;
    return per_epoch > UINT64_MAX / epochs ? UINT64_MAX : epochs * per_epoch;
}

void spec_sample_range(const struct spec *s, float *lo, float *hi)
{
    bool toy = dataset_is_toy(s->data.dataset);

    *lo = toy ? -4.0f : 0.0f;
    *hi = toy ? 4.0f : 1.0f;
    if (s->sampler.clamp_on) {
        *lo = (float)s->sampler.clamp[0];
        *hi = (float)s->sampler.clamp[1];
    }
}
