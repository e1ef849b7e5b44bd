/* validate, explain, diff: what needs no daemon, or asks it little. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "man.h"
#include "spec_file.h"

/* ---- validate ---- */

struct validation {
    struct spec_file file;
    struct spec spec;
    struct net net;
    struct spec_problems problems;
};

/* The net behind '#', so that the whole is a spec again. */
static void put_commented(struct buf *out, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        buf_printf(out, "#%s%.*s\n", n > 0 ? " " : "", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static void print_sound(const struct validation *v, bool expand, struct buf *out)
{
    struct net_shape shape;
    uint64_t samples = 0;
    struct buf net;

    if (spec_dataset_shape(v->spec.data.dataset, &shape, &samples, NULL) != EBM_OK)
        samples = 0;
    uint64_t steps = spec_total_steps(&v->spec, samples);
    if (expand) {
        spec_print(&v->spec, out);
        buf_puts(out, "\n");
        buf_init(&net);
        net_print(&v->net, &net);
        put_commented(out, buf_text(&net));
        buf_fini(&net);
    }
    buf_printf(out, "%s%s: sound; %" PRIu64 " steps of %" PRId64 " samples of %s, %zu parameters\n",
               expand ? "# " : "", v->file.name, steps, v->spec.data.batch_size,
               v->spec.data.dataset, v->net.params);
}

static enum ebm_status check(struct call *c, struct validation *v, struct ebm_error *err)
{
    size_t n;
    const char **sets = args_values(&c->args, "set", &n);

    if (sets == NULL)
        return ebm_fail(err, EBM_ENOMEM, "out of memory");
    enum ebm_status rc = spec_file_read(c->args.word[0], &v->file, err);
    if (rc == EBM_OK)
        rc = spec_parse(buf_text(&v->file.text), v->file.text.size, sets, n, &v->spec, &v->problems,
                        err);
    free(sets);
    if (rc == EBM_OK && !spec_resolve_paths(&v->spec, v->file.folder))
        rc = ebm_fail(err, EBM_EINVAL, "%s: the path of its data set is too long", v->file.name);
    if (rc != EBM_OK && v->problems.total > 0 && spec_resolve_paths(&v->spec, v->file.folder))
        spec_check_rest(&v->spec, &v->problems);
    return rc == EBM_OK ? spec_settle_net(&v->spec, &v->net, &v->problems, err) : rc;
}

int command_validate(struct call *c)
{
    struct validation *v = calloc(1, sizeof *v);
    struct ebm_error err;
    struct buf text;
    int code = CODE_USAGE;

    if (v == NULL)
        return call_done(false);
    buf_init(&text);
    enum ebm_status rc = check(c, v, &err);
    if (v->problems.total > 0) {
        spec_file_report(&v->file, &v->problems, "");
    } else if (rc != EBM_OK) {
        call_fail(&err);
    } else {
        print_sound(v, args_has(&c->args, "expand"), &text);
        fputs(buf_text(&text), stdout);
        code = call_done(buf_ok(&text));
    }
    buf_fini(&text);
    spec_file_fini(&v->file);
    free(v);
    return code;
}

/* ---- explain ---- */

int command_explain(struct call *c)
{
    struct ebm_error err;
    struct buf text;
    enum ebm_status rc = EBM_OK;

    buf_init(&text);
    if (args_has(&c->args, "man"))
        man_of_spec(&text);
    else
        rc = spec_explain(c->args.words > 0 ? c->args.word[0] : NULL, &text, &err);
    fputs(buf_text(&text), stdout);
    int code = rc == EBM_OK ? call_done(buf_ok(&text)) : call_fail(&err);
    buf_fini(&text);
    return code;
}

/* ---- diff ---- */

/* Parses the text of one side. A side that does not parse is trouble. */
static int parse_side(const struct spec_file *f, struct spec *out)
{
    struct spec_problems *problems = calloc(1, sizeof *problems);
    struct ebm_error err;
    int code = CODE_OK;

    if (problems == NULL)
        return call_done(false);
    if (spec_parse(buf_text(&f->text), f->text.size, NULL, 0, out, problems, &err) != EBM_OK) {
        spec_file_report(f, problems, "");
        code = CODE_USAGE;
    }
    free(problems);
    return code;
}

/* A job's effective spec, or a file. */
static int read_side(struct call *c, const char *word, struct spec *out)
{
    struct spec_file f = {.name = word};
    struct answer a = {0};
    struct ebm_error err;
    uint64_t job;
    enum ebm_status rc;

    if (args_number(word, 0, &job)) {
        buf_init(&f.text);
        rc = call_show(c, job, &a, &err);
        if (rc == EBM_OK)
            buf_puts(&f.text, a.reply->jobs[0]->spec);
    } else {
        rc = spec_file_read(word, &f, &err);
    }
    int code = rc == EBM_OK ? parse_side(&f, out) : call_fail(&err);
    answer_fini(&a);
    spec_file_fini(&f);
    return code;
}

int command_diff(struct call *c)
{
    struct spec *sides = calloc(2, sizeof *sides);
    struct buf text;

    if (sides == NULL)
        return call_done(false);
    buf_init(&text);
    int code = read_side(c, c->args.word[0], &sides[0]);
    if (code == CODE_OK)
        code = read_side(c, c->args.word[1], &sides[1]);
    if (code == CODE_OK && spec_diff(&sides[0], &sides[1], &text) > 0)
        code = 1;
    fputs(buf_text(&text), stdout);
    buf_fini(&text);
    free(sides);
    return code;
}
