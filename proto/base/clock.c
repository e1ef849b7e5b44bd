#include "base/clock.h"

#include <time.h>

static struct timespec now_of(clockid_t id)
{
    struct timespec ts = {0, 0};
    clock_gettime(id, &ts);
    return ts;
}

int64_t clock_mono_ms(void)
{
    struct timespec ts = now_of(CLOCK_MONOTONIC);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

double clock_mono_s(void)
{
    struct timespec ts = now_of(CLOCK_MONOTONIC);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    struct timespec ts = now_of(CLOCK_REALTIME);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
