/* The manual page of the spec, ebm-spec(5), from the table of fields. */
#ifndef EBM_CLIENT_MAN_H
#define EBM_CLIENT_MAN_H

#include "base/buf.h"

void man_of_spec(struct buf *out);

#endif
