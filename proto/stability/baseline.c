#include "stability/baseline.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Of a normal distribution: sigma over the median absolute deviation. */
#define MAD_TO_SIGMA 1.4826

/* The k-th smallest of v (n); reorders it (Hoare 1961). */
static float select_rank(float *v, size_t n, size_t k)
{
    size_t low = 0, high = n - 1;

    while (low < high) {
        float pivot = v[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            float swap = v[i];
            v[i++] = v[j];
            v[j--] = swap;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return v[k];
}

void baseline_of(float *v, size_t n, double *median, double *deviation)
{
    float m = select_rank(v, n, n / 2);

    for (size_t i = 0; i < n; i++)
        v[i] = fabsf(v[i] - m);
    *median = (double)m;
    *deviation = MAD_TO_SIGMA * (double)select_rank(v, n, n / 2);
}

static void settle(struct baseline *b)
{
    float v[BASELINE_VALUES];
    size_t n = b->count < BASELINE_VALUES ? (size_t)b->count : BASELINE_VALUES;

    memcpy(v, b->value, n * sizeof *v);
    baseline_of(v, n, &b->median, &b->deviation);
}

void baseline_put(struct baseline *b, double value)
{
    if (!isfinite((float)value))
        return;
    b->value[b->count++ % BASELINE_VALUES] = (float)value;
    if (b->count % BASELINE_EVERY == 0 || b->count <= BASELINE_EVERY)
        settle(b);
}
