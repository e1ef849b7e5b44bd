/* One job as a panel: where it stands, its plots, checkpoints and events. A
 * small terminal gets the parts that matter most. */
#ifndef EBM_CLIENT_WATCH_PANEL_H
#define EBM_CLIENT_WATCH_PANEL_H

#include "watch/frame.h"
#include "watch/pieces.h"
#include "watch/watch_data.h"

/* As the height of a frame: what every part wants, and no more. */
#define WATCH_ANY_HEIGHT SIZE_MAX

/* Fills the frame. `hint`: the pieces of its last line; none: no such line. */
void watch_panel_draw(struct frame *f, const struct watch_data *d, const struct watch_job *j,
                      const struct pieces *hint, int64_t wall_ms);

/* A row of the events: clock, job (where more than one is watched), text. */
void watch_panel_put_event(struct frame *f, const struct watch_event *e, bool with_job,
                           size_t right);

#endif
