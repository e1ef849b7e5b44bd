#include "stability/standing.h"

#include <stdio.h>

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
    wire_mend_text(to);
}

void standing_read(const Ebm__Stability *m, struct standing *out)
{
    copy_text(out->word, sizeof out->word, m->verdict);
    copy_text(out->signal, sizeof out->signal, m->signal);
    copy_text(out->outlook, sizeof out->outlook, m->outlook);
    out->suspicion = m->suspicion;
    out->langevin_low = m->langevin_low;
    out->langevin_high = m->langevin_high;
    out->suspect_since = m->suspect_since;
}

void standing_write(struct standing *s, Ebm__Stability *m)
{
    m->verdict = s->word;
    m->signal = s->signal;
    m->outlook = s->outlook;
    m->suspicion = s->suspicion;
    m->langevin_low = s->langevin_low;
    m->langevin_high = s->langevin_high;
    m->suspect_since = s->suspect_since;
}
