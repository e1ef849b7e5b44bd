/* A recorded run, judged again: the rows of its attempts go through the
 * detector (stability/detector.h) as they went through it while they were
 * made. Its state travels in checkpoints, so an attempt begins with what the
 * one that it goes back to had at that step. Pure. */
#ifndef EBM_CLIENT_REJUDGE_H
#define EBM_CLIENT_REJUDGE_H

#include "stability/detector.h"

/* One attempt, and what became of it. */
struct rejudge_attempt {
    uint32_t attempt;
    uint32_t from_attempt; /* whose checkpoint it started from; 0: nobody's here */
    /* What the detector knew in that checkpoint, if it is of nobody here;
     * NULL: not known. Borrowed. */
    const struct detector *inherited;
    uint64_t from_step, last_step;
    struct detector_limits limits;
    bool forgets;       /* its buffer began anew: the history does as well */
    bool diverged;      /* the run itself said so, in last_step or the one after it */
    uint64_t onset;     /* as the run said */
    const char *reason; /* the same; borrowed */
};

/* What stands out: the beginning of a warning, a skipped step, the first trip
 * of an attempt, or a divergence of the run itself in another step than that. */
struct rejudge_finding {
    const struct rejudge_attempt *in;
    uint64_t step, onset;
    enum detector_verdict verdict; /* VERDICT_OK: only the run itself saw something */
    enum detector_signal signal;
    double suspicion;
    char reason[240];
    bool run_too; /* the run itself diverged in this very step */
};

struct rejudge {
    const struct rejudge_attempt *attempt; /* borrowed; rising */
    size_t attempts;
    struct detector *start; /* owned, (attempts): what each begins with */
    bool *started;          /* owned, (attempts): it is known */
    struct detector now;
    size_t at;                           /* the attempt under way, once begun */
    bool begun, tripped, warned, agreed; /* agreed: with its divergence */
    uint64_t last_step;                  /* in it */
    uint64_t rows_here;                  /* of it; of the newest one: */
    double value[METRIC_COUNT];
    struct detector_judgement last;

    struct rejudge_finding *finding; /* owned */
    size_t findings, capacity;
    uint64_t rows, missing; /* steps judged, and steps without a row */
    uint64_t trips, warnings, skips;
    double nearest; /* the largest suspicion before any trip */
};

/* attempt: n > 0, in rising order. rejudge_fini always. */
enum ebm_status rejudge_init(struct rejudge *r, const struct rejudge_attempt *attempt, size_t n,
                             struct ebm_error *err);
/* The limits of the attempt under way. */
const struct detector_limits *rejudge_limits(const struct rejudge *r);
/* The next row, in the order (attempt, step). Rows of attempts that are not
 * among those given are left out. */
enum ebm_status rejudge_row(struct rejudge *r, uint32_t attempt, uint64_t step,
                            const double value[METRIC_COUNT], struct ebm_error *err);
/* After the last row. */
enum ebm_status rejudge_end(struct rejudge *r, struct ebm_error *err);
void rejudge_fini(struct rejudge *r);

#endif
