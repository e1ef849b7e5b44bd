#include "picture/picture.h"

#include <math.h>
#include <stdlib.h>

#include "picture/encode.h"

enum {
    SHEET_PIXELS = 700,  /* the side that enlarging aims at */
    FRAME = 24,          /* margin around the square of points */
    POINT_ALPHA_MIN = 24 /* of 255: how dark one point among very many is */
};

static const struct rgb magenta = {255, 0, 255};
static const struct rgb gap_colour = {64, 64, 64};

/* Shape letters: C channels, H height, W width of a sample. */

static uint8_t level(float v, float lo, float hi)
{
    float t = (v - lo) / (hi - lo);

    t = t < 0.0f ? 0.0f : t > 1.0f ? 1.0f : t;
    return (uint8_t)(t * 255.0f + 0.5f);
}

static struct rgb sample_colour(const float *sample /* (C,H,W) */, struct net_shape s, size_t y,
                                size_t x, float lo, float hi)
{
    size_t plane = s.h * s.w;
    const float *v = sample + y * s.w + x;

    if (s.c != 3) {
        uint8_t grey = isfinite(v[0]) ? level(v[0], lo, hi) : 0;
        return isfinite(v[0]) ? (struct rgb){grey, grey, grey} : magenta;
    }
    if (!isfinite(v[0]) || !isfinite(v[plane]) || !isfinite(v[2 * plane]))
        return magenta;
    return (struct rgb){level(v[0], lo, hi), level(v[plane], lo, hi), level(v[2 * plane], lo, hi)};
}

struct grid {
    size_t columns, rows, scale;
    struct net_shape shape;
    float lo, hi;
};

static void draw_sample(struct canvas *c, const struct grid *g, size_t index,
                        const float *sample /* (C,H,W) */)
{
    size_t left = PICTURE_GAP + index % g->columns * (g->shape.w * g->scale + PICTURE_GAP);
    size_t top = PICTURE_GAP + index / g->columns * (g->shape.h * g->scale + PICTURE_GAP);

    for (size_t y = 0; y < g->shape.h * g->scale; y++)
        for (size_t x = 0; x < g->shape.w * g->scale; x++)
            c->pixel[(top + y) * c->w + left + x] =
                sample_colour(sample, g->shape, y / g->scale, x / g->scale, g->lo, g->hi);
}

static enum ebm_status check_range(float lo, float hi, struct ebm_error *err)
{
    if (!isfinite(lo) || !isfinite(hi) || !(hi > lo))
        return ebm_fail(err, EBM_EINVAL, "a picture needs a range, not %g to %g", (double)lo,
                        (double)hi);
    return EBM_OK;
}

static enum ebm_status plan_grid(struct grid *g, size_t n, struct ebm_error *err)
{
    if (n == 0 || g->shape.c == 0 || g->shape.h == 0 || g->shape.w == 0)
        return ebm_fail(err, EBM_EINVAL, "a picture of nothing");
    if (n > PICTURE_SIDE_MAX || g->shape.h > PICTURE_SIDE_MAX || g->shape.w > PICTURE_SIDE_MAX)
        return ebm_fail(err, EBM_EINVAL, "a picture of %zu samples of %zu x %zu is too large", n,
                        g->shape.w, g->shape.h);
    g->columns = (size_t)ceil(sqrt((double)n * (double)g->shape.h / (double)g->shape.w));
    g->columns = g->columns < 1 ? 1 : g->columns > n ? n : g->columns;
    g->rows = (n + g->columns - 1) / g->columns;
    size_t widest = g->columns * g->shape.w > g->rows * g->shape.h ? g->columns * g->shape.w
                                                                   : g->rows * g->shape.h;
    g->scale = (SHEET_PIXELS + widest / 2) / widest;
    g->scale = g->scale < 1 ? 1 : g->scale;
    if (g->scale * widest + (g->columns + g->rows + 1) * PICTURE_GAP > PICTURE_SIDE_MAX)
        return ebm_fail(err, EBM_EINVAL, "a picture of %zu samples of %zu x %zu is too large", n,
                        g->shape.w, g->shape.h);
    return EBM_OK;
}

enum ebm_status picture_grid_png(const float *samples, size_t n, struct net_shape shape, float lo,
                                 float hi, struct buf *png, struct ebm_error *err)
{
    struct grid g = {.shape = shape, .lo = lo, .hi = hi};
    struct canvas c = {0};
    enum ebm_status rc = check_range(lo, hi, err);

    if (rc == EBM_OK)
        rc = plan_grid(&g, n, err);
    if (rc == EBM_OK)
        rc = canvas_init(&c, PICTURE_GAP + g.columns * (shape.w * g.scale + PICTURE_GAP),
                         PICTURE_GAP + g.rows * (shape.h * g.scale + PICTURE_GAP), gap_colour, err);
    if (rc == EBM_OK) {
        for (size_t i = 0; i < n; i++)
            draw_sample(&c, &g, i, samples + i * net_shape_size(shape));
        rc = canvas_encode(&c, png, err);
    }
    canvas_fini(&c);
    return rc;
}

static void blend(struct canvas *c, size_t x, size_t y, struct rgb ink, double alpha)
{
    struct rgb *p = &c->pixel[y * c->w + x];

    p->r = (uint8_t)(p->r + (ink.r - p->r) * alpha + 0.5);
    p->g = (uint8_t)(p->g + (ink.g - p->g) * alpha + 0.5);
    p->b = (uint8_t)(p->b + (ink.b - p->b) * alpha + 0.5);
}

/* A point is a disc of about three pixels, soft at its edge. */
static void draw_point(struct canvas *c, double x, double y, double alpha)
{
    static const double weight[3][3] = {{0.3, 0.7, 0.3}, {0.7, 1.0, 0.7}, {0.3, 0.7, 0.3}};
    static const struct rgb ink = {18, 32, 84};
    size_t cx = (size_t)(x + 0.5), cy = (size_t)(y + 0.5); /* at least FRAME from any edge */

    for (size_t j = 0; j < 3; j++)
        for (size_t i = 0; i < 3; i++)
            blend(c, cx + i - 1, cy + j - 1, ink, alpha * weight[j][i]);
}

static void draw_line(struct canvas *c, size_t x, size_t y, size_t dx, size_t dy, size_t n,
                      struct rgb colour)
{
    for (size_t i = 0; i < n; i++)
        c->pixel[(y + i * dy) * c->w + x + i * dx] = colour;
}

/* The frame, a tick on its outside at each quarter, the axes faint. */
static void draw_frame(struct canvas *c, struct rgb colour)
{
    const struct rgb faint = {228, 228, 232};
    const size_t side = PICTURE_POINTS - 2 * FRAME, end = FRAME + side - 1;

    draw_line(c, FRAME + side / 2, FRAME, 0, 1, side, faint);
    draw_line(c, FRAME, FRAME + side / 2, 1, 0, side, faint);
    draw_line(c, FRAME, FRAME, 1, 0, side, colour);
    draw_line(c, FRAME, end, 1, 0, side, colour);
    draw_line(c, FRAME, FRAME, 0, 1, side, colour);
    draw_line(c, end, FRAME, 0, 1, side, colour);
    for (size_t i = 0; i <= 4; i++) {
        size_t at = FRAME + i * (side - 1) / 4;
        draw_line(c, at, end, 0, 1, 6, colour);
        draw_line(c, FRAME - 5, at, 1, 0, 6, colour);
    }
}

static bool points_are_finite(const float *points /* (n,2) */, size_t n)
{
    for (size_t i = 0; i < 2 * n; i++)
        if (!isfinite(points[i]))
            return false;
    return true;
}

static double unit(float v, float lo, float hi)
{
    double t = ((double)v - lo) / ((double)hi - lo);

    return t < 0.0 ? 0.0 : t > 1.0 ? 1.0 : t;
}

static void draw_points(struct canvas *c, const float *points /* (n,2) */, size_t n, float lo,
                        float hi)
{
    const double side = PICTURE_POINTS - 2 * FRAME - 1;
    double alpha = 160.0 / sqrt((double)n + 1.0); /* the more points, the lighter each */

    alpha = alpha > 0.8 ? 0.8 : alpha < POINT_ALPHA_MIN / 255.0 ? POINT_ALPHA_MIN / 255.0 : alpha;
    for (size_t i = 0; i < n; i++) {
        const float *p = points + 2 * i;
        if (!isfinite(p[0]) || !isfinite(p[1]))
            continue;
        draw_point(c, FRAME + side * unit(p[0], lo, hi), FRAME + side * (1.0 - unit(p[1], lo, hi)),
                   alpha);
    }
}

enum ebm_status picture_points_png(const float *points, size_t n, float lo, float hi,
                                   struct buf *png, struct ebm_error *err)
{
    static const struct rgb white = {255, 255, 255}, dark = {60, 60, 68};
    struct canvas c = {0};
    enum ebm_status rc = check_range(lo, hi, err);

    if (rc == EBM_OK)
        rc = canvas_init(&c, PICTURE_POINTS, PICTURE_POINTS, white, err);
    if (rc == EBM_OK) {
        draw_frame(&c, points_are_finite(points, n) ? dark : magenta);
        draw_points(&c, points, n, lo, hi);
        rc = canvas_encode(&c, png, err);
    }
    canvas_fini(&c);
    return rc;
}
