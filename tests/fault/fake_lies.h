/* What fake-worker says when it lies. */
#ifndef EBM_TESTS_FAKE_LIES_H
#define EBM_TESTS_FAKE_LIES_H

#include "agent/agent.h"

/* Sends, from a socket of its own, messages that ebmd must survive and must
 * not believe; listens to none of the answers. */
void fake_tell_lies(const struct agent_config *config);

#endif
