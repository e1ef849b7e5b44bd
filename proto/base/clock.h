/* Two clocks: monotonic for every deadline and duration, wall only to be
 * shown or stored. */
#ifndef EBM_BASE_CLOCK_H
#define EBM_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void);
double clock_mono_s(void);
int64_t clock_wall_ms(void); /* since 1970, UTC */

#endif
