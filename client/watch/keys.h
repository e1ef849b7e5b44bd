/* Keys from the bytes of a terminal. */
#ifndef EBM_CLIENT_KEYS_H
#define EBM_CLIENT_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/* A key is its character, or one of these. */
enum key {
    KEY_NONE = 0,
    KEY_ENTER = '\r',
    KEY_ESCAPE = 0x1b,
    KEY_UP = 256,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN
};

/* How long the rest of a sequence may take; Escape alone is a key after it. */
enum { KEYS_LATE_MS = 50, KEYS_HELD_MAX = 64 };

struct keys {
    unsigned char held[KEYS_HELD_MAX];
    size_t count;
};

/* How many more bytes keys_put takes. */
size_t keys_room(const struct keys *k);
void keys_put(struct keys *k, const void *bytes, size_t n);

/* The next key; KEY_NONE: none yet. `late`: what is held has waited for
 * KEYS_LATE_MS, and is not the beginning of more. Sequences that mean nothing
 * here are dropped. */
int keys_next(struct keys *k, bool late);

/* Whether the beginning of a sequence is held. */
bool keys_pending(const struct keys *k);

#endif
