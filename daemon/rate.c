#include "rate.h"

#define WEIGHT_OF_NEWEST 0.3

void rate_begin(struct rate *r, uint64_t step, int64_t now_ms)
{
    *r = (struct rate){.step = step, .ms = now_ms};
}

void rate_note(struct rate *r, uint64_t step, int64_t now_ms)
{
    if (step <= r->step) {
        if (r->value == 0)
            r->ms = now_ms;
        return;
    }
    if (now_ms - r->ms < RATE_STRETCH_MS)
        return;
    double now = 1000.0 * (double)(step - r->step) / (double)(now_ms - r->ms);
    r->value = r->value > 0 ? r->value + WEIGHT_OF_NEWEST * (now - r->value) : now;
    r->step = step;
    r->ms = now_ms;
}
