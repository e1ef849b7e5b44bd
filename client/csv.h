/* CSV as RFC 4180 has it, with plain line feeds. */
#ifndef EBM_CLIENT_CSV_H
#define EBM_CLIENT_CSV_H

#include "base/buf.h"

/* One field, quoted where it must be. */
void csv_put(struct buf *out, const char *text);

#endif
