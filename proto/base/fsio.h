/* Files: whole reads with a bound, atomic durable writes, folders. */
#ifndef EBM_BASE_FSIO_H
#define EBM_BASE_FSIO_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends the whole file to out; refuses more than max_bytes (EBM_EINVAL). */
enum ebm_status fsio_read(const char *path, size_t max_bytes, struct buf *out,
                          struct ebm_error *err);

/* path becomes exactly these bytes, durably, or stays as it was: temporary
 * file beside it, fsync, rename, fsync of the folder. mode as open(2). */
enum ebm_status fsio_write_atomic(const char *path, const void *bytes, size_t n, unsigned mode,
                                  struct ebm_error *err);

/* Makes the folder and its missing parents with this mode; fine if there. */
enum ebm_status fsio_mkdirs(const char *path, unsigned mode, struct ebm_error *err);

/* write(2) until all of it is written. */
enum ebm_status fsio_write_all(int fd, const void *bytes, size_t n, const char *path,
                               struct ebm_error *err);

#endif
