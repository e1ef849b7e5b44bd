/* What the screen of a watch shows, and what its keys do. */
#ifndef EBM_CLIENT_WATCH_VIEW_H
#define EBM_CLIENT_WATCH_VIEW_H

#include "watch/keys.h"
#include "watch/watch_list.h"

struct watch_view {
    struct watch_list list;
    uint64_t open;    /* job whose panel is shown, 0: the list */
    bool single;      /* one job was given: there is no list */
    bool interactive; /* with a line of keys at the bottom */
    bool has_keys;
};

enum view_action { VIEW_NOTHING, VIEW_CHANGED, VIEW_REDRAW, VIEW_QUIT };

void watch_view_init(struct watch_view *v, const struct watch_data *d, bool interactive,
                     bool has_keys);

/* Draws into the frame, which was begun; tells d what is on the screen. */
void watch_view_draw(struct watch_view *v, struct watch_data *d, struct frame *f, int64_t now_ms,
                     int64_t wall_ms);

enum view_action watch_view_key(struct watch_view *v, const struct watch_data *d, int key);

#endif
