/* Collecting problems, in the order of the text. Private to spec/. */
#ifndef EBM_SPEC_PROBLEMS_H
#define EBM_SPEC_PROBLEMS_H

#include "spec/spec.h"

/* line 0: a problem without a place. Past SPEC_ERRORS_MAX they are counted,
 * and the ones that stand first in the text are kept. */
void problem_at(struct spec_problems *p, uint32_t line, uint32_t column, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
