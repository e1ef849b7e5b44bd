#include "coordinator_stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fsio.h"
#include "launch/scratch.h"

enum {
    TURN_MS = 5,
    FENCES_MAX = 64,
    ENVIRON_MAX = 1 << 20,
    PATH_SIZE = HOME_PATH_MAX + 64,
    ROOM_BYTES = 256 << 20
};

#define SLOTS_TEXT "4"

/* Waits until somebody writes its exit status into the pipe "go". */
static const char usual_mpirun[] = "#!/bin/sh\n"
                                   "cd \"$EBM_ATTEMPT_DIR\" || exit 9\n"
                                   "mkfifo go\n"
                                   "echo $$ > pid.new\n"
                                   "mv pid.new pid\n"
                                   "read code < go\n"
                                   "exit $code\n";

const char stage_spec[] = "name: staged\n"
                          "data: { dataset: toy/rings, batch_size: 16 }\n"
                          "model: { layers: [ dense: {out: 4}, swish, dense: {out: 1} ] }\n"
                          "replay: { size: 64 }\n"
                          "train: { steps: 1000 }\n"
                          "checkpoint: { every_steps: 50, keep_last: 3, keep_best: 0 }\n";

/* ---- the home ---- */

void stage_set_mpirun(struct stage *s, const char *text)
{
    char path[PATH_SIZE];

    if (text == NULL)
        text = usual_mpirun;
    snprintf(path, sizeof path, "%s/mpirun", s->dir);
    assert_int_equal(fsio_write_atomic(path, text, strlen(text), 0700, NULL), EBM_OK);
    setenv("EBM_MPIRUN", path, 1);
}

const char *stage_set_pictures(struct stage *s)
{
    static const uint8_t head[] = {0, 0, 8, 3, 0, 0, 0, 32, 0, 0, 0, 4, 0, 0, 0, 4};
    static char set[PATH_SIZE];
    uint8_t file[sizeof head + (size_t)32 * 4 * 4] = {0};
    char path[PATH_SIZE];

    memcpy(file, head, sizeof head);
    snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", s->dir);
    assert_int_equal(fsio_write_atomic(path, file, sizeof file, 0600, NULL), EBM_OK);
    snprintf(set, sizeof set, "data.dataset=idx:%s", s->dir);
    return set;
}

static void set_environment(const struct stage *s)
{
    setenv("EBM_HOME", s->dir, 1);
    setenv("EBM_SLOTS", SLOTS_TEXT, 1);
    setenv("EBM_WORKER_PROGRAM", "/bin/true", 1);
    if (getenv("EBM_TEST_LOG") == NULL)
        setenv("EBM_LOG_LEVEL", "error", 1);
    unsetenv("EBM_LEASE_MS");
    unsetenv("EBM_STOP_GRACE_MS");
    unsetenv("EBM_VAULT_MAX_BYTES");
    unsetenv("EBM_LIBEXEC");
}

/* In memory, where there is room and scripts may run: no test here needs what
 * a sync costs. */
static const char *base_folder(void)
{
    const char *shm = "/dev/shm";
    struct statvfs fs;

    return statvfs(shm, &fs) == 0 && (fs.f_flag & ST_NOEXEC) == 0 && access(shm, W_OK) == 0 &&
                   (uint64_t)fs.f_bavail * fs.f_frsize >= ROOM_BYTES
               ? shm
               : "/tmp";
}

int stage_setup(void **state)
{
    struct stage *s = calloc(1, sizeof *s);

    assert_non_null(s);
    snprintf(s->dir, sizeof s->dir, "%s/ebm-stage-XXXXXX", base_folder());
    assert_non_null(mkdtemp(s->dir));
    buf_init(&s->bulk);
    set_environment(s);
    stage_set_mpirun(s, NULL);
    *state = s;
    stage_open(s);
    return 0;
}

/* Shepherds and what is below them have our EBM_HOME. */
static void kill_if_ours(const struct stage *s, long pid)
{
    char path[64], entry[128];
    struct buf text;

    snprintf(path, sizeof path, "/proc/%ld/environ", pid);
    snprintf(entry, sizeof entry, "EBM_HOME=%s", s->dir);
    buf_init(&text);
    if (pid != (long)getpid() && fsio_read(path, ENVIRON_MAX, &text, NULL) == EBM_OK &&
        memmem(text.data, text.size, entry, strlen(entry) + 1) != NULL)
        kill((pid_t)pid, SIGKILL);
    buf_fini(&text);
}

static void kill_leftovers(const struct stage *s)
{
    DIR *proc = opendir("/proc");
    char scratch[HOME_PATH_MAX];

    for (struct dirent *e = readdir(proc); e != NULL; e = readdir(proc))
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
            kill_if_ours(s, strtol(e->d_name, NULL, 10));
    closedir(proc);
    for (uint64_t fence = 1; fence <= FENCES_MAX; fence++) {
        scratch_path(s->dir, fence, scratch, sizeof scratch);
        scratch_remove(scratch);
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

int stage_teardown(void **state)
{
    struct stage *s = *state;

    stage_break_disk(false);
    stage_close(s);
    kill_leftovers(s);
    nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(s);
    return 0;
}

/* ---- the daemon ---- */

enum ebm_status stage_try_open(struct stage *s, struct ebm_error *err)
{
    enum ebm_status rc = daemon_open(&s->daemon, false, err);

    s->open = rc == EBM_OK;
    if (!s->open)
        daemon_close(&s->daemon);
    return rc;
}

struct link_socket *stage_connect(struct stage *s, enum link_kind kind, const char *endpoint)
{
    size_t i = 0;

    while (i < STAGE_SOCKETS_MAX - 1 && s->socket[i] != NULL)
        i++;
    assert_int_equal(link_open(s->links, kind, false, endpoint, &s->socket[i], NULL), EBM_OK);
    return s->socket[i];
}

void stage_disconnect(struct stage *s, struct link_socket *socket)
{
    for (size_t i = 0; i < STAGE_SOCKETS_MAX; i++)
        if (s->socket[i] == socket)
            s->socket[i] = NULL;
    link_close(socket);
}

void stage_open(struct stage *s)
{
    struct ebm_error err = {.text = ""};

    if (stage_try_open(s, &err) != EBM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(link_context_create(&s->links, NULL), EBM_OK);
    s->client = stage_connect(s, LINK_DEALER, s->daemon.home.control);
}

void stage_close(struct stage *s)
{
    if (s->reply != NULL)
        wire_free(&s->reply->base);
    s->reply = NULL;
    buf_fini(&s->bulk);
    if (!s->open)
        return;
    for (size_t i = 0; i < STAGE_SOCKETS_MAX; i++)
        stage_disconnect(s, s->socket[i]);
    link_context_destroy(s->links);
    daemon_close(&s->daemon);
    s->open = false;
}

void stage_reopen(struct stage *s)
{
    stage_close(s);
    stage_open(s);
}

void stage_turn(struct stage *s)
{
    loop_turn(&s->daemon, TURN_MS);
}

/* ---- the client ---- */

/* Takes the reply with this id, if one is there; older ones are dropped. */
static bool take_reply(struct stage *s, uint64_t id)
{
    struct link_message m;
    struct link_part bulk;
    ProtobufCMessage *message = NULL;
    struct ebm_error err = {.text = ""};

    if (link_recv(s->client, &m, NULL) != EBM_OK)
        return false;
    if (wire_decode(&m, &ebm__reply__descriptor, &message, &bulk, &err) != EBM_OK)
        fail_msg("a reply that is none: %s", err.text);
    Ebm__Reply *reply = (Ebm__Reply *)message;
    bool wanted = reply->id == id;
    if (wanted) {
        if (s->reply != NULL)
            wire_free(&s->reply->base);
        s->reply = reply;
        buf_clear(&s->bulk);
        buf_put(&s->bulk, bulk.data, bulk.size);
        assert_int_equal(reply->bulk, bulk.size > 0);
    } else {
        wire_free(message);
    }
    link_message_fini(&m);
    return wanted;
}

const Ebm__Reply *stage_ask(struct stage *s, Ebm__Request *q)
{
    q->id = ++s->requests;
    assert_int_equal(wire_send(s->client, NULL, 0, &q->base, NULL, 0, NULL), EBM_OK);
    STAGE_UNTIL(s, take_reply(s, q->id));
    return s->reply;
}

const Ebm__Reply *stage_ask_raw(struct stage *s, const struct link_part *part, size_t parts)
{
    assert_int_equal(link_send(s->client, NULL, 0, part, parts, NULL), EBM_OK);
    STAGE_UNTIL(s, take_reply(s, 0));
    return s->reply;
}

static size_t count_sets(const char *const set[])
{
    size_t n = 0;

    while (set != NULL && set[n] != NULL)
        n++;
    return n;
}

const Ebm__Reply *stage_try_submit(struct stage *s, const struct submission *o)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Submit m = EBM__SUBMIT__INIT;

    q.key = (char *)(o->key != NULL ? o->key : "");
    q.body_case = EBM__REQUEST__BODY_SUBMIT;
    q.submit = &m;
    m.spec = (char *)(o->spec != NULL ? o->spec : stage_spec);
    m.set = (char **)o->set;
    m.n_set = count_sets(o->set);
    m.hold = o->hold;
    m.priority = o->priority;
    m.after = (uint64_t)o->after;
    m.dry_run = o->dry_run;
    m.base_dir = s->dir;
    return stage_ask(s, &q);
}

static void assert_ok(const Ebm__Reply *r)
{
    if (r->status != EBM_OK)
        fail_msg("refused: %s%s%s", r->error, r->n_problem > 0 ? ": " : "",
                 r->n_problem > 0 ? r->problem[0]->text : "");
}

int64_t stage_submit(struct stage *s, const struct submission *o)
{
    const Ebm__Reply *r = stage_try_submit(s, o);

    assert_ok(r);
    assert_true(r->job > 0);
    return (int64_t)r->job;
}

const Ebm__Reply *stage_try_change(struct stage *s, int64_t job, const char *verb)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Change m = EBM__CHANGE__INIT;

    q.body_case = EBM__REQUEST__BODY_CHANGE;
    q.change = &m;
    m.job = (uint64_t)job;
    m.verb = (char *)verb;
    return stage_ask(s, &q);
}

void stage_change(struct stage *s, int64_t job, const char *verb)
{
    assert_ok(stage_try_change(s, job, verb));
}

const Ebm__Reply *stage_try_rollback(struct stage *s, int64_t job, const char *to, bool dry_run,
                                     const char *const set[])
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Rollback m = EBM__ROLLBACK__INIT;

    q.body_case = EBM__REQUEST__BODY_ROLLBACK;
    q.rollback = &m;
    m.job = (uint64_t)job;
    m.to = (char *)to;
    m.dry_run = dry_run;
    m.set = (char **)set;
    m.n_set = count_sets(set);
    return stage_ask(s, &q);
}

const Ebm__Plan *stage_rollback(struct stage *s, int64_t job, const char *to)
{
    const Ebm__Reply *r = stage_try_rollback(s, job, to, false, NULL);

    assert_ok(r);
    assert_non_null(r->plan);
    return r->plan;
}

const Ebm__Job *stage_show(struct stage *s, int64_t job)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Show m = EBM__SHOW__INIT;

    q.body_case = EBM__REQUEST__BODY_SHOW;
    q.show = &m;
    m.job = (uint64_t)job;
    const Ebm__Reply *r = stage_ask(s, &q);
    assert_ok(r);
    assert_int_equal(r->n_jobs, 1);
    return r->jobs[0];
}

const Ebm__Reply *stage_history(struct stage *s, int64_t job)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__History m = EBM__HISTORY__INIT;

    q.body_case = EBM__REQUEST__BODY_HISTORY;
    q.history = &m;
    m.job = (uint64_t)job;
    const Ebm__Reply *r = stage_ask(s, &q);
    assert_ok(r);
    return r;
}

const Ebm__Reply *stage_checkpoints(struct stage *s, int64_t job)
{
    Ebm__Request q = EBM__REQUEST__INIT;
    Ebm__Checkpoints m = EBM__CHECKPOINTS__INIT;

    q.body_case = EBM__REQUEST__BODY_CHECKPOINTS;
    q.checkpoints = &m;
    m.job = (uint64_t)job;
    const Ebm__Reply *r = stage_ask(s, &q);
    assert_ok(r);
    return r;
}

void stage_assert_refused(const Ebm__Reply *r, enum ebm_status status, const char *text)
{
    if (r->status != (uint32_t)status || strstr(r->error, text) == NULL || r->error[0] == '\0')
        fail_msg("status %s, '%s' (wanted %s, '%s')", ebm_status_name((enum ebm_status)r->status),
                 r->error, ebm_status_name(status), text);
}

/* ---- mpirun ---- */

static void attempt_path(struct stage *s, int64_t job, const char *name, char path[PATH_SIZE])
{
    char dir[HOME_PATH_MAX];

    home_attempt_dir(&s->daemon.home, job, (int)stage_job(s, job).attempt, dir, sizeof dir);
    snprintf(path, PATH_SIZE, "%s/%s", dir, name);
}

static bool is_there(struct stage *s, int64_t job, const char *name)
{
    char path[PATH_SIZE];

    attempt_path(s, job, name, path);
    return access(path, F_OK) == 0;
}

void stage_wait_mpirun(struct stage *s, int64_t job)
{
    STAGE_UNTIL(s, is_there(s, job, "pid"));
}

/* The script may not have come to its reading end yet. */
static bool write_code(struct stage *s, int64_t job, int exit_code)
{
    char path[PATH_SIZE], text[16];
    int n = snprintf(text, sizeof text, "%d\n", exit_code);

    attempt_path(s, job, "go", path);
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    assert_int_equal(write(fd, text, (size_t)n), n);
    close(fd);
    return true;
}

void stage_end_mpirun(struct stage *s, int64_t job, int exit_code)
{
    stage_wait_mpirun(s, job);
    STAGE_UNTIL(s, write_code(s, job, exit_code));
}

void stage_kill_mpirun(struct stage *s, int64_t job)
{
    char path[PATH_SIZE];
    struct buf text;

    stage_wait_mpirun(s, job);
    attempt_path(s, job, "pid", path);
    buf_init(&text);
    assert_int_equal(fsio_read(path, 64, &text, NULL), EBM_OK);
    kill((pid_t)strtol(buf_text(&text), NULL, 10), SIGKILL);
    buf_fini(&text);
}

void stage_kill_shepherd(struct stage *s, int64_t job)
{
    const struct live *l = live_find(&s->daemon.live, job);

    assert_non_null(l);
    assert_true(l->shepherd.pid > 0);
    kill((pid_t)l->shepherd.pid, SIGKILL);
}
