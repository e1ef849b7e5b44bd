/* This process among others: its end with its parent, its log. */
#ifndef EBM_TRAIN_PROCESS_H
#define EBM_TRAIN_PROCESS_H

#include <stddef.h>

#include "base/err.h"

/* A rank must not outlive its mpirun: from now on the kernel kills it with
 * its parent. Only under mpirun; call it first thing. */
void process_die_with_parent(void);

/* Log lines bear job, attempt and rank, and also go to
 * EBM_ATTEMPT_DIR/rank-R.log where there is such a folder. */
enum ebm_status process_open_log(size_t rank, struct ebm_error *err);

#endif
