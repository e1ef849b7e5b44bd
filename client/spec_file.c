#include "spec_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsio.h"

/* Of a pipe, as of <(command), the working folder. */
static enum ebm_status find_folder(const char *name, char *out, size_t size, struct ebm_error *err)
{
    char real[PATH_MAX];
    struct stat st;

    if (strcmp(name, "-") == 0 || (stat(name, &st) == 0 && !S_ISREG(st.st_mode)))
        return getcwd(out, size) != NULL ? EBM_OK
                                         : ebm_fail_errno(err, errno, "the working folder");
    if (realpath(name, real) == NULL)
        return ebm_fail_errno(err, errno, "%s", name);
    char *slash = strrchr(real, '/');
    slash[slash == real] = '\0';
    if (snprintf(out, size, "%s", real) >= (int)size)
        return ebm_fail(err, EBM_EINVAL, "%s: its path is too long", name);
    return EBM_OK;
}

static enum ebm_status read_stdin(struct buf *out, struct ebm_error *err)
{
    char piece[4096];
    size_t n;

    while ((n = fread(piece, 1, sizeof piece, stdin)) > 0) {
        buf_put(out, piece, n);
        if (out->size > SPEC_TEXT_MAX)
            return ebm_fail(err, EBM_EINVAL, "stdin: longer than %d bytes", SPEC_TEXT_MAX);
    }
    return buf_ok(out) ? EBM_OK : ebm_fail(err, EBM_ENOMEM, "out of memory");
}

enum ebm_status spec_file_read(const char *name, struct spec_file *out, struct ebm_error *err)
{
    bool from_stdin = strcmp(name, "-") == 0;

    *out = (struct spec_file){.name = from_stdin ? "stdin" : name};
    buf_init(&out->text);
    enum ebm_status rc = find_folder(name, out->folder, sizeof out->folder, err);
    if (rc == EBM_OK)
        rc = from_stdin ? read_stdin(&out->text, err)
                        : fsio_read(name, SPEC_TEXT_MAX, &out->text, err);
    /* A spec that is not there is a mistake of the command line, not a job
     * that was not found. */
    if (rc != EBM_OK)
        err->code = rc = EBM_EINVAL;
    return rc;
}

void spec_file_fini(struct spec_file *f)
{
    buf_fini(&f->text);
}

void spec_file_report(const struct spec_file *f, const struct spec_problems *p, const char *what)
{
    struct buf text;

    buf_init(&text);
    spec_problems_print(p, f->name, buf_text(&f->text), f->text.size, &text);
    fflush(stdout);
    fputs(buf_text(&text), stderr);
    fprintf(stderr, "%zu error%s%s\n", p->total, p->total == 1 ? "" : "s", what);
    buf_fini(&text);
}
