#include "agent/pictures.h"

#include <string.h>

#include "base/log.h"

static void drop_first(struct pictures *p)
{
    buf_fini(&p->item[0].png);
    p->n--;
    memmove(&p->item[0], &p->item[1], p->n * sizeof p->item[0]);
    p->again_ms = 0;
}

void pictures_put(struct pictures *p, struct picture *picture)
{
    if (picture->png.size == 0 || picture->png.size > WIRE_PICTURE_MAX) {
        log_warn("picture-dropped", "step=%llu bytes=%zu limit=%d",
                 (unsigned long long)picture->step, picture->png.size, WIRE_PICTURE_MAX);
        buf_fini(&picture->png);
        return;
    }
    if (p->n == MAILBOX_PICTURES)
        drop_first(p);
    picture->seq = ++p->last_seq;
    p->item[p->n++] = *picture;
    buf_init(&picture->png);
}

int64_t pictures_tick(struct pictures *p, struct post *post, int64_t now)
{
    Ebm__FromWorker message = EBM__FROM_WORKER__INIT;
    Ebm__PictureUp body = EBM__PICTURE_UP__INIT;

    if (p->n == 0)
        return INT64_MAX;
    if (now < p->again_ms)
        return p->again_ms;
    body.step = p->item[0].step;
    body.seq = p->item[0].seq;
    message.body_case = EBM__FROM_WORKER__BODY_PICTURE;
    message.picture = &body;
    post_send(post, &message, p->item[0].png.data, p->item[0].png.size);
    p->again_ms = now + post->config->resend_ms;
    return p->again_ms;
}

void pictures_ack(struct pictures *p, uint64_t seq)
{
    if (p->n > 0 && p->again_ms != 0 && p->item[0].seq == seq)
        drop_first(p);
}

void pictures_again(struct pictures *p)
{
    p->again_ms = 0;
}

void pictures_fini(struct pictures *p)
{
    while (p->n > 0)
        drop_first(p);
}
