/* The store of a stage: rows, what is on record as a text, and disks that are
 * full or broken. */
#include "coordinator_stage.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "queue.h"
#include "store/store_private.h"
#include "store/vault_blob.h"
#include "store/vault_private.h"

struct store_job stage_job(struct stage *s, int64_t job)
{
    struct store_job j;
    struct ebm_error err = {.text = ""};

    if (store_job_get(s->daemon.store, job, &j, &err) != EBM_OK)
        fail_msg("%s", err.text);
    return j;
}

enum job_state stage_state(struct stage *s, int64_t job)
{
    return stage_job(s, job).state;
}

struct store_attempt stage_attempt(struct stage *s, int64_t job, uint32_t attempt)
{
    struct store_attempt a;
    struct ebm_error err = {.text = ""};

    if (store_attempt_get(s->daemon.store, job, attempt, &a, &err) != EBM_OK)
        fail_msg("%s", err.text);
    return a;
}

struct store_checkpoint stage_checkpoint(struct stage *s, int64_t checkpoint)
{
    struct store_checkpoint c;
    struct ebm_error err = {.text = ""};

    if (store_checkpoint_get(s->daemon.store, checkpoint, &c, &err) != EBM_OK)
        fail_msg("%s", err.text);
    return c;
}

struct kind_count {
    const char *kind;
    unsigned count;
    char text[STORE_REASON_MAX];
};

static bool count_event(void *arg, const struct store_event *e)
{
    struct kind_count *k = arg;

    if (strcmp(e->kind, k->kind) == 0) {
        k->count++;
        strcpy(k->text, e->text);
    }
    return true;
}

static struct kind_count count_events(struct stage *s, int64_t job, const char *kind)
{
    struct kind_count k = {.kind = kind};

    assert_int_equal(store_event_each(s->daemon.store, job, 0, 0, false, count_event, &k, NULL),
                     EBM_OK);
    return k;
}

unsigned stage_events(struct stage *s, int64_t job, const char *kind)
{
    return count_events(s, job, kind).count;
}

const char *stage_event_text(struct stage *s, int64_t job, const char *kind)
{
    static char text[STORE_REASON_MAX];

    strcpy(text, count_events(s, job, kind).text);
    return text;
}

static bool dump_attempt(void *arg, const struct store_attempt *a)
{
    buf_printf(arg, "attempt %u %s %s from %" PRId64 " ended %" PRId64 " %s %s|%s|%s|%s\n",
               a->attempt, a->cause, a->actor, a->from_checkpoint, a->ended_ms, a->outcome,
               a->reason, a->overrides, a->reported, a->host);
    return true;
}

static bool dump_checkpoint(void *arg, const struct store_checkpoint *c)
{
    buf_printf(arg, "checkpoint %" PRId64 " %u %" PRIu64 " %s %d %d\n", c->id, c->attempt, c->step,
               c->health, c->pinned, c->deleted);
    return true;
}

static bool dump_event(void *arg, const struct store_event *e)
{
    buf_printf(arg, "event %" PRIu64 " %s %s\n", e->seq, e->kind, e->text);
    return true;
}

void stage_dump(struct stage *s, int64_t job, struct buf *out)
{
    struct store *store = s->daemon.store;
    struct store_job j = stage_job(s, job);

    buf_printf(out, "%s %d after %" PRId64 " %ux%u of %" PRIu64 " attempt %u restarts %u/%u ",
               job_state_name(j.state), (int)j.intent, j.after, j.ranks, j.threads, j.total_steps,
               j.attempt, j.restarts_used, j.max_restarts);
    buf_printf(out,
               "rollbacks %u noise %u not before %" PRId64 " ended %" PRId64 " %s|%s %s %" PRId64
               "\n",
               j.rollbacks_used, j.noise_epoch, j.not_before_ms, j.ended_ms, j.reason, j.plan_cause,
               j.plan_actor, j.plan_checkpoint);
    assert_int_equal(store_job_texts(store, job, NULL, out, NULL), EBM_OK);
    store_attempt_each(store, job, dump_attempt, out, NULL);
    store_checkpoint_each(store, job, true, dump_checkpoint, out, NULL);
    store_event_each(store, job, 0, 0, false, dump_event, out, NULL);
    assert_true(buf_ok(out));
}

void stage_skip_backoff(struct stage *s, int64_t job)
{
    struct store_job j = stage_job(s, job);

    assert_int_equal(j.state, JOB_QUEUED);
    j.not_before_ms = 0;
    assert_int_equal(store_job_update(s->daemon.store, &j, NULL), EBM_OK);
    queue_touch(&s->daemon);
}

void stage_break_disk(bool broken)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = broken ? 0 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

void stage_fill_store(struct stage *s)
{
    struct db *db = s->daemon.store->db;
    struct store_event e = {.kind = "filling"};

    assert_int_equal(store_commit(s->daemon.store, NULL), EBM_OK);
    assert_int_equal(db_exec_text(db, "PRAGMA max_page_count = 1", NULL), EBM_OK);
    memset(e.text, 'x', sizeof e.text - 1); /* and then what is left of the last page */
    while (store_event_append(s->daemon.store, &e, NULL) == EBM_OK)
        ;
    e.text[0] = '\0';
    while (store_event_append(s->daemon.store, &e, NULL) == EBM_OK)
        ;
}

void stage_empty_store(struct stage *s)
{
    assert_int_equal(db_exec_text(s->daemon.store->db, "PRAGMA max_page_count = 1000000", NULL),
                     EBM_OK);
}

size_t stage_count_blobs(struct stage *s)
{
    char path[HOME_PATH_MAX];
    struct buf ids;
    struct db *db;

    snprintf(path, sizeof path, "%s/checkpoints.db", s->dir);
    assert_int_equal(db_open(path, &vault_options, &db, NULL), EBM_OK);
    buf_init(&ids);
    assert_int_equal(vault_blob_list(db, &ids, NULL), EBM_OK);
    size_t n = ids.size / sizeof(int64_t);
    buf_fini(&ids);
    db_close(db);
    return n;
}
