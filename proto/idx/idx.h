/* IDX files (MNIST's format), plain or gzipped. The door to zlib.
 * Format: two zero bytes, type (0x08 = unsigned byte), number of dimensions,
 * then that many big-endian 32-bit sizes, then the data. */
#ifndef EBM_IDX_IDX_H
#define EBM_IDX_IDX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { IDX_DIMS_MAX = 4 };

struct idx {
    uint32_t dim[IDX_DIMS_MAX];
    size_t dims;
    size_t count;  /* product of the dims */
    uint8_t *data; /* owned; NULL after idx_open_header */
};

/* What a file is to hold: images have 3 dimensions (N,H,W) or 4 (N,C,H,W),
 * labels 1. */
enum idx_kind { IDX_IMAGES, IDX_LABELS };

/* Only the header. Errors name the file: missing, wrong magic, not unsigned
 * bytes, of another kind (EBM_EINVAL), zero or overflowing sizes. */
enum ebm_status idx_read_header(const char *path, enum idx_kind kind, struct idx *out,
                                struct ebm_error *err);

/* All of it; a file shorter or longer than its header says is EBM_ECORRUPT
 * with both sizes. */
enum ebm_status idx_read(const char *path, enum idx_kind kind, struct idx *out,
                         struct ebm_error *err);
void idx_fini(struct idx *x);

/* Finds DIR/<stem> or DIR/<stem>.gz; for images the stems are
 * train-images-idx3-ubyte, train-images.idx3-ubyte; fills path. EBM_ENOTFOUND
 * lists what was looked for. what: "images" or "labels". */
enum ebm_status idx_find(const char *dir, const char *what, char *path, size_t size,
                         struct ebm_error *err);

#endif
