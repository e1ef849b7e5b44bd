/* bench_ask: a client that asks one thing very often, and says how long the
 * answers took, as one line of JSON. tests/bench/coordinator.py drives it;
 * the home is EBM_HOME's.
 *
 *   bench_ask submit N AFTER     jobs one by one, each to follow job AFTER
 *   bench_ask bulk N AFTER       the same with many on their way
 *   bench_ask ping SECONDS JOB   show JOB, again and again, or until SIGINT
 *   bench_ask list               all jobs, page by page
 *   bench_ask row JOB ATTEMPT    waits for the first metric row of an attempt
 *   bench_ask rows JOB           counts the metric rows of a job */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "digest/digest.h"
#include "home/home.h"
#include "session.h"

enum {
    ON_THEIR_WAY = 512,
    PAGE = 5000,
    ROWS_A_PAGE = 10000,
    PING_US = 2000,
    TELL_S = 5,
    LOOK_US = 5000
};

static const char spec[] = "name: bench\n"
                           "data: { dataset: toy/rings, batch_size: 16 }\n"
                           "model: { layers: [ dense: {out: 4}, swish, dense: {out: 1} ] }\n"
                           "replay: { size: 64 }\n"
                           "train: { steps: 1000 }\n"
                           "checkpoint: { every_steps: 50, keep_last: 3, keep_best: 0 }\n";

static void die(const struct ebm_error *err)
{
    fprintf(stderr, "bench_ask: %s\n", err->text);
    exit(1);
}

/* ---- times ---- */

struct times {
    double *ms;
    size_t count, capacity;
};

static void times_add(struct times *t, double ms)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity == 0 ? 1024 : 2 * t->capacity;
        t->ms = realloc(t->ms, t->capacity * sizeof *t->ms);
        if (t->ms == NULL)
            abort();
    }
    t->ms[t->count++] = ms;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double share(const struct times *t, double p)
{
    return t->count == 0 ? 0 : t->ms[(size_t)(p * (double)(t->count - 1))];
}

static void times_print(struct times *t, double seconds)
{
    qsort(t->ms, t->count, sizeof *t->ms, compare);
    printf("{\"count\": %zu, \"seconds\": %.6f, \"per_second\": %.3f, \"p50_ms\": %.4f, "
           "\"p99_ms\": %.4f, \"max_ms\": %.4f}\n",
           t->count, seconds, (double)t->count / seconds, share(t, 0.5), share(t, 0.99),
           share(t, 1));
    free(t->ms);
}

/* Each few seconds, onto stderr. */
static void tell(const char *what, uint64_t done, uint64_t all)
{
    static double told_s;
    double now = clock_mono_s();

    if (told_s == 0)
        told_s = now;
    if (now < told_s + TELL_S)
        return;
    told_s = now;
    fprintf(stderr, "  %s: %" PRIu64 " of %" PRIu64 "\n", what, done, all);
}

/* ---- requests ---- */

static void fill_submit(Ebm__Request *r, Ebm__Submit *m, uint64_t after)
{
    ebm__request__init(r);
    ebm__submit__init(m);
    m->spec = (char *)spec;
    m->file = "bench.yaml";
    m->base_dir = "/";
    m->after = after;
    r->body_case = EBM__REQUEST__BODY_SUBMIT;
    r->submit = m;
}

static struct answer ask(struct session *s, Ebm__Request *r)
{
    struct answer a;
    struct ebm_error err;

    if (session_call(s, r, &a, &err) != EBM_OK)
        die(&err);
    return a;
}

static void run_submit(struct session *s, const uint64_t *number)
{
    struct times times = {.count = 0};
    double begin = clock_mono_s(), before = begin;

    for (uint64_t i = 0; i < number[0]; i++) {
        Ebm__Request r;
        Ebm__Submit m;
        fill_submit(&r, &m, number[1]);
        struct answer a = ask(s, &r);
        answer_fini(&a);
        double now = clock_mono_s();
        times_add(&times, 1000 * (now - before));
        before = now;
        tell("submitted", i + 1, number[0]);
    }
    times_print(&times, before - begin);
}

/* ---- many on their way ---- */

struct bulk {
    struct session *session;
    uint64_t all, after, sent, answered;
    double *sent_s; /* by the order in which they left, and so are answered */
    struct times times;
};

static void send_more(struct bulk *b)
{
    while (b->sent < b->all && b->sent - b->answered < ON_THEIR_WAY) {
        char key[33];
        Ebm__Request r;
        Ebm__Submit m;
        struct ebm_error err;
        fill_submit(&r, &m, b->after);
        digest_random_hex(key, 16);
        r.key = key;
        b->sent_s[b->sent] = clock_mono_s();
        if (session_post(b->session, &r, &err) != EBM_OK)
            return;
        b->sent++;
    }
}

static void take_answers(struct bulk *b)
{
    struct answer a;
    struct ebm_error err;

    while (session_take(b->session, &a, &err) == EBM_OK) {
        if (a.reply->status != EBM_OK) {
            fprintf(stderr, "bench_ask: refused: %s\n", a.reply->error);
            exit(1);
        }
        times_add(&b->times, 1000 * (clock_mono_s() - b->sent_s[b->answered++]));
        answer_fini(&a);
    }
}

static void run_bulk(struct session *s, const uint64_t *number)
{
    struct bulk b = {.session = s, .all = number[0], .after = number[1]};
    double begin = clock_mono_s();

    b.sent_s = calloc(b.all, sizeof *b.sent_s);
    while (b.sent_s != NULL && b.answered < b.all) {
        struct link_poll items[2];
        send_more(&b);
        size_t n = session_poll_items(s, items);
        link_wait(items, n, 100, NULL);
        take_answers(&b);
        tell("submitted", b.answered, b.all);
    }
    times_print(&b.times, clock_mono_s() - begin);
    free(b.sent_s);
}

/* ---- reading ---- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static void run_ping(struct session *s, const uint64_t *number)
{
    struct times times = {.count = 0};
    double begin = clock_mono_s(), end = begin + (double)number[0], before;

    signal(SIGINT, on_interrupt);
    while ((before = clock_mono_s()) < end && !interrupted) {
        Ebm__Request r = EBM__REQUEST__INIT;
        Ebm__Show m = EBM__SHOW__INIT;
        m.job = number[1];
        r.body_case = EBM__REQUEST__BODY_SHOW;
        r.show = &m;
        struct answer a = ask(s, &r);
        answer_fini(&a);
        times_add(&times, 1000 * (clock_mono_s() - before));
        usleep(PING_US);
    }
    times_print(&times, before - begin);
}

static size_t read_page(struct session *s, uint64_t *after)
{
    Ebm__Request r = EBM__REQUEST__INIT;
    Ebm__List m = EBM__LIST__INIT;

    m.after_job = *after;
    m.limit = PAGE;
    r.body_case = EBM__REQUEST__BODY_LIST;
    r.list = &m;
    struct answer a = ask(s, &r);
    size_t n = a.reply->n_jobs;
    *after = a.reply->more_after;
    answer_fini(&a);
    return n;
}

static void run_list(struct session *s, const uint64_t *number)
{
    double begin = clock_mono_s();
    uint64_t after = 0;
    size_t jobs = read_page(s, &after);
    double first = clock_mono_s() - begin;

    (void)number;
    while (after != 0)
        jobs += read_page(s, &after);
    printf("{\"jobs\": %zu, \"first_page_ms\": %.3f, \"all_ms\": %.3f}\n", jobs, 1000 * first,
           1000 * (clock_mono_s() - begin));
}

static struct answer ask_metrics(struct session *s, Ebm__Metrics *m)
{
    Ebm__Request r = EBM__REQUEST__INIT;

    r.body_case = EBM__REQUEST__BODY_METRICS;
    r.metrics = m;
    return ask(s, &r);
}

/* Wall time, to be set against that of what went before. */
static void run_row(struct session *s, const uint64_t *number)
{
    Ebm__Metrics m = EBM__METRICS__INIT;
    size_t n = 0;

    m.job = number[0];
    m.limit = 1;
    m.after_row = number[1] << 32; /* its position, see put_metric in ask.c */
    while (n == 0) {
        struct answer a = ask_metrics(s, &m);
        n = a.reply->n_metrics;
        if (n > 0)
            printf("{\"seen_ms\": %" PRId64 ", \"row_ms\": %" PRId64 ", \"attempt\": %u, "
                   "\"step\": %" PRIu64 "}\n",
                   clock_wall_ms(), a.reply->metrics[0]->time_ms, a.reply->metrics[0]->attempt,
                   a.reply->metrics[0]->step);
        answer_fini(&a);
        usleep(LOOK_US);
    }
}

static void run_rows(struct session *s, const uint64_t *number)
{
    Ebm__Metrics m = EBM__METRICS__INIT;
    uint64_t rows = 0, first_ms = 0, last_ms = 0;

    m.job = number[0];
    m.limit = ROWS_A_PAGE;
    do {
        struct answer a = ask_metrics(s, &m);
        size_t n = a.reply->n_metrics;
        if (rows == 0 && n > 0)
            first_ms = (uint64_t)a.reply->metrics[0]->time_ms;
        if (n > 0)
            last_ms = (uint64_t)a.reply->metrics[n - 1]->time_ms;
        rows += n;
        m.after_row = a.reply->more_after;
        answer_fini(&a);
    } while (m.after_row != 0);
    printf("{\"rows\": %" PRIu64 ", \"first_ms\": %" PRIu64 ", \"last_ms\": %" PRIu64 "}\n", rows,
           first_ms, last_ms);
}

/* ---- the command ---- */

static const struct {
    const char *name;
    int numbers;
    void (*run)(struct session *s, const uint64_t *number);
} modes[] = {{"submit", 2, run_submit}, {"bulk", 2, run_bulk}, {"ping", 2, run_ping},
             {"list", 0, run_list},     {"row", 2, run_row},   {"rows", 1, run_rows}};

static struct session *connect_home(void)
{
    struct home home;
    struct session *s;
    struct ebm_error err;

    if (home_locate(&home, &err) != EBM_OK)
        die(&err);
    const struct session_config config = {.control = home.control};
    if (session_open(&config, &s, &err) != EBM_OK)
        die(&err);
    return s;
}

int main(int argc, char **argv)
{
    uint64_t number[2] = {0, 0};

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (argc < 2 || strcmp(argv[1], modes[i].name) != 0 || argc - 2 != modes[i].numbers)
            continue;
        for (int k = 2; k < argc; k++)
            number[k - 2] = strtoull(argv[k], NULL, 10);
        struct session *s = connect_home();
        modes[i].run(s, number);
        session_close(s);
        return 0;
    }
    fputs("usage: bench_ask submit N AFTER | bulk N AFTER | ping SECONDS JOB | list | "
          "row JOB ATTEMPT | rows JOB\n",
          stderr);
    return 2;
}
