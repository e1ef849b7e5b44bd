#include "exit.h"

int exit_of_status(enum ebm_status status)
{
    static const unsigned char code[EBM_STATUS_COUNT] = {
        [EBM_OK] = CODE_OK,
        [EBM_EINVAL] = CODE_USAGE,
        [EBM_ENOMEM] = CODE_REFUSED,
        [EBM_EIO] = CODE_REFUSED,
        [EBM_ENOSPC] = CODE_REFUSED,
        [EBM_ENOTFOUND] = CODE_NOTFOUND,
        [EBM_ESTATE] = CODE_REFUSED,
        [EBM_EEXIST] = CODE_REFUSED,
        [EBM_ESTALE] = CODE_REFUSED,
        [EBM_EUNREACHABLE] = CODE_UNREACHABLE,
        [EBM_ETIMEOUT] = CODE_TIMEOUT,
        [EBM_EPROTO] = CODE_REFUSED,
        [EBM_ECORRUPT] = CODE_REFUSED,
        [EBM_EAUTH] = CODE_AUTH,
        [EBM_EDIVERGED] = CODE_DIVERGED,
        [EBM_EINTERNAL] = CODE_REFUSED,
    };

    return (unsigned)status < EBM_STATUS_COUNT ? code[status] : CODE_REFUSED;
}

int exit_of_state(enum job_state state)
{
    switch (state) {
    case JOB_FAILED:
    case JOB_CANCELLED:
        return CODE_REFUSED;
    case JOB_DIVERGED:
        return CODE_DIVERGED;
    default:
        return CODE_OK;
    }
}

int exit_worse(int a, int b)
{
    if (a == CODE_REFUSED || b == CODE_REFUSED)
        return CODE_REFUSED;
    return a != CODE_OK ? a : b;
}
