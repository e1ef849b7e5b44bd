#include "opt/opt.h"

#include <math.h>
#include <stdlib.h>

#include "engine/clones.h"

enum { SUM_WAYS = 8, BLOCK = 1 << 14 };

enum ebm_status optimizer_init(struct optimizer *o, const struct spec *spec, size_t params,
                               struct ebm_error *err)
{
    *o = (struct optimizer){.spec = spec, .params = params, .lr = spec->optimizer.lr, .threads = 1};
    o->m = calloc(params, sizeof *o->m);
    o->v = calloc(params, sizeof *o->v);
    if (o->m != NULL && o->v != NULL)
        return EBM_OK;
    optimizer_fini(o);
    return ebm_fail(err, EBM_ENOMEM, "no memory for the moments of %zu parameters", params);
}

void optimizer_fini(struct optimizer *o)
{
    free(o->m);
    free(o->v);
    *o = (struct optimizer){0};
}

double optimizer_norm(const float *x, size_t n)
{
    double sum[SUM_WAYS] = {0}, total = 0;
    size_t i = 0;

    for (; i + SUM_WAYS <= n; i += SUM_WAYS)
        for (size_t k = 0; k < SUM_WAYS; k++)
            sum[k] += (double)x[i + k] * (double)x[i + k];
    for (; i < n; i++)
        total += (double)x[i] * (double)x[i];
    for (size_t k = 0; k < SUM_WAYS; k++)
        total += sum[k];
    return sqrt(total);
}

double optimizer_clip(const struct optimizer *o, double norm)
{
    double most = o->spec->optimizer.gradient_clip;

    return most > 0 && norm > most ? most / norm : 1.0;
}

/* Of a step: the same for all parameters. */
struct rates {
    float scale, rate, root, eps;
    float keep_m, keep_v, take_m, take_v; /* of the moments, of the gradient */
};

static struct rates rates_of(const struct optimizer *o, double scale)
{
    const double *beta = o->spec->optimizer.betas;
    double t = (double)o->t;
    double correct_m = 1 - pow(beta[0], t), correct_v = 1 - pow(beta[1], t);

    if (o->spec->optimizer.kind != OPTIMIZER_ADAM)
        return (struct rates){.scale = (float)scale,
                              .rate = (float)o->lr,
                              .keep_m = (float)o->spec->optimizer.momentum};
    return (struct rates){
        .scale = (float)scale,
        .rate = (float)(o->lr / correct_m),
        .root = (float)(1 / sqrt(correct_v)),
        .eps = (float)o->spec->optimizer.eps,
        .keep_m = (float)beta[0],
        .keep_v = (float)beta[1],
        .take_m = (float)(1 - beta[0]),
        .take_v = (float)(1 - beta[1]),
    };
}

ENGINE_CLONES static void step_adam(struct rates r, float *restrict p, const float *restrict grad,
                                    float *restrict m, float *restrict v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float g = r.scale * grad[i];
        m[i] = r.keep_m * m[i] + r.take_m * g;
        v[i] = r.keep_v * v[i] + r.take_v * g * g;
        p[i] -= r.rate * m[i] / (sqrtf(v[i]) * r.root + r.eps);
    }
}

ENGINE_CLONES static void step_sgd(struct rates r, float *restrict p, const float *restrict grad,
                                   float *restrict m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        m[i] = r.keep_m * m[i] + r.scale * grad[i];
        p[i] -= r.rate * m[i];
    }
}

void optimizer_step(struct optimizer *o, float *params, const float *gradient, double scale)
{
    long blocks = (long)((o->params + BLOCK - 1) / BLOCK);
    bool adam = o->spec->optimizer.kind == OPTIMIZER_ADAM;

    o->t++;
    const struct rates r = rates_of(o, scale);
#pragma omp parallel for num_threads((int)o->threads) schedule(static) if (o->threads > 1)
    for (long b = 0; b < blocks; b++) {
        size_t at = (size_t)b * BLOCK, n = o->params - at < BLOCK ? o->params - at : BLOCK;
        if (adam)
            step_adam(r, params + at, gradient + at, o->m + at, o->v + at, n);
        else
            step_sgd(r, params + at, gradient + at, o->m + at, n);
    }
}
