#include "state/state.h"

#include <assert.h>
#include <string.h>

static const char *const state_names[JOB_STATE_COUNT] = {
    [JOB_QUEUED] = "queued",       [JOB_HELD] = "held",       [JOB_STARTING] = "starting",
    [JOB_RUNNING] = "running",     [JOB_PAUSING] = "pausing", [JOB_PAUSED] = "paused",
    [JOB_SUCCEEDED] = "succeeded", [JOB_FAILED] = "failed",   [JOB_CANCELLED] = "cancelled",
    [JOB_DIVERGED] = "diverged",   [JOB_UNKNOWN] = "unknown",
};

static const char *const event_names[JOB_EVENT_COUNT] = {
    [JOB_EV_HOLD] = "hold",           [JOB_EV_RELEASE] = "release",
    [JOB_EV_SCHEDULE] = "schedule",   [JOB_EV_UP] = "up",
    [JOB_EV_LOST] = "lost",           [JOB_EV_STOP] = "stop",
    [JOB_EV_REQUEUE] = "requeue",     [JOB_EV_PAUSED] = "paused",
    [JOB_EV_SUCCEEDED] = "succeeded", [JOB_EV_FAILED] = "failed",
    [JOB_EV_CANCELLED] = "cancelled", [JOB_EV_DIVERGED] = "diverged",
};

/* Stored as state + 1, so that 0 means "refused". */
#define TO(s) ((unsigned char)((s) + 1))

#define LIVE_ENDS                                                                                  \
    [JOB_EV_REQUEUE] = TO(JOB_QUEUED), [JOB_EV_PAUSED] = TO(JOB_PAUSED),                           \
    [JOB_EV_SUCCEEDED] = TO(JOB_SUCCEEDED), [JOB_EV_FAILED] = TO(JOB_FAILED),                      \
    [JOB_EV_CANCELLED] = TO(JOB_CANCELLED), [JOB_EV_DIVERGED] = TO(JOB_DIVERGED)

static const unsigned char next_state[JOB_STATE_COUNT][JOB_EVENT_COUNT] = {
    [JOB_QUEUED] = {[JOB_EV_HOLD] = TO(JOB_HELD),
                    [JOB_EV_SCHEDULE] = TO(JOB_STARTING),
                    [JOB_EV_REQUEUE] = TO(JOB_QUEUED),
                    [JOB_EV_PAUSED] = TO(JOB_PAUSED),
                    [JOB_EV_FAILED] = TO(JOB_FAILED),
                    [JOB_EV_CANCELLED] = TO(JOB_CANCELLED)},
    [JOB_HELD] = {[JOB_EV_RELEASE] = TO(JOB_QUEUED),
                  [JOB_EV_REQUEUE] = TO(JOB_HELD),
                  [JOB_EV_FAILED] = TO(JOB_FAILED),
                  [JOB_EV_CANCELLED] = TO(JOB_CANCELLED)},
    [JOB_STARTING] = {[JOB_EV_UP] = TO(JOB_RUNNING),
                      [JOB_EV_LOST] = TO(JOB_UNKNOWN),
                      [JOB_EV_STOP] = TO(JOB_PAUSING),
                      LIVE_ENDS},
    [JOB_RUNNING] = {[JOB_EV_UP] = TO(JOB_RUNNING),
                     [JOB_EV_LOST] = TO(JOB_UNKNOWN),
                     [JOB_EV_STOP] = TO(JOB_PAUSING),
                     LIVE_ENDS},
    /* "pausing" is any live attempt that was asked to stop. A second stop may
     * raise the first: cancel over pause, kill over cancel. */
    [JOB_PAUSING] = {[JOB_EV_UP] = TO(JOB_PAUSING), [JOB_EV_STOP] = TO(JOB_PAUSING), LIVE_ENDS},
    [JOB_UNKNOWN] = {[JOB_EV_UP] = TO(JOB_RUNNING), [JOB_EV_STOP] = TO(JOB_PAUSING), LIVE_ENDS},
    [JOB_PAUSED] = {[JOB_EV_REQUEUE] = TO(JOB_QUEUED), [JOB_EV_CANCELLED] = TO(JOB_CANCELLED)},
    [JOB_SUCCEEDED] = {[JOB_EV_REQUEUE] = TO(JOB_QUEUED)},
    [JOB_FAILED] = {[JOB_EV_REQUEUE] = TO(JOB_QUEUED)},
    [JOB_CANCELLED] = {[JOB_EV_REQUEUE] = TO(JOB_QUEUED)},
    [JOB_DIVERGED] = {[JOB_EV_REQUEUE] = TO(JOB_QUEUED)},
};

const char *job_state_name(enum job_state s)
{
    return (unsigned)s < JOB_STATE_COUNT ? state_names[s] : "invalid";
}

const char *job_event_name(enum job_event e)
{
    return (unsigned)e < JOB_EVENT_COUNT ? event_names[e] : "invalid";
}

enum job_state job_state_from_name(const char *name)
{
    for (unsigned s = 0; s < JOB_STATE_COUNT; s++)
        if (strcmp(state_names[s], name) == 0)
            return (enum job_state)s;
    return JOB_STATE_COUNT;
}

enum job_state job_state_next(enum job_state s, enum job_event e)
{
    assert((unsigned)s < JOB_STATE_COUNT && (unsigned)e < JOB_EVENT_COUNT);
    unsigned char next = next_state[s][e];
    return next == 0 ? JOB_STATE_COUNT : (enum job_state)(next - 1);
}

bool job_state_is_live(enum job_state s)
{
    return s == JOB_STARTING || s == JOB_RUNNING || s == JOB_PAUSING || s == JOB_UNKNOWN;
}

bool job_state_is_final(enum job_state s)
{
    return s == JOB_SUCCEEDED || s == JOB_FAILED || s == JOB_CANCELLED || s == JOB_DIVERGED;
}
