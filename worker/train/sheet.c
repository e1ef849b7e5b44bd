#include "train/sheet.h"

#include "picture/picture.h"

bool sheet_of_points(struct net_shape shape)
{
    return shape.c == 2 && shape.h == 1 && shape.w == 1;
}

enum ebm_status sheet_draw(const struct spec *spec, struct net_shape shape, const float *x,
                           size_t n, struct buf *png, struct ebm_error *err)
{
    float lo, hi;

    spec_sample_range(spec, &lo, &hi);
    if (sheet_of_points(shape))
        return picture_points_png(x, n, lo, hi, png, err);
    return picture_grid_png(x, n, shape, lo, hi, png, err);
}
