/* The data: IDX images held in memory as bytes, or a toy set made on the fly.
 *
 * Item i of the global batch of an iteration stands at position
 * iteration * batch + i of an endless sequence, whoever reads it. */
#ifndef EBM_DATA_DATASET_H
#define EBM_DATA_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/net.h"
#include "spec/spec.h"

struct dataset;

/* Not collective: every rank loads all of it. Errors name the file. The spec
 * is borrowed until dataset_close. */
enum ebm_status dataset_open(const struct spec *spec, struct dataset **out, struct ebm_error *err);
void dataset_close(struct dataset *d); /* takes NULL */

struct net_shape dataset_shape(const struct dataset *d);
uint64_t dataset_samples(const struct dataset *d); /* 0: endless */

/* Which samples the items [first, first+n) of the iteration's batch are:
 * sample (n) is filled for dataset_read. One thread at a time. */
void dataset_plan(struct dataset *d, uint64_t iteration, size_t first, size_t n, uint64_t *sample);

/* One item of the batch, x (C,H,W): pixels as 0..1, or a toy point, with the
 * spec's data noise and clamp. Any number of threads. */
void dataset_read(const struct dataset *d, uint64_t iteration, size_t item, uint64_t sample,
                  float *x);

#endif
