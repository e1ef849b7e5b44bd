/* Passes of WIDE_BY_TAP: the input gradient of a layer with few channels. */
#include <string.h>

#include "engine/wide/pass.h"

struct by_tap {
    const struct wide_isa *isa;
    struct wide_scatter job;
};

static struct wide_scatter job_of(const struct net_layer *l, float *out)
{
    return (struct wide_scatter){.kernel = l->spec.kernel,
                                 .stride = l->spec.stride,
                                 .pad_top = l->pad_top,
                                 .pad_left = l->pad_left,
                                 .channels = l->in.c,
                                 .in_height = l->in.h,
                                 .in_width = l->in.w,
                                 .out_height = l->out.h,
                                 .out_width = l->out.w,
                                 .out = out};
}

static void scatter(void *arg, const struct wide_sums *s)
{
    struct by_tap *b = arg;

    b->job.sum = s->sum;
    b->job.place = s->place;
    b->job.count = s->count;
    b->isa->scatter(&b->job);
}

/* Row by row, the sums of a strip of positions and their taps in registers. */
static void run_strips(const struct wide_pass *p, struct wide_scatter job, size_t bundles,
                       const float *source, const float *weights)
{
    struct wide_strip s = {.weight = weights, .terms = p->rows};
    size_t row = job.out_width * p->rows * WIDE, image = job.in_height * job.in_width * WIDE;
    wide_strip_fn *run = wide_pass_strip(p->isa, job.kernel, job.stride);

    s.width = job.out_width;
    s.pad_left = job.pad_left;
    s.in_width = job.in_width;
    for (size_t b = 0; b < bundles; b++, job.out += image)
        for (size_t h = 0; h < job.out_height; h++, source += row) {
            size_t top = h * job.stride;
            s.source = source;
            s.first_row = top < job.pad_top ? job.pad_top - top : 0;
            s.end_row = job.in_height + job.pad_top - top;
            s.end_row = s.end_row < job.kernel ? s.end_row : job.kernel;
            s.out = job.out + (top + s.first_row - job.pad_top) * job.in_width * WIDE;
            run(&s);
        }
}

wide_strip_fn *wide_pass_strip(const struct wide_isa *isa, size_t kernel, size_t stride)
{
    return kernel <= WIDE_STRIP_KERNEL && stride <= WIDE_STRIP_STRIDE ? isa->strip[kernel][stride]
                                                                      : NULL;
}

void wide_pass_by_tap(const struct wide_pass *p, const struct net_layer *layer, size_t bundles,
                      const void *source, const void *weights, float *near, float *out)
{
    struct by_tap b = {.isa = p->isa, .job = job_of(layer, out)};

    memset(out, 0, bundles * net_shape_size(layer->in) * WIDE * sizeof *out);
    if (p->strips)
        run_strips(p, b.job, bundles, source, weights);
    else
        wide_pass_run(p, source, weights, NULL, near, (struct wide_ahead){0}, scatter, &b);
}
