#include "engine/wide/tiling.h"

#include <stdlib.h>
#include <string.h>

/* Room for the worst case, before what is shared is known. */
static size_t most_chunks(const struct wide_group *group, size_t groups, const struct wide_run *run)
{
    size_t n = 0;

    for (size_t g = 0; g < groups; g++)
        for (size_t r = 0; r < group[g].runs; r++)
            n += run[group[g].first_run + r].count / WIDE_TILE + 1;
    return n;
}

bool wide_tiling_is_short(const struct wide_group *g, const struct wide_run *run)
{
    return g->runs == 1 && run[g->first_run].count < WIDE_TILE;
}

static size_t count_rows(const struct wide_group *g, const struct wide_run *run)
{
    size_t n = 0;

    for (size_t r = 0; r < g->runs; r++)
        n += run[g->first_run + r].count;
    return n;
}

static size_t in_tiles(size_t rows)
{
    return (rows + WIDE_TILE - 1) / WIDE_TILE;
}

/* A chunk costs a product, a gathered row about a sixteenth of one. */
static bool is_gathered(const struct wide_group *g, const struct wide_run *run)
{
    size_t rows = count_rows(g, run), chunks = 0;

    if (wide_tiling_is_short(g, run))
        return g->beyond;
    for (size_t r = 0; r < g->runs; r++) {
        if (run[g->first_run + r].count < WIDE_TILE)
            return true;
        chunks += in_tiles(run[g->first_run + r].count);
    }
    return chunks > 2 * in_tiles(rows);
}

/* The tile with these rows, that of another chunk if there is one. */
static uint32_t find_tile(struct wide_tiling *t, const uint32_t *rows)
{
    size_t i = 0;

    while (i < t->tiles && memcmp(t->weight + i * WIDE_TILE, rows, WIDE_TILE * sizeof *rows) != 0)
        i++;
    if (i == t->tiles)
        memcpy(t->weight + t->tiles++ * WIDE_TILE, rows, WIDE_TILE * sizeof *rows);
    return (uint32_t)i;
}

/* A run as it lies. One of fewer than WIDE_TILE pairs is read with what is
 * behind it. */
static void cut_run(struct wide_tiling *t, const struct wide_run *run)
{
    uint32_t done = 0, rows[WIDE_TILE];

    while (done < run->count) {
        bool last = done + WIDE_TILE > run->count;
        uint32_t at = last && run->count > WIDE_TILE ? run->count - WIDE_TILE : done;
        for (uint32_t i = 0; i < WIDE_TILE; i++)
            rows[i] = at + i >= done && at + i < run->count ? run->weight + at + i : WIDE_NO_ROW;
        t->chunk[t->chunks++] = (struct wide_chunk){run->source + at, find_tile(t, rows)};
        done = at + WIDE_TILE;
    }
}

static void gather_runs(struct wide_tiling *t, struct wide_group *g, const struct wide_run *run)
{
    uint32_t rows[WIDE_TILE];
    size_t n = 0;

    g->first_row = (uint32_t)t->rows;
    for (size_t r = 0; r < g->runs; r++)
        for (uint32_t i = 0; i < run[g->first_run + r].count; i++) {
            rows[n++] = run[g->first_run + r].weight + i;
            t->row[t->rows++] = run[g->first_run + r].source + i;
            if (n < WIDE_TILE)
                continue;
            t->chunk[t->chunks++] = (struct wide_chunk){0, find_tile(t, rows)};
            n = 0;
        }
    g->rows = (uint32_t)t->rows - g->first_row;
    for (size_t i = n; n > 0 && i < WIDE_TILE; i++)
        rows[i] = WIDE_NO_ROW;
    if (n > 0)
        t->chunk[t->chunks++] = (struct wide_chunk){0, find_tile(t, rows)};
}

bool wide_tiling_build(struct wide_tiling *t, struct wide_group *group, size_t groups,
                       const struct wide_run *run)
{
    size_t chunks = most_chunks(group, groups, run) + groups, rows = 0;

    *t = (struct wide_tiling){0};
    for (size_t g = 0; g < groups; g++)
        rows += count_rows(&group[g], run);
    t->chunk = calloc(chunks, sizeof *t->chunk);
    t->row = calloc(rows + 1, sizeof *t->row);
    t->weight = calloc(chunks * WIDE_TILE, sizeof *t->weight);
    if (t->chunk == NULL || t->row == NULL || t->weight == NULL)
        return false;
    for (size_t g = 0; g < groups; g++) {
        group[g].first_chunk = (uint32_t)t->chunks;
        if (is_gathered(&group[g], run))
            gather_runs(t, &group[g], run);
        else
            for (size_t r = 0; r < group[g].runs; r++)
                cut_run(t, &run[group[g].first_run + r]);
        group[g].chunks = (uint32_t)t->chunks - group[g].first_chunk;
    }
    return true;
}

void wide_tiling_fini(struct wide_tiling *t)
{
    free(t->chunk);
    free(t->row);
    free(t->weight);
    *t = (struct wide_tiling){0};
}
