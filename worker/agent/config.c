#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/fsio.h"

enum {
    ROWS_IN_MEMORY = 200000,
    HELLO_MS = 1000,
    BATCH_MS = 500,
    RESEND_MS = 2000,
    COMMIT_MS = 5000
};

void agent_config_init(struct agent_config *c)
{
    memset(c, 0, sizeof *c);
    c->rows_in_memory = ROWS_IN_MEMORY;
    c->hello_ms = HELLO_MS;
    c->batch_ms = BATCH_MS;
    c->resend_ms = RESEND_MS;
    c->commit_ms = COMMIT_MS;
}

static enum ebm_status env_number(const char *name, uint64_t max, uint64_t *out,
                                  struct ebm_error *err)
{
    const char *text = getenv(name);
    char *end;

    if (text == NULL)
        return ebm_fail(err, EBM_EINVAL, "%s is not set: ebm-worker is started by ebmd", name);
    unsigned long long v = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || v > max)
        return ebm_fail(err, EBM_EINVAL, "%s=%.40s is not a number in range", name, text);
    *out = v;
    return EBM_OK;
}

static enum ebm_status env_text(const char *name, char *out, size_t size, struct ebm_error *err)
{
    const char *text = getenv(name);

    if (text == NULL || text[0] == '\0')
        return ebm_fail(err, EBM_EINVAL, "%s is not set: ebm-worker is started by ebmd", name);
    if (strlen(text) >= size)
        return ebm_fail(err, EBM_EINVAL, "%s is longer than %zu bytes", name, size - 1);
    memcpy(out, text, strlen(text) + 1);
    return EBM_OK;
}

static enum ebm_status read_token(const char *path, char *out, size_t size, struct ebm_error *err)
{
    struct buf text;

    buf_init(&text);
    enum ebm_status rc = fsio_read(path, size - 1, &text, err);
    if (rc == EBM_OK) {
        size_t n = strcspn(buf_text(&text), "\r\n");
        memcpy(out, buf_text(&text), n);
        out[n] = '\0';
        if (n == 0)
            rc = ebm_fail(err, EBM_EINVAL, "%s: no token in it", path);
    }
    buf_fini(&text);
    return rc;
}

enum ebm_status agent_config_from_env(struct agent_config *c, struct ebm_error *err)
{
    char token_file[AGENT_PATH_MAX];
    uint64_t attempt = 0;
    enum ebm_status rc = env_number("EBM_JOB", INT64_MAX, &c->job, err);

    if (rc == EBM_OK)
        rc = env_number("EBM_ATTEMPT", UINT32_MAX, &attempt, err);
    if (rc == EBM_OK)
        rc = env_number("EBM_FENCE", UINT64_MAX, &c->fence, err);
    if (rc == EBM_OK)
        rc = env_text("EBM_ENDPOINT", c->endpoint, sizeof c->endpoint, err);
    if (rc == EBM_OK)
        rc = env_text("EBM_ATTEMPT_DIR", c->dir, sizeof c->dir, err);
    if (rc == EBM_OK)
        rc = env_text("EBM_TOKEN_FILE", token_file, sizeof token_file, err);
    if (rc == EBM_OK)
        rc = read_token(token_file, c->token, sizeof c->token, err);
    c->attempt = (uint32_t)attempt;
    return rc;
}
