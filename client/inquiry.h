/* A job's recorded steps, judged again: its specs, attempts and metric rows
 * come from ebmd and go through rejudge.h. A fork begins with what its
 * parent's detector had learnt, so the parent is judged first. */
#ifndef EBM_CLIENT_INQUIRY_H
#define EBM_CLIENT_INQUIRY_H

#include "call.h"
#include "rejudge.h"
#include "spec/spec.h"

struct inquiry {
    struct call *call;
    uint64_t job;
    struct answer shown, history; /* of show and of history, with specs */
    struct spec spec;             /* the job's, under the --set of the call */
    struct spec_problems problems;
    struct rejudge_attempt *attempt; /* owned; as history.reply->attempts */
    struct rejudge judge;            /* unused while there is no attempt */
    struct detector *inherited;      /* owned; of a fork: what it began with */
};

/* --set of the call changes the stability.* of every attempt. The result is
 * owned: inquiry_free, which takes NULL. */
enum ebm_status inquiry_make(struct call *c, uint64_t job, struct inquiry **out,
                             struct ebm_error *err);
void inquiry_free(struct inquiry *q);

const Ebm__Job *inquiry_job(const struct inquiry *q);

#endif
