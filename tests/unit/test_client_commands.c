/* The commands of ebmctl as a user meets them: what they print, where, and
 * with which exit code, against a scripted ebmd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsio.h"
#include "columns.h"
#include "commands.h"
#include "fake_ebmd.h"

enum { ARGS_MAX = 16, LINE_BYTES = 4 * HOME_PATH_MAX };

struct place {
    struct fake_ebmd *ebmd;
    char spec[HOME_PATH_MAX + 32], bad_spec[HOME_PATH_MAX + 32];
    struct buf out, err; /* of the last run */
};

static const char spec_text[] = "name: test\n"
                                "data: {dataset: toy/rings, batch_size: 16}\n"
                                "model: {preset: mlp}\n"
                                "replay: {size: 512}\n"
                                "train: {steps: 100}\n";

static void write_file(const char *path, const char *text)
{
    assert_int_equal(fsio_write_atomic(path, text, strlen(text), 0600, NULL), EBM_OK);
}

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->ebmd = fake_ebmd_start();
    snprintf(p->spec, sizeof p->spec, "%s/spec.yaml", p->ebmd->home.state);
    snprintf(p->bad_spec, sizeof p->bad_spec, "%s/bad.yaml", p->ebmd->home.state);
    write_file(p->spec, spec_text);
    write_file(p->bad_spec, "name: test\nlerning_rate: 1\n");
    buf_init(&p->out);
    buf_init(&p->err);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    unlink(p->spec);
    unlink(p->bad_spec);
    fake_ebmd_stop(p->ebmd);
    buf_fini(&p->out);
    buf_fini(&p->err);
    free(p);
    return 0;
}

/* ---- running ebmctl within the test, its output in files ---- */

static int open_output(int fd, int *kept)
{
    char path[] = "/tmp/ebmctl-out-XXXXXX";
    int file = mkstemp(path);

    assert_true(file >= 0);
    unlink(path);
    *kept = dup(fd);
    dup2(file, fd);
    return file;
}

static void close_output(int fd, int file, int kept, struct buf *out)
{
    char piece[4096];
    ssize_t n;

    dup2(kept, fd);
    close(kept);
    buf_clear(out);
    lseek(file, 0, SEEK_SET);
    while ((n = read(file, piece, sizeof piece)) > 0)
        buf_put(out, piece, (size_t)n);
    close(file);
}

/* A line as a shell without quotes splits it. */
static int run(struct place *p, const char *format, ...)
{
    char line[LINE_BYTES], *argv[ARGS_MAX] = {(char *)"ebmctl"}, *rest = NULL;
    int argc = 1, kept_out, kept_err;
    va_list ap;

    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    for (char *w = strtok_r(line, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest))
        argv[argc++] = w;
    fflush(stdout);
    int out = open_output(1, &kept_out), err = open_output(2, &kept_err);
    int code = ebmctl_run(argc, argv);
    fflush(stdout);
    close_output(1, out, kept_out, &p->out);
    close_output(2, err, kept_err, &p->err);
    return code;
}

static void assert_has(const struct buf *b, const char *text)
{
    if (strstr(buf_text(b), text) == NULL)
        fail_msg("'%s' lacks '%s'", buf_text(b), text);
}

static void assert_line(struct place *p, int code, const char *line, const char *out,
                        const char *err)
{
    int got = run(p, "%s", line);

    if (got != code)
        fail_msg("%s: exit code %d instead of %d: %s", line, got, code, buf_text(&p->err));
    assert_has(&p->out, out);
    assert_has(&p->err, err);
    if (out[0] == '\0')
        assert_string_equal(buf_text(&p->out), "");
    if (err[0] == '\0')
        assert_string_equal(buf_text(&p->err), "");
}

/* ---- wrong usage ---- */

static void test_usage(void **state)
{
    struct place *p = *state;

    assert_line(p, 2, "", "usage: ebmctl", "");
    assert_line(p, 2, "sumbit", "", "unknown command 'sumbit' (did you mean 'submit'?)");
    assert_line(p, 2, "show", "", "usage: ebmctl show JOB");
    assert_line(p, 2, "show x", "", "'x' is not a job number");
    assert_line(p, 2, "list -o xml", "", "no format 'xml': table, json or csv");
    assert_line(p, 2, "list --state runing", "", "did you mean 'running'?");
    assert_line(p, 2, "list --state ,", "", "names no state");
    assert_line(p, 2, "list -n 0", "", "from 1 to");
    assert_line(p, 2, "metrics 1 --name los", "", "did you mean 'loss'?");
    assert_line(p, 2, "metrics 1 --name loss,loss", "", "named twice");
    assert_line(p, 2, "metrics 1 --name loss,", "", "there are loss, energy_data");
    assert_line(p, 2, "metrics 1 -n 10001", "", "from 1 to 10000");
    assert_line(p, 2, "wait 1 --timeout x", "", "needs seconds");
    assert_line(p, 2, "watch 1 --exit any=faild:1", "", "did you mean 'failed'?");
    assert_line(p, 2, "watch 1 --exit any=failed:1 --once", "", "of no use");
    assert_line(p, 2, "samples 1 --at x", "", "neither a checkpoint");
    assert_line(p, 2, "pin x", "", "'x' is not a checkpoint");
    assert_line(p, 2, "daemon stat", "", "did you mean 'start'?");
    assert_line(p, 2, "completion zsh", "", "no completion for 'zsh'");
    assert_line(p, 2, "help sumbit", "", "did you mean 'submit'?");
    assert_line(p, 2, "submit /nowhere/spec.yaml", "", "/nowhere/spec.yaml: No such file");
    for (int k = 0; k < FAKE_KINDS; k++)
        assert_int_equal(fake_ebmd_peek(p->ebmd)->asked[k], 0);
    assert_line(p, 0, "help", "submit", "");
    assert_line(p, 0, "--help", "submit", "");
    assert_line(p, 0, "list -h", "usage: ebmctl list", "");
    assert_line(p, 0, "--version", "ebmctl " EBM_VERSION, "");
}

static void test_not_found(void **state)
{
    static const char *const lines[] = {
        "show 9",     "wait 9", "logs 9",  "checkpoints 9", "history 9", "pause 9",       "kill 9",
        "rollback 9", "fork 9", "watch 9", "samples 9",     "diff 9 9",  "watch --once 9"};
    struct place *p = *state;

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_line(p, 5, lines[i], "", "ebmctl: no such job\n");
}

static void test_refused(void **state)
{
    struct place *p = *state;
    struct ebmd_script s = {.refuse_text = "by the script"};

    fake_ebmd_put(p->ebmd, 1, "running", 1, 10, "");
    s.refuse[EBM__REQUEST__BODY_CHANGE] = EBM_ESTATE;
    s.refuse[EBM__REQUEST__BODY_SHOW] = EBM_EAUTH;
    fake_ebmd_script(p->ebmd, &s);
    assert_line(p, 1, "pause 1", "", "ebmctl: by the script\n");
    assert_line(p, 4, "show 1", "", "ebmctl: by the script\n");
}

static void test_unreachable(void **state)
{
    struct place *p = *state;

    fake_ebmd_set_down(p->ebmd, true);
    assert_line(p, 6, "list", "", "no ebmd serves");
    assert_line(p, 6, "status", "", "ebmctl daemon start");
    assert_line(p, 6, "watch", "", "no ebmd serves");
    assert_line(p, 6, "daemon stop", "", "no ebmd serves");
    assert_line(p, 6, "daemon status", "", "no ebmd serves");
    /* What needs no daemon goes on without. */
    assert_line(p, 0, "explain optimizer.lr", "optimizer.lr", "");
    assert_line(p, 0, "completion bash", "_ebmctl()", "");
}

/* ---- submit ---- */

static void test_submit(void **state)
{
    struct place *p = *state;

    assert_int_equal(run(p, "submit %s --priority -3", p->spec), 0);
    assert_string_equal(buf_text(&p->out), "job 1 submitted: test\n");
    const struct ebmd_record *r = fake_ebmd_peek(p->ebmd);
    assert_int_equal(r->priority, -3);
    assert_string_equal(r->spec, spec_text);
    assert_int_equal(strlen(r->key[0]), 32);
    assert_int_equal(run(p, "submit %s -o json", p->spec), 0);
    assert_string_equal(buf_text(&p->out), "{\"job\": 2}\n");
    assert_int_equal(run(p, "submit %s -o csv", p->spec), 0);
    assert_string_equal(buf_text(&p->out), "job\n3\n");
    assert_int_equal(run(p, "submit %s --dry-run", p->spec), 0);
    assert_has(&p->out, "is sound; nothing submitted (dry run)");
    assert_int_equal(run(p, "submit %s --dry-run -o json", p->spec), 0);
    assert_string_equal(buf_text(&p->out), "{\"job\": null}\n");
    assert_int_equal(fake_ebmd_peek(p->ebmd)->made, 3);
}

static void test_submit_bad_spec(void **state)
{
    struct place *p = *state;

    assert_int_equal(run(p, "submit %s -o json", p->bad_spec), 2);
    assert_string_equal(buf_text(&p->out), "");
    assert_has(&p->err, ":2:1: error: unknown key 'lerning_rate'");
    assert_has(&p->err, "; nothing submitted\n");
    assert_int_equal(run(p, "submit %s --set train.steps=-1", p->spec), 2);
    assert_has(&p->err, "train.steps");
    /* ebmd is asked what else is wrong, and to store nothing. */
    assert_int_equal(fake_ebmd_peek(p->ebmd)->asked[EBM__REQUEST__BODY_SUBMIT], 2);
    assert_int_equal(fake_ebmd_peek(p->ebmd)->made, 0);
}

/* Followed to its end; with JSON, stdout has the number alone. */
static void test_submit_follow(void **state)
{
    struct place *p = *state;

    fake_ebmd_put(p->ebmd, 1, "diverged", 50, 100, "gave up");
    assert_int_equal(run(p, "submit %s --follow -o json", p->spec), 3);
    assert_string_equal(buf_text(&p->out), "{\"job\": 1}\n");
    assert_has(&p->err, "job 1 fashion-ebm: diverged");
    fake_ebmd_put(p->ebmd, 2, "succeeded", 100, 100, "");
    assert_int_equal(run(p, "submit %s -f", p->spec), 0);
    assert_has(&p->out, "job 2 submitted: test\n");
    assert_has(&p->out, "job 2 fashion-ebm: succeeded");
}

/* ---- lists ---- */

static void put_awkward_job(struct place *p)
{
    Ebm__Job j = EBM__JOB__INIT;

    j.job = 3;
    j.name = (char *)"x";
    j.state = (char *)"failed";
    j.health = (char *)"bad";
    j.reason = (char *)"said \"no\", twice";
    j.langevin_grad = NAN;
    j.energy_gap = INFINITY;
    j.step = 7;
    j.total_steps = UINT64_MAX;
    j.rate = 1e-300;
    fake_ebmd_put_job(p->ebmd, &j);
}

static void test_list(void **state)
{
    struct place *p = *state;

    assert_line(p, 0, "list", "no jobs yet", "");
    assert_line(p, 0, "list -n 5", "no jobs yet", "");
    assert_int_equal(run(p, "list -o json"), 0);
    assert_string_equal(buf_text(&p->out), "[]\n");
    put_awkward_job(p);
    assert_int_equal(run(p, "list -o json"), 0);
    assert_has(&p->out, "{\"job\": 3, \"name\": \"x\", \"state\": \"failed\", \"step\": "
                        "7, \"total_steps\": 18446744073709551615, \"attempt\": 0, \"attempts\": "
                        "0, \"priority\": 0, \"health\": \"bad\", \"reason\": \"said \\\"no\\\", "
                        "twice\", ");
    assert_has(&p->out, "\"langevin_grad\": null, \"energy_gap\": null");
    assert_int_equal(run(p, "list -o csv"), 0);
    assert_has(&p->out, "job,name,state,step,total_steps,attempt,attempts,priority,health,reason,");
    assert_has(&p->out,
               "\n3,x,failed,7,18446744073709551615,0,0,0,bad,\"said \"\"no\"\", twice\",");
    assert_has(&p->out, ",,inf,");
    assert_line(p, 0, "show 3", "1e-300 steps/s, >1000 d left", "");
    fake_ebmd_put(p->ebmd, 4, "running", 9, 3, ""); /* past the end */
    assert_line(p, 0, "list", "100%", "");
}

/* All pages, in order, the newest last; or the newest alone. */
static void test_list_pages(void **state)
{
    struct place *p = *state;
    const struct ebmd_script pages = {.page = 7};

    for (uint64_t i = 1; i <= 1000; i++)
        fake_ebmd_put(p->ebmd, i, i % 2 ? "succeeded" : "queued", 0, 100, "");
    fake_ebmd_script(p->ebmd, &pages);
    assert_int_equal(run(p, "list -o csv"), 0);
    unsigned long next = 1;
    for (const char *l = strchr(buf_text(&p->out), '\n') + 1; *l != '\0'; l = strchr(l, '\n') + 1)
        assert_int_equal(strtoul(l, NULL, 10), next++);
    assert_int_equal(next, 1001);
    assert_int_equal(run(p, "list -o csv -n 2 --state succeeded"), 0);
    assert_has(&p->out, "\n997,");
    assert_has(&p->out, "\n999,");
    assert_null(strstr(buf_text(&p->out), "\n995,"));
    assert_null(strstr(buf_text(&p->out), "\n1000,"));
    fake_ebmd_script(p->ebmd, &(struct ebmd_script){0});
    assert_int_equal(run(p, "list -o csv -n 2"), 0);
    assert_int_equal(fake_ebmd_peek(p->ebmd)->after_job, 1000 - 256); /* not the whole list */
    assert_int_equal(run(p, "list -o csv -n 400 --state queued"), 0);
    assert_has(&p->out, "\n202,");
    assert_null(strstr(buf_text(&p->out), "\n200,"));
}

/* An answer that fails half way does not look like a whole list. */
static void test_list_cut_off(void **state)
{
    struct place *p = *state;
    struct ebmd_script s = {.refuse = {[EBM__REQUEST__BODY_LIST] = EBM_EIO}, .refuse_text = "disk"};

    fake_ebmd_script(p->ebmd, &s);
    assert_int_equal(run(p, "list -o json"), 1);
    assert_null(strchr(buf_text(&p->out), ']'));
    assert_has(&p->err, "ebmctl: disk");
}

static void test_status(void **state)
{
    struct place *p = *state;

    fake_ebmd_put(p->ebmd, 1, "running", 1, 10, "");
    assert_line(p, 0, "status", "running", "");
    assert_int_equal(run(p, "daemon status -o json"), 0);
    assert_has(&p->out, "\"running\": 1,");
    assert_has(&p->out, "\"held\": 0,");
}

/* ---- metrics ---- */

static void test_metrics(void **state)
{
    struct place *p = *state;
    const struct ebmd_script pages = {.page = 3};

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    assert_line(p, 0, "metrics 1", "no such metrics", "");
    for (uint64_t s = 1; s <= 10; s++) {
        struct ebmd_row row = {.job = 1, .attempt = 1, .step = s};
        row.value[METRIC_LOSS] = s == 10 ? NAN : 0.1 * (double)s;
        row.value[METRIC_ENERGY_GAP] = -0.25;
        fake_ebmd_put_row(p->ebmd, &row);
    }
    fake_ebmd_script(p->ebmd, &pages);
    assert_int_equal(run(p, "metrics 1 -o csv --name energy_gap,loss"), 0);
    assert_has(&p->out, "attempt,step,time,energy_gap,loss\n1,1,1700000000.001,-0.25,0.1\n");
    assert_has(&p->out, "\n1,3,1700000000.003,-0.25,0.30000000000000004\n");
    assert_has(&p->out, "\n1,10,1700000000.010,-0.25,nan\n");
    assert_int_equal(run(p, "metrics 1 -o json --name loss"), 0);
    assert_has(&p->out, "{\"attempt\": 1, \"step\": 10, \"time\": 1700000000.010, \"loss\": null}");
    assert_int_equal(run(p, "metrics 1 -o csv --since 9 --attempt 1"), 0);
    assert_has(&p->out, "attempt,step,time,loss,energy_data,energy_sample,energy_gap,"
                        "langevin_grad,param_grad,sample_mean,sample_std,saturation,step_seconds,"
                        "chain_steps_per_second,data_mean,data_std,energy_rms,fresh_gap,"
                        "langevin_low,langevin_high,replaced,suspicion\n1,9,");
}

/* ---- changes ---- */

static void test_changes(void **state)
{
    struct place *p = *state;

    fake_ebmd_put(p->ebmd, 1, "running", 1, 10, "");
    fake_ebmd_put(p->ebmd, 2, "running", 1, 10, "");
    assert_line(p, 0, "pause 1 2", "job 1 pauses after a checkpoint\njob 2 pauses", "");
    assert_string_equal(fake_ebmd_peek(p->ebmd)->verb, "pause");
    assert_int_equal(fake_ebmd_peek(p->ebmd)->keys, 2);
    /* Every job is tried; the first failure is the code. */
    assert_line(p, 5, "cancel 9 2", "job 2 stops for good", "no such job");
    assert_line(p, 0, "pin c7 8", "checkpoint c7 is pinned\ncheckpoint c8 is pinned\n", "");
    assert_line(p, 0, "unpin 7", "checkpoint c7 is not pinned\n", "");
    assert_line(p, 0, "fork 1 --at c7", "job 2 submitted: a fork of job 1\n", "");
    assert_int_equal(run(p, "fork 1 -o json"), 0);
    assert_string_equal(buf_text(&p->out), "{\"job\": 2}\n");
}

/* A device, a pipe or a link stays what it is. */
static void test_samples_into_what_is_there(void **state)
{
    struct place *p = *state;
    char pipe[] = "/tmp/ebm-samples-XXXXXX", file[64], link[64], line[128];
    struct stat st;

    fake_ebmd_put(p->ebmd, 1, "running", 430, 1000, "");
    close(mkstemp(pipe));
    assert_int_equal(unlink(pipe), 0);
    snprintf(file, sizeof file, "%s.file", pipe);
    snprintf(link, sizeof link, "%s.link", pipe);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    int reader = open(pipe, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    snprintf(line, sizeof line, "samples 1 -o %s", pipe);
    assert_int_equal(run(p, line), 0);
    assert_int_equal(lstat(pipe, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    close(reader);
    int fd = open(file, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(symlink(file, link), 0);
    snprintf(line, sizeof line, "samples 1 -o %s", link);
    assert_int_equal(run(p, line), 0);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(file, &st), 0);
    assert_true(st.st_size > 0);
    unlink(pipe);
    unlink(file);
    unlink(link);
}

static void test_rollback(void **state)
{
    struct place *p = *state;

    fake_ebmd_put(p->ebmd, 1, "running", 430, 1000, "");
    assert_line(p, 0, "rollback 1 --to 400 --dry-run",
                "job 1: stops attempt 2 at step 430; goes back to checkpoint c7 (step 400, "
                "healthy); 30 steps are abandoned, kept in history\nnothing was done (dry run)\n",
                "");
    assert_string_equal(fake_ebmd_peek(p->ebmd)->to, "400");
    assert_int_equal(run(p, "rollback 1 -o json"), 0);
    assert_has(&p->out, "\"checkpoint\": 7,\n");
    assert_string_equal(fake_ebmd_peek(p->ebmd)->to, "");
}

/* ---- wait and watch ---- */

static void test_wait(void **state)
{
    struct place *p = *state;

    fake_ebmd_put(p->ebmd, 1, "succeeded", 10, 10, "");
    fake_ebmd_put(p->ebmd, 2, "failed", 5, 10, "exit code 1");
    fake_ebmd_put(p->ebmd, 3, "diverged", 5, 10, "");
    fake_ebmd_put(p->ebmd, 4, "running", 5, 10, "");
    assert_line(p, 0, "wait 1", "job 1 succeeded at step 10\n", "");
    assert_line(p, 1, "wait 2", "job 2 failed at step 5: exit code 1\n", "");
    assert_line(p, 3, "wait 1 3", "job 3 diverged", "");
    assert_line(p, 1, "wait 3 2 1", "job 2 failed", "");
    assert_line(p, 124, "wait 4 --timeout 0.05", "", "job 4 has not ended in time");
    assert_line(p, 124, "wait 4 --timeout 0", "", "job 4 has not ended in time");
}

static void test_watch_lines(void **state)
{
    struct place *p = *state;

    fake_ebmd_put(p->ebmd, 1, "succeeded", 10, 10, "");
    fake_ebmd_put(p->ebmd, 2, "failed", 5, 10, "exit code 1");
    assert_line(p, 0, "watch 1", "job 1 fashion-ebm: succeeded", "");
    assert_line(p, 1, "watch 2 1 2", "job 2 fashion-ebm: failed, step 5 of 10 (50%): exit", "");
    assert_line(p, 7, "watch 1 2 --exit any=failed:7,all=final:8", "job 2", "");
    assert_line(p, 8, "watch 1 2 --exit any=diverged:7,all=final:8", "job 2", "");
    assert_line(p, 1, "watch 1 2 --exit any=diverged:7", "job 2", ""); /* none holds any more */
    /* Without jobs: those that had ended before are no news. */
    assert_line(p, 0, "watch", "", "");
    assert_line(p, 1, "watch --exit any=failed:9", "", "");
}

static void test_watch_once(void **state)
{
    struct place *p = *state;

    assert_line(p, 0, "watch --once", "no job is open", "");
    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    for (uint64_t s = 1; s <= 10; s++) {
        struct ebmd_row row = {.job = 1, .attempt = 1, .step = s};
        fake_ebmd_put_row(p->ebmd, &row);
    }
    fake_ebmd_put_event(p->ebmd, 1, "running", "attempt 1 runs");
    assert_line(p, 0, "watch --once --ascii 1", "job 1  fashion-ebm  * running", "");
    assert_has(&p->out, "step 1 -");
    assert_has(&p->out, "attempt 1 runs");
    assert_null(strchr(buf_text(&p->out), '\033'));
    fake_ebmd_put(p->ebmd, 2, "failed", 10, 100, "");
    assert_line(p, 0, "watch --once --ascii", "2 jobs  1 running  1 failed", "");
    assert_has(&p->out, "__________"); /* the trend */
    assert_null(strchr(buf_text(&p->out), '\033'));
    assert_line(p, 0, "watch --once 2", "failed", ""); /* the frame's code, not the job's */
}

/* ---- other things ---- */

static void test_files(void **state)
{
    struct place *p = *state;

    fake_ebmd_put(p->ebmd, 1, "running", 10, 100, "");
    assert_int_equal(run(p, "samples 1 -o -"), 0);
    assert_string_equal(buf_text(&p->out), "\x89PNG");
    assert_line(p, 1, "samples 1 -o /nowhere/x.png", "", "/nowhere/x.png");
    assert_int_equal(run(p, "logs 1"), 0);
    assert_string_equal(buf_text(&p->out), "first line\nsecond line\n");
    assert_line(p, 0, "history 1", "submit", "");
    assert_line(p, 0, "checkpoints 1", "job 1 has no checkpoint yet", "");
    assert_int_equal(run(p, "checkpoints 1 -o csv"), 0);
    assert_has(&p->out, "checkpoint,attempt,step,health,bytes,digest,");
    assert_int_equal(run(p, "diff %s %s", p->spec, p->spec), 0);
    assert_int_equal(run(p, "validate %s", p->spec), 0);
    assert_int_equal(run(p, "validate %s", p->bad_spec), 2);
}

/* Every column list has each key once: a JSON object is one. */
static void test_keys_are_unique(void **state)
{
    const struct {
        const struct column *columns;
        size_t n;
    } lists[] = {
        {job_columns, job_column_count},         {job_detail_columns, job_detail_column_count},
        {attempt_columns, attempt_column_count}, {checkpoint_columns, checkpoint_column_count},
        {event_columns, event_column_count},     {daemon_columns, daemon_column_count},
        {plan_columns, plan_column_count}};

    (void)state;
    for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++)
        for (size_t i = 0; i < lists[l].n; i++)
            for (size_t k = 0; k < i; k++)
                if (lists[l].columns[i].key != NULL && lists[l].columns[k].key != NULL)
                    assert_string_not_equal(lists[l].columns[i].key, lists[l].columns[k].key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_usage),         TEST(test_not_found),
        TEST(test_refused),       TEST(test_unreachable),
        TEST(test_submit),        TEST(test_submit_bad_spec),
        TEST(test_submit_follow), TEST(test_list),
        TEST(test_list_pages),    TEST(test_list_cut_off),
        TEST(test_status),        TEST(test_metrics),
        TEST(test_changes),       TEST(test_samples_into_what_is_there),
        TEST(test_rollback),      TEST(test_wait),
        TEST(test_watch_lines),   TEST(test_watch_once),
        TEST(test_files),         cmocka_unit_test(test_keys_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
