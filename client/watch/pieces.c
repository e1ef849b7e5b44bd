#include "watch/pieces.h"

#include <stdarg.h>
#include <stdio.h>

#include "utf8.h"
#include "watch/chart.h"
#include "watch/fit.h"

enum { CUT_LEAST = 12, BAR_LEAST = 6, BAR_WANT = 20 };

static struct piece *next(struct pieces *p, unsigned rank, enum style style)
{
    struct piece *i = p->count < PIECES_MAX ? &p->piece[p->count] : NULL;

    if (i != NULL)
        *i = (struct piece){.style = style, .rank = rank};
    return i;
}

void pieces_add(struct pieces *p, unsigned rank, enum style style, const char *fmt, ...)
{
    struct piece *i = next(p, rank, style);
    va_list ap;

    if (i == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(i->text, sizeof i->text, fmt, ap);
    va_end(ap);
    p->count += i->text[0] != '\0';
}

void pieces_add_text(struct pieces *p, unsigned rank, enum style style, const char *text)
{
    size_t before = p->count;

    pieces_add(p, rank, style, "%s", text);
    if (p->count > before)
        p->piece[before].may_cut = true;
}

void pieces_add_bar(struct pieces *p, unsigned rank, enum style style, double share)
{
    struct piece *i = next(p, rank, style);

    if (i == NULL)
        return;
    i->is_bar = true;
    i->share = share;
    p->count++;
}

static struct fit_part part_of(const struct piece *i)
{
    size_t width = utf8_width(i->text);
    size_t least = i->may_cut && width > CUT_LEAST ? CUT_LEAST : width;

    if (i->is_bar)
        return (struct fit_part){BAR_LEAST, BAR_WANT, SIZE_MAX, i->rank};
    return (struct fit_part){least, width, width, i->rank};
}

void pieces_put(const struct pieces *p, struct frame *f, size_t right, size_t gap)
{
    struct fit_part part[PIECES_MAX];
    size_t share[PIECES_MAX], space = 0;

    right = right < f->width ? right : f->width;
    for (size_t i = 0; i < p->count; i++)
        part[i] = part_of(&p->piece[i]);
    fit_share(part, p->count, right > f->column ? right - f->column : 0, gap, share);
    for (size_t i = 0; i < p->count; i++) {
        if (share[i] == 0)
            continue;
        frame_skip_to(f, f->column + space);
        if (p->piece[i].is_bar)
            chart_put_bar(f, p->piece[i].style, p->piece[i].share, share[i]);
        else
            frame_put_cut(f, p->piece[i].style, p->piece[i].text, share[i]);
        space = gap;
    }
}
