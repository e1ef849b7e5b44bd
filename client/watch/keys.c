#include "watch/keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

size_t keys_room(const struct keys *k)
{
    return KEYS_HELD_MAX - k->count;
}

void keys_put(struct keys *k, const void *bytes, size_t n)
{
    assert(n <= keys_room(k));
    memcpy(k->held + k->count, bytes, n);
    k->count += n;
}

bool keys_pending(const struct keys *k)
{
    return k->count > 0;
}

static void drop(struct keys *k, size_t n)
{
    k->count -= n;
    memmove(k->held, k->held + n, k->count);
}

/* What ends "ESC [ parameters" or "ESC O". */
static int key_of_letter(unsigned char letter)
{
    switch (letter) {
    case 'A':
        return KEY_UP;
    case 'B':
        return KEY_DOWN;
    case 'C':
        return KEY_RIGHT;
    case 'D':
        return KEY_LEFT;
    case 'H':
        return KEY_HOME;
    case 'F':
        return KEY_END;
    case 'M':
        return KEY_ENTER; /* of the number block */
    default:
        return KEY_NONE;
    }
}

/* The number before "~". */
static int key_of_number(long number)
{
    static const short keys[] = {
        [1] = KEY_HOME,      [4] = KEY_END,  [5] = KEY_PAGE_UP,
        [6] = KEY_PAGE_DOWN, [7] = KEY_HOME, [8] = KEY_END,
    };
    return number >= 0 && number < (long)(sizeof keys / sizeof keys[0]) ? keys[number] : KEY_NONE;
}

/* Bytes of the sequence that is held, 0 when its end is not there. */
static size_t sequence_size(const struct keys *k)
{
    if (k->count < 3)
        return 0;
    if (k->held[1] == 'O')
        return 3;
    for (size_t i = 2; i < k->count; i++)
        if (k->held[i] < 0x20 || k->held[i] >= 0x40)
            return i + 1;
    return k->count == KEYS_HELD_MAX ? k->count : 0;
}

static int key_of_sequence(const struct keys *k, size_t size)
{
    if (k->held[size - 1] == '~')
        return key_of_number(strtol((const char *)k->held + 2, NULL, 10));
    return key_of_letter(k->held[size - 1]);
}

int keys_next(struct keys *k, bool late)
{
    while (k->count > 0) {
        int key = k->held[0];
        size_t size = 1;
        if (key == KEY_ESCAPE && k->count == 1 && !late)
            return KEY_NONE;
        if (key == KEY_ESCAPE && k->count > 1 && (k->held[1] == '[' || k->held[1] == 'O')) {
            size = sequence_size(k);
            if (size == 0 && !late)
                return KEY_NONE;
            key = size > 0 ? key_of_sequence(k, size) : KEY_NONE;
            size = size > 0 ? size : k->count;
        }
        drop(k, size);
        if (key == '\n')
            return KEY_ENTER;
        if (key != KEY_NONE)
            return key;
    }
    return KEY_NONE;
}
