/* Samples of a run as a picture: a grid, or the density of points. */
#ifndef EBM_TRAIN_SHEET_H
#define EBM_TRAIN_SHEET_H

#include "base/buf.h"
#include "base/err.h"
#include "net/net.h"
#include "spec/spec.h"

/* Whether a sample is a point of the plane, of which a picture needs many. */
bool sheet_of_points(struct net_shape shape);

/* x (n, C,H,W), n >= 1, over the range that the spec gives; png is appended to. */
enum ebm_status sheet_draw(const struct spec *spec, struct net_shape shape, const float *x,
                           size_t n, struct buf *png, struct ebm_error *err);

#endif
