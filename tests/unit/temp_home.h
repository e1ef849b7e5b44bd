/* A home in a fresh folder under TMPDIR, removed at the end. For tests. */
#ifndef EBM_TESTS_TEMP_HOME_H
#define EBM_TESTS_TEMP_HOME_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "home/home.h"

static inline int temp_home_make(struct home *h)
{
    const char *tmp = getenv("TMPDIR");
    memset(h, 0, sizeof *h);
    snprintf(h->state, sizeof h->state, "%s/ebm-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(h->state) != NULL ? 0 : -1;
}

static inline void temp_home_path(const struct home *h, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", h->state, name);
}

/* The folder is flat. */
static inline void temp_home_remove(const struct home *h)
{
    char path[HOME_PATH_MAX + 300];
    DIR *dir = opendir(h->state);
    if (dir == NULL)
        return;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        snprintf(path, sizeof path, "%s/%s", h->state, e->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(h->state);
}

#endif
