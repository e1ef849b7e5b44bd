/* Errors: a status code to branch on, and a sentence for the person.
 *
 * What can fail returns enum ebm_status and takes a last `struct ebm_error *`
 * (may be NULL). The place that fails writes what and which; callers prefix
 * only what they alone know. Library codes are translated at their door. */
#ifndef EBM_BASE_ERR_H
#define EBM_BASE_ERR_H

enum ebm_status {
    EBM_OK = 0,
    EBM_EINVAL, /* the input is wrong */
    EBM_ENOMEM,
    EBM_EIO,
    EBM_ENOSPC, /* disk, quota or database full */
    EBM_ENOTFOUND,
    EBM_ESTATE, /* refused in this state */
    EBM_EEXIST,
    EBM_ESTALE, /* fenced: a newer attempt or schema exists */
    EBM_EUNREACHABLE,
    EBM_ETIMEOUT,
    EBM_EPROTO,   /* a message that breaks the protocol */
    EBM_ECORRUPT, /* a digest or a magic does not match */
    EBM_EAUTH,
    EBM_EDIVERGED,
    EBM_EINTERNAL,
    EBM_STATUS_COUNT
};

struct ebm_error {
    enum ebm_status code;
    char text[480];
};

/* Writes code and text into err (if not NULL) and returns code, so that a
 * failing place reads `return ebm_fail(err, EBM_EIO, "...", ...)`. */
enum ebm_status ebm_fail(struct ebm_error *err, enum ebm_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As ebm_fail, with ": " and strerror(errnum) after the text; ENOSPC and
 * EDQUOT become EBM_ENOSPC, ENOENT EBM_ENOTFOUND, ENOMEM EBM_ENOMEM, the
 * rest EBM_EIO. */
enum ebm_status ebm_fail_errno(struct ebm_error *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "fmt: " before the text that is there; keeps and returns the code. */
enum ebm_status ebm_prefix(struct ebm_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Lower-case word for a status: "ok", "invalid", "no-space" ... */
const char *ebm_status_name(enum ebm_status code);

#endif
