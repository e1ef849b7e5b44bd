/* The job spec: one struct, one table of fields.
 *
 * fields.c holds a row for every field: path, type, range, default, help and
 * source. Parsing, defaults, `explain`, the man page, the effective spec and
 * `diff` all come from it. yaml.c is the door to libyaml. */
#ifndef EBM_SPEC_SPEC_H
#define EBM_SPEC_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "digest/digest.h"
#include "net/net.h"

enum {
    SPEC_TEXT_MAX = 1 << 18, /* bytes of a spec file */
    SPEC_NAME_MAX = 64,
    SPEC_PATH_MAX = 512,
    SPEC_ERRORS_MAX = 64,
    SPEC_FIELDS_MAX = 96,
    SPEC_LADDER_MAX = 96,
    SPEC_EVENTS_MAX = 96,
    SPEC_COMMAND_MAX = 1024,
    SPEC_URL_MAX = 1024
};

enum spec_objective { OBJECTIVE_EBM };
enum spec_chain_init { CHAIN_REPLAY, CHAIN_NOISE, CHAIN_DATA };
enum spec_precision { PRECISION_FP32, PRECISION_BF16 };
enum spec_optimizer { OPTIMIZER_ADAM, OPTIMIZER_SGD };
enum spec_switch { SWITCH_OFF, SWITCH_ON };
enum spec_purge { PURGE_NONE, PURGE_OUTLIERS, PURGE_ALL };
enum spec_on_divergence { DIVERGENCE_ROLLBACK, DIVERGENCE_PAUSE, DIVERGENCE_FAIL };

struct spec_sampler {
    int64_t steps;    /* K >= 1 */
    double step_size; /* x <- x - step_size/2 * clip(dE/dx) + noise_std * N(0,I); clamp */
    double noise_std;
    double gradient_clip; /* per element; 0 = off */
    bool clamp_on;        /* clamp: none | [lo, hi]; default [0,1] for images, none for toys */
    double clamp[2];
    enum spec_chain_init init;
    enum spec_precision precision;
};

struct spec {
    char name[SPEC_NAME_MAX];
    uint64_t seed;
    uint32_t noise_epoch; /* raised by rollbacks to draw new noise; 0 at first */
    struct {
        int64_t ranks, threads, max_restarts;
    } resources;
    struct {
        char dataset[SPEC_PATH_MAX]; /* fashion-mnist | idx:DIR | toy/NAME */
        double noise_std;
        int64_t batch_size;
    } data;
    struct {
        char preset[SPEC_NAME_MAX];
    } model;                                      /* "" when layers are given */
    struct net_layer_spec layers[NET_LAYERS_MAX]; /* expanded, whichever way it was said */
    size_t layer_count;
    struct {
        enum spec_objective kind;
        double energy_l2;
    } objective;
    struct spec_sampler sampler;
    struct {
        int64_t size;
        double reinit_prob;
        double max_age;    /* in turns of the buffer (size / batch steps); 0 = off */
        double quarantine; /* healthy energies that a slot may stand out by; 0 = off */
    } replay;
    struct {
        enum spec_optimizer kind;
        double lr, betas[2], eps, momentum; /* momentum: SGD */
        double gradient_clip;               /* by global norm; 0 = off */
    } optimizer;
    struct {
        int64_t epochs, steps;
    } train; /* exactly one is > 0 */
    struct {
        int64_t every_steps, keep_last, keep_best;
    } checkpoint;
    struct {
        int64_t every_steps, count;
    } pictures; /* every_steps 0 = at checkpoints only */
    struct {
        enum spec_on_divergence on_divergence;
        int64_t max_rollbacks;
        double max_energy;
        enum spec_switch detector;
        int64_t warmup_steps, clean_steps, skip_bad_steps;
        double gap_deviations, langevin_ratio, gradient_ratio;
        char ladder[SPEC_LADDER_MAX]; /* names of rungs, as "noise gentle firm older" */
    } stability;
    struct {
        char command[SPEC_COMMAND_MAX], url[SPEC_URL_MAX]; /* "": none */
        char events[SPEC_EVENTS_MAX];                      /* names, as "finished failed" */
        int64_t timeout_seconds, retries;
    } on_event;
    /* What a recovery changed; set by ebmd, or by hand with --set. Each is a
     * function of the step alone, so that a restart does the same. */
    struct {
        int64_t at_step;      /* the checkpoint's; purge and burn_in happen there */
        int64_t skip_batches; /* of the data, in all recoveries so far */
        enum spec_purge purge;
        int64_t burn_in; /* chains that purged slots run before training */
        double lr_factor, steps_factor, step_size_factor;
        int64_t ramp_after, ramp_steps; /* the factors go back to 1 then */
    } intervention;
    struct {
        uint32_t line, column;
    } place[SPEC_FIELDS_MAX]; /* of each table row's value in the
                                 text; 0 where it is a default */
};

struct spec_problem {
    uint32_t line, column; /* from 1; 0 when it comes from a --set or the whole file */
    char text[300];        /* "unknown key 'lerning_rate' (did you mean 'lr'?)" */
};

struct spec_problems {
    struct spec_problem item[SPEC_ERRORS_MAX];
    size_t count; /* kept; sorted by line, column */
    size_t total; /* found */
};

/* Parses, applies `sets` ("optimizer.lr=5e-5", n of them), fills defaults,
 * expands the preset, checks ranges and cross-field sense. Problems are
 * complete. EBM_EINVAL when there is any problem (then *out holds what is
 * sound, for spec_check_rest alone).
 * Nothing outside the text is looked at: see spec_check_files for that. */
enum ebm_status spec_parse(const char *text, size_t size, const char *const *sets, size_t n_sets,
                           struct spec *out, struct spec_problems *problems, struct ebm_error *err);

/* file.yaml:14:5: error: ... with the source line and a caret under it;
 * text may be NULL. A problem without a place prints "FILE: error: ...". */
void spec_problems_print(const struct spec_problems *p, const char *file, const char *text,
                         size_t size, struct buf *out);

/* Adds a problem at the place of the field with this path ("resources.ranks"):
 * for checks that need more than the text, as slots of the machine. */
void spec_problem_add(struct spec_problems *p, const struct spec *s, const char *path,
                      const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The effective spec, every field, in table order, as YAML that spec_parse
 * reads back to the same struct (floats with %.17g where needed). */
void spec_print(const struct spec *s, struct buf *out);

/* Digest of the fields that decide the future bits of a run (not name,
 * resources, checkpoint, pictures, train): what a checkpoint must match. */
void spec_math_digest(const struct spec *s, uint8_t out[DIGEST_BYTES]);

/* A relative folder in data.dataset ("idx:DIR") becomes one under base_dir:
 * the folder of the spec file, which the client knows. False when the path
 * gets too long; the spec is then as it was. */
bool spec_resolve_paths(struct spec *s, const char *base_dir);

/* Datasets: the input shape of a name, without touching a disk. idx:DIR
 * needs the disk; data/ of the worker and `validate` use
 * spec_dataset_shape, which opens the IDX header. Images are (N,H,W), or
 * (N,C,H,W) in channel planes. Toy sets are endless: samples is 0. */
enum ebm_status spec_dataset_shape(const char *dataset, struct net_shape *shape, uint64_t *samples,
                                   struct ebm_error *err);

/* The folder with the IDX files of a data set; NULL for a toy. Borrows from
 * its argument or from the program. */
const char *spec_dataset_folder(const char *dataset);

/* i-th toy set's name without "toy/" ("rings"), NULL past the end. */
const char *spec_toy_name(size_t i);

/* Shapes of the net against the data set (opens IDX headers); adds a problem
 * at the layer's place when they do not fit, at data.dataset's when the
 * folder is missing. `problems` is added to, not cleared, and may be NULL. */
enum ebm_status spec_settle_net(const struct spec *s, struct net *net,
                                struct spec_problems *problems, struct ebm_error *err);

/* After a parse with problems: adds what the disk says of the rest, so that
 * all is told at once; nothing about what is known to be wrong. */
void spec_check_rest(const struct spec *s, struct spec_problems *problems);

/* The range of a sample's elements, and of the noise that chains begin from:
 * the sampler's clamp, or [-4, 4] for a toy and [0, 1] for images where there
 * is none. */
void spec_sample_range(const struct spec *s, float *lo, float *hi);

/* Steps the run will take: train.steps, or epochs * floor(samples/batch). */
uint64_t spec_total_steps(const struct spec *s, uint64_t samples);

/* Whether somebody is to be told of this event ("finished"). */
bool spec_tells(const struct spec *s, const char *event);

/* `explain FIELD`: type, range, default, help, source; for a group, its
 * fields. EBM_ENOTFOUND with a suggestion. */
enum ebm_status spec_explain(const char *path, struct buf *out, struct ebm_error *err);

/* One line per field that differs, "path: a -> b". Returns their number. */
size_t spec_diff(const struct spec *a, const struct spec *b, struct buf *out);

/* What leads from a to b, as --set takes it: "optimizer.lr=5.0e-5 seed=8". */
size_t spec_overrides(const struct spec *a, const struct spec *b, struct buf *out);

#endif
