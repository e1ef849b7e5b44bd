#include "launch/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fsio.h"
#include "home/home.h"
#include "launch/folder.h"

enum { PLAN_BYTES_MAX = 256 << 10, VALUE_MAX = HOME_PATH_MAX + 256 };

static const char head[] = "ebm-launch 1";

static const char *const key_names[PLAN_KEYS] = {
    [PLAN_HOME] = "home", [PLAN_FENCE] = "fence", [PLAN_SCRATCH] = "scratch",
    [PLAN_NOTE] = "note", [PLAN_ARGV] = "argv",   [PLAN_ENV] = "env",
};

/* ---- writing ---- */

void plan_writer_init(struct plan_writer *w)
{
    *w = (struct plan_writer){.err.code = EBM_OK};
    buf_init(&w->text);
    buf_printf(&w->text, "%s\n", head);
}

void plan_writer_fini(struct plan_writer *w)
{
    buf_fini(&w->text);
}

void plan_put(struct plan_writer *w, enum plan_key key, const char *fmt, ...)
{
    char value[VALUE_MAX];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(value, sizeof value, fmt, args);
    va_end(args);
    if (w->err.code != EBM_OK)
        return;
    if (n < 0 || (size_t)n >= sizeof value)
        ebm_fail(&w->err, EBM_EINVAL, "%.100s...: too long for a launch", value);
    else if (strchr(value, '\n') != NULL)
        ebm_fail(&w->err, EBM_EINVAL, "%.300s: a path with a line break cannot be used", value);
    else
        buf_printf(&w->text, "%s=%s\n", key_names[key], value);
}

enum ebm_status plan_write(const struct plan_writer *w, const char *dir, struct ebm_error *err)
{
    if (w->err.code != EBM_OK)
        return ebm_fail(err, w->err.code, "%s", w->err.text);
    if (!buf_ok(&w->text))
        return ebm_fail(err, EBM_ENOMEM, "out of memory");
    return folder_write(dir, "launch", w->text.data, w->text.size, 0600, err);
}

/* ---- reading ---- */

void plan_init(struct plan *plan)
{
    memset(plan, 0, sizeof *plan);
    buf_init(&plan->text);
}

void plan_fini(struct plan *plan)
{
    buf_fini(&plan->text);
}

static bool set_once(const char **field, const char *value)
{
    if (*field != NULL || value[0] != '/')
        return false;
    *field = value;
    return true;
}

static bool set_fence(struct plan *plan, const char *value)
{
    char *end;

    if (plan->fence != 0 || value[0] < '0' || value[0] > '9')
        return false;
    errno = 0;
    plan->fence = strtoull(value, &end, 10);
    return errno == 0 && *end == '\0' && plan->fence != 0;
}

static bool add(struct plan_list *list, char *value)
{
    if (list->count == PLAN_LIST_MAX)
        return false;
    list->item[list->count++] = value;
    return true;
}

/* NAME=VALUE with a name. */
static bool add_env(struct plan_list *list, char *value)
{
    const char *equals = strchr(value, '=');

    return equals != NULL && equals != value && add(list, value);
}

static bool take_value(struct plan *plan, enum plan_key key, char *value)
{
    switch (key) {
    case PLAN_HOME:
        return set_once(&plan->home, value);
    case PLAN_FENCE:
        return set_fence(plan, value);
    case PLAN_SCRATCH:
        return set_once(&plan->scratch, value);
    case PLAN_NOTE:
        return add(&plan->notes, value);
    case PLAN_ARGV:
        return add(&plan->argv, value);
    case PLAN_ENV:
        return add_env(&plan->env, value);
    case PLAN_KEYS:
        break;
    }
    return false;
}

static bool take_line(struct plan *plan, char *line, bool first)
{
    char *equals = strchr(line, '=');

    if (first)
        return strcmp(line, head) == 0;
    if (equals == NULL)
        return false;
    *equals = '\0';
    for (int key = 0; key < PLAN_KEYS; key++)
        if (strcmp(line, key_names[key]) == 0)
            return take_value(plan, (enum plan_key)key, equals + 1);
    return false;
}

/* The number of the first line that is wrong, 0 when all are right. */
static int parse(struct plan *plan)
{
    char *line = (char *)plan->text.data, *end = line + plan->text.size;

    for (int number = 1; line < end; number++) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL || memchr(line, '\0', (size_t)(stop - line)) != NULL)
            return number;
        *stop = '\0';
        if (!take_line(plan, line, number == 1))
            return number;
        line = stop + 1;
    }
    return 0;
}

enum ebm_status plan_read(struct plan *plan, const char *dir, struct ebm_error *err)
{
    char path[HOME_PATH_MAX];
    enum ebm_status st = folder_path(dir, "launch", path, sizeof path, err);

    if (st == EBM_OK)
        st = fsio_read(path, PLAN_BYTES_MAX, &plan->text, err);
    if (st != EBM_OK)
        return st;
    int wrong = plan->text.size > 0 ? parse(plan) : 1;
    if (wrong != 0)
        return ebm_fail(err, EBM_ECORRUPT, "%s:%d: not a line of a launch file", path, wrong);
    if (plan->home == NULL || plan->scratch == NULL || plan->fence == 0 || plan->argv.count == 0)
        return ebm_fail(err, EBM_ECORRUPT, "%s: home, fence, scratch or argv is missing", path);
    return EBM_OK;
}
