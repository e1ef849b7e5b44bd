/* A spec as a file: its text, its folder, its problems in print. */
#ifndef EBM_CLIENT_SPEC_FILE_H
#define EBM_CLIENT_SPEC_FILE_H

#include "base/buf.h"
#include "home/home.h"
#include "spec/spec.h"

struct spec_file {
    const char *name; /* as given; "stdin" for "-" */
    struct buf text;
    char folder[HOME_PATH_MAX]; /* absolute: relative data paths are under it */
};

/* EBM_EINVAL when it cannot be read; err is not NULL. spec_file_fini in every case. */
enum ebm_status spec_file_read(const char *name, struct spec_file *out, struct ebm_error *err);
void spec_file_fini(struct spec_file *f);

/* To stderr, with the source lines, and "3 errors; <what>". */
void spec_file_report(const struct spec_file *f, const struct spec_problems *p, const char *what);

#endif
