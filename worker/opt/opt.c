#include "opt/opt.h"

#include <math.h>
#include <stdlib.h>

enum { SUM_WAYS = 8 };

enum ebm_status optimizer_init(struct optimizer *o, const struct spec *spec, size_t params,
                               struct ebm_error *err)
{
    *o = (struct optimizer){.spec = spec, .params = params, .lr = spec->optimizer.lr};
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

static void step_adam(struct optimizer *o, float *params, const float *gradient, double scale)
{
    const double *beta = o->spec->optimizer.betas;
    double t = (double)o->t;
    double correct_m = 1 - pow(beta[0], t), correct_v = 1 - pow(beta[1], t);
    float b1 = (float)beta[0], b2 = (float)beta[1], a = (float)(1 - beta[0]);
    float b = (float)(1 - beta[1]), s = (float)scale, eps = (float)o->spec->optimizer.eps;
    float rate = (float)(o->lr / correct_m);
    float root = (float)(1 / sqrt(correct_v));

    for (size_t i = 0; i < o->params; i++) {
        float g = s * gradient[i];
        o->m[i] = b1 * o->m[i] + a * g;
        o->v[i] = b2 * o->v[i] + b * g * g;
        params[i] -= rate * o->m[i] / (sqrtf(o->v[i]) * root + eps);
    }
}

static void step_sgd(struct optimizer *o, float *params, const float *gradient, double scale)
{
    float momentum = (float)o->spec->optimizer.momentum, rate = (float)o->lr;
    float s = (float)scale;

    for (size_t i = 0; i < o->params; i++) {
        o->m[i] = momentum * o->m[i] + s * gradient[i];
        params[i] -= rate * o->m[i];
    }
}

void optimizer_step(struct optimizer *o, float *params, const float *gradient, double scale)
{
    o->t++;
    if (o->spec->optimizer.kind == OPTIMIZER_ADAM)
        step_adam(o, params, gradient, scale);
    else
        step_sgd(o, params, gradient, scale);
}
