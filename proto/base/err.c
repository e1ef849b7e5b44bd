#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[EBM_STATUS_COUNT] = {
    [EBM_OK] = "ok",
    [EBM_EINVAL] = "invalid",
    [EBM_ENOMEM] = "no-memory",
    [EBM_EIO] = "io",
    [EBM_ENOSPC] = "no-space",
    [EBM_ENOTFOUND] = "not-found",
    [EBM_ESTATE] = "wrong-state",
    [EBM_EEXIST] = "exists",
    [EBM_ESTALE] = "stale",
    [EBM_EUNREACHABLE] = "unreachable",
    [EBM_ETIMEOUT] = "timeout",
    [EBM_EPROTO] = "protocol",
    [EBM_ECORRUPT] = "corrupt",
    [EBM_EAUTH] = "not-authorised",
    [EBM_EDIVERGED] = "diverged",
    [EBM_EINTERNAL] = "internal",
};

const char *ebm_status_name(enum ebm_status code)
{
    if ((unsigned)code >= EBM_STATUS_COUNT)
        return "unknown";
    return status_names[code];
}

enum ebm_status ebm_fail(struct ebm_error *err, enum ebm_status code, const char *fmt, ...)
{
    if (err != NULL) {
        va_list ap;
        err->code = code;
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
    }
    return code;
}

static enum ebm_status status_from_errno(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return EBM_ENOSPC;
    case ENOENT:
        return EBM_ENOTFOUND;
    case ENOMEM:
        return EBM_ENOMEM;
    default:
        return EBM_EIO;
    }
}

enum ebm_status ebm_fail_errno(struct ebm_error *err, int errnum, const char *fmt, ...)
{
    enum ebm_status code = status_from_errno(errnum);

    if (err != NULL) {
        va_list ap;
        char what[sizeof err->text];
        va_start(ap, fmt);
        vsnprintf(what, sizeof what, fmt, ap);
        va_end(ap);
        ebm_fail(err, code, "%.380s: %s", what, strerror(errnum));
    }
    return code;
}

enum ebm_status ebm_prefix(struct ebm_error *err, const char *fmt, ...)
{
    if (err == NULL)
        return EBM_EINTERNAL;
    va_list ap;
    char old[sizeof err->text];
    char prefix[160];
    memcpy(old, err->text, sizeof old);
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    return ebm_fail(err, err->code, "%s: %.300s", prefix, old);
}
