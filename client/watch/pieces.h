/* A line made of pieces: those that matter least are left out where there is
 * no room for all. */
#ifndef EBM_CLIENT_PIECES_H
#define EBM_CLIENT_PIECES_H

#include "human.h"
#include "watch/frame.h"

enum { PIECES_MAX = 16, PIECE_TEXT = 400 };

struct piece {
    enum style style;
    unsigned rank; /* 0 matters most */
    bool may_cut;  /* rather than left out */
    bool is_bar;   /* of progress: takes the room that is left */
    double share;
    char text[PIECE_TEXT];
};

struct pieces {
    struct piece piece[PIECES_MAX];
    size_t count;
};

/* The next piece; an empty text, or one past PIECES_MAX, is none. */
void pieces_add(struct pieces *p, unsigned rank, enum style style, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for a sentence, which may be cut. */
void pieces_add_text(struct pieces *p, unsigned rank, enum style style, const char *text);
void pieces_add_bar(struct pieces *p, unsigned rank, enum style style, double share);

/* From where the frame's line stands to `right`, `gap` blanks between any two. */
void pieces_put(const struct pieces *p, struct frame *f, size_t right, size_t gap);

#endif
