#include "engine/wide/pass.h"

struct running {
    const struct wide_pass *p;
    const char *source, *weights;
    const float *bias;
    float *near;
    wide_finish_fn *finish;
    void *arg;
    struct wide_ahead ahead;
    const char *next;  /* weights that come after a block's, while it runs */
    size_t next_lines; /* of them, with each chunk of two places */
};

enum { LINE = 64, FAR = 1 << 20 /* bytes: half of such a core's own cache */ };

static void fetch_ahead(const struct running *r, const struct wide_sums *s)
{
    const char *tensor = r->ahead.tensor;

    for (size_t i = 0; tensor != NULL && i < s->count; i++) {
        size_t first = (size_t)s->place[i].position * r->p->outputs + s->channel;
        const char *at = tensor + first * r->ahead.vector_bytes;
        for (size_t b = 0; b < s->channels * r->ahead.vector_bytes; b += LINE)
            __builtin_prefetch(at + b, 0, 2);
    }
}

static wide_sum_fn *kernel(const struct wide_pass *p, size_t width, size_t positions)
{
    return p->operands == WIDE_PAIRS ? p->isa->pair[width][positions]
                                     : p->isa->sum[width][positions];
}

/* So many positions at once, as many as there is a kernel for. */
static size_t choose_positions(const struct wide_pass *p, size_t width, size_t left)
{
    size_t n = left < WIDE_POSITIONS_MAX ? left : WIDE_POSITIONS_MAX;

    if (left == 4 && kernel(p, width, 4) == NULL) /* twice two rather than three and one */
        n = 2;
    while (kernel(p, width, n) == NULL)
        n--;
    return n;
}

/* A group's chunks, of two places each. */
static size_t turns(const struct wide_group *c, size_t places)
{
    return c->chunks * ((places + 1) / 2);
}

static void run_tiles(struct running *r, const struct wide_group *c, const struct wide_block *block,
                      const struct wide_sums *s)
{
    const struct wide_tiling *t = &r->p->tiling;
    const struct wide_tiles job = {
        .chunk = t->chunk + c->first_chunk,
        .chunks = c->chunks,
        .row = c->rows > 0 ? t->row + c->first_row : NULL,
        .rows = c->rows,
        .source = (const uint32_t *)(const void *)r->source,
        .place = s->place,
        .count = s->count,
        .weight = (const uint32_t *)(const void *)r->weights + block->packed,
        .bias = r->bias != NULL ? r->bias + block->first : NULL,
        .outputs = block->width,
        .sum = s->sum + (block->first - s->channel) * WIDE,
        .sum_stride = s->channels * WIDE,
        .loose = s->channels == block->width, /* the next place's come after */
        .ahead = r->next,
        .ahead_lines = r->next_lines,
    };

    r->p->isa->tiles(&job);
    r->next += job.ahead_lines * turns(c, s->count) * LINE;
}

/* One block of outputs at all of the positions. */
static void run_sums(const struct running *r, const struct wide_group *c,
                     const struct wide_block *block, const struct wide_sums *s)
{
    const struct wide_pass *p = r->p;
    struct wide_sum job = {.run = p->run + c->first_run,
                           .runs = c->runs,
                           .weight = r->weights + block->packed * sizeof(float),
                           .bias = r->bias != NULL ? r->bias + block->first : NULL};
    float *sum = s->sum + (block->first - s->channel) * WIDE;

    for (size_t at = 0; at < s->count;) {
        size_t n = choose_positions(p, block->width, s->count - at);
        for (size_t i = 0; i < n; i++) {
            job.source[i] = r->source + (size_t)s->place[at + i].source * WIDE * sizeof(float);
            job.sum[i] = sum + (at + i) * s->channels * WIDE;
        }
        kernel(p, block->width, n)(&job);
        at += n;
    }
}

static void run_block(struct running *r, const struct wide_group *c, const struct wide_block *block,
                      const struct wide_sums *s)
{
    if (r->p->operands == WIDE_TILES)
        run_tiles(r, c, block, s);
    else
        run_sums(r, c, block, s);
}

/* Positions whose sums stay near, all channels. */
static size_t near_positions(const struct wide_pass *p)
{
    size_t n = WIDE_NEAR / p->outputs;

    return n < WIDE_POSITIONS_MAX ? WIDE_POSITIONS_MAX : n;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void run_places_outer(struct running *r)
{
    const struct wide_pass *p = r->p;
    size_t most = near_positions(p);

    for (size_t c = 0; c < p->groups; c++)
        for (size_t at = 0; at < p->group[c].count; at += most) {
            struct wide_sums s = {.sum = r->near,
                                  .place = p->place + p->group[c].first + at,
                                  .count = least(most, p->group[c].count - at),
                                  .channels = p->outputs};
            fetch_ahead(r, &s);
            for (size_t b = 0; b < p->blocks; b++)
                run_block(r, &p->group[c], &p->block[b], &s);
            r->finish(r->arg, &s);
        }
}

/* While a block of tiles runs the weights of the next one come, where there
 * are so many that they lie far away: they take as long as the products. */
static void fetch_next(struct running *r, size_t b)
{
    const struct wide_pass *p = r->p;
    size_t all = 0;

    r->next_lines = 0;
    if (p->operands != WIDE_TILES || b == p->blocks || wide_pass_bytes(p) < FAR)
        return;
    for (size_t c = 0; c < p->groups; c++)
        all += turns(&p->group[c], p->group[c].count);
    size_t end = b + 1 < p->blocks ? p->block[b + 1].packed : p->packed;
    r->next = r->weights + p->block[b].packed * sizeof(float);
    r->next_lines = (end - p->block[b].packed) * sizeof(float) / LINE / (all + 1);
}

/* Channels that a block of weights stays near for. */
static void run_weights_outer(struct running *r)
{
    const struct wide_pass *p = r->p;
    size_t most = WIDE_NEAR / (p->operands == WIDE_TILES ? WIDE_TILE_OUTPUTS : WIDE_OUTPUTS_MAX);

    for (size_t b = 0; b < p->blocks; b++) {
        fetch_next(r, b + 1);
        for (size_t c = 0; c < p->groups; c++)
            for (size_t at = 0; at < p->group[c].count; at += most) {
                struct wide_sums s = {.sum = r->near,
                                      .place = p->place + p->group[c].first + at,
                                      .count = least(most, p->group[c].count - at),
                                      .channel = p->block[b].first,
                                      .channels = p->block[b].width};
                fetch_ahead(r, &s);
                run_block(r, &p->group[c], &p->block[b], &s);
                r->finish(r->arg, &s);
            }
    }
}

size_t wide_sums_run(const struct wide_sums *s, size_t i)
{
    size_t n = 1;

    while (i + n < s->count && s->place[i + n].position == s->place[i].position + n)
        n++;
    return n;
}

size_t wide_pass_near(const struct wide_pass *p)
{
    size_t n = near_positions(p) * p->outputs;

    n = p->weights_outer || n < WIDE_NEAR ? WIDE_NEAR : n;
    return p->operands == WIDE_TILES ? n + WIDE_TILE : n;
}

void wide_pass_run(const struct wide_pass *p, const void *source, const void *weights,
                   const float *bias, float *near, struct wide_ahead ahead, wide_finish_fn *finish,
                   void *arg)
{
    struct running r = {p, source, weights, bias, near, finish, arg, ahead, weights, 0};

    if (p->operands == WIDE_TILES)
        p->isa->tiles_ready(true);
    if (p->weights_outer)
        run_weights_outer(&r);
    else
        run_places_outer(&r);
    if (p->operands == WIDE_TILES)
        p->isa->tiles_ready(false);
}
