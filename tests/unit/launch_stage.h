/* A home, scripts and launches for the tests of daemon/launch. */
#ifndef EBM_TESTS_LAUNCH_STAGE_H
#define EBM_TESTS_LAUNCH_STAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "launch/launch.h"

enum { STAGE_JOB = 3, STAGE_FENCE = 100 };

struct stage {
    struct home home; /* under TMPDIR */
    char tmp[HOME_PATH_MAX];
};

/* cmocka's set-up and tear-down; *state is the struct stage. After a test no
 * process of its home is left, whatever it did. */
int stage_setup(void **state);
int stage_teardown(void **state);

/* An executable of this text, made under the home; EBM_MPIRUN, EBM_LIBEXEC and
 * the like may name it. Its path is good until the next call. */
const char *stage_script(const struct stage *s, const char *name, const char *text);
/* The same, and EBM_MPIRUN names it. */
void stage_mpirun(const struct stage *s, const char *text);

/* launch_start of attempt N with fence STAGE_FENCE + N, two ranks. */
enum ebm_status stage_launch(const struct stage *s, uint32_t attempt, struct launch_pid *pid,
                             struct ebm_error *err);
/* It must succeed. */
struct launch_pid stage_start(const struct stage *s, uint32_t attempt);

/* Milliseconds until the shepherd is gone; fails the test after 10 s. */
long stage_wait(struct launch_pid pid);
/* stage_wait, then the end: its status must be known. */
struct launch_end stage_end(const struct stage *s, uint32_t attempt, struct launch_pid pid);

/* The path of a file of an attempt; good until the next call. */
const char *stage_path(const struct stage *s, uint32_t attempt, const char *name);
/* Sweeps until nothing of the attempt is left: one sweep does not wait long. */
void stage_sweep(const struct stage *s, uint32_t attempt);
bool stage_exists(const struct stage *s, uint32_t attempt, const char *name);
/* Waits until the file holds a whole line, and returns all of it; good until
 * the next call. */
const char *stage_text(const struct stage *s, uint32_t attempt, const char *name);
long stage_number(const struct stage *s, uint32_t attempt, const char *name);

/* No process with the attempt's mark, and nothing of it in memory. */
void stage_assert_clean(const struct stage *s, uint32_t attempt);
/* Until so many processes bear the attempt's mark: a script's own commands
 * do for a moment. */
void stage_wait_marked(const struct stage *s, uint32_t attempt, int count);
/* Waits for the process to be gone, or a zombie; fails the test after a minute. */
void stage_wait_gone(long pid);

#endif
