#include "watch/watch_plain.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "human.h"
#include "utf8.h"

static void put_progress(const struct watch_job *j, struct buf *out)
{
    if (j->total_steps > 0)
        buf_printf(out, "step %" PRIu64 " of %" PRIu64 " (%d%%)", j->step, j->total_steps,
                   (int)(100 * watch_job_share(j)));
    else
        buf_printf(out, "step %" PRIu64, j->step);
}

static void put_numbers(const struct watch_job *j, struct buf *out)
{
    char text[HUMAN_MAX];
    double left = watch_job_seconds_left(j);

    bool has_health = j->health[0] != '\0' && strcmp(j->health, "-") != 0;
    /* Both are no numbers where ebmd did not look them up. */
    if (has_health && !(isnan(j->langevin_grad) && isnan(j->energy_gap))) {
        buf_printf(out, ", r_t %s", human_number(j->langevin_grad, text));
        buf_printf(out, ", gap %s", human_number(j->energy_gap, text));
    }
    if (has_health)
        buf_printf(out, ", health %s", j->health);
    if (j->rate > 0)
        buf_printf(out, j->rate < 1000 ? ", %.3g steps/s" : ", %.0f steps/s", j->rate);
    if (!isnan(left))
        buf_printf(out, ", %s left", human_seconds(left, text));
}

static void put_line(const struct watch_job *j, bool with_reason, struct buf *out)
{
    buf_printf(out, "job %" PRIu64 " ", j->job);
    utf8_put(out, j->name, SIZE_MAX, "");
    buf_printf(out, ": %s", j->state_name);
    if (j->attempt > 1)
        buf_printf(out, ", attempt %u", j->attempt);
    if (j->attempt > 0) {
        buf_puts(out, ", ");
        put_progress(j, out);
    }
    if (job_state_is_live(j->state))
        put_numbers(j, out);
    if (with_reason && j->reason[0] != '\0') {
        buf_puts(out, ": ");
        utf8_put(out, j->reason, SIZE_MAX, "");
    }
    buf_puts(out, "\n");
}

void watch_plain_line(const struct watch_job *j, struct buf *out)
{
    put_line(j, true, out);
}

/* FNV-1a, enough to see that a text is another one. */
static uint64_t hash(uint64_t h, const char *text)
{
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return (h ^ 0xff) * 0x100000001b3u;
}

static uint64_t reason_of(const struct watch_job *j)
{
    return hash(0xcbf29ce484222325u ^ j->attempt, j->reason);
}

static uint64_t words_of(const struct watch_job *j)
{
    return hash(hash(reason_of(j), j->state_name), j->health);
}

static bool is_due(const struct watch_job *j, int64_t now_ms)
{
    const struct watch_said *said = &j->said;
    bool same = words_of(j) == said->words;

    if (!said->any || (job_state_is_final(j->state) && !same))
        return true;
    if (now_ms - said->at_ms < PLAIN_LEAST_MS)
        return false;
    if (!same)
        return true;
    return j->step != said->step && (now_ms - said->at_ms >= PLAIN_EVERY_MS ||
                                     100 * fabs(watch_job_share(j) - said->share) >= PLAIN_SHARE);
}

void watch_plain_print(struct watch_jobs *jobs, bool ended_is_old, int64_t now_ms, int64_t wall_ms,
                       struct buf *out)
{
    char clock[HUMAN_MAX];

    for (size_t i = 0; i < jobs->count; i++) {
        struct watch_job *j = jobs->job[i];
        if (!is_due(j, now_ms))
            continue;
        if (j->said.any || !ended_is_old || !job_state_is_final(j->state)) {
            /* While it goes forward, how it came to it is told once. */
            bool told =
                j->said.any && job_state_is_live(j->state) && j->said.reason == reason_of(j);
            buf_printf(out, "%s ", human_clock(wall_ms, clock));
            put_line(j, !told, out);
        }
        j->said = (struct watch_said){now_ms,      true,         j->step,
                                      words_of(j), reason_of(j), watch_job_share(j)};
    }
}
