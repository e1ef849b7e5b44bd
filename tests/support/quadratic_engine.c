#include "quadratic_engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct quadratic_faults quadratic_faults;

struct engine {
    size_t dim, params;
    float *p;
};

static void quadratic_destroy(struct engine *e)
{
    if (e == NULL)
        return;
    free(e->p);
    free(e);
}

static enum ebm_status quadratic_create(const struct net *net, const struct engine_options *options,
                                        struct engine **out, struct ebm_error *err)
{
    struct engine *e = calloc(1, sizeof *e);

    (void)options;
    if (e == NULL || net->params < net_shape_size(net->in)) {
        free(e);
        return ebm_fail(err, EBM_EINVAL, "the quadratic engine needs a parameter an element");
    }
    *e = (struct engine){net_shape_size(net->in), net->params, calloc(net->params, sizeof(float))};
    *out = e;
    return EBM_OK;
}

static size_t quadratic_tile(const struct engine *e)
{
    (void)e;
    return QUADRATIC_TILE;
}

static enum ebm_status quadratic_set_params(struct engine *e, const float *params,
                                            struct ebm_error *err)
{
    if (quadratic_faults.params_fail)
        return ebm_fail(err, EBM_EINTERNAL, "the parameters broke, as they were told to");
    memcpy(e->p, params, e->params * sizeof *params);
    return EBM_OK;
}

static float energy_of(const struct engine *e, const float *x)
{
    float sum = 0;

    for (size_t i = 0; i < e->dim; i++)
        sum += (x[i] - e->p[i]) * (x[i] - e->p[i]) / 2;
    return sum + quadratic_faults.energy_offset;
}

static enum ebm_status quadratic_energy(struct engine *e, size_t lane, const float *x, size_t n,
                                        float *energy, struct ebm_error *err)
{
    (void)lane;
    (void)err;
    for (size_t k = 0; k < n; k++)
        energy[k] = energy_of(e, x + k * e->dim);
    return EBM_OK;
}

static enum ebm_status quadratic_grad_input(struct engine *e, size_t lane, const float *x, size_t n,
                                            float *energy, float *grad, struct ebm_error *err)
{
    for (size_t k = 0; k < n * e->dim; k++)
        grad[k] = x[k] - e->p[k % e->dim];
    return quadratic_energy(e, lane, x, n, energy, err);
}

static enum ebm_status
quadratic_grad_params(struct engine *e, size_t lane, const float *x, size_t n,
                      void (*weigh)(void *arg, const float *energy, float *weight, size_t n),
                      void *arg, float *energy, float *grad, struct ebm_error *err)
{
    float weight[QUADRATIC_TILE];

    quadratic_energy(e, lane, x, n, energy, err);
    weigh(arg, energy, weight, n);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < e->dim; i++)
            grad[i] -= weight[k] * (x[k * e->dim + i] - e->p[i]);
    return EBM_OK;
}

/* One step of one sample. */
static void move(struct engine *e, const struct engine_chain *c, size_t k, uint32_t step, float *x)
{
    const struct spec_sampler *s = c->sampler;

    for (size_t i = 0; i < e->dim; i += 4) {
        size_t n = e->dim - i < 4 ? e->dim - i : 4;
        float z[4];
        rng_normal(c->noise, c->iteration, c->first_chain + (uint32_t)k, step, i, n, z);
        for (size_t j = 0; j < n; j++)
            x[i + j] +=
                (float)s->noise_std * z[j] - (float)s->step_size / 2 * (x[i + j] - e->p[i + j]);
    }
}

static enum ebm_status quadratic_langevin(struct engine *e, size_t lane, struct engine_chain *c,
                                          struct ebm_error *err)
{
    (void)lane;
    if (quadratic_faults.chain_fails)
        return ebm_fail(err, EBM_EINTERNAL, "the chain broke, as it was told to");
    c->norms[0] = (struct engine_norms){0};
    for (size_t k = 0; k < c->n; k++)
        for (uint32_t step = 0; step < c->sampler->steps; step++) {
            float *x = c->x + k * e->dim;
            c->norms[0].grad_sum += sqrt(2 * (double)energy_of(e, x));
            move(e, c, k, step, x);
        }
    return EBM_OK;
}

const struct engine_ops quadratic_engine = {
    .name = "quadratic",
    .create = quadratic_create,
    .destroy = quadratic_destroy,
    .tile = quadratic_tile,
    .chains = quadratic_tile,
    .set_params = quadratic_set_params,
    .energy = quadratic_energy,
    .grad_input = quadratic_grad_input,
    .grad_params = quadratic_grad_params,
    .langevin = quadratic_langevin,
};
