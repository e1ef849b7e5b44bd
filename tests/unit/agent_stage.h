/* An agent and its scripted ebmd, opened together; and what the tests of
 * both sides ask about them. */
#ifndef EBM_TESTS_AGENT_STAGE_H
#define EBM_TESTS_AGENT_STAGE_H

#include "fake_daemon.h"

struct stage {
    struct fake_daemon *daemon;
    struct agent_config config;
    struct sink_handle sink;
};

void stage_open(struct stage *s, const struct fake_script *script);
/* A new agent with s->config, the first one destroyed. */
void stage_reopen(struct stage *s);
void stage_close(struct stage *s);

void stage_start(struct stage *s); /* from scratch */
enum ebm_status stage_finish(struct stage *s, const char *outcome);
/* finish("paused") in a thread of its own; stage_join gives its status. */
pthread_t stage_finish_aside(struct stage *s);
enum ebm_status stage_join(pthread_t thread);

/* Rows from+1 .. to, with step = 3 x number; and that these came. */
void stage_put_rows(struct stage *s, uint64_t from, uint64_t to);
void stage_assert_rows(const struct stage *s, uint64_t n);
/* Waits until the training thread sees this order. */
void stage_await_order(struct stage *s, enum sink_order order);

/* For fake_wait. */
bool rows_reach(const struct fake_record *r, uint64_t n);
bool beats_reach(const struct fake_record *r, uint64_t n);
bool hellos_reach(const struct fake_record *r, uint64_t n);
bool hellos_again_reach(const struct fake_record *r, uint64_t n);
bool refusals_reach(const struct fake_record *r, uint64_t n);
bool unheard_hellos_reach(const struct fake_record *r, uint64_t n);
bool commits_reach(const struct fake_record *r, uint64_t n);
bool begins_reach(const struct fake_record *r, uint64_t n);
bool ends_reach(const struct fake_record *r, uint64_t n);
bool finished_reaches(const struct fake_record *r, uint64_t n);
bool command_is_seen(const struct fake_record *r, uint64_t seq);
bool beat_step_is(const struct fake_record *r, uint64_t step);
bool picture_step_is(const struct fake_record *r, uint64_t step);

#endif
