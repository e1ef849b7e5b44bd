/* Pictures of samples, as PNG bytes.
 *
 * Values lo..hi become black..white, and what is outside is cut. A value
 * that is not finite is drawn in magenta, so that nobody takes it for data. */
#ifndef EBM_WORKER_PICTURE_H
#define EBM_WORKER_PICTURE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/net.h"

enum {
    PICTURE_GAP = 2,        /* pixels between the samples of a grid, and around it */
    PICTURE_POINTS = 512,   /* side of a picture of points */
    PICTURE_SIDE_MAX = 8192 /* of any picture: larger is EBM_EINVAL */
};

/* A near-square grid of n >= 1 samples, left to right, then down; small
 * samples are enlarged by a whole number so that the sheet is easily seen.
 * One channel is grey, three are colours, of others the first is shown.
 * png is appended to. */
enum ebm_status picture_grid_png(const float *samples /* (n, C,H,W) */, size_t n,
                                 struct net_shape shape, float lo, float hi, struct buf *png,
                                 struct ebm_error *err);

/* The density of n points in the square lo..hi, y upwards: dark where there
 * are many. Points outside are drawn at the edge of the frame; points that
 * are not finite make the frame magenta. */
enum ebm_status picture_points_png(const float *points /* (n, 2) */, size_t n, float lo, float hi,
                                   struct buf *png, struct ebm_error *err);

#endif
