/* A canvas of RGB pixels, and its PNG bytes. The door to libpng. */
#ifndef EBM_WORKER_ENCODE_H
#define EBM_WORKER_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct rgb {
    uint8_t r, g, b;
};

struct canvas {
    size_t w, h;
    struct rgb *pixel; /* (h, w), owned */
};

/* All pixels of one colour. */
enum ebm_status canvas_init(struct canvas *c, size_t w, size_t h, struct rgb fill,
                            struct ebm_error *err);
void canvas_fini(struct canvas *c);

/* Appends the PNG to out; 8 bits grey when every pixel is grey, else RGB. */
enum ebm_status canvas_encode(const struct canvas *c, struct buf *out, struct ebm_error *err);

#endif
