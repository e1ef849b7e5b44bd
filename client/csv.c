#include "csv.h"

#include <string.h>

void csv_put(struct buf *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        buf_puts(out, text);
        return;
    }
    buf_puts(out, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"')
            buf_puts(out, "\"");
        buf_put(out, text, 1);
    }
    buf_puts(out, "\"");
}
