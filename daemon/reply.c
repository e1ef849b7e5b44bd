#include "reply.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16384, ALIGN = 16, LIST_MIN = 8 };

struct reply_block {
    struct reply_block *next;
    size_t used, size;
    _Alignas(ALIGN) unsigned char data[];
};

void reply_init(struct reply *r, uint64_t id)
{
    const Ebm__Reply empty = EBM__REPLY__INIT;

    memset(r, 0, sizeof *r);
    r->message = empty;
    r->message.id = id;
    buf_init(&r->bulk);
}

static void free_blocks(struct reply *r)
{
    while (r->blocks != NULL) {
        struct reply_block *next = r->blocks->next;
        free(r->blocks);
        r->blocks = next;
    }
}

void reply_fini(struct reply *r)
{
    free_blocks(r);
    buf_fini(&r->bulk);
}

static struct reply_block *add_block(struct reply *r, size_t size)
{
    size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    struct reply_block *b = calloc(1, sizeof *b + room);

    if (b == NULL) {
        r->failed = true;
        return NULL;
    }
    b->size = room;
    b->next = r->blocks;
    r->blocks = b;
    return b;
}

void *reply_alloc(struct reply *r, size_t size)
{
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct reply_block *b = r->blocks;
    if (b == NULL || b->size - b->used < size)
        b = add_block(r, size);
    if (b == NULL)
        return NULL;
    void *p = b->data + b->used;
    b->used += size;
    return p;
}

char *reply_text(struct reply *r, const char *text)
{
    static char none[1];
    size_t n = strlen(text);
    char *copy = reply_alloc(r, n + 1);

    if (copy == NULL)
        return none;
    memcpy(copy, text, n + 1);
    wire_mend_text(copy);
    return copy;
}

void *reply_grow(struct reply *r, void *list, size_t n)
{
    if (n != 0 && (n < LIST_MIN || (n & (n - 1)) != 0))
        return list;
    void *grown = reply_alloc(r, (n == 0 ? LIST_MIN : 2 * n) * sizeof(void *));
    if (grown != NULL && n > 0)
        memcpy(grown, list, n * sizeof(void *));
    return grown;
}

void reply_put_problems(struct reply *r, const struct spec_problems *p)
{
    static const Ebm__Problem empty = EBM__PROBLEM__INIT;

    for (size_t i = 0; i < p->count; i++) {
        Ebm__Problem *m = reply_alloc(r, sizeof *m);
        if (m == NULL)
            return;
        *m = empty;
        m->line = p->item[i].line;
        m->column = p->item[i].column;
        m->text = reply_text(r, p->item[i].text);
        REPLY_ADD(r, problem, m);
    }
}

void reply_fail(struct reply *r, const struct ebm_error *err)
{
    Ebm__Reply *m = &r->message;
    size_t problems = m->n_problem;
    Ebm__Problem **problem = m->problem;
    const Ebm__Reply empty = EBM__REPLY__INIT;
    uint64_t id = m->id;

    *m = empty;
    m->id = id;
    m->n_problem = problems; /* they say what the error is */
    m->problem = problem;
    m->status = err->code;
    m->error = reply_text(r, err->text);
    buf_clear(&r->bulk);
}

enum ebm_status reply_seal(struct reply *r, struct buf *body, struct ebm_error *err)
{
    if (r->failed || !buf_ok(&r->bulk))
        return ebm_fail(err, EBM_ENOMEM, "out of memory for the answer");
    r->message.bulk = r->bulk.size > 0;
    return wire_pack(&r->message.base, body, err);
}
