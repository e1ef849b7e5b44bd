/* fake-worker: a scripted ebm-worker, for tests of ebmd that need no
 * mathematics. It has the environment and the protocol of ebm-worker, no MPI,
 * and runs under mpirun or alone: rank 0 speaks, the others wait for its end.
 * ebmd launches it instead of ebm-worker where EBM_WORKER_PROGRAM names it.
 *
 * It takes steps that do nothing, sends a metric row for each, a checkpoint
 * and a picture at each checkpoint.every_steps and at the end, and obeys
 * orders. Its state is a hash chain over steps, so that a run that was
 * interrupted and restored ends with the digest of one that was not; it
 * logs "fake-checkpoint step=S sha256=HEX".
 *
 *   EBM_FAKE            what it does wrong: names below, joined by commas
 *   EBM_FAKE_STEPS      steps in all; otherwise the spec's
 *   EBM_FAKE_EVERY      steps between checkpoints; otherwise the spec's
 *   EBM_FAKE_STEP_MS    how long a step takes (2)
 *   EBM_FAKE_BYTES      size of a checkpoint (65536)
 *
 *   normal              nothing
 *   slow                a step takes 200 ms
 *   silent              says nothing at all, and stays
 *   stale               speaks with the fence before its own
 *   lying               before the start: garbage, impossible numbers, uploads
 *                       that are not what they say, a wrong token (fake_lies.c)
 *   deaf                obeys no order
 *   bad-end             reports an outcome that is none
 *   die-at:K            SIGKILLs itself at step K, whenever it gets there
 *   die-once-at:K       the same, in attempt 1 only
 *   exit-at:K           exits with status 3 without a report
 *   exit-quietly-at:K   exits with status 0 without a report
 *   fail-at:K           reports "failed" at step K
 *   nan-at:K            a row with NaN, then reports "diverged" at step K
 *   nan-once-at:K       the same, in attempt 1 only
 *   freeze-at:K         SIGSTOPs itself at step K: no heartbeats
 *   hang-at:K           takes no further step; heartbeats go on, orders do not
 *                       count */
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/fsio.h"
#include "base/log.h"
#include "fake_lies.h"
#include "picture/picture.h"
#include "spec/spec.h"

enum {
    STEP_MS = 2,
    SLOW_MS = 200,
    CHECKPOINT_BYTES = 65536,
    STEPS = 200,
    EVERY = 50,
    SPEC_BYTES_MAX = 1 << 20,
    SAMPLES = 60000,
    EXIT_LOST = 3,
    EXIT_FENCED = 75
};

static const char magic[8] = "EBMFAKE";

struct fake {
    struct agent_config config;
    struct sink_handle sink;
    uint64_t step, total, every, state, checkpointed;
    size_t bytes;
    int64_t step_ms;
    uint8_t math_digest[DIGEST_BYTES];
    bool deaf;
    const char *outcome; /* set: the run is over */
    const char *reason;
};

/* ---- what it does wrong ---- */

static void die(struct fake *f)
{
    (void)f;
    kill(getpid(), SIGKILL);
}

static void leave(struct fake *f)
{
    (void)f;
    _exit(EXIT_LOST);
}

static void leave_quietly(struct fake *f)
{
    (void)f;
    _exit(0);
}

static void fail(struct fake *f)
{
    f->outcome = "failed";
    f->reason = "fail-at says so";
}

static void put_row(struct fake *f, double value)
{
    struct sink_row row = {.step = f->step, .time_ms = clock_wall_ms()};

    for (size_t i = 0; i < METRIC_COUNT; i++)
        row.value[i] = value / (double)(i + 1);
    f->sink.ops->metrics(f->sink.sink, &row);
}

static void diverge(struct fake *f)
{
    put_row(f, NAN);
    f->outcome = "diverged";
    f->reason = "a loss that is not finite";
}

static void freeze(struct fake *f)
{
    (void)f;
    raise(SIGSTOP);
}

static void hang(struct fake *f)
{
    (void)f;
    for (;;)
        pause();
}

static const struct deed {
    const char *name;
    bool once; /* in attempt 1 only */
    void (*act)(struct fake *f);
} deeds[] = {
    {"die-at", false, die},         {"die-once-at", true, die},
    {"exit-at", false, leave},      {"exit-quietly-at", false, leave_quietly},
    {"fail-at", false, fail},       {"nan-at", false, diverge},
    {"nan-once-at", true, diverge}, {"freeze-at", false, freeze},
    {"hang-at", false, hang},
};

/* Whether EBM_FAKE holds this name; *at is what stands behind its colon. */
static bool script_has(const char *name, uint64_t *at)
{
    const char *p = getenv("EBM_FAKE");
    size_t n = strlen(name);

    for (; p != NULL && *p != '\0'; p += strcspn(p, ","), p += *p == ',') {
        if (strncmp(p, name, n) != 0 || strchr(":,", p[n]) == NULL)
            continue;
        *at = p[n] == ':' ? strtoull(p + n + 1, NULL, 10) : 0;
        return true;
    }
    return false;
}

static void act(struct fake *f)
{
    uint64_t at;

    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
        if (script_has(deeds[i].name, &at) && at == f->step &&
            (!deeds[i].once || f->config.attempt == 1))
            deeds[i].act(f);
}

/* ---- its state ---- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void save(const struct fake *f, struct buf *blob)
{
    uint64_t x = f->state;

    buf_put(blob, magic, sizeof magic);
    buf_put_u64(blob, f->step);
    buf_put_u64(blob, f->state);
    while (blob->size + 8 <= f->bytes)
        buf_put_u64(blob, x = mix(x + 1));
}

static enum ebm_status load(struct fake *f, const struct buf *blob, struct ebm_error *err)
{
    struct reader r;

    reader_init(&r, blob->data, blob->size);
    const void *head = reader_bytes(&r, sizeof magic);
    if (head == NULL || memcmp(head, magic, sizeof magic) != 0)
        return ebm_fail(err, EBM_ECORRUPT, "not a checkpoint of fake-worker");
    f->step = reader_u64(&r);
    f->state = reader_u64(&r);
    if (r.failed)
        return ebm_fail(err, EBM_ECORRUPT, "a checkpoint of fake-worker that is cut short");
    f->checkpointed = f->step;
    return EBM_OK;
}

static void put_picture(struct fake *f)
{
    float sample[64];
    struct buf png;

    for (size_t i = 0; i < 64; i++)
        sample[i] = (float)(mix(f->state + i) % 256) / 255.0f;
    buf_init(&png);
    if (picture_grid_png(sample, 1, (struct net_shape){1, 8, 8}, 0, 1, &png, NULL) == EBM_OK)
        f->sink.ops->picture(f->sink.sink, f->step, &png);
    buf_fini(&png);
}

static void put_checkpoint(struct fake *f)
{
    uint8_t digest[DIGEST_BYTES];
    char hex[DIGEST_HEX];
    struct buf blob;

    buf_init(&blob);
    save(f, &blob);
    digest_of(blob.data, blob.size, digest);
    digest_hex(digest, hex);
    log_info("fake-checkpoint", "step=%" PRIu64 " sha256=%s", f->step, hex);
    f->sink.ops->checkpoint(f->sink.sink, f->step, 1.0 / (double)(f->step + 1), f->math_digest,
                            &blob);
    f->checkpointed = f->step;
    put_picture(f);
}

/* ---- its life ---- */

static uint64_t env_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* The spec beside it, where there is one. */
static void read_spec(struct fake *f)
{
    static struct spec spec;
    static struct spec_problems problems;
    char path[AGENT_PATH_MAX + 16];
    struct buf text;

    f->total = STEPS;
    f->every = EVERY;
    buf_init(&text);
    snprintf(path, sizeof path, "%s/spec.yaml", f->config.dir);
    if (fsio_read(path, SPEC_BYTES_MAX, &text, NULL) == EBM_OK &&
        spec_parse(buf_text(&text), text.size, NULL, 0, &spec, &problems, NULL) == EBM_OK) {
        f->total = spec_total_steps(&spec, SAMPLES);
        f->every = (uint64_t)spec.checkpoint.every_steps;
        f->state = spec.seed;
        spec_math_digest(&spec, f->math_digest);
    }
    buf_fini(&text);
    f->total = env_number("EBM_FAKE_STEPS", f->total);
    f->every = env_number("EBM_FAKE_EVERY", f->every);
    f->bytes = (size_t)env_number("EBM_FAKE_BYTES", CHECKPOINT_BYTES);
    f->step_ms = (int64_t)env_number("EBM_FAKE_STEP_MS", STEP_MS);
}

static void obey(struct fake *f)
{
    enum sink_order order = f->sink.ops->order(f->sink.sink);

    if (order == SINK_FENCED)
        f->outcome = "fenced";
    if (f->deaf || order == SINK_GO_ON || order == SINK_FENCED)
        return;
    if (order == SINK_STOP) {
        f->outcome = "stopped";
        return;
    }
    if (f->checkpointed != f->step)
        put_checkpoint(f);
    if (order == SINK_CHECKPOINT)
        f->sink.ops->order_done(f->sink.sink, order);
    else
        f->outcome = order == SINK_PAUSE ? "paused" : "cancelled";
}

static void take_step(struct fake *f)
{
    usleep((useconds_t)f->step_ms * 1000);
    f->step++;
    f->state = mix(f->state + f->step);
    f->sink.ops->progress(f->sink.sink, f->step, "training");
    act(f);
    if (f->outcome != NULL)
        return;
    put_row(f, 1.0 / (1.0 + (double)f->step / 100));
    if (f->step % f->every == 0 || f->step == f->total)
        put_checkpoint(f);
}

static void train(struct fake *f)
{
    while (f->outcome == NULL && f->step < f->total) {
        take_step(f);
        if (f->outcome == NULL)
            obey(f);
    }
    if (f->outcome == NULL)
        f->outcome = "succeeded";
}

static enum ebm_status start(struct fake *f, struct ebm_error *err)
{
    struct buf blob;
    uint32_t ranks = (uint32_t)env_number("OMPI_COMM_WORLD_SIZE", 1);

    buf_init(&blob);
    enum ebm_status rc = f->sink.ops->start(f->sink.sink, ranks, &blob, err);
    if (rc == EBM_OK && blob.size > 0)
        rc = load(f, &blob, err);
    buf_fini(&blob);
    return rc;
}

/* Its own outcome, or "failed" where it could not start. */
static int run(struct fake *f)
{
    struct ebm_error err = {0};
    uint64_t at;
    enum ebm_status rc = start(f, &err);

    if (rc == EBM_OK)
        train(f);
    else
        f->outcome = rc == EBM_ESTALE ? "fenced" : "failed";
    log_info("fake-end", "outcome=%s step=%" PRIu64 " error=\"%s\"", f->outcome, f->step, err.text);
    if (strcmp(f->outcome, "fenced") == 0)
        return EXIT_FENCED;
    const char *reason = rc != EBM_OK ? err.text : f->reason != NULL ? f->reason : "";
    const struct sink_ending ending = {script_has("bad-end", &at) ? "dancing" : f->outcome, reason,
                                       f->step, 0};
    rc = f->sink.ops->finish(f->sink.sink, &ending, NULL);
    return rc == EBM_ESTALE ? EXIT_FENCED : 0;
}

/* A rank other than 0: there until rank 0 is done, or mpirun ends it. */
static int stand_by(const char *done)
{
    while (access(done, F_OK) != 0)
        usleep(20000);
    return 0;
}

static int lead(struct fake *f, const char *done)
{
    struct ebm_error err = {0};
    uint64_t at;

    read_spec(f);
    f->deaf = script_has("deaf", &at);
    if (script_has("slow", &at))
        f->step_ms = SLOW_MS;
    if (script_has("silent", &at))
        hang(f);
    if (script_has("stale", &at))
        f->config.fence--;
    if (script_has("lying", &at))
        fake_tell_lies(&f->config);
    enum ebm_status rc = agent_open_with(&f->config, &f->sink, &err);
    if (rc != EBM_OK) {
        fprintf(stderr, "fake-worker: %s\n", err.text);
        return 1;
    }
    int code = run(f);
    f->sink.ops->destroy(f->sink.sink);
    fsio_write_atomic(done, "", 0, 0600, NULL);
    return code;
}

int main(void)
{
    static struct fake fake;
    char done[AGENT_PATH_MAX + 16];
    struct ebm_error err = {0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    agent_config_init(&fake.config);
    if (agent_config_from_env(&fake.config, &err) != EBM_OK) {
        fprintf(stderr, "fake-worker: %s\n", err.text);
        return 2;
    }
    snprintf(done, sizeof done, "%s/fake-done", fake.config.dir);
    return env_number("OMPI_COMM_WORLD_RANK", 0) != 0 ? stand_by(done) : lead(&fake, done);
}
