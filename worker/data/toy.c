/* Each set is a map from four uniform (u) and two normal (z) numbers to a
 * point. Shapes and scales as in the toy data of Grathwohl et al. 2018
 * (FFJORD), which the EBM literature took over. */
#include "data/toy.h"

#include <math.h>
#include <string.h>

#define TAU 6.283185307179586476925287

struct draw {
    double u[4], z[2];
};

struct point {
    double x, y;
};

/* An integer 0..n-1 from a uniform number. */
static int pick(double u, int n)
{
    int i = (int)(u * n);
    return i < n ? i : n - 1;
}

static struct point swissroll(const struct draw *d)
{
    double t = 0.75 * TAU * (1 + 2 * d->u[0]);
    return (struct point){(t * cos(t) + d->z[0]) / 5, (t * sin(t) + d->z[1]) / 5};
}

static struct point on_ring(const struct draw *d, double radius)
{
    double a = TAU * d->u[0], noise = 0.08;
    return (struct point){3 * (radius * cos(a) + noise * d->z[0]),
                          3 * (radius * sin(a) + noise * d->z[1])};
}

static struct point circles(const struct draw *d)
{
    return on_ring(d, d->u[1] < 0.5 ? 1.0 : 0.5);
}

static struct point rings(const struct draw *d)
{
    return on_ring(d, 0.25 * (1 + pick(d->u[1], 4)));
}

static struct point moons(const struct draw *d)
{
    double a = 0.5 * TAU * d->u[0], noise = 0.1;
    bool upper = d->u[1] < 0.5;
    double x = upper ? cos(a) : 1 - cos(a), y = upper ? sin(a) : 0.5 - sin(a);
    return (struct point){2 * (x + noise * d->z[0]) - 1, 2 * (y + noise * d->z[1]) - 0.2};
}

static struct point gaussians(const struct draw *d)
{
    double a = TAU / 8 * pick(d->u[0], 8), root = sqrt(2.0);
    return (struct point){(4 * cos(a) + 0.5 * d->z[0]) / root, (4 * sin(a) + 0.5 * d->z[1]) / root};
}

static struct point pinwheel(const struct draw *d)
{
    double r = 1 + 0.3 * d->z[0], s = 0.1 * d->z[1];
    double a = TAU / 5 * pick(d->u[0], 5) + 0.25 * exp(r);
    return (struct point){2 * (r * cos(a) + s * sin(a)), 2 * (s * cos(a) - r * sin(a))};
}

static struct point spirals(const struct draw *d)
{
    double t = 1.5 * TAU * sqrt(d->u[0]), arm = d->u[3] < 0.5 ? 1 : -1;
    return (struct point){arm * (0.5 * d->u[1] - t * cos(t)) / 3 + 0.1 * d->z[0],
                          arm * (0.5 * d->u[2] + t * sin(t)) / 3 + 0.1 * d->z[1]};
}

static struct point checkerboard(const struct draw *d)
{
    double x = 4 * d->u[0] - 2, column = floor(x);
    double odd = column - 2 * floor(column / 2);
    return (struct point){2 * x, 2 * (d->u[1] - 2 * pick(d->u[2], 2) + odd)};
}

static struct point line(const struct draw *d)
{
    double x = 5 * d->u[0] - 2.5;
    return (struct point){x, x};
}

static struct point cosine(const struct draw *d)
{
    double x = 5 * d->u[0] - 2.5;
    return (struct point){x, 2.5 * sin(x)};
}

static const struct {
    const char *name;
    struct point (*point)(const struct draw *d);
} toys[] = {
    {"swissroll", swissroll}, {"circles", circles},           {"rings", rings},
    {"moons", moons},         {"8gaussians", gaussians},      {"pinwheel", pinwheel},
    {"2spirals", spirals},    {"checkerboard", checkerboard}, {"line", line},
    {"cos", cosine},
};

bool toy_find(const char *name, size_t *toy)
{
    for (size_t i = 0; i < sizeof toys / sizeof toys[0]; i++)
        if (strcmp(toys[i].name, name) == 0) {
            *toy = i;
            return true;
        }
    return false;
}

void toy_point(size_t toy, struct rng_key key, uint64_t position, float point[2])
{
    uint32_t lo = (uint32_t)position, hi = (uint32_t)(position >> 32);
    float u[4], z[2];

    rng_uniform(key, lo, hi, 0, 0, 4, u);
    rng_normal(key, lo, hi, 1, 0, 2, z);
    struct draw d = {{u[0], u[1], u[2], u[3]}, {z[0], z[1]}};
    struct point p = toys[toy].point(&d);
    point[0] = (float)p.x;
    point[1] = (float)p.y;
}
