/* Where the next attempt of a job starts, and with which spec: the one path
 * of submit, restart, resume, rollback, fork and recovery. */
#ifndef EBM_DAEMON_REPLAN_H
#define EBM_DAEMON_REPLAN_H

#include "daemon.h"
#include "spec/spec.h"

struct replan {
    const char *cause;                   /* submit restart resume rollback fork */
    const char *actor;                   /* user ebmd */
    const struct store_checkpoint *from; /* NULL: from scratch */
    const char *const *set;              /* overrides, as optimizer.lr=5e-5 */
    size_t sets;
    bool new_noise;                 /* other random numbers, unless an override says which */
    bool chosen;                    /* by a person: it must fit, and leave steps to train */
    bool dry_run;                   /* checks, and stores nothing */
    struct spec_problems *problems; /* may be NULL; filled when an override is wrong */
    struct buf *overrides;          /* may be NULL; what differs from the spec before */
    struct buf *in_force;           /* may be NULL; what an earlier recovery still does, in words */
};

/* Sets the job's plan and what follows from its new spec, and stores that
 * spec; the caller stores the job. EBM_EINVAL: an override is wrong, or the
 * checkpoint does not fit the new spec, or has no step left to train. */
enum ebm_status replan(struct daemon *d, struct store_job *job, const struct replan *r,
                       struct ebm_error *err);

/* The plan of a rollback that was overtaken goes, and its overrides with it:
 * the spec, and what follows from it, are those of the newest attempt again. */
enum ebm_status replan_drop(struct daemon *d, struct store_job *job, struct ebm_error *err);

/* Whether the machine can run it; adds problems at the places in the text.
 * Opens the headers of its data set; *samples may be NULL. */
enum ebm_status replan_check_spec(const struct daemon *d, const struct spec *s, uint64_t *samples,
                                  struct spec_problems *problems, struct ebm_error *err);

/* The part of it about slots; false when a problem was added. */
bool replan_check_slots(const struct daemon *d, const struct spec *s,
                        struct spec_problems *problems, struct ebm_error *err);

/* The job's spec as a struct, which is that of its next attempt; and the one
 * that an attempt runs. */
enum ebm_status replan_read_spec(struct daemon *d, int64_t job, struct spec *out,
                                 struct ebm_error *err);
enum ebm_status replan_read_attempt_spec(struct daemon *d, int64_t job, uint32_t attempt,
                                         struct spec *out, struct ebm_error *err);

#endif
