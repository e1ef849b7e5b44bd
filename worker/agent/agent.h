/* The agent: the thread of rank 0 that speaks to ebmd.
 *
 * sink.h is its face to the training thread. It is made of a mailbox (what
 * the two threads share), a line (the thread's loop, and whether ebmd is
 * there) and one part for each thing that travels: metrics_out, upload,
 * pictures, fetch. The parts belong to the agent thread alone. */
#ifndef EBM_WORKER_AGENT_H
#define EBM_WORKER_AGENT_H

#include <stddef.h>
#include <stdint.h>

#include "agent/sink.h"
#include "base/err.h"

enum { AGENT_TEXT_MAX = 256, AGENT_PATH_MAX = 1024 };

struct agent_config {
    uint64_t job;
    uint32_t attempt;
    uint64_t fence;
    char token[AGENT_TEXT_MAX];
    char endpoint[AGENT_TEXT_MAX];
    char dir[AGENT_PATH_MAX]; /* for metrics.spool; "" = the current folder */
    size_t rows_in_memory;    /* unacknowledged metric rows before they are spooled */
    int hello_ms;             /* between two Hello without an answer */
    int batch_ms;             /* a metrics batch that is not full waits this long */
    int resend_ms;            /* without an acknowledgement */
    int commit_ms;            /* the same for the commit of a checkpoint, which takes a disk */
};

/* Times and bounds for use; the rest empty. */
void agent_config_init(struct agent_config *c);
/* EBM_JOB, EBM_ATTEMPT, EBM_FENCE, EBM_TOKEN_FILE, EBM_ENDPOINT and
 * EBM_ATTEMPT_DIR. EBM_EINVAL names the one that is missing or wrong. */
enum ebm_status agent_config_from_env(struct agent_config *c, struct ebm_error *err);

/* Starts the thread. It sends nothing before start() or finish(). */
enum ebm_status agent_open_with(const struct agent_config *config, struct sink_handle *out,
                                struct ebm_error *err);

#endif
