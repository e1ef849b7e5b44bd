#include "ebm/loss.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

void loss_weigh(void *side, const float *energy, float *weight, size_t n)
{
    const struct loss_side *s = side;

    for (size_t i = 0; i < n; i++)
        weight[i] = (float)((s->sign + 2 * s->energy_l2 * energy[i]) / (double)s->batch);
}

void loss_add_energies(double *sums, double *maxima, double sign, const float *energy, size_t n)
{
    int mean = sign > 0 ? SUM_ENERGY_DATA : SUM_ENERGY_SAMPLE;
    int square = sign > 0 ? SUM_SQUARE_DATA : SUM_SQUARE_SAMPLE;

    for (size_t i = 0; i < n; i++) {
        double e = energy[i];
        sums[mean] += e;
        sums[square] += e * e;
        sums[SUM_BAD_ENERGIES] += !isfinite(e);
        if (fabs(e) > maxima[MAX_ENERGY])
            maxima[MAX_ENERGY] = fabs(e);
    }
}

static bool add_sample(double *sums, const float *x, size_t dim, float lo, float hi)
{
    double sum = 0, square = 0;
    size_t bound = 0;

    for (size_t i = 0; i < dim; i++) {
        sum += (double)x[i];
        square += (double)x[i] * (double)x[i];
        bound += lo <= hi && (x[i] <= lo || x[i] >= hi);
    }
    sums[SUM_X] += sum;
    sums[SUM_XX] += square;
    sums[SUM_AT_BOUND] += (double)bound;
    /* A square of a float is never too large for a double. */
    return isfinite(square);
}

void loss_add_samples(double *sums, const float *x, size_t n, size_t dim, float lo, float hi)
{
    for (size_t i = 0; i < n; i++)
        sums[SUM_BAD_SAMPLES] += !add_sample(sums, x + i * dim, dim, lo, hi);
}

void loss_add_data(double *sums, const float *x, size_t n, size_t dim)
{
    double sum = 0, square = 0;

    for (size_t i = 0; i < n * dim; i++) {
        sum += (double)x[i];
        square += (double)x[i] * (double)x[i];
    }
    sums[SUM_DATA_X] += sum;
    sums[SUM_DATA_XX] += square;
}

void loss_add_fresh(double *sums, const float *energy, const bool *fresh, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sums[SUM_ENERGY_FRESH] += fresh[i] ? (double)energy[i] : 0;
        sums[SUM_FRESH] += fresh[i];
    }
}

static double deviation(double sum, double square, double n)
{
    double variance = square / n - sum / n * (sum / n);

    return variance > 0 ? sqrt(variance) : 0;
}

/* Of the chains from noise over the others; NaN unless there are both. */
static double fresh_gap(const double *sums, double batch)
{
    double fresh = sums[SUM_FRESH], others = batch - fresh;

    if (fresh == 0 || others == 0)
        return NAN;
    return sums[SUM_ENERGY_FRESH] / fresh -
           (sums[SUM_ENERGY_SAMPLE] - sums[SUM_ENERGY_FRESH]) / others;
}

void loss_figures(const struct loss_scale *scale, const double *sums, double gradient_norm,
                  double value[METRIC_COUNT])
{
    double batch = (double)scale->batch, elements = batch * (double)scale->dim;
    double data = sums[SUM_ENERGY_DATA] / batch, sample = sums[SUM_ENERGY_SAMPLE] / batch;
    double squares = (sums[SUM_SQUARE_DATA] + sums[SUM_SQUARE_SAMPLE]) / batch;

    value[METRIC_LOSS] = data - sample + scale->energy_l2 * squares;
    value[METRIC_ENERGY_DATA] = data;
    value[METRIC_ENERGY_SAMPLE] = sample;
    value[METRIC_ENERGY_GAP] = data - sample;
    value[METRIC_LANGEVIN_GRAD] = sums[SUM_LANGEVIN_GRAD] / (batch * (double)scale->langevin_steps);
    value[METRIC_PARAM_GRAD] = gradient_norm;
    value[METRIC_SAMPLE_MEAN] = sums[SUM_X] / elements;
    value[METRIC_SAMPLE_STD] = deviation(sums[SUM_X], sums[SUM_XX], elements);
    value[METRIC_SATURATION] = sums[SUM_AT_BOUND] / elements;
    value[METRIC_DATA_MEAN] = sums[SUM_DATA_X] / elements;
    value[METRIC_DATA_STD] = deviation(sums[SUM_DATA_X], sums[SUM_DATA_XX], elements);
    value[METRIC_ENERGY_RMS] = sqrt(squares / 2);
    value[METRIC_FRESH_GAP] = fresh_gap(sums, batch);
    value[METRIC_REPLACED] = sums[SUM_REPLACED];
}

bool loss_is_bad(const struct loss_scale *scale, const double *sums, double gradient_norm,
                 uint64_t step, char *why, size_t size)
{
    double data = sums[SUM_ENERGY_DATA] / (double)scale->batch;
    double sample = sums[SUM_ENERGY_SAMPLE] / (double)scale->batch;
    bool data_worse = fabs(data) > fabs(sample);
    double worst = data_worse ? data : sample;

    if (sums[SUM_BAD_SAMPLES] > 0)
        snprintf(why, size, "step %" PRIu64 ": %.0f of %zu samples are not finite", step,
                 sums[SUM_BAD_SAMPLES], scale->batch);
    else if (sums[SUM_BAD_ENERGIES] > 0)
        snprintf(why, size, "step %" PRIu64 ": %.0f of %zu energies are not finite", step,
                 sums[SUM_BAD_ENERGIES], 2 * scale->batch);
    else if (fabs(worst) > scale->max_energy)
        snprintf(why, size,
                 "step %" PRIu64 ": the mean energy of the %s is %.4g, beyond "
                 "stability.max_energy (%.4g)",
                 step, data_worse ? "data" : "samples", worst, scale->max_energy);
    else if (!isfinite(gradient_norm))
        snprintf(why, size, "step %" PRIu64 ": the parameter gradient is not finite", step);
    else
        return false;
    return true;
}
