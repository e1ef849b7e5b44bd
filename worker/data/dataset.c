#include "data/dataset.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "data/order.h"
#include "data/toy.h"
#include "idx/idx.h"

enum { NOISE_BLOCK = 256 };

struct dataset {
    const struct spec *spec; /* borrowed */
    struct net_shape shape;
    size_t dim;
    struct idx images;  /* data NULL for a toy */
    struct order order; /* of images */
    size_t toy;
    struct rng_key toy_key, noise_key;
};

/* The labels are not trained on, but a count that differs says that the
 * files do not belong together. */
static enum ebm_status check_labels(const char *folder, const char *images, uint32_t count,
                                    struct ebm_error *err)
{
    char path[SPEC_PATH_MAX + 64];
    struct ebm_error none;
    struct idx x;

    if (idx_find(folder, "labels", path, sizeof path, &none) == EBM_ENOTFOUND)
        return EBM_OK;
    enum ebm_status st = idx_read(path, IDX_LABELS, &x, err);
    if (st != EBM_OK)
        return st;
    uint32_t labels = x.dim[0];
    idx_fini(&x);
    if (labels != count)
        return ebm_fail(err, EBM_ECORRUPT,
                        "%.200s has %" PRIu32 " labels, but %.200s has %" PRIu32 " images", path,
                        labels, images, count);
    return EBM_OK;
}

static enum ebm_status load_images(struct dataset *d, const char *folder, struct ebm_error *err)
{
    char path[SPEC_PATH_MAX + 64];
    struct idx *x = &d->images;
    enum ebm_status st = idx_find(folder, "images", path, sizeof path, err);

    if (st == EBM_OK)
        st = idx_read(path, IDX_IMAGES, x, err);
    if (st != EBM_OK)
        return st;
    d->shape =
        (struct net_shape){x->dims == 4 ? x->dim[1] : 1, x->dim[x->dims - 2], x->dim[x->dims - 1]};
    st = check_labels(folder, path, x->dim[0], err);
    return st == EBM_OK ? order_init(&d->order, x->dim[0], d->spec->seed, err) : st;
}

static enum ebm_status load(struct dataset *d, struct ebm_error *err)
{
    const char *name = d->spec->data.dataset, *folder = spec_dataset_folder(name);

    if (folder != NULL)
        return load_images(d, folder, err);
    if (strncmp(name, "toy/", 4) != 0 || !toy_find(name + 4, &d->toy))
        return ebm_fail(err, EBM_ENOTFOUND, "no data set '%.60s'", name);
    d->shape = (struct net_shape){2, 1, 1};
    return EBM_OK;
}

enum ebm_status dataset_open(const struct spec *spec, struct dataset **out, struct ebm_error *err)
{
    struct dataset *d = calloc(1, sizeof *d);

    if (d == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for the data set");
    d->spec = spec;
    d->toy_key = rng_key_make(spec->seed, RNG_TOY, 0);
    d->noise_key = rng_key_make(spec->seed, RNG_DATA_NOISE, spec->noise_epoch);
    enum ebm_status st = load(d, err);
    if (st != EBM_OK) {
        dataset_close(d);
        return st;
    }
    d->dim = net_shape_size(d->shape);
    *out = d;
    return EBM_OK;
}

void dataset_close(struct dataset *d)
{
    if (d == NULL)
        return;
    order_fini(&d->order);
    idx_fini(&d->images);
    free(d);
}

struct net_shape dataset_shape(const struct dataset *d)
{
    return d->shape;
}

uint64_t dataset_samples(const struct dataset *d)
{
    return d->order.samples;
}

void dataset_plan(struct dataset *d, uint64_t iteration, size_t first, size_t n, uint64_t *sample)
{
    uint64_t position = iteration * (uint64_t)d->spec->data.batch_size + first;

    for (size_t i = 0; i < n; i++)
        sample[i] = d->images.data != NULL ? order_at(&d->order, position + i) : position + i;
}

static void add_noise(const struct dataset *d, uint64_t iteration, size_t item, float *x)
{
    float scale = (float)d->spec->data.noise_std, noise[NOISE_BLOCK];

    for (size_t at = 0; scale > 0 && at < d->dim; at += NOISE_BLOCK) {
        size_t n = d->dim - at < NOISE_BLOCK ? d->dim - at : NOISE_BLOCK;
        rng_normal(d->noise_key, (uint32_t)iteration, (uint32_t)item, 0, at, n, noise);
        for (size_t i = 0; i < n; i++)
            x[at + i] += scale * noise[i];
    }
}

static void clamp(const struct spec_sampler *s, float *x, size_t n)
{
    float lo = (float)s->clamp[0], hi = (float)s->clamp[1];

    for (size_t i = 0; i < n; i++)
        x[i] = x[i] < lo ? lo : x[i] > hi ? hi : x[i];
}

void dataset_read(const struct dataset *d, uint64_t iteration, size_t item, uint64_t sample,
                  float *x)
{
    if (d->images.data == NULL) {
        toy_point(d->toy, d->toy_key, sample, x);
    } else {
        assert(sample < d->order.samples);
        const uint8_t *pixel = d->images.data + sample * d->dim;
        for (size_t i = 0; i < d->dim; i++)
            x[i] = (float)pixel[i] / 255.0f;
    }
    add_noise(d, iteration, item, x);
    if (d->spec->sampler.clamp_on)
        clamp(&d->spec->sampler, x, d->dim);
}
