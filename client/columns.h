/* What is listed, as columns: the keys of JSON and CSV, the titles of tables. */
#ifndef EBM_CLIENT_COLUMNS_H
#define EBM_CLIENT_COLUMNS_H

#include "record.h"
#include "wire/wire.h"

/* Rows are the wire's messages. */
extern const struct column job_columns[], job_detail_columns[], attempt_columns[],
    checkpoint_columns[], event_columns[], daemon_columns[], plan_columns[];
extern const size_t job_column_count, job_detail_column_count, attempt_column_count,
    checkpoint_column_count, event_column_count, daemon_column_count, plan_column_count;

/* attempt, step, time, and one column for each metric named in `names`
 * ("loss,energy_gap"; NULL: all). EBM_EINVAL for a name that is none. */
enum { METRIC_COLUMNS_MAX = 3 + METRIC_COUNT };
enum ebm_status columns_of_metrics(const char *names, struct column out[METRIC_COLUMNS_MAX],
                                   size_t *count, struct ebm_error *err);

/* "c7"; "-" for 0. */
const char *columns_checkpoint_name(uint64_t id, char out[HUMAN_MAX]);

#endif
