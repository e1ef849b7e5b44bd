#include "notify/order.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *key;
    size_t offset;
} texts[] =
    {
        {"event", offsetof(struct order, event)},     {"job", offsetof(struct order, job)},
        {"state", offsetof(struct order, state)},     {"reason", offsetof(struct order, reason)},
        {"command", offsetof(struct order, command)}, {"url", offsetof(struct order, url)},
        {"body", offsetof(struct order, body)},
},
  numbers[] = {
      {"timeout_s", offsetof(struct order, timeout_s)},
      {"retries", offsetof(struct order, retries)},
};
enum { TEXTS = sizeof texts / sizeof texts[0], NUMBERS = sizeof numbers / sizeof numbers[0] };

static const char **text_at(const struct order *o, size_t i)
{
    return (const char **)(void *)((char *)(uintptr_t)o + texts[i].offset);
}

static unsigned *number_at(const struct order *o, size_t i)
{
    return (unsigned *)(void *)((char *)(uintptr_t)o + numbers[i].offset);
}

void order_pack(const struct order *o, struct buf *out)
{
    for (size_t i = 0; i < TEXTS; i++) {
        buf_printf(out, "%s=", texts[i].key);
        buf_puts(out, *text_at(o, i));
        buf_put_u8(out, 0);
    }
    for (size_t i = 0; i < NUMBERS; i++) {
        buf_printf(out, "%s=%u", numbers[i].key, *number_at(o, i));
        buf_put_u8(out, 0);
    }
}

/* The value of this key in the entries, or NULL. */
static const char *find(const struct buf *text, const char *key)
{
    const char *p = buf_text(text), *end = p + text->size;
    size_t n = strlen(key);

    for (; p < end; p += strlen(p) + 1)
        if (strncmp(p, key, n) == 0 && p[n] == '=')
            return p + n + 1;
    return NULL;
}

static enum ebm_status take(struct order *o, struct ebm_error *err)
{
    for (size_t i = 0; i < TEXTS; i++) {
        *text_at(o, i) = find(&o->text, texts[i].key);
        if (*text_at(o, i) == NULL)
            return ebm_fail(err, EBM_EINVAL, "the order has no %s", texts[i].key);
    }
    for (size_t i = 0; i < NUMBERS; i++) {
        const char *value = find(&o->text, numbers[i].key);
        if (value == NULL)
            return ebm_fail(err, EBM_EINVAL, "the order has no %s", numbers[i].key);
        *number_at(o, i) = (unsigned)strtoul(value, NULL, 10);
    }
    return EBM_OK;
}

static enum ebm_status read_all(int fd, struct buf *out, struct ebm_error *err)
{
    char part[4096];

    for (;;) {
        ssize_t n = read(fd, part, sizeof part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ebm_fail_errno(err, errno, "cannot read the order");
        if (n == 0)
            return buf_ok(out) ? EBM_OK : ebm_fail(err, EBM_ENOMEM, "out of memory");
        buf_put(out, part, (size_t)n);
        if (out->size > ORDER_MAX)
            return ebm_fail(err, EBM_EINVAL, "an order of more than %d bytes", ORDER_MAX);
    }
}

enum ebm_status order_read(int fd, struct order *out, struct ebm_error *err)
{
    memset(out, 0, sizeof *out);
    buf_init(&out->text);
    enum ebm_status st = read_all(fd, &out->text, err);

    if (st == EBM_OK && (out->text.size == 0 || out->text.data[out->text.size - 1] != 0))
        st = ebm_fail(err, EBM_EINVAL, "the order is not whole");
    return st == EBM_OK ? take(out, err) : st;
}

void order_fini(struct order *o)
{
    buf_fini(&o->text);
}
