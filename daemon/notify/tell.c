#include "notify/tell.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "notify/command.h"
#include "notify/post.h"

enum { FIRST_MS = 1000, LONGEST_MS = 60000 };

struct way {
    const char *name;
    enum ebm_status (*tell)(const struct order *o, struct ebm_error *err);
    bool open; /* not told this way yet, and not given up */
    struct ebm_error failure;
};

int64_t tell_backoff_ms(unsigned failed)
{
    int64_t ms = FIRST_MS;

    while (failed-- > 1 && ms < LONGEST_MS)
        ms *= 2;
    return ms < LONGEST_MS ? ms : LONGEST_MS;
}

static void try_way(struct way *w, const struct order *o, unsigned number)
{
    struct ebm_error err = {.text = ""};

    w->failure.code = w->tell(o, &err);
    if (w->failure.code == EBM_OK) {
        log_info("told", "event=%s by=%s try=%u", o->event, w->name, number);
        w->open = false;
        return;
    }
    log_warn("not-told", "event=%s by=%s try=%u error=\"%s\"", o->event, w->name, number, err.text);
    ebm_fail(&w->failure, w->failure.code, "%s: %s", w->name, err.text);
    w->open = w->failure.code != EBM_EINVAL;
}

static bool try_all(struct way *ways, size_t n, const struct order *o, unsigned number)
{
    bool open = false;

    for (size_t i = 0; i < n; i++) {
        if (ways[i].open)
            try_way(&ways[i], o, number);
        open = open || ways[i].open;
    }
    return open;
}

enum ebm_status tell(const struct order *o, void (*pause)(int64_t ms), struct ebm_error *err)
{
    struct way ways[] = {
        {.name = "command", .tell = command_tell, .open = o->command[0] != '\0'},
        {.name = "url", .tell = post_tell, .open = o->url[0] != '\0'},
    };
    const size_t n = sizeof ways / sizeof ways[0];

    for (unsigned i = 1; try_all(ways, n, o, i) && i <= o->retries; i++)
        pause(tell_backoff_ms(i));
    for (size_t i = 0; i < n; i++)
        if (ways[i].failure.code != EBM_OK) {
            if (err != NULL)
                *err = ways[i].failure;
            return ways[i].failure.code;
        }
    return EBM_OK;
}
