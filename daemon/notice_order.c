#include "notice_order.h"

#include <inttypes.h>
#include <stdio.h>

#include "notify/order.h"

static void put_text(struct buf *out, const char *text)
{
    buf_puts(out, "\"");
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04x", c);
        else
            buf_put(out, p, 1);
    }
    buf_puts(out, "\"");
}

void notice_put_json(const struct store_notice *n, const char *name, struct buf *out)
{
    buf_puts(out, "{\"event\": ");
    put_text(out, n->event);
    buf_printf(out, ", \"job\": %" PRId64 ", \"name\": ", n->job);
    put_text(out, name);
    buf_puts(out, ", \"state\": ");
    put_text(out, job_state_name(n->state));
    buf_printf(out, ", \"step\": %" PRIu64 ", \"total_steps\": %" PRIu64 ", \"attempt\": %u",
               n->step, n->total_steps, n->attempt);
    buf_puts(out, ", \"reason\": ");
    put_text(out, n->reason);
    buf_printf(out, ", \"time\": %" PRId64 ".%03" PRId64 "}\n", n->time_ms / 1000,
               n->time_ms % 1000);
}

void notice_put_order(const struct store_notice *n, const struct spec *s, struct buf *out)
{
    char job[24];
    struct buf body;

    buf_init(&body);
    notice_put_json(n, s->name, &body);
    snprintf(job, sizeof job, "%" PRId64, n->job);
    const struct order o = {
        .event = n->event,
        .job = job,
        .state = job_state_name(n->state),
        .reason = n->reason,
        .command = s->on_event.command,
        .url = s->on_event.url,
        .body = buf_text(&body),
        .timeout_s = (unsigned)s->on_event.timeout_seconds,
        .retries = (unsigned)s->on_event.retries,
    };
    order_pack(&o, out);
    if (!buf_ok(&body))
        out->failed = true;
    buf_fini(&body);
}
