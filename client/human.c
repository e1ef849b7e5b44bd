#include "human.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#define SECONDS_MOST (1000 * 86400.0)

const char *human_bytes(uint64_t n, char out[HUMAN_MAX])
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)n;
    unsigned u = 0;

    for (; v >= 999.5; u++)
        v /= 1000;
    if (u == 0 || v >= 99.95)
        snprintf(out, HUMAN_MAX, "%.0f %s", v, unit[u]);
    else
        snprintf(out, HUMAN_MAX, "%.1f %s", v, unit[u]);
    return out;
}

const char *human_count(double v, char out[HUMAN_MAX])
{
    static const char *const unit[] = {"k", "M", "G", "T"};
    unsigned u = 0;

    if (!(fabs(v) >= 1e4 && fabs(v) < 1e15))
        return human_number(v, out);
    for (v /= 1000; fabs(v) >= 999.5; u++)
        v /= 1000;
    snprintf(out, HUMAN_MAX, "%.3g %s", v, unit[u]);
    return out;
}

const char *human_duration(int64_t ms, char out[HUMAN_MAX])
{
    long long s = ms <= 0 ? 0 : ms / 1000 + (ms % 1000 >= 500);

    if (s < 90)
        snprintf(out, HUMAN_MAX, "%lld s", s);
    else if (s < 3600)
        snprintf(out, HUMAN_MAX, "%lld min", (s + 30) / 60);
    else if (s < 48 * 3600)
        snprintf(out, HUMAN_MAX, "%lld h %lld min", s / 3600, s % 3600 / 60);
    else
        snprintf(out, HUMAN_MAX, "%lld d %lld h", s / 86400, s % 86400 / 3600);
    return out;
}

const char *human_seconds(double s, char out[HUMAN_MAX])
{
    if (isnan(s))
        return "";
    if (s > SECONDS_MOST)
        return ">1000 d";
    return human_duration((int64_t)(s * 1000), out);
}

const char *human_ago(int64_t then_ms, int64_t now_ms, char out[HUMAN_MAX])
{
    char d[HUMAN_MAX];

    if (then_ms <= 0)
        return "";
    snprintf(out, HUMAN_MAX, "%.30s ago", human_duration(now_ms - then_ms, d));
    return out;
}

static const char *format_time(int64_t ms, const char *format, char out[HUMAN_MAX])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;

    if (ms <= 0 || localtime_r(&s, &tm) == NULL || strftime(out, HUMAN_MAX, format, &tm) == 0)
        out[0] = '\0';
    return out;
}

const char *human_clock(int64_t ms, char out[HUMAN_MAX])
{
    return format_time(ms, "%H:%M:%S", out);
}

const char *human_date(int64_t ms, char out[HUMAN_MAX])
{
    return format_time(ms, "%Y-%m-%d %H:%M:%S", out);
}

const char *human_number(double v, char out[HUMAN_MAX])
{
    if (isnan(v))
        return "nan";
    if (isinf(v))
        return v > 0 ? "inf" : "-inf";
    snprintf(out, HUMAN_MAX, "%.4g", v);
    return out;
}
